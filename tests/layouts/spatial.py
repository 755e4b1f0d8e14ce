"""Fixtures of the spatial sets: CLEVR, CLEVR-Math, IconQA."""

from __future__ import annotations

from typing import Any

from layouts.files import Files, Fixture, cauldron, cell, picture

PROGRAM = [
    {"function": "scene", "inputs": [], "value_inputs": []},
    {"function": "filter_color", "inputs": [0], "value_inputs": ["red"]},
    {"function": "scene", "inputs": [], "value_inputs": []},
    {"function": "count", "inputs": [1], "value_inputs": []},
]


def clevr() -> Files:
    """A program, a question of another split, no answers in test, a program that is none."""

    def question(n: int, part: str, answer: Any, **changes: Any) -> dict[str, Any]:
        row = {"split": part, "image_filename": f"CLEVR_{part}_{n:06d}.png", "image_index": n, "question_index": n,
               "question": "How many red things are there?", "program": PROGRAM,
               "question_family_index": 31}  # fmt: skip
        return {**row, **changes} if answer is None else {**row, "answer": answer, **changes}

    def file(split: str, *rows: dict[str, Any]) -> dict[str, Any]:
        return {"info": {"split": split, "version": "1.0", "license": "x", "date": "y"}, "questions": list(rows)}

    wrong = question(1, "train", "2", split="val")
    return {
        "CLEVR_v1.0/questions/CLEVR_train_questions.json": file("train", question(0, "train", "2"), wrong),
        "CLEVR_v1.0/questions/CLEVR_val_questions.json": file("val", question(0, "val", "yes", program="scene")),
        "CLEVR_v1.0/questions/CLEVR_test_questions.json": file("test", question(0, "test", None)),
        **{f"CLEVR_v1.0/images/{split}/CLEVR_{split}_{n:06d}.png": picture(n)
           for n, split in ((0, "train"), (1, "train"), (0, "val"), (0, "test"))},
    }  # fmt: skip


def clevr_cauldron() -> dict[str, list[dict[str, Any]]]:
    return cauldron("CLEVR", ("How many red things are there?\nAnswer with a number.", "2."))


def clevr_r1() -> dict[str, list[dict[str, Any]]]:
    row = {"image": cell(1), "problem": "How many red things are there?", "solution": "<answer> 2 </answer>"}
    return {"data/train-00000-of-00001.parquet": [row]}


def clevr_math() -> Files:
    """One hop and several hops, an answer that is no number."""

    def question(n: int, answer: Any, text: str = "Remove all red things. How many things are left?") -> dict[str, Any]:
        return {"template_filename": "subtraction.json", "image_filename": f"CLEVR_train_{n:06d}.png", "image_index": n,
                "split": "train", "question": text, "answer": answer, "question_family_index": 1, "question_index": n,
                "program": [{"type": "scene", "inputs": []}, {"type": "subtract", "inputs": [0]}]}  # fmt: skip

    plain = question(0, 3)
    return {
        "clevr-math/clevr-math-train.json": {"info": {}, "questions": [plain, question(1, "many")]},
        "clevr-math/clevr-math-test.json": {
            "info": {},
            "questions": [{**plain, "image_filename": "CLEVR_test_000000.png"}],
        },
        "multi-hop/clevr-math-train.json": {
            "info": {},
            "questions": [question(1, 0, "Add 2 cubes. How many cubes exist?")],
        },
        "CLEVR_v1.0/images/train/CLEVR_train_000000.png": picture(1),
        "CLEVR_v1.0/images/train/CLEVR_train_000001.png": picture(2),
        "images/CLEVR_test_000000.png": picture(3),
    }


def clevr_math_mirror() -> dict[str, list[dict[str, Any]]]:
    row = {"template": "subtraction-multihop", "id": "CLEVR_0", "question": "Take away 2 balls. How many are left?",
           "image": cell(1), "label": 4}  # fmt: skip
    return {"general/validation/0000.parquet": [row]}


def iconqa() -> Files:
    """All sub-tasks, one with pictures as choices, a choice's picture that is missing, an index that is no choice."""
    text = {"question": "What is this pattern?", "choices": ["dots", "waves", "bars"], "answer": 2, "grade": "grade1",
            "ques_type": "choose_txt", "label": "S2"}  # fmt: skip
    image = {"question": "Which one fits?", "choices": ["choice_0.png", "choice_1.png"], "answer": 1, "grade": "prek",
             "ques_type": "choose_img", "label": "S1"}  # fmt: skip
    blank = {"question": "How many snails are there?", "answer": "7", "ques_type": "fill_in_blank", "grade": "grade2",
             "label": "S3"}  # fmt: skip
    problems = {"1": text, "2": image, "3": blank, "4": image, "5": {**text, "answer": 3}, "6": text}
    tasks = {"1": "choose_txt", "2": "choose_img", "3": "fill_in_blank", "4": "choose_img", "5": "choose_txt"}
    files: dict[str, Any] = {
        "iconqa_data/problems.json": problems,
        "iconqa_data/pid_splits.json": {
            "choose_txt_train": ["1", "5"], "choose_img_train": ["4"], "choose_img_test": ["2"],
            "fill_in_blank_test": ["3"], "choose_txt_trainval": ["1", "5"], "choose_txt_val": [],
        },
    }  # fmt: skip
    for pid, task in tasks.items():
        folder = f"iconqa_data/iconqa/{'test' if pid in '23' else 'train'}/{task}/{pid}/"
        files |= {f"{folder}data.json": problems[pid], f"{folder}image.png": picture(int(pid))}
        if task == "choose_img":
            files[f"{folder}choice_0.png"] = picture(100 + int(pid))
        if pid == "2":
            files[f"{folder}choice_1.png"] = picture(200)
    return files


def iconqa_mirror() -> dict[str, list[dict[str, Any]]]:
    row = {"question_id": "1", "question": "What is this pattern?", "choices": "dots,waves", "answer": "waves",
           "query_image": cell(1), "choice_image_0": None, "choice_image_1": None, "ques_type": "choose_txt",
           "label": "S2",
           "grade": "grade1", "skills": "pattern"}  # fmt: skip
    image = {**row, "question_id": "2", "choices": "choice_0.png,choice_1.png", "answer": "choice_1.png",
             "choice_image_0": cell(2), "choice_image_1": cell(3), "ques_type": "choose_img"}  # fmt: skip
    blank = {**row, "question_id": "3", "choices": "", "answer": "7", "ques_type": "fill_in_blank"}
    return {
        "data/val-00000-of-00001-abc.parquet": [row, image, blank, {**row, "question_id": "4", "ques_type": "draw"}]
    }


FIXTURES = {
    "clevr": Fixture(
        clevr, {"train": 1}, {"split mismatch": 1, "malformed record": 1, "no answer": 1}, (clevr_cauldron, clevr_r1),
        ({"train": 2}, {"train": 1}), ({}, {}),
    ),
    "clevr_math": Fixture(
        clevr_math, {"train": 2, "test": 1}, {"malformed record": 1}, (clevr_math_mirror,), ({"val": 1},), ({},)
    ),
    "iconqa": Fixture(
        iconqa, {"train": 1, "test": 2}, {"image missing": 1, "answer not among the choices": 1}, (iconqa_mirror,),
        ({"val": 3},), ({"malformed record": 1},),
    ),
}  # fmt: skip
