"""Fixtures of the chart sets: ChartQA, FigureQA, PlotQA, TABMWP."""

from __future__ import annotations

from typing import Any

from layouts.files import Files, Fixture, cauldron, cell, picture


def chartqa() -> Files:
    """Both sources, a table and an annotation, no answer."""
    records = [
        {"imgname": "a.png", "query": "How many loaves were baked on Monday?", "label": "14"},
        {"imgname": "b.png", "query": "Which day had the fewest?", "label": "Sunday"},
        {"imgname": "b.png", "query": "And the most?", "label": ""},
    ]
    return {
        "ChartQA Dataset/train/train_human.json": records,
        "ChartQA Dataset/val/val_augmented.json": records[:1],
        "ChartQA Dataset/train/png/a.png": picture(1),
        "ChartQA Dataset/train/png/b.png": picture(2),
        "ChartQA Dataset/val/png/a.png": picture(3),
        "ChartQA Dataset/train/tables/a.csv": b"Day,Loaves\nMonday,14\n",
        "ChartQA Dataset/train/annotations/a.json": {"models": [], "type": "v_bar", "general_figure_info": {}},
    }


def chartqa_mirror() -> dict[str, list[dict[str, Any]]]:
    row = {"image": cell(1), "query": "How many loaves?", "label": ["14"], "human_or_machine": 0}
    return {"data/train-00000-of-00001-abc.parquet": [row, {**row, "human_or_machine": 1, "image": cell(2)}]}


def figureqa() -> Files:
    """Five parts; the two test parts have no answers."""

    def pairs(*answers: int | None) -> dict[str, Any]:
        rows = []
        for n, answer in enumerate(answers):
            row = {
                "question_string": "Is Teal the roughest?", "question_id": n, "image_index": n % 2,
                "color1_name": "Teal",
                "color1_id": 7, "color1_rgb": [0, 128, 128], "color2_name": "--None--", "color2_id": -1,
                "color2_rgb": [-1, -1, -1],
            }  # fmt: skip
            rows.append(row if answer is None else {**row, "answer": answer})
        return {"qa_pairs": rows, "total_distinct_questions": 1, "total_distinct_colors": 1}

    files: dict[str, Any] = {}
    parts = {"train1": (1, 0, 1), "validation1": (0,), "validation2": (1,), "no_annot_test1": (None, None)}
    for n, (part, answers) in enumerate(parts.items()):
        files[f"{part}/qa_pairs.json"] = pairs(*answers)
        files |= {f"{part}/png/{index}.png": picture(10 * n + index) for index in (0, 1)}
    return files


def figureqa_mirror() -> dict[str, list[dict[str, Any]]]:
    said = [{"question": "Is Teal the roughest?", "answer": "Yes."}, {"question": "Is Teal low?", "answer": "No."}]
    odd = [{"question": "Is Teal high?", "answer": "Perhaps."}]
    return {"data/train-00000-of-00001.parquet": [{"image": cell(1), "qa": said}, {"image": cell(2), "qa": odd}]}


def figureqa_cauldron() -> dict[str, list[dict[str, Any]]]:
    return cauldron("FigureQA", ("Is Teal the roughest?\nAnswer yes or no.", "Yes."))


def plotqa() -> Files:
    """Both versions, one as a bare list; answers of every type; an index without a picture."""

    def pair(index: int, answer: Any) -> dict[str, Any]:
        return {
            "image_index": index, "qid": 5, "question_string": "What is the rainfall in May?", "answer": answer,
            "answer_bbox": {"x": 1, "y": 2, "w": 3, "h": 4}, "template": "data_retrieval", "type": "dot_line",
        }  # fmt: skip

    return {
        "train/qa_pairs_V1.json": {"qa_pairs": [pair(0, 12.5), pair(0, "Oslo"), pair(1, 3)]},
        "train/qa_pairs_V2.json": [pair(1, "Yes")],
        "test/qa_pairs_V1.json": {"qa_pairs": [pair(7, 1990), pair(8, 2)]},
        "train/png/0.png": picture(1),
        "train/png/1.png": picture(2),
        "test/png/7.png": picture(3),
    }


def plotqa_cauldron() -> dict[str, list[dict[str, Any]]]:
    return cauldron("PlotQA", ("What is the rainfall in May?\nKeep it short.", "12.5."), ("Is it wet?", "Yes."))


def tabmwp() -> Files:
    """Free and multiple choice, a unit, a title, a gold that is no choice, a problem of another split."""
    base = {
        "question": "How many bees does the longest row hold?", "choices": None, "answer": "1,200", "unit": "bees",
        "table_title": "Hives", "table": "Row | Bees\n1 | 1,200", "table_for_pd": {"Row": ["1"], "Bees": ["1,200"]},
        "row_num": 2, "column_num": 2, "solution": "The longest row is row 1.", "ques_type": "free_text",
        "ans_type": "integer_number", "grade": 4, "split": "dev",
    }  # fmt: skip
    choice = {**base, "choices": ["linear", "curved"], "answer": "curved", "unit": None, "ques_type": "multi_choice",
              "ans_type": "boolean_text", "question": "What shape is the function?"}  # fmt: skip
    return {
        "data/tabmwp/problems_dev.json": {"7": base, "12": choice, "13": {**choice, "answer": "round"}},
        "data/tabmwp/problems_dev1k.json": {"7": base},
        "data/tabmwp/problems_test1k.json": {"20": {**base, "split": "test", "answer": "3/4"}, "21": base},
        "data/tabmwp/splits.json": {"dev": ["7", "12", "13"]},
        **{f"data/tabmwp/tables/{pid}.png": picture(pid) for pid in (7, 12, 13, 20, 21)},
    }


def tabmwp_cauldron() -> dict[str, list[dict[str, Any]]]:
    return cauldron(
        "TabMWP", ("How many bees does row 1 hold?\nChoices:\nA. 5\nB. 1,200\nAnswer with the letter.", "Answer: B")
    )


FIXTURES = {
    "chartqa": Fixture(
        chartqa, {"train": 2, "val": 1}, {"answer missing": 1}, (chartqa_mirror,), ({"train": 2},), ({},)
    ),
    "figureqa": Fixture(
        figureqa, {"train": 3, "val": 2}, {"no answer": 2}, (figureqa_mirror, figureqa_cauldron),
        ({"train": 2}, {"train": 2}), ({"malformed record": 1}, {}),
    ),
    "plotqa": Fixture(
        plotqa, {"train": 4, "test": 1}, {"image missing": 1}, (plotqa_cauldron,), ({"train": 3},), ({},)
    ),
    "tabmwp": Fixture(
        tabmwp, {"val": 2, "test": 1}, {"answer not among the choices": 1, "split mismatch": 1}, (tabmwp_cauldron,),
        ({"train": 2},), ({},),
    ),
}  # fmt: skip
