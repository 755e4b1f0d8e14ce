"""Fixtures of the general and mathematics sets: A-OKVQA, ThinkVL, MathVision, MathV360K, MathVista."""

from __future__ import annotations

import json
from typing import Any

from layouts.files import Files, Fixture, cell, picture


def aokvqa() -> Files:
    """Both forms, a question too difficult for direct answers, an index that is no choice, no answers in test."""

    def question(n: int, split: str, **changes: Any) -> dict[str, Any]:
        return {
            "split": split, "image_id": n, "question_id": f"q{n}", "question": "What might the man do next?",
            "choices": ["dive", "nap", "cook", "read"], "correct_choice_idx": 0,
            "direct_answers": ["swim", "dive", "dive", *["swim"] * 3, *["jump"] * 4], "difficult_direct_answer": False,
            "rationales": ["He stands on a board.", "He wears trunks.", "There is a pool."], **changes,
        }  # fmt: skip

    hidden = question(9, "test")
    for name in ("correct_choice_idx", "direct_answers", "rationales"):
        del hidden[name]
    return {
        "aokvqa_v1p0_train.json": [question(1, "train"), question(2, "train", difficult_direct_answer=True)],
        "aokvqa_v1p0_val.json": [question(3, "val", correct_choice_idx=4)],
        "aokvqa_v1p0_test.json": [hidden],
        **{f"{split}2017/{n:012d}.jpg": picture(n, "JPEG")
           for n, split in ((1, "train"), (2, "train"), (3, "val"), (9, "test"))},
    }  # fmt: skip


def aokvqa_mirror() -> dict[str, list[dict[str, Any]]]:
    row = {"image": cell(1), "question_id": "q1", "question": "What might the man do next?", "choices": ["dive", "nap"],
           "correct_choice_idx": 0, "direct_answers": "['swim', 'dive']", "difficult_direct_answer": False,
           "rationales": ["He stands on a board."]}  # fmt: skip
    test = {**row, "question_id": "q9", "correct_choice_idx": None, "direct_answers": None, "rationales": None}
    return {"data/validation-00000-of-00001-abc.parquet": [row], "data/test-00000-of-00001-abc.parquet": [test]}


def chat(asked: str, reply: str) -> list[dict[str, str]]:
    """Two turns."""
    return [{"role": "user", "content": asked}, {"role": "assistant", "content": reply}]


def thinkvl() -> Files:
    """One picture, two, none; choices; a caption; a reply that names no choice."""
    asked = "<image>How long is the side?"
    choices = "<image>\nWhich is longer?\nChoices:\n(A) AB\n(B) BC"
    return {
        "OpenVLThinker-sft-iter3.json": [
            {"messages": chat(asked, "<think>6 - 2 = 4</think> So it is \\boxed{4}."), "images": ["pictures/a.png"]},
            {"messages": chat("<image><image>Which one is red?", "<answer>the second</answer>"),
             "images": ["pictures/a.png", "pictures/b.png"]},
            {"messages": chat("What is one half of 9?", "The answer is 4.5"), "images": []},
            {"messages": chat(choices, "BC spans more. \\boxed{B}"), "images": ["pictures/b.png"]},
            {"messages": chat(choices, "\\boxed{E}"), "images": ["pictures/b.png"]},
            {"messages": chat(asked, "A street at night, " + "with lamps and cars, " * 20),
            "images": ["pictures/b.png"]},
            {"messages": chat(asked, "\\boxed{4}"), "images": ["pictures/gone.png"]},
        ],
        "pictures/a.png": picture(1),
        "pictures/b.png": picture(2),
    }  # fmt: skip


def thinkvl_mirror() -> dict[str, list[dict[str, Any]]]:
    row = {"messages": chat("<image>How long is the side?", "6 - 2 = 4. \\boxed{4}"), "images": [cell(1)]}
    return {"data/train-00000-of-00001.parquet": [row]}


def mathvision() -> Files:
    """Choices, letters as choices, pictures as choices, a free answer, a letter beyond the choices."""

    def problem(
        n: int, options: list[str], answer: str, question: str = "Which bike is the oldest?\n<image1>"
    ) -> dict[str, Any]:
        return {"id": str(n), "question": question, "options": options, "answer": answer, "solution": None, "level": 2,
                "subject": "arithmetic", "image": f"images/{n}.jpg"}  # fmt: skip

    rows = [
        problem(2, ["red", "blue", "grey"], "B"),
        problem(3, ["A", "B", "C"], "C"),
        problem(4, ["<image1>", "<image2>"], "A"),
        problem(5, [], "12", "How far is <image2> from the lamp?\n<image1>\n<image2>"),
        problem(6, ["red", "blue"], "E"),
    ]
    lines = b"\xef\xbb\xbf" + b"\r\n".join(json.dumps(row).encode() for row in rows) + b"\r\n\r\n"
    return {
        "data/test.jsonl": lines,
        "data/testmini.jsonl": json.dumps(rows[0]).encode() + b"\n",
        **{f"images/{n}.jpg": picture(n, "JPEG") for n in range(2, 7)},
    }


def mathvision_mirror() -> dict[str, list[dict[str, Any]]]:
    row = {"id": "2", "question": "Which bike is the oldest?\n<image1>", "options": ["red", "blue"],
           "image": "images/2.jpg",
           "decoded_image": cell(1), "answer": "B", "solution": None, "level": 2, "subject": "arithmetic"}  # fmt: skip
    return {
        "data/test-00000-of-00001-abc.parquet": [row, {**row, "id": "3", "options": [], "answer": "7"}],
        "data/testmini-00000-of-00001-abc.parquet": [row],
    }


def mathv360k() -> Files:
    """Choices, a free answer, a reply that names no choice, a missing picture, a chat without a reply."""
    ask = "<image>\nHint: Please answer with the correct option letter, e.g., A, B, C, D, at the end.\n"
    choose = f"{ask}Question: Which pot is full?\nChoices:\n(A) the left one\n(B) the right one"

    def record(asked: str, reply: str | None, image: str = "IconQA/images/1.png") -> dict[str, Any]:
        turns = [{"from": "human", "value": asked}]
        return {"image": image, "conversations": turns if reply is None else [*turns, {"from": "gpt", "value": reply}]}

    return {
        "train_samples_all_tuning.json": [
            record(choose, "The answer is B"),
            record("<image>\nHow many pots are there?", "The answer is 12.5.", "TabMWP/images/2.png"),
            record(choose, "The answer is C"),
            record(choose, "The answer is A", "IconQA/images/9.png"),
            record(choose, None),
        ],
        "data_images/IconQA/images/1.png": picture(1),
        "data_images/TabMWP/images/2.png": picture(2),
    }


def mathv360k_mirror() -> dict[str, list[dict[str, Any]]]:
    turns = [
        {"from": "human", "value": "<image>\nHow many pots are there?"},
        {"from": "gpt", "value": "The answer is 3"},
    ]
    row = {"id": "x1", "image": cell(1), "conversations": turns, "data_source": "TabMWP(MathV360K)"}
    return {"TabMWP(MathV360K)/train-00000-of-00001.parquet": [row]}


def mathvista() -> Files:
    """Every answer type, a unit, a gold that is no choice, no choices, no answers in test."""

    def problem(pid: int, **changes: Any) -> dict[str, Any]:
        return {
            "pid": str(pid), "question": "How tall is the lamp?", "image": f"images/{pid}.jpg", "choices": None,
            "unit": None, "precision": None, "answer": "3", "question_type": "free_form", "answer_type": "integer",
            "metadata": {"split": "testmini", "language": "english", "source": "IconQA", "skills": ["arithmetic"]},
            "query": "Hint: ...", **changes,
        }  # fmt: skip

    choice = {"question_type": "multi_choice", "answer_type": "text", "choices": ["short", "tall"], "answer": "tall"}
    return {
        "data/testmini.json": {
            "1": problem(1),
            "2": problem(2, **choice),
            "3": problem(3, answer="1.20", answer_type="float", precision=2.0, unit="m"),
            "4": problem(4, answer="[1, 2]", answer_type="list"),
            "5": problem(5, **{**choice, "answer": "wide"}),
            "6": problem(6, **{**choice, "choices": []}),
        },
        "data/test.json": {"7": problem(7, answer="")},
        **{f"images/{pid}.jpg": picture(pid, "JPEG") for pid in range(1, 8)},
    }


def mathvista_mirror() -> dict[str, list[dict[str, Any]]]:
    row = {"pid": "1", "question": "How tall is the lamp?", "image": "images/1.jpg", "decoded_image": cell(1),
           "choices": ["short", "tall"], "unit": None, "precision": 1.0, "answer": "tall",
           "question_type": "multi_choice",
           "answer_type": "text", "metadata": {"source": "IconQA", "grade": "daily life"},
           "query": "Hint: ..."}  # fmt: skip
    return {
        "data/testmini-00000-of-00001-abc.parquet": [row],
        "data/test-00000-of-00001-abc.parquet": [{**row, "pid": "9", "answer": ""}],
    }


FIXTURES = {
    "aokvqa": Fixture(
        aokvqa, {"train": 3, "val": 1}, {"answer not among the choices": 1, "no answer": 2}, (aokvqa_mirror,),
        ({"val": 2},),
        ({"no answer": 2},),
    ),
    "thinkvl": Fixture(
        thinkvl, {"train": 4}, {"answer not among the choices": 1, "no short answer": 1, "image missing": 1},
        (thinkvl_mirror,), ({"train": 1},), ({},),
    ),
    "mathvision": Fixture(
        mathvision, {"test": 4}, {"answer not among the choices": 1}, (mathvision_mirror,), ({"test": 2},), ({},)
    ),
    "mathv360k": Fixture(
        mathv360k, {"train": 2}, {"answer not among the choices": 1, "image missing": 1, "answer missing": 1},
        (mathv360k_mirror,), ({"train": 1},), ({},),
    ),
    "mathvista": Fixture(
        mathvista, {"test": 4}, {"answer not among the choices": 1, "choices missing": 1, "no answer": 1},
        (mathvista_mirror,), ({"test": 1},), ({"no answer": 1},),
    ),
}  # fmt: skip
