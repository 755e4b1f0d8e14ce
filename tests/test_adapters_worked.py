"""Each adapter on its fixture, worked out by hand: questions, gold, choices, pictures and the metadata graders read."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from layouts import FIXTURES, write, write_mirror, write_tar, write_zip
from layouts.files import picture
from layouts.geometry import array, geoqa_plus, geoqa_problem

from envs.datasets.convert import convert
from envs.datasets.registry import DatasetError, ReadRequest, Skip, get_dataset
from envs.datasets.store import TaskSet
from envs.task import Task


def read(name: str, root: Path, **request: Any) -> dict[str, Task]:
    """The tasks of a release by id."""
    items = get_dataset(name).read(ReadRequest(root, **request))
    return {item.id: item for item in items if isinstance(item, Task)}


@pytest.fixture
def made(tmp_path: Path) -> Any:
    """Reads the fixture of a dataset."""

    def make(name: str, mirror: int | None = None) -> dict[str, Task]:
        fixture = FIXTURES[name]
        if mirror is None:
            return read(name, write(tmp_path / name, fixture.release()))
        return read(name, write_mirror(tmp_path / f"{name}-{mirror}", fixture.mirrors[mirror]()))

    return make


def test_figureqa(made: Any) -> None:
    tasks = made("figureqa")
    assert list(tasks)[:2] == ["figureqa-train-train1-0", "figureqa-train-train1-1"]
    first, second = tasks["figureqa-train-train1-0"], tasks["figureqa-train-train1-1"]
    assert (first.answer, second.answer) == ("Yes", "No") and first.choices == ()
    assert first.metadata["color1_rgb"] == [0, 128, 128] and first.metadata["yes_no_answer"] == "Yes"
    assert first.images[0].data == picture(0) and second.images[0].data == picture(1)
    assert {"figureqa-val-validation1-0", "figureqa-val-validation2-0"} <= set(tasks)


def test_geometry3k(made: Any) -> None:
    tasks = made("geometry3k")
    assert list(tasks) == ["geometry3k-train-9", "geometry3k-test-2401"], "by number, not by text"
    test = tasks["geometry3k-test-2401"]
    assert test.answer == test.choices[3] == "\\sqrt { 2 }" and test.images[0].data == picture(1)
    assert test.metadata["answer_letter"] == "D" and test.metadata["precise_value"] == [12.5, 31.0, 45.0, None]
    assert test.metadata["has_logic_form"] and test.metadata["diagram_logic_form"] == ["Equals(LineOf(A,B),5)"]
    assert tasks["geometry3k-train-9"].metadata["has_logic_form"] is False
    assert made("geometry3k", 0)["geometry3k-test-0"].question == "Find the area of the kite."
    row = made("geometry3k", 1)["geometry3k-val-0"]
    assert row.answer == "31" and row.choices == ("12.5", "31", "45", "2")


def test_geoqa(made: Any) -> None:
    tasks = made("geoqa")
    first = tasks["geoqa-train-0"]
    assert first.question == "AB∥CD,∠1=52,求∠2", "N_0 is filled in"
    assert first.choices == ("26", "52", "64.5", "128") and first.answer == "64.5"
    assert first.metadata["answer_label"] == 3 and first.metadata["problem_type"] == "angle"
    assert first.metadata["knowledge_points"] == ["平行线"] and first.metadata["explanation"] == "解:略"
    second = tasks["geoqa-train-1"]
    assert second.question == "如图,AB=52,求∠2的度数()" and second.answer == "64.5°" == second.choices[2]
    with PIL.Image.open(io.BytesIO(first.images[0].data)) as image:
        assert np.array_equal(np.asarray(image), array(1)), "the array's pixels, unchanged"
    assert made("geoqa", 0)["geoqa-train-0"].answer == "145°"


def test_geoqa_plus_reads_one_of_the_files_that_contain_each_other(tmp_path: Path) -> None:
    files = geoqa_plus()
    assert list(read("geoqa", write(tmp_path / "all", files))) == [
        "geoqa-train-Mix-train-0", "geoqa-train-Mix-train-1", "geoqa-test-new-test-0",
    ]  # fmt: skip
    only = {name: data for name, data in files.items() if "Backtrans" in name}
    assert len(read("geoqa", write(tmp_path / "one", only))) == 3


def test_unigeo(made: Any) -> None:
    tasks = made("unigeo")
    calculation = tasks["unigeo-train-calculation-0"]
    assert calculation.question == "As shown, angle A = 80 and angle B = 60.5 . Find angle C ()"
    assert calculation.choices == ("40", "60", "120", "39.5") and calculation.answer == "39.5"
    meta = calculation.metadata
    assert (meta["answer_label"], meta["answer_value"], meta["target_number"]) == (4, 39.5, 39.5)
    assert "N_0" in meta["original_question_with_placeholders"] and meta["original_id"] == 1
    proof = tasks["unigeo-train-proving-0"]
    assert proof.answer == "E_1 [SSS] △ ABE ≅ △ CDE" and proof.metadata["problem_form"] == "proving"
    assert proof.images[0].size == (16, 12)
    assert made("unigeo", 0)["unigeo-train-u0"].answer == "39.5"


def test_mapqa(made: Any) -> None:
    tasks = made("mapqa")
    listed, value = tasks["mapqa-train-U-0"], tasks["mapqa-train-U-1"]
    assert listed.answer == "Ohio, Iowa" and listed.metadata["answer_list"] == ["Ohio", "Iowa"] and not listed.answers
    assert value.answer == "1,231,000-4,782,400" and "answer_list" not in value.metadata
    assert listed.metadata["image_name"] == "map_0.png" and listed.metadata["question_type"] == "retrieval"
    assert tasks["mapqa-test-R-0"].images[0].data == picture(3), "subsets have pictures of the same name"


def test_infographicvqa(made: Any) -> None:
    tasks = made("infographicvqa")
    spans = tasks["infographicvqa-train-1"]
    assert spans.answers == ("tea, milk", "milk, tea") and spans.metadata["multi_span"]
    assert spans.metadata["operation/reasoning"] == ["counting"] and spans.task_type == "geospatial"
    assert not tasks["infographicvqa-val-3"].metadata["multi_span"]
    assert made("infographicvqa", 0)["infographicvqa-val-98313"].answers == ("tea", "Tea")


def test_docvqa(made: Any) -> None:
    tasks = made("docvqa")
    assert list(tasks) == ["docvqa-train-1", "docvqa-val-2"], "with and without question types it is read once"
    assert tasks["docvqa-train-1"].answers == ("2000", "2,000") and tasks["docvqa-train-1"].answer == "2000"
    assert tasks["docvqa-val-2"].images[0].data == picture(2), "a Windows path"
    assert tasks["docvqa-train-1"].metadata["original_image_filename"] == "1.png"
    assert made("docvqa", 0)["docvqa-val-49153"].metadata["docId"] == 14465


def test_scienceqa(made: Any) -> None:
    tasks = made("scienceqa")
    with_picture, without = tasks["scienceqa-train-1"], tasks["scienceqa-train-2"]
    assert with_picture.images[0].data == picture(1) and without.images == ()
    assert without.question == "Bats are mammals.\nWhich animal lays eggs?" and without.answer == "toad"
    assert with_picture.metadata["original_subject"] == "natural science" and with_picture.metadata["grade"] == "grade3"
    assert with_picture.metadata["skills"] == "Classify animals" and with_picture.metadata["answer_letter"] == "B"
    rows = made("scienceqa", 0)
    assert [len(task.images) for task in rows.values()] == [1, 0]


def test_scienceqa_with_a_problem_that_is_not_there(tmp_path: Path) -> None:
    files = dict(FIXTURES["scienceqa"].release())
    files["data/scienceqa/pid_splits.json"] = {"train": ["1", "77"]}
    with pytest.raises(DatasetError, match=r"1 problems of pid_splits\.json are missing, such as 77"):
        read("scienceqa", write(tmp_path, files))


def test_vizwiz(made: Any) -> None:
    tasks = made("vizwiz")
    beans, nothing = tasks["vizwiz-train-0"], tasks["vizwiz-train-1"]
    assert beans.answer == "beans" and beans.answers.count("beans") == 5 and len(beans.answers) == 10
    assert beans.metadata["confidence_distribution"] == {"maybe": 1, "yes": 9}
    assert beans.metadata["answer_confidence"] == "yes" and beans.metadata["answer_count"] == 10
    assert nothing.answer == "unanswerable" and nothing.metadata["answerable"] == 0
    assert made("vizwiz", 0)["vizwiz-val-VizWiz_val_00000000.jpg"].metadata["answer_type"] == "other"


def test_ai2d(made: Any) -> None:
    tasks = made("ai2d")
    lettered, plain = tasks["ai2d-test-0.png-0"], tasks["ai2d-test-0.png-1"]
    assert lettered.answer == "B" and plain.answer == "bees" and plain.images[0].data == picture(1)
    before = np.asarray(plain.images[0].pil()).astype(int)
    after = np.asarray(lettered.images[0].pil()).astype(int)
    changed = (before != after).any(axis=2)
    assert changed[2:15, 2:17].any() and changed[14:29, 20:37].any()
    outside = changed.copy()
    outside[2:15, 2:17] = outside[14:29, 20:37] = False
    assert not outside.any(), "only the texts that the letters replace are drawn over"
    assert (after[2:15, 2:17] == 255).all(axis=2).mean() > 0.3, "on white"
    assert "ai2d-train-12.png-2" in tasks and made("ai2d", 0)["ai2d-test-0"].answer == "light"


def test_plotqa(made: Any) -> None:
    tasks = made("plotqa")
    assert [task.answer for task in tasks.values()] == ["12.5", "Oslo", "3", "Yes", "1990"]
    first = tasks["plotqa-train-v1-0"].metadata
    assert (first["template"], first["chart_type"], first["qid"]) == ("data_retrieval", "dot_line", 5)
    assert (
        first["answer_bbox"] == {"x": 1, "y": 2, "w": 3, "h": 4}
        and tasks["plotqa-train-v2-0"].metadata["version"] == "v2"
    )


def test_tabmwp(made: Any) -> None:
    tasks = made("tabmwp")
    assert list(tasks) == ["tabmwp-val-7", "tabmwp-val-12", "tabmwp-test-20"], "dev1k is a part of dev"
    free, choice = tasks["tabmwp-val-7"], tasks["tabmwp-val-12"]
    assert free.answer == "1,200" and free.metadata["unit"] == "bees" and free.metadata["answer_format"] == "integer"
    assert free.metadata["table_dimensions"] == [2, 2] and free.metadata["table_title"] == "Hives"
    assert choice.choices == ("linear", "curved") and choice.metadata["answer_index"] == 1
    assert made("tabmwp", 0)["tabmwp-train-0-0"].choices == ("5", "1,200")


def test_clevr(made: Any) -> None:
    task = made("clevr")["clevr-train-0"]
    assert task.metadata["program_length"] == 4 and task.metadata["program_depth"] == 3
    assert task.metadata["program_functions"] == ["count", "filter_color", "scene"]
    assert task.metadata["question_family"] == 31


def test_clevr_math(made: Any) -> None:
    tasks = made("clevr_math")
    left, added = tasks["clevr_math-train-clevr-math-0"], tasks["clevr_math-train-multi-hop-0"]
    assert left.answer == "3" and left.metadata["numeric_answer"] == 3
    assert left.metadata["question_analysis"] == {
        "has_add": False, "has_subtract": True, "has_counting": True, "has_existence": False, "has_comparison": False,
        "has_remainder": True,
    }  # fmt: skip
    assert added.answer == "0", "zero is an answer"
    assert added.metadata["question_analysis"]["has_add"]


def test_iconqa(made: Any) -> None:
    tasks = made("iconqa")
    text, image, blank = tasks["iconqa-train-1"], tasks["iconqa-test-2"], tasks["iconqa-test-3"]
    assert text.answer == "bars" and text.metadata["answer_letter"] == "C" and len(text.images) == 1
    assert image.choices == ("image 2", "image 3") and image.answer == "image 3"
    assert [i.data for i in image.images] == [picture(2), picture(102), picture(200)]
    assert blank.answer == "7" and blank.choices == () and blank.metadata["task_type"] == "fill_in_blank"


def test_iconqa_without_problems_json_gives_the_same(tmp_path: Path) -> None:
    files = dict(FIXTURES["iconqa"].release())
    whole = read("iconqa", write(tmp_path / "whole", files))
    del files["iconqa_data/problems.json"]
    assert read("iconqa", write(tmp_path / "parts", files)) == whole


def test_aokvqa(made: Any) -> None:
    tasks = made("aokvqa")
    choice, direct = tasks["aokvqa-train-q1-mc"], tasks["aokvqa-train-q1-da"]
    assert choice.answer == "dive" and choice.metadata["correct_choice_idx"] == 0 and len(choice.choices) == 4
    assert direct.answer == "swim" and direct.choices == () and direct.answers.count("jump") == 4
    assert "aokvqa-train-q2-da" not in tasks, "too difficult for a direct answer"
    assert made("aokvqa", 0)["aokvqa-val-q1-da"].answers == ("swim", "dive")


def test_thinkvl(made: Any) -> None:
    tasks = made("thinkvl")
    assert [task.answer for task in tasks.values()] == ["4", "the second", "4.5", "BC"]
    assert [len(task.images) for task in tasks.values()] == [1, 2, 0, 1]
    assert tasks["thinkvl-train-3"].choices == ("AB", "BC")
    assert tasks["thinkvl-train-0"].metadata["reasoning"].startswith("<think>")


def test_mathvision(made: Any) -> None:
    tasks = list(made("mathvision").values())
    assert [task.answer for task in tasks] == ["blue", "C", "image 1", "12"]
    assert tasks[0].question == "Which bike is the oldest?" and tasks[3].question == "How far is image 2 from the lamp?"
    assert tasks[2].choices == ("image 1", "image 2") and tasks[0].metadata["level"] == 2


def test_mathvision_testmini_alone_is_read(tmp_path: Path) -> None:
    files = {name: data for name, data in FIXTURES["mathvision"].release().items() if name != "data/test.jsonl"}
    assert list(read("mathvision", write(tmp_path, files))) == ["mathvision-test-2"]


def test_mathv360k(made: Any) -> None:
    tasks = made("mathv360k")
    choice, free = tasks["mathv360k-train-0"], tasks["mathv360k-train-1"]
    assert choice.question == "Which pot is full?" and choice.choices == ("the left one", "the right one")
    assert choice.answer == "the right one" and choice.metadata["source"] == "IconQA"
    assert free.question == "How many pots are there?" and free.answer == "12.5" and free.metadata["source"] == "TabMWP"


def test_mathvista(made: Any) -> None:
    tasks = list(made("mathvista").values())
    assert [task.answer for task in tasks] == ["3", "tall", "1.20", "[1, 2]"]
    assert tasks[2].question == "How tall is the lamp? (Unit: m)" and tasks[2].metadata["precision"] == 2.0
    assert tasks[1].metadata["answer_type"] == "text" and tasks[0].metadata["source"] == "IconQA"


# --- how releases come ---


def test_figureqa_in_its_five_archives(tmp_path: Path) -> None:
    files = FIXTURES["figureqa"].release()
    whole = read("figureqa", write(tmp_path / "whole", files))
    for part in ("train1", "validation1", "validation2", "no_annot_test1"):
        own = {name: data for name, data in files.items() if name.startswith(f"{part}/")}
        write_tar(tmp_path / "packed" / f"figureqa-{part}-v1.tar.gz", own)
    assert read("figureqa", tmp_path / "packed") == whole
    assert get_dataset("figureqa").detect(tmp_path / "packed")


def test_geometry3k_in_a_zip_for_each_split(tmp_path: Path) -> None:
    files = {name.removeprefix("data/geometry3k/"): data for name, data in FIXTURES["geometry3k"].release().items()}
    whole = read("geometry3k", write(tmp_path / "whole", files))
    for split in ("train", "test"):
        own = {name: data for name, data in files.items() if name.startswith(split)}
        write_zip(tmp_path / "packed" / "data" / f"{split}.zip", {"__MACOSX/._x": b"", **own})
    assert read("geometry3k", tmp_path / "packed") == whole


def test_plotqa_with_png_tar_beside_the_questions(tmp_path: Path) -> None:
    files = FIXTURES["plotqa"].release()
    whole = read("plotqa", write(tmp_path / "whole", files))
    root = write(tmp_path / "packed", {name: data for name, data in files.items() if name.endswith(".json")})
    for split in ("train", "test"):
        start = f"{split}/"
        own = {name.removeprefix(start): data for name, data in files.items() if name.startswith(f"{start}png/")}
        write_tar(root / split / "png.tar.gz", own)
    assert read("plotqa", root) == whole


def test_aokvqa_with_coco_in_zips(tmp_path: Path) -> None:
    files = FIXTURES["aokvqa"].release()
    whole = read("aokvqa", write(tmp_path / "whole", files))
    root = write(tmp_path / "packed", {name: data for name, data in files.items() if name.endswith(".json")})
    for split in ("train", "val", "test"):
        own = {name: data for name, data in files.items() if name.startswith(f"{split}2017")}
        write_zip(root / "coco" / f"{split}2017.zip", own)
    assert read("aokvqa", root) == whole


def test_duplicate_ids_are_counted(tmp_path: Path) -> None:
    files = dict(FIXTURES["docvqa"].release())
    name = "spdocvqa_qas/train_v1.0_withQT.json"
    files[name] = {**files[name], "data": files[name]["data"] * 2}
    report = convert("docvqa", write(tmp_path / "raw", files), tmp_path / "set", split="train")
    assert report.tasks == {"train": 1} and report.skipped == {"duplicate id": 1}


@pytest.mark.parametrize("image", [np.zeros((0, 4), np.uint8), np.zeros((4, 4, 2), np.uint8), np.full((4, 4), 256), "x",
                                   np.full((2, 2), np.nan), [[1, 2], [3]]])  # fmt: skip
def test_arrays_that_are_no_pictures(image: Any, tmp_path: Path) -> None:
    data = pickle.dumps([geoqa_problem(1, image=image), geoqa_problem(2)])
    items = list(get_dataset("geoqa").read(ReadRequest(write(tmp_path, {"GeoQA3/train.pk": data}))))
    assert isinstance(items[0], Skip) and items[0].reason == "image unreadable" and isinstance(items[1], Task)


# --- real slices ---


def test_real_tables(shared_data: Path, tmp_path: Path) -> None:
    report = convert("tabmwp", shared_data / "tabmwp", tmp_path / "set")
    assert report.tasks == {"val": 250} and not report.skipped
    found = TaskSet.open(tmp_path / "set")
    task = found["tabmwp-val-33"]
    assert task.question == "The table shows a function. Is the function linear or nonlinear?"
    assert task.answer == "nonlinear" and task.choices == ("linear", "nonlinear") and task.task_type == "chart"
    assert sum(bool(found[id].choices) for id in found.ids) == 72


def test_real_problems(shared_data: Path, tmp_path: Path) -> None:
    report = convert("mathvision", shared_data / "mathvision", tmp_path / "set")
    assert report.tasks == {"test": 120} and not report.skipped
    found = TaskSet.open(tmp_path / "set")
    assert sum(bool(found[id].choices) for id in found.ids) == 73
    task = found["mathvision-test-767"]
    assert task.answer == "$9 \\mathrm{~km}$" == task.choices[2] and "<image" not in task.question
