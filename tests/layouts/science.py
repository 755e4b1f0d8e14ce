"""Fixtures of the science sets: ScienceQA, VizWiz, AI2D."""

from __future__ import annotations

from typing import Any

from layouts.files import Files, Fixture, cell, picture


def scienceqa() -> Files:
    """With a picture and without, with a hint, an index that is no choice, no choices."""
    base = {
        "question": "Which animal lays eggs?", "choices": ["bat", "toad"], "answer": 1, "hint": "", "image": None,
        "task": "closed choice", "grade": "grade3", "subject": "natural science", "topic": "biology",
        "category": "Animals", "skill": "Classify animals", "lecture": "Amphibians ...", "solution": "A toad does.",
    }  # fmt: skip
    problems = {
        "1": {**base, "split": "train", "image": "image.png"},
        "2": {**base, "split": "train", "hint": "Bats are mammals."},
        "3": {**base, "split": "train", "answer": 2},
        "4": {**base, "split": "val", "choices": []},
        "5": {**base, "split": "test", "image": "image.png"},
        "6": {**base, "split": "test"},
    }
    pids = {"train": ["1", "2", "3"], "val": ["4"], "test": ["5"], "trainval": ["1", "2", "3", "4"], "minitest": ["5"]}
    return {
        "data/scienceqa/problems.json": problems,
        "data/scienceqa/pid_splits.json": pids,
        "data/scienceqa/captions.json": {"captions": {}},
        "data/scienceqa/images/train/1/image.png": picture(1),
        "data/scienceqa/images/test/5/image.png": picture(5),
    }


def scienceqa_mirror() -> dict[str, list[dict[str, Any]]]:
    row = {"image": cell(1), "question": "Which animal lays eggs?", "choices": ["bat", "toad"], "answer": 1, "hint": "",
           "task": "closed choice", "grade": "grade3", "subject": "natural science", "topic": "biology",
           "category": "Animals", "skill": "Classify animals", "lecture": "", "solution": "A toad does."}  # fmt: skip
    return {"data/test-00000-of-00001-abc.parquet": [row, {**row, "image": None, "hint": "Bats are mammals."}]}


def vizwiz() -> Files:
    """Agreement, unanswerable, no answers in test, answers without text, a list of another type."""

    def question(n: int, answers: Any, **changes: Any) -> dict[str, Any]:
        row = {
            "image": f"VizWiz_{n:08d}.jpg",
            "question": "What is in this tin?",
            "answerable": 1,
            "answer_type": "other",
        }
        return {**row, **changes} if answers is None else {**row, "answers": answers, **changes}

    def people(*said: str) -> list[dict[str, str]]:
        return [{"answer_confidence": "yes" if n else "maybe", "answer": text} for n, text in enumerate(said)]

    beans = people("beans", "soup", *["baked beans"] * 4, *["beans"] * 4)
    nothing = people(*["unanswerable"] * 8, "tin", "unsuitable image")
    return {
        "Annotations/train.json": [question(0, beans), question(1, nothing, answerable=0, answer_type="unanswerable")],
        "Annotations/val.json": [question(2, people("", " ")), question(3, "beans")],
        "Annotations/test.json": [question(4, None)],
        **{f"{split}/VizWiz_{n:08d}.jpg": picture(n, "JPEG")
           for n, split in enumerate(("train", "train", "val", "val", "test"))},
    }  # fmt: skip


def vizwiz_mirror() -> dict[str, list[dict[str, Any]]]:
    row = {"question_id": "VizWiz_val_00000000.jpg", "image": cell(1), "question": "What is in this tin?",
           "answers": ["beans"] * 9 + ["soup"], "category": "other"}  # fmt: skip
    test = {**row, "question_id": "VizWiz_test_00000000.jpg", "answers": []}
    return {"data/val-00000-of-00001-abc.parquet": [row], "data/test-00000-of-00001-abc.parquet": [test]}


def ai2d() -> Files:
    """Plain and lettered questions, a question without letters to draw, a picture that is not there."""
    text = {
        "T0": {
            "category": "r1",
            "name": "T0",
            "rectangle": [[2, 2], [16, 14]],
            "replacementText": "A",
            "value": "petal",
        },
        "T1": {
            "category": "r1",
            "name": "T1",
            "rectangle": [[20, 14], [36, 28]],
            "replacementText": "B",
            "value": "stem",
        },
    }
    annotation = {"text": text, "arrows": {}, "blobs": {}, "imageConsts": ["I0"]}

    def question(n: int, image: str, choices: list[str], correct: Any, abc: bool = False) -> dict[str, Any]:
        return {"abcLabel": abc, "answerTexts": choices, "correctAnswer": correct, "questionId": f"{image}-{n}"}

    parts = ["A", "B", "C", "D"]
    return {
        "ai2d/images/0.png": picture(1),
        "ai2d/images/12.png": picture(2),
        "ai2d/annotations/0.png.json": annotation,
        "ai2d/annotations/12.png.json": {**annotation, "text": {}},
        "ai2d/questions/0.png.json": {"imageName": "0.png", "questions": {
            "Which letter marks the stem?": question(0, "0.png", parts, 1, abc=True),
            "What does the flower attract?": question(1, "0.png", ["bees", "fish", "snow", "rust"], 0),
        }},
        "ai2d/questions/12.png.json": {"imageName": "12.png", "questions": {
            "Which letter marks the root?": question(0, "12.png", parts, 2, abc=True),
            "What feeds the plant?": question(1, "12.png", ["light", "noise", "dust", "ice"], 4),
            "What is round?": question(2, "12.png", ["moon", "box", "roof", "road"], 0),
        }},
        "ai2d/questions/99.png.json": {"imageName": "99.png", "questions": {
            "What is hot?": question(0, "99.png", ["fire", "ice", "snow", "rain"], 0)}},
        "ai2d/categories.json": {"0.png": "flowers"},
        "ai2d_test_ids.csv": b"\xef\xbb\xbf0\r\n",
    }  # fmt: skip


def ai2d_mirror() -> dict[str, list[dict[str, Any]]]:
    row = {
        "question": "What feeds the plant?",
        "options": ["light", "noise", "dust", "ice"],
        "answer": "0",
        "image": cell(1),
    }
    return {"data/test-00000-of-00001.parquet": [row, {**row, "answer": "4"}]}


FIXTURES = {
    "scienceqa": Fixture(
        scienceqa, {"train": 2, "test": 1}, {"answer not among the choices": 1, "choices missing": 1},
        (scienceqa_mirror,),
        ({"test": 2},), ({},),
    ),
    "vizwiz": Fixture(
        vizwiz, {"train": 2}, {"answer missing": 1, "malformed record": 1, "no answer": 1}, (vizwiz_mirror,),
        ({"val": 1},), ({"no answer": 1},),
    ),
    "ai2d": Fixture(
        ai2d, {"train": 1, "test": 2},
        {"annotation unreadable": 1, "answer not among the choices": 1, "image missing": 1}, (ai2d_mirror,),
        ({"test": 1},),
        ({"answer not among the choices": 1},),
    ),
}  # fmt: skip
