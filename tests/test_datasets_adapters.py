"""The ChartQA and vlmgym adapters, conversion, detection and `vista data`, on tiny releases written here."""

from __future__ import annotations

import io
import json
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from envs.datasets import registry
from envs.datasets.convert import convert
from envs.datasets.reader import RecordError, safe_path
from envs.datasets.registry import DatasetError, ReadRequest, Skip, datasets, detect_dataset, get_dataset
from envs.datasets.store import TaskSet, TaskSetError, open_task_set
from envs.task import Task
from vista_rllib.cli.data import app


def picture(color: int = 0, kind: str = "PNG") -> bytes:
    """A small encoded picture."""
    buffer = io.BytesIO()
    pixels = np.random.default_rng(color).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    PIL.Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def bomb() -> bytes:
    """A PNG header that promises 50,000 x 50,000 pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    end = b"\0\0\0\0IEND" + struct.pack(">I", zlib.crc32(b"IEND"))
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header)) + end


def release(root: Path, records: dict[str, list[Any]], images: dict[str, bytes], bom: bool = False) -> Path:
    """Writes a ChartQA release: `records` by file stem (`train_human`), the same images for every split."""
    for stem, rows in records.items():
        split = stem.split("_")[0]
        (root / split / "png").mkdir(parents=True, exist_ok=True)
        text = json.dumps(rows)
        (root / split / f"{stem}.json").write_text(text, "utf-8-sig" if bom else "utf-8")
        for name, data in images.items():
            (root / split / "png" / name).write_bytes(data)
    return root


def record(name: str = "a.png", query: Any = "How many?", label: Any = "14") -> dict[str, Any]:
    """A released record."""
    return {"imgname": name, "query": query, "label": label}


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Two splits, both sources, one table and annotation."""
    root = release(
        tmp_path / "raw" / "ChartQA Dataset",
        {"train_human": [record(), record("b.png", "Größte? 日本")], "train_augmented": [record(label="Yes")],
         "val_augmented": [record()]},
        {"a.png": picture(1), "b.png": picture(2)},
    )  # fmt: skip
    for folder in ("tables", "annotations"):
        (root / "train" / folder).mkdir()
    (root / "train" / "tables" / "a.csv").write_text('Food,Price\n"Lamb, leg",103.7\nCorn,1.25\n', "utf-8-sig")
    info = {"type": "h_bar", "models": [], "general_figure_info": {"title": {"text": "Prices"}}}
    (root / "train" / "annotations" / "a.json").write_text(json.dumps(info))
    return root


def read(source: Path, name: str = "chartqa", **request: Any) -> list[Task | Skip]:
    """Runs an adapter."""
    return list(get_dataset(name).read(ReadRequest(source, **request)))


def test_release_is_read(small: Path) -> None:
    tasks = read(small)
    assert [task.id for task in tasks] == [
        "chartqa-train-human-0", "chartqa-train-human-1", "chartqa-train-augmented-0", "chartqa-val-augmented-0",
    ]  # fmt: skip
    first = tasks[0]
    assert isinstance(first, Task)
    assert (first.question, first.answer, first.answers, first.split, first.dataset, first.task_type) == (
        "How many?", "14", (), "train", "chartqa", "chart",
    )  # fmt: skip
    assert first.images[0].data == picture(1)
    assert first.metadata == {
        "source": "human",
        "imgname": "a.png",
        "table": {"columns": ["Food", "Price"], "rows": [["Lamb, leg", "103.7"], ["Corn", "1.25"]]},
        "chart_type": "h_bar",
        "title": "Prices",
    }
    assert tasks[1].question == "Größte? 日本" and "table" not in tasks[1].metadata


@pytest.mark.parametrize("levels", [0, 1, 2])
def test_release_is_found_from_above(small: Path, levels: int) -> None:
    source = [small, *small.parents][levels]
    assert detect_dataset(source).name == "chartqa"
    assert len(read(source)) == 4


def test_split_and_limit(small: Path) -> None:
    assert [task.id for task in read(small, split="val")] == ["chartqa-val-augmented-0"]
    assert [task.id for task in read(small, limit=1)] == ["chartqa-train-human-0", "chartqa-val-augmented-0"]
    with pytest.raises(DatasetError, match="no split 'test'; it has train, val"):
        read(small, split="test")


def mirror(file: Path, rows: list[dict[str, Any]]) -> None:
    """Writes one Parquet file of a mirror."""
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), file)


def test_mirror_with_image_struct(tmp_path: Path) -> None:
    row = {"image": {"bytes": picture(1), "path": None}, "query": "q", "label": ["1", "one"], "human_or_machine": 0}
    mirror(tmp_path / "data" / "train-00000-of-00002-abc.parquet", [row, {**row, "human_or_machine": 1}])
    mirror(tmp_path / "data" / "train-00001-of-00002-def.parquet", [row])
    mirror(tmp_path / "data" / "val-00000-of-00001.parquet", [{**row, "label": []}])
    assert detect_dataset(tmp_path).name == "chartqa"
    tasks = read(tmp_path)
    assert [task.id for task in tasks] == [
        "chartqa-train-human-0", "chartqa-train-augmented-0", "chartqa-train-human-1", "chartqa-val-human-0",
    ]  # fmt: skip
    assert isinstance(tasks[0], Task) and tasks[0].answer == "1" and tasks[0].answers == ("1", "one")
    assert isinstance(tasks[3], Skip) and tasks[3].reason == "answer missing"


def test_mirror_with_plain_bytes(tmp_path: Path) -> None:
    row = {"imgname": "x.png", "query": "q", "label": "12", "type": "augmented_test", "image": picture(3)}
    mirror(tmp_path / "test.parquet", [row, {**row, "type": "human_test", "image": b""}])
    tasks = read(tmp_path)
    assert isinstance(tasks[0], Task) and tasks[0].id == "chartqa-test-augmented-0"
    assert tasks[0].metadata == {"source": "augmented", "imgname": "x.png"} and tasks[0].images[0].data == picture(3)
    assert isinstance(tasks[1], Skip) and tasks[1].reason == "image missing"


def test_damaged_mirror(tmp_path: Path) -> None:
    (tmp_path / "train-00000-of-00001.parquet").write_bytes(b"PAR1 nothing more")
    with pytest.raises(DatasetError, match=r"train-00000-of-00001\.parquet: damaged Parquet"):
        read(tmp_path)


BAD: dict[str, tuple[Any, str]] = {
    "missing image": (record("none.png"), "image missing"),
    "truncated PNG": (record("cut.png"), "image unreadable"),
    "truncated JPEG": (record("cut.jpg"), "image unreadable"),
    "no image": (record("text.png"), "image unreadable"),
    "bomb": (record("bomb.png"), "image too large"),
    "no label": ({"imgname": "a.png", "query": "q"}, "answer missing"),
    "null label": (record(label=None), "answer missing"),
    "blank label": (record(label="  "), "answer missing"),
    "blank question": (record(query=" "), "question missing"),
    "question of a wrong type": (record(query=["q"]), "malformed record"),
    "not an object": (["a.png", "q", "1"], "malformed record"),
    "no imgname": ({"query": "q", "label": "1"}, "malformed record"),
    "half a surrogate": (record(query="\ud83d"), "malformed record"),
    "climbing path": (record("../../../etc/passwd"), "unsafe image path"),
    "climbing Windows path": (record("..\\..\\x.png"), "unsafe image path"),
    "absolute path": (record("/etc/passwd"), "unsafe image path"),
    "drive letter": (record("C:\\x.png"), "unsafe image path"),
}
BAD_IMAGES = {
    "a.png": picture(1),
    "cut.png": picture(2)[:-60],
    "cut.jpg": picture(3, "JPEG")[:-200],
    "text.png": b"hello",
    "bomb.png": bomb(),
}


def test_bad_records_are_skipped_counted_and_listed(tmp_path: Path) -> None:
    root = release(tmp_path / "raw", {"train_human": [bad for bad, _ in BAD.values()] + [record()]}, BAD_IMAGES)
    report = convert("chartqa", root, tmp_path / "set")
    expected: dict[str, int] = {}
    for n, (_, reason) in enumerate(BAD.values()):
        expected[reason] = expected.get(reason, 0) + 1
        assert f"chartqa-train-human-{n}" in dict(report.listed[reason])
    assert report.skipped == expected and report.tasks == {"train": 1}
    found = TaskSet.open(tmp_path / "set")
    assert found.ids == (f"chartqa-train-human-{len(BAD)}",), "ids do not depend on what was skipped"
    assert found.report["skipped"] == expected
    first = found.report["first_skipped"]["image too large"][0]
    assert first["id"] == "chartqa-train-human-4" and "bomb.png" in first["detail"]


@pytest.mark.parametrize("case", BAD)
def test_bad_records_are_errors_when_strict(tmp_path: Path, case: str) -> None:
    root = release(tmp_path / "raw", {"train_human": [record(), BAD[case][0]]}, BAD_IMAGES)
    with pytest.raises(DatasetError, match=f"chartqa-train-human-1: {BAD[case][1]}: train_human.json record 1"):
        convert("chartqa", root, tmp_path / "set", strict=True)
    assert not (tmp_path / "set").exists()


def test_all_bad_is_an_error(tmp_path: Path) -> None:
    root = release(tmp_path / "raw", {"train_human": [record("none.png")]}, {})
    with pytest.raises(DatasetError, match=r"gives no task \(image missing: 1\)"):
        convert("chartqa", root, tmp_path / "set")
    assert not (tmp_path / "set").exists()


def test_byte_order_mark_and_windows_separators(tmp_path: Path) -> None:
    root = release(tmp_path / "raw", {"train_human": [record("sub\\a.png", label=14)]}, {}, bom=True)
    (root / "train" / "png" / "sub").mkdir()
    (root / "train" / "png" / "sub" / "a.png").write_bytes(picture(4))
    (task,) = read(root)
    assert isinstance(task, Task) and task.images[0].data == picture(4) and task.answer == "14"


@pytest.mark.parametrize(
    ("text", "message"), [("{}", "expected a JSON list, got dict"), ("[{]", "not JSON"), ('["\xff"]', "not JSON")]
)
def test_damaged_json(tmp_path: Path, text: str, message: str) -> None:
    root = release(tmp_path, {"train_human": []}, {})
    (root / "train" / "train_human.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(DatasetError, match=rf"train_human\.json: {message}"):
        read(root)


def test_damaged_annotation_and_table_are_skips(small: Path) -> None:
    (small / "train" / "annotations" / "a.json").write_text("[]")
    (small / "train" / "tables" / "b.csv").write_bytes(b"\xff\xfe\x00")
    assert [item.reason for item in read(small, split="train") if isinstance(item, Skip)] == [
        "annotation unreadable", "table unreadable", "annotation unreadable",
    ]  # fmt: skip


@settings(deadline=None)  # a loaded machine is no failure
@given(st.text(max_size=20) | st.text("/.\\ aC:\0", max_size=8))
def test_safe_path_never_leaves_the_root(name: str) -> None:
    root = Path("/data/png")
    try:
        path = safe_path(root, name)
    except RecordError:
        return
    assert ".." not in path.parts and path.is_relative_to(root)


# --- vlmgym ---

VLMGYM = {
    "id": "chartqa_0", "dataset": "chartqa", "image_path": "png/a.png", "question": "What is the highest value?",
    "answer": "85", "choices": None, "task": "chart_qa",
    "metadata": {"original_index": 0, "source_file": "test_human.json", "image_filename": "a.png"},
}  # fmt: skip


def vlmgym(root: Path, records: list[Any], name: str = "unified.json") -> Path:
    """Writes a vlmgym file with one image beside it."""
    (root / "png").mkdir(parents=True)
    (root / "png" / "a.png").write_bytes(picture(1))
    (root / name).write_text(json.dumps(records), "utf-8-sig")
    return root / name


def test_vlmgym_record_is_read_as_it_is(tmp_path: Path) -> None:
    diagram = {**VLMGYM, "id": "ai2d_test_7", "dataset": "ai2d", "task": "diagram_qa", "answer": "leaf",
               "choices": ["root", "leaf"], "answer_letter": "B", "metadata": {"split": "val"}}  # fmt: skip
    file = vlmgym(tmp_path, [VLMGYM, diagram])
    assert detect_dataset(file).name == "vlmgym"
    first, second = read(file, "vlmgym")
    assert isinstance(first, Task) and isinstance(second, Task)
    assert (first.id, first.dataset, first.answer, first.split, first.task_type, first.choices) == (
        "chartqa_0", "chartqa", "85", "test", "chart", (),
    )  # fmt: skip
    assert first.metadata == {"task": "chart_qa", **VLMGYM["metadata"]}  # type: ignore[dict-item]
    assert first.images[0].data == picture(1)
    assert (second.split, second.task_type, second.choices) == ("val", "science", ("root", "leaf"))
    assert second.metadata["answer_letter"] == "B"
    assert [task.id for task in read(file, "vlmgym", split="val")] == ["ai2d_test_7"]


def test_vlmgym_image_paths(tmp_path: Path) -> None:
    paths = ["/home/someone/chartqa/png/a.png", "D:\\data\\png\\a.png", str(tmp_path / "png" / "a.png"), "..\\a.png",
             "/nowhere/b.png", ["png/a.png", "png/a.png"], None]  # fmt: skip
    file = vlmgym(tmp_path, [{**VLMGYM, "id": str(n), "image_path": path} for n, path in enumerate(paths)])
    found = [item.reason if isinstance(item, Skip) else len(item.images) for item in read(file, "vlmgym")]
    assert found == [1, 1, 1, "unsafe image path", "image missing", 2, 0]
    (tmp_path / "elsewhere").mkdir()
    moved = (tmp_path / "unified.json").rename(tmp_path / "elsewhere" / "unified.json")
    assert isinstance(read(moved, "vlmgym", data_root=tmp_path, limit=1)[0], Task)


def test_vlmgym_bad_input(tmp_path: Path) -> None:
    file = vlmgym(tmp_path, [VLMGYM, VLMGYM, {**VLMGYM, "id": "2", "answer": ""}, 5, {**VLMGYM, "metadata": []}])
    report = convert("vlmgym", file, tmp_path / "set")
    assert report.tasks == {"test": 1}
    assert report.skipped == {"duplicate id": 1, "answer missing": 1, "malformed record": 2}
    file.write_text(json.dumps([{"id": 1, "question": "q"}]))
    with pytest.raises(DatasetError, match="the first one has no answer, image_path"):
        read(file, "vlmgym")


# --- registry, open_task_set, command line ---


def test_unknown_layout_names_what_was_looked_for(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(DatasetError, match=r"(?s)neither a task set .tasks\.parquet.*chartqa: .*vlmgym: "):
        open_task_set(tmp_path)
    with pytest.raises(DatasetError, match="no such file or folder"):
        open_task_set(tmp_path / "none")


def test_unknown_dataset_names_the_nearest() -> None:
    with pytest.raises(DatasetError, match="did you mean 'chartqa'"):
        get_dataset("chartq")


def test_own_dataset_in_one_function(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_datasets", dict(datasets()))

    @registry.register_dataset("lines", title="Lines", layout="a .txt file", detect=lambda path: path.suffix == ".txt")
    def read_lines(request: ReadRequest) -> Any:
        for n, line in enumerate(request.source.read_text().splitlines()):
            question, answer = line.split("=")
            yield Task(f"lines-{n}", "lines", question, answer)

    with pytest.raises(DatasetError, match="registered already"):
        registry.register_dataset("lines", title="", layout="", detect=bool)(read_lines)
    (tmp_path / "x.txt").write_text("1+1=2\n1+2=3\n")
    monkeypatch.setenv("VISTA_CACHE", str(tmp_path / "cache"))
    assert [task.answer for task in open_task_set(tmp_path / "x.txt")] == ["2", "3"]


def test_raw_folder_is_converted_once_until_it_changes(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISTA_CACHE", str(tmp_path / "cache"))
    first = open_task_set(small.parent, "train")
    stamp = (first.path / "tasks.parquet").stat().st_mtime_ns
    assert len(first) == 3 and first.path.is_relative_to(tmp_path / "cache" / "datasets")
    again = open_task_set(small.parent)
    assert again.path == first.path and (again.path / "tasks.parquet").stat().st_mtime_ns == stamp and len(again) == 4
    (small / "val" / "val_augmented.json").write_text(json.dumps([record(), record(label="other one")]))
    changed = open_task_set(small.parent, "val")
    assert changed.path != first.path and len(changed) == 2


def test_command_line(small: Path, tmp_path: Path) -> None:
    (small / "val" / "val_human.json").write_text(json.dumps([record("gone.png")]))
    run = CliRunner().invoke
    done = run(app, ["convert", "chartqa", str(small), str(tmp_path / "set")])
    assert done.exit_code == 0, done.output
    assert "tasks, train" in done.output and "skipped: image missing" in done.output
    assert "chartqa-val-human-0" in done.output
    again = run(app, ["convert", "chartqa", str(small), str(tmp_path / "set")])
    assert again.exit_code == 2 and "already there" in again.output
    done = run(app, ["convert", "chartqa", str(small), str(tmp_path / "set"), "--overwrite", "--split", "train"])
    assert done.exit_code == 0 and TaskSet.open(tmp_path / "set").splits == {"train": 3}
    strict = run(app, ["convert", "chartqa", str(small), str(tmp_path / "new"), "--strict"])
    assert strict.exit_code == 2 and "gone.png" in strict.output and not (tmp_path / "new").exists()
    assert run(app, ["convert", "chartqa", str(tmp_path / "new")]).exit_code == 2
    assert "chartqa" in run(app, ["list"]).output


def test_real_charts(shared_data: Path, tmp_path: Path) -> None:
    report = convert("chartqa", shared_data / "chartqa", tmp_path / "set")
    assert report.tasks == {"train": 300, "val": 60} and not report.skipped
    found = TaskSet.open(tmp_path / "set", "val")
    task = found[found.ids[0]]
    assert task.question and task.answer and min(task.images[0].size) > 100
    name = shared_data / "chartqa" / "ChartQA Dataset" / "val" / "png" / task.metadata["imgname"]
    assert task.images[0].data == name.read_bytes()
    with pytest.raises(TaskSetError, match="no tasks of split 'test'"):
        TaskSet.open(tmp_path / "set", "test")
