"""One contract for every dataset: what a release and its mirrors must give, whatever way they were packed."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
from layouts import FIXTURES, write, write_mirror, write_tar, write_zip
from typer.testing import CliRunner

from envs.datasets.convert import convert
from envs.datasets.reader import SPLITS
from envs.datasets.registry import DatasetError, datasets, detect_dataset, get_dataset
from envs.datasets.store import TaskSet
from vista_rllib.cli.data import app

TYPES = {"chart", "geometry", "geospatial", "science", "document", "spatial", "general", "mathematics"}
MIRRORS = [(name, n) for name, fixture in FIXTURES.items() for n in range(len(fixture.mirrors))]


def digest(folder: Path) -> dict[str, str]:
    """The bytes of a task set, but for the report, which names the folders."""
    return {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in sorted(folder.glob("*.parquet"))}


def tasks(folder: Path) -> Iterator[Any]:
    found = TaskSet.open(folder)
    for id in found.ids:
        yield found[id]


def check(folder: Path, name: str) -> None:
    """What holds for every converted set."""
    found = list(tasks(folder))
    assert len({task.id for task in found}) == len(found)
    for task in found:
        assert task.id.startswith(f"{name}-{task.split}-") and task.dataset == name
        assert task.split in SPLITS and task.task_type in TYPES
        assert task.question and task.answer
        assert not task.choices or task.answer in task.choices
        assert not task.answers or task.answer in task.answers
        assert "<image" not in task.question and "N_0" not in task.question
        for image in task.images:
            with PIL.Image.open(io.BytesIO(image.data)) as picture:
                picture.load()
                assert picture.size == image.size
        if not task.choices and task.answer not in ("Yes", "No", "yes"):
            words = f" {task.question.casefold()} ".replace("\n", " ")
            assert f" {task.answer.casefold()} " not in words, "the answer is not in what an agent reads"
        json.dumps(dict(task.metadata), allow_nan=False)


@pytest.mark.parametrize("name", FIXTURES)
def test_release(name: str, tmp_path: Path) -> None:
    fixture = FIXTURES[name]
    root = write(tmp_path / "raw", fixture.release())
    report = convert(name, root, tmp_path / "set")
    assert (report.tasks, report.skipped) == (fixture.tasks, fixture.skipped)
    for reason, count in fixture.skipped.items():
        assert len(report.listed[reason]) == count and all(detail for _, detail in report.listed[reason])
    check(tmp_path / "set", name)
    again = convert(name, root, tmp_path / "again")
    assert again == report and digest(tmp_path / "again") == digest(tmp_path / "set")


@pytest.mark.parametrize("name", FIXTURES)
@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
def test_release_in_an_archive_gives_the_same(name: str, kind: str, tmp_path: Path) -> None:
    files = FIXTURES[name].release()
    convert(name, write(tmp_path / "raw", files), tmp_path / "set")
    packed = tmp_path / f"packed.{kind}"
    write_zip(packed, files) if kind == "zip" else write_tar(packed, files, "w:gz" if kind == "tar.gz" else "w")
    convert(name, packed, tmp_path / "packed")
    assert digest(tmp_path / "packed") == digest(tmp_path / "set")
    assert {path.name for path in tmp_path.iterdir()} == {"raw", "set", "packed", packed.name}, "nothing is unpacked"


@pytest.mark.parametrize("name", FIXTURES)
def test_release_with_its_pictures_in_an_archive_gives_the_same(name: str, tmp_path: Path) -> None:
    files = FIXTURES[name].release()
    convert(name, write(tmp_path / "raw", files), tmp_path / "set")
    pictures = {path: data for path, data in files.items() if path.endswith((".png", ".jpg", ".jpeg"))}
    root = write(tmp_path / "half", {path: data for path, data in files.items() if path not in pictures})
    if pictures:
        write_tar(root / "pictures.tar.gz", pictures)
    convert(name, root, tmp_path / "other")
    assert digest(tmp_path / "other") == digest(tmp_path / "set")


@pytest.mark.parametrize(("name", "n"), MIRRORS)
def test_mirror(name: str, n: int, tmp_path: Path) -> None:
    fixture = FIXTURES[name]
    root = write_mirror(tmp_path / "raw", fixture.mirrors[n]())
    report = convert(name, root, tmp_path / "set")
    assert (report.tasks, report.skipped) == (fixture.mirror_tasks[n], fixture.mirror_skipped[n])
    check(tmp_path / "set", name)
    convert(name, root, tmp_path / "again")
    assert digest(tmp_path / "again") == digest(tmp_path / "set")


@pytest.mark.parametrize("name", FIXTURES)
def test_strict_makes_a_skip_an_error(name: str, tmp_path: Path) -> None:
    root = write(tmp_path / "raw", FIXTURES[name].release())
    assert FIXTURES[name].skipped
    with pytest.raises(DatasetError) as caught:
        convert(name, root, tmp_path / "set", strict=True)
    assert any(reason in str(caught.value) for reason in FIXTURES[name].skipped)
    assert {path.name for path in tmp_path.iterdir()} == {"raw"}, "nothing half-written is left"


@pytest.mark.parametrize("name", FIXTURES)
def test_each_split_alone_is_its_part_of_the_whole(name: str, tmp_path: Path) -> None:
    root = write(tmp_path / "raw", FIXTURES[name].release())
    convert(name, root, tmp_path / "set")
    whole = {task.id: task.question for task in tasks(tmp_path / "set")}
    parts: dict[str, str] = {}
    for split in FIXTURES[name].tasks:
        convert(name, root, tmp_path / split, split=split)
        parts |= {task.id: task.question for task in tasks(tmp_path / split)}
    assert parts == whole
    limited = convert(name, root, tmp_path / "limited", limit=1)
    assert limited.tasks == dict.fromkeys(FIXTURES[name].tasks, 1)


@pytest.mark.parametrize("name", FIXTURES)
def test_wrong_folder_names_what_was_looked_for(name: str, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing here")
    with pytest.raises(DatasetError, match=f"not {get_dataset(name).title}: "):
        convert(name, tmp_path, tmp_path / "set")
    split = next(split for split in (*SPLITS, "") if split not in FIXTURES[name].tasks or not split) or None
    if split:
        root = write(tmp_path / "raw", FIXTURES[name].release())
        try:
            convert(name, root, tmp_path / "set", split=split)
        except DatasetError as error:
            assert f"no split '{split}'" in str(error) or "gives no task" in str(error)
        else:
            pytest.fail("a split without tasks was converted")


UNNAMED = {"thinkvl"}
"""Sets whose release does not tell its name: they are converted by name."""


@pytest.mark.parametrize("name", [name for name in FIXTURES if name not in UNNAMED])
@pytest.mark.parametrize("packed", [False, True])
def test_detection(name: str, packed: bool, tmp_path: Path) -> None:
    files = FIXTURES[name].release()
    root = write_zip(tmp_path / "raw.zip", files) if packed else write(tmp_path / "raw", files)
    assert detect_dataset(root).name == name
    claims = [other.name for other in datasets().values() if other.detect(root)]
    assert claims == [name], "no two sets claim one release"


CERTAIN = {
    ("chartqa", 0), ("figureqa", 0), ("figureqa", 1), ("plotqa", 0), ("tabmwp", 0), ("mapqa", 0), ("infographicvqa", 0),
    ("docvqa", 0), ("scienceqa", 0), ("vizwiz", 0), ("ai2d", 0), ("clevr", 0), ("clevr_math", 0), ("iconqa", 0),
    ("aokvqa", 0), ("thinkvl", 0), ("mathvision", 0), ("mathv360k", 0), ("mathvista", 0),
}  # fmt: skip


@pytest.mark.parametrize(("name", "n"), MIRRORS)
def test_detection_of_mirrors(name: str, n: int, tmp_path: Path) -> None:
    root = write_mirror(tmp_path, FIXTURES[name].mirrors[n]())
    claims = [other.name for other in datasets().values() if other.detect(root)]
    assert claims == ([name] if (name, n) in CERTAIN else [])


def test_all_of_the_papers_sets_are_there() -> None:
    assert set(FIXTURES) == {
        "chartqa", "figureqa", "geometry3k", "geoqa", "unigeo", "mapqa", "infographicvqa", "scienceqa", "vizwiz",
        "docvqa", "clevr", "aokvqa", "thinkvl", "mathvision", "mathv360k", "tabmwp", "ai2d", "plotqa", "clevr_math",
        "iconqa",
        "mathvista",
    }  # fmt: skip
    assert set(FIXTURES) == set(datasets()) - {"embedded", "vlmgym"}
    only = {"tabmwp", "ai2d", "plotqa", "clevr_math", "iconqa", "mathvista"}
    assert {name for name, dataset in datasets().items() if dataset.evaluation_only} == only
    for name in FIXTURES:
        assert get_dataset(name).task_type in TYPES


@pytest.mark.parametrize("name", ["figureqa", "docvqa", "aokvqa", "mathvista", "clevr", "vizwiz", "infographicvqa"])
def test_questions_without_answers_are_kept_on_request(name: str, tmp_path: Path) -> None:
    root = write(tmp_path / "raw", FIXTURES[name].release())
    report = convert(name, root, tmp_path / "set", keep_unanswered=True)
    hidden = [task for task in tasks(tmp_path / "set") if not task.answer]
    assert len(hidden) == FIXTURES[name].skipped["no answer"] and "no answer" not in report.skipped
    assert all(task.split == "test" and not task.answers for task in hidden)
    done = CliRunner().invoke(app, ["convert", name, str(root), str(tmp_path / "cli"), "--keep-unanswered"])
    assert done.exit_code == 0 and digest(tmp_path / "cli") == digest(tmp_path / "set")


@pytest.mark.parametrize("name", FIXTURES)
def test_byte_order_marks_are_accepted(name: str, tmp_path: Path) -> None:
    files = FIXTURES[name].release()
    convert(name, write(tmp_path / "raw", files), tmp_path / "set")
    marked = write(tmp_path / "marked", files)
    for file in marked.rglob("*.json"):
        if not file.read_bytes().startswith(b"\xef\xbb\xbf"):
            file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    convert(name, marked, tmp_path / "again")
    assert digest(tmp_path / "again") == digest(tmp_path / "set")
