"""Fixtures of the geospatial and document sets: MapQA, InfographicVQA, DocVQA."""

from __future__ import annotations

from typing import Any

from layouts.files import Files, Fixture, cauldron, cell, picture


def mapqa() -> Files:
    """Two subsets, a list and a single value, an empty list."""

    def pair(n: int, answer: Any) -> dict[str, Any]:
        return {
            "map_id": f"map_{n}.png", "question_type": "retrieval", "question_template_id": "retrieval_1",
            "question_id": n,
            "question": "Name the states in the darkest class ?", "answer": answer,
            "oracle_delexicalized_question": "Name the states in class L0 ?", "oracle_delexicalized_answer": ["R1",
            "R2"],
        }  # fmt: skip

    return {
        "MapQA_V/MapQA_V/questions/train-QA.json": [pair(0, ["Ohio", "Iowa"]), pair(1, "1,231,000-4,782,400")],
        "MapQA_V/MapQA_V/questions/dev-QA.json": [pair(1, [])],
        "MapQA_V/MapQA_V/questions/answer_vocab.json": ["Ohio"],
        "MapQA_V/MapQA_V/images/map_0.png": picture(1),
        "MapQA_V/MapQA_V/images/map_1.png": picture(2),
        "MapQA_R/MapQA_R/questions/test-QA.json": [pair(0, ["Utah"])],
        "MapQA_R/MapQA_R/images/map_0.png": picture(3),
    }


def mapqa_cauldron() -> dict[str, list[dict[str, Any]]]:
    return cauldron("MapQA", ("Name the states in the darkest class.", "Ohio, Iowa."))


def infographicvqa() -> Files:
    """Several spans, several answers, no answers in test, a question of another split."""

    def question(n: int, split: str, answers: list[str] | None, kind: str = "Image-Span") -> dict[str, Any]:
        row = {"questionId": n, "question": "Which drinks are named?", "image_local_name": f"{n}.jpeg",
               "data_split": split,
               "image_url": "https://example.org/x.jpeg", "ocr_output_file": f"{n}.json", "answer_type": [kind],
               "operation/reasoning": ["counting"]}  # fmt: skip
        return row if answers is None else {**row, "answers": answers}

    def file(split: str, *rows: dict[str, Any]) -> dict[str, Any]:
        return {"dataset_name": "infographicVQA", "dataset_version": "1.0", "dataset_split": split, "data": list(rows)}

    train = file("train", question(1, "train", ["tea, milk", "milk, tea"], "Multi-Span"), question(2, "val", ["tea"]))
    return {
        "infographicsVQA_train_v1.0.json": train,
        "infographicsVQA_val_v1.0_withQT.json": file("val", question(3, "val", ["12%"]), question(4, "val", [])),
        "infographicsVQA_test_v1.0.json": file("test", question(5, "test", None)),
        **{f"infographicsvqa_images/{n}.jpeg": picture(n, "JPEG") for n in range(1, 6)},
    }


def infographicvqa_mirror() -> dict[str, list[dict[str, Any]]]:
    row = {"questionId": "98313", "question": "Which drinks are named?", "answers": ["tea", "Tea"], "image": cell(1),
           "answer_type": ["multi-span"], "image_url": "u", "operation/reasoning": [""], "ocr": "{}",
           "data_split": "val"}  # fmt: skip
    test = {**row, "questionId": "5", "answers": None, "data_split": "test", "image": cell(2)}
    return {
        "InfographicVQA/validation-00000-of-00001.parquet": [row],
        "InfographicVQA/test-00000-of-00001.parquet": [test],
    }


def docvqa() -> Files:
    """With and without question types, several answers, no answers in test, a Windows path, a climbing path."""

    def question(n: int, split: str, answers: list[str] | None, **changes: Any) -> dict[str, Any]:
        row = {"questionId": n, "question": "What is the invoice's number?", "image": f"documents/{n}.png", "docId": n,
               "ucsf_document_id": "abcd0001", "ucsf_document_page_no": "3", "question_types": ["form"],
               "data_split": split, **changes}  # fmt: skip
        return row if answers is None else {**row, "answers": answers}

    def file(split: str, *rows: dict[str, Any]) -> dict[str, Any]:
        return {"dataset_name": "SP-DocVQA", "dataset_split": split, "dataset_version": "1.0", "data": list(rows)}

    return {
        "spdocvqa_qas/train_v1.0_withQT.json": file("train", question(1, "train", ["2000", "2,000", "2000"])),
        "spdocvqa_qas/train_v1.0.json": file("train", question(1, "train", ["2000"])),
        "spdocvqa_qas/val_v1.0_withQT.json": file(
            "val", question(2, "val", ["A-17"], image="documents\\2.png"),
            question(3, "val", ["x"], image="documents/../../3.png"), question(4, "val", None),
        ),
        "spdocvqa_qas/test_v1.0.json": file("test", question(5, "test", None)),
        **{f"spdocvqa_images/{n}.png": picture(n) for n in (1, 2, 4, 5)},
    }  # fmt: skip


def docvqa_mirror() -> dict[str, list[dict[str, Any]]]:
    row = {"questionId": "49153", "question": "What is the invoice's number?", "question_types": ["form"],
           "image": cell(1),
           "docId": 14465, "ucsf_document_id": "pybv0228", "ucsf_document_page_no": "81", "answers": ["2000"],
           "data_split": "val"}  # fmt: skip
    test = {**row, "questionId": "7", "answers": None, "data_split": "test"}
    return {"DocVQA/validation-00000-of-00001.parquet": [row], "DocVQA/test-00000-of-00001.parquet": [test]}


FIXTURES = {
    "mapqa": Fixture(
        mapqa, {"train": 2, "test": 1}, {"answer missing": 1}, (mapqa_cauldron,), ({"train": 2},), ({},)
    ),
    "infographicvqa": Fixture(
        infographicvqa, {"train": 1, "val": 1}, {"split mismatch": 1, "answer missing": 1, "no answer": 1},
        (infographicvqa_mirror,), ({"val": 1},), ({"no answer": 1},),
    ),
    "docvqa": Fixture(
        docvqa, {"train": 1, "val": 1}, {"unsafe image path": 1, "answer missing": 1, "no answer": 1}, (docvqa_mirror,),
        ({"val": 1},), ({"no answer": 1},),
    ),
}  # fmt: skip
