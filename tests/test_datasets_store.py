"""Task sets on disk: round trips, selection, damage, atomic writing."""

from __future__ import annotations

import io
import pickle
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import PIL.Image
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from envs.datasets.image_file import IMAGES_FILE
from envs.datasets.store import TaskSet, TaskSetError, TaskSetWriter, cache_folder, open_task_set
from envs.datasets.task_set import TASKS_FILE
from envs.task import Task
from tools.image import Image, _store


def png(color: int, size: tuple[int, int] = (3, 2)) -> bytes:
    """A one-coloured picture."""
    buffer = io.BytesIO()
    PIL.Image.new("RGB", size, (color % 256, color // 256 % 256, 0)).save(buffer, "PNG")
    return buffer.getvalue()


def task(n: int, split: str = "train", **fields: object) -> Task:
    """A small task whose picture is shared by three neighbours."""
    image = Image.from_bytes(png(n // 3))
    return Task(**{"id": f"t{n}", "dataset": "chartqa", "question": f"q{n}", "answer": str(n), "images": (image,),
                   "split": split, **fields})  # type: ignore[arg-type]  # fmt: skip


def write(path: Path, tasks: list[Task]) -> TaskSet:
    """Writes and opens a set."""
    with TaskSetWriter(path) as writer:
        for one in tasks:
            writer.add(one)
    return TaskSet.open(path)


def test_round_trip_keeps_every_field(tmp_path: Path) -> None:
    tasks = [
        task(0, answers=("a", "b"), choices=("x", "y"), task_type="geometry", metadata={"k": [1, {"z": None}]}),
        task(1, "test", images=()),
        task(2, images=(Image.from_bytes(png(7)), Image.from_bytes(png(8)))),
    ]
    found = write(tmp_path / "set", tasks)
    assert list(found) == tasks
    assert [found[id] for id in found.ids] == tasks
    assert found[1] == tasks[1]
    assert found["t2"].images[1].data == png(8)
    assert found.splits == {"train": 2, "test": 1}
    assert "t1" in found and "t9" not in found
    with pytest.raises(KeyError):
        found["t9"]


text = st.text(max_size=30)
tasks_strategy = st.lists(
    st.builds(
        Task,
        id=st.text(min_size=1, max_size=20),
        dataset=text,
        question=text,
        answer=text,
        answers=st.lists(text, max_size=3).map(tuple),
        choices=st.lists(text, max_size=3).map(tuple),
        split=st.sampled_from(["train", "val", "test"]),
        metadata=st.dictionaries(text, st.none() | st.integers(-(2**53), 2**53) | text, max_size=3),
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda one: one.id,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tasks=tasks_strategy)
def test_any_text_survives(tmp_path: Path, tasks: list[Task]) -> None:
    with TaskSetWriter(tmp_path / "set", overwrite=True) as writer:
        for one in tasks:
            writer.add(one)
    found = TaskSet.open(tmp_path / "set")
    assert list(found) == tasks and found.ids == tuple(one.id for one in tasks)
    assert pickle.loads(pickle.dumps(found)).fingerprint == found.fingerprint


def test_images_are_stored_once_and_read_lazily(tmp_path: Path) -> None:
    found = write(tmp_path / "set", [task(n) for n in range(300)])
    assert pq.read_metadata(tmp_path / "set" / IMAGES_FILE).num_rows == 100
    assert found.report["images"] == 100 and found.report["tasks"] == 300
    digest = found["t30"].images[0].hash
    found = TaskSet.open(tmp_path / "set")
    _store.pop(digest, None)  # as in a new process
    image = found["t30"].images[0]
    assert image._data is None
    assert image.data == png(10) and image.size == (3, 2)


def test_selection_is_stable_and_pickles(tmp_path: Path) -> None:
    found = write(tmp_path / "set", [task(n, "test" if n % 4 == 0 else "train") for n in range(40)])
    test = found.filter(split="test")
    assert test.ids == tuple(f"t{n}" for n in range(0, 40, 4)) == TaskSet.open(found.path, "test").ids
    few = test.filter(limit=4, seed=3)
    assert len(few) == 4 and set(few.ids) < set(test.ids)
    assert few.ids == test.filter(seed=3).ids[:4] != test.filter(limit=4, seed=4).ids
    again = pickle.loads(pickle.dumps(few))
    assert again.ids == few.ids and again.fingerprint == few.fingerprint and again[few.ids[0]] == few[few.ids[0]]
    assert few.fingerprint != test.fingerprint
    assert "t1" not in test
    with pytest.raises(TaskSetError, match="no tasks of split 'val'"):
        found.filter(split="val")


def test_fingerprint_follows_content(tmp_path: Path) -> None:
    one = write(tmp_path / "a", [task(0), task(1)]).fingerprint
    assert one == write(tmp_path / "b", [task(0), task(1)]).fingerprint
    assert one != write(tmp_path / "c", [task(0), task(1, answer="other")]).fingerprint
    assert one != write(tmp_path / "d", [task(0), task(1, images=(Image.from_bytes(png(99)),))]).fingerprint


def test_writing_is_byte_identical(tmp_path: Path) -> None:
    for name in "ab":
        write(tmp_path / name, [task(n) for n in range(10)])
    for file in (TASKS_FILE, IMAGES_FILE, "report.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (task(0, question=5), "'question'"),
        (task(0, answers="abc"), "'answers'"),
        (task(0, choices=(1,)), "'choices'"),
        (task(0, metadata={"x": object()}), "'metadata'"),
        (task(0, metadata={"x": float("nan")}), "'metadata'"),
        (task(0, id=""), "'id' is empty"),
        (task(0, answer="\ud800"), "surrogate"),
    ],
)
def test_bad_tasks_are_refused_by_field(tmp_path: Path, bad: Task, message: str) -> None:
    with pytest.raises(TaskSetError, match=message), TaskSetWriter(tmp_path / "set") as writer:
        writer.add(bad)
    assert list(tmp_path.iterdir()) == []


def test_duplicate_id_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TaskSetError, match="'t1' was added before"):
        write(tmp_path / "set", [task(1), task(1)])
    assert list(tmp_path.iterdir()) == []


def test_existing_target(tmp_path: Path) -> None:
    write(tmp_path / "set", [task(0)])
    with pytest.raises(TaskSetError, match="already there"):
        TaskSetWriter(tmp_path / "set")
    with TaskSetWriter(tmp_path / "set", overwrite=True) as writer:
        writer.add(task(5))
    assert TaskSet.open(tmp_path / "set").ids == ("t5",)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter.txt").write_text("keep me")
    with pytest.raises(TaskSetError, match="not a task set"):
        TaskSetWriter(tmp_path / "home", overwrite=True)
    with pytest.raises(RuntimeError), TaskSetWriter(tmp_path / "set", overwrite=True) as writer:
        raise RuntimeError
    assert TaskSet.open(tmp_path / "set").ids == ("t5",), "a failed overwrite leaves the old set"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "set"]


def test_killed_writer_leaves_nothing_under_the_name(tmp_path: Path) -> None:
    program = f"""
        import os, signal
        from envs.datasets.store import TaskSetWriter
        from envs.task import Task
        with TaskSetWriter({str(tmp_path / "set")!r}) as writer:
            for n in range(5000):
                writer.add(Task(str(n), 'chartqa', 'question', 'answer'))
            os.kill(os.getpid(), signal.SIGKILL)
    """
    root = Path(__file__).resolve().parents[1]
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=False, cwd=root)
    assert done.returncode == -signal.SIGKILL
    assert not (tmp_path / "set").exists()
    with pytest.raises(TaskSetError, match="not a task set"):
        TaskSet.open(tmp_path / "set")
    assert len(write(tmp_path / "set", [task(0)])) == 1


def rewrite(path: Path, change: object) -> None:
    """Replaces the task table by `change(table)`."""
    file = path / TASKS_FILE
    pq.write_table(change(pq.read_table(file)), file)  # type: ignore[operator]


def test_damage_is_named(tmp_path: Path) -> None:
    path = tmp_path / "set"
    write(path, [task(n) for n in range(4)])
    whole = (path / TASKS_FILE).read_bytes()
    (path / TASKS_FILE).write_bytes(whole[:-20])
    with pytest.raises(TaskSetError, match=r"tasks\.parquet: damaged"):
        TaskSet.open(path)
    (path / TASKS_FILE).write_bytes(whole)
    rewrite(path, lambda table: table.drop(["question"]))
    with pytest.raises(TaskSetError, match="field 'question' is missing"):
        TaskSet.open(path)
    (path / TASKS_FILE).write_bytes(whole)
    rewrite(path, lambda table: table.set_column(3, "answer", pa.array([1, 2, 3, 4])))
    with pytest.raises(TaskSetError, match="field 'answer' is int64, expected string"):
        TaskSet.open(path)
    (path / TASKS_FILE).write_bytes(whole)
    rewrite(path, lambda table: table.set_column(3, "answer", pa.array(["1", None, "3", "4"])))
    with pytest.raises(TaskSetError, match="field 'answer' has 1 empty"):
        TaskSet.open(path)
    (path / TASKS_FILE).write_bytes(whole)
    rewrite(path, lambda table: pa.concat_tables([table, table]))
    with pytest.raises(TaskSetError, match="field 'id': 't0' is there more than once"):
        TaskSet.open(path)
    (path / TASKS_FILE).write_bytes(whole)
    images = pq.read_table(path / IMAGES_FILE)
    pq.write_table(images.slice(1), path / IMAGES_FILE)
    with pytest.raises(TaskSetError, match="field 'images'"):
        TaskSet.open(path)
    (path / IMAGES_FILE).unlink()
    with pytest.raises(TaskSetError, match=r"images\.parquet is not there"):
        TaskSet.open(path)


def test_changed_image_bytes_are_noticed(tmp_path: Path) -> None:
    path = tmp_path / "set"
    digest = write(path, [task(0)])["t0"].images[0].hash
    _store.pop(digest, None)
    images = pq.read_table(path / IMAGES_FILE)
    pq.write_table(images.set_column(3, "data", pa.array([png(200)], pa.large_binary())), path / IMAGES_FILE)
    image = TaskSet.open(path)["t0"].images[0]
    with pytest.raises(TaskSetError, match="were changed"):
        image.data  # noqa: B018


def test_open_by_path_and_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISTA_CACHE", str(tmp_path / "cache"))
    assert cache_folder() == tmp_path / "cache" / "datasets"
    write(tmp_path / "set", [task(0), task(1, "val")])
    assert open_task_set(tmp_path / "set", "val").ids == ("t1",)
    assert open_task_set(str(tmp_path / "set")).ids == ("t0", "t1")
