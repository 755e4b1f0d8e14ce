"""Fixtures of the geometry sets: Geometry3K, and the pickles of GeoQA, GeoQA+ and UniGeo."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np

from layouts.files import Files, Fixture, cell, picture


def geometry3k() -> Files:
    """A logic form, none, a wrong letter, no choices, a file that is no JSON."""
    base = {
        "problem_text": "Find the area of the kite.", "choices": ["12.5", "31", "45", "\\sqrt { 2 }"], "answer": "D",
        "problem_type_graph": ["Kite"], "problem_type_goal": ["Area"], "id": 2401, "annot_id": "1_2", "unit": "cm",
        "compact_choices": ["12.5", "31", "45", "1.41"], "precise_value": [12.5, 31.0, 45.0, None],
        "rough_value": [12.5, 31.0, 45.0, None], "compact_text": "Find the area.", "annotat_text": "Find the area $A$.",
    }  # fmt: skip
    logic = {"text_logic_form": ["Find(AreaOf(Kite(A,B,C,D)))"], "dissolved_text_logic_form": ["x"],
             "diagram_logic_form": ["Equals(LineOf(A,B),5)"], "line_instances": ["AB"], "point_positions": {"A": [1]},
             "circle_instances": []}  # fmt: skip
    return {
        "data/geometry3k/test/2401/data.json": base,
        "data/geometry3k/test/2401/logic_form.json": logic,
        "data/geometry3k/test/2401/img_diagram.png": picture(1),
        "data/geometry3k/test/2401/img_diagram_point.png": picture(9),
        "data/geometry3k/train/9/data.json": {**base, "answer": "A"},
        "data/geometry3k/train/9/img_diagram.png": picture(2),
        "data/geometry3k/train/10/data.json": {**base, "answer": "E"},
        "data/geometry3k/train/10/img_diagram.png": picture(3),
        "data/geometry3k/train/11/data.json": {**base, "choices": []},
        "data/geometry3k/train/11/img_diagram.png": picture(4),
        "data/geometry3k/train/12/data.json": b"{",
    }


def geometry3k_mirror() -> dict[str, list[dict[str, Any]]]:
    row = {"images": [cell(1)], "problem": "<image>Find the area of the kite.", "answer": "12.5"}
    return {"data/test-00000-of-00001.parquet": [row, {**row, "answer": ""}]}


def geometry3k_choices() -> dict[str, list[dict[str, Any]]]:
    row = {"images": [cell(1)], "problem": "<image>Find the area of the kite.", "answer": "31.0", "id": "2401",
           "choices": ["12.5", "31", "45", "2"], "ground_truth": "B"}  # fmt: skip
    return {"data/validation-00000-of-00001.parquet": [row]}


def array(seed: int, colour: bool = False) -> np.ndarray[Any, Any]:
    """A picture as these pickles hold it."""
    shape = (12, 16, 3) if colour else (12, 16)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def geoqa_problem(id: int, **changes: Any) -> dict[str, Any]:
    """A problem with a number placeholder in its tokens."""
    return {
        "id": id, "image": array(id), "token_list": ["AB", "∥", "CD", ",", "∠", "1", "=", "N_0", ",", "求", "∠", "2"],
        "numbers": [52.0],
        "choice_nums": [26.0, 52.0, 64.5, 128.0], "label": 2, "manual_program": ["g_minus", "C_3", "N_0"],
        "formal_point": ["平行线"], "answer": "解:略", **changes,
    }  # fmt: skip


def geoqa() -> Files:
    """Placeholders, released text, choices as texts, a label that is no choice, a number that is not there."""
    train = [
        geoqa_problem(1),
        geoqa_problem(2, subject="如图,AB=N_0,求∠2的度数()", choices=["26°", "52°", "64.5°", "128°"]),
        geoqa_problem(3, label=4),
        geoqa_problem(4, numbers=[]),
        geoqa_problem(5, choice_nums=[]),
    ]
    return {
        "data/GeoQA3/train.pk": pickle.dumps(train, 4),
        "data/GeoQA3/dev.pk": pickle.dumps([geoqa_problem(6)], 2),
        "data/GeoQA3/test.pk": pickle.dumps([geoqa_problem(7, image=None), geoqa_problem(8, label=np.int64(0))], 5),
        "data/sub_dataset_dict.pk": pickle.dumps({1: "angle", 2: "length"}),
    }


def geoqa_plus() -> Files:
    """GeoQA+: training files that contain each other."""
    first, second = geoqa_problem(1), geoqa_problem(2)
    return {
        "data/GeoQA2.2/GeoQA-train.pk": pickle.dumps([first]),
        "data/GeoQA2.2/Mix-train.pk": pickle.dumps([first, second]),
        "data/GeoQA2.2/Backtrans-train.pk": pickle.dumps([first, second, first]),
        "data/GeoQA2.2/new-test.pk": pickle.dumps([geoqa_problem(9)]),
    }


def geoqa_mirror() -> dict[str, list[dict[str, Any]]]:
    row = {"image": cell(1), "problem": "AB is parallel to CD. Find angle 2.", "solution": "<answer> 145° </answer>"}
    return {"data/train-00000-of-00001.parquet": [row]}


def unigeo_problem(id: int, **changes: Any) -> dict[str, Any]:
    """A calculation problem."""
    return {
        "id": id, "image": array(id), "English_problem": "As shown, angle A = N_0 and angle B = N_1 . Find angle C ()",
        "numbers": [80.0, 60.5], "choice_nums": [40.0, 60.0, 120.0, 39.5], "label": 3, "answer": "解:略",
        "manual_program": ["g_minus", "C_3", "N_0", "g_minus", "V_0", "N_1"], "target_number": 39.5,
        "formal_point": ["三角形内角和"], **changes,
    }  # fmt: skip


def unigeo() -> Files:
    """Calculation and proving, a text label, a proof without steps."""
    proof = {"id": 3, "img": array(3, colour=True), "input_text": "AB = CD . Prove triangle ABE is congruent to CDE .",
             "proving_sequence": ["E_1", "[SSS]", "△", "ABE", "≅", "△", "CDE"], "problem_type": "congruent",
             "problem_form": "proving"}  # fmt: skip
    return {
        "UniGeo/calculation_train.pk": pickle.dumps([unigeo_problem(1), unigeo_problem(2, label="B")], 4),
        "UniGeo/calculation_test.pk": pickle.dumps([unigeo_problem(4, numbers=np.array([80.0, 60.5]))], 3),
        "UniGeo/proving_train.pk": pickle.dumps([proof, {**proof, "proving_sequence": []}], 4),
        "UniGeo/sub_dataset_dict.pk": pickle.dumps({1: "angle", 4: "angle"}),
    }


def unigeo_mirror() -> dict[str, list[dict[str, Any]]]:
    asked = "<image>\nHint: Please answer with the letter.\nQuestion: Find angle C.\nChoices:\n(A) 40\n(B) 39.5"
    row = {"id": "u0", "image": cell(1), "conversations": [
        {"from": "human", "value": asked}, {"from": "gpt", "value": "The answer is B"}]}  # fmt: skip
    other = [{"from": "human", "value": asked}, {"from": "gpt", "value": "The answer is D"}]
    return {"train-00000-of-00001.parquet": [row, {**row, "id": "u1", "conversations": other}]}


FIXTURES = {
    "geometry3k": Fixture(
        geometry3k, {"train": 1, "test": 1},
        {"answer not among the choices": 1, "choices missing": 1, "malformed record": 1},
        (geometry3k_mirror, geometry3k_choices), ({"test": 1}, {"val": 1}), ({"answer missing": 1}, {}),
    ),
    "geoqa": Fixture(
        geoqa, {"train": 2, "val": 1, "test": 1},
        {"answer not among the choices": 1, "placeholder without a number": 1, "choices missing": 1,
         "image missing": 1},
        (geoqa_mirror,), ({"train": 1},), ({},),
    ),
    "unigeo": Fixture(
        unigeo, {"train": 2, "test": 1}, {"malformed record": 1, "answer missing": 1}, (unigeo_mirror,),
        ({"train": 1},),
        ({"answer not among the choices": 1},),
    ),
}  # fmt: skip
