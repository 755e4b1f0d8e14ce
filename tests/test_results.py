"""The results folder: whole files, logs that can be cut back, checkpoints that are there or not there."""

from __future__ import annotations

import csv
import json
import math
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from vista_rllib.run.checkpoints import CheckpointError, Checkpoints, RunProgress, read_progress
from vista_rllib.run.curve import draw_curve, moving_mean
from vista_rllib.run.files import ResultsError, link, plain, write_json
from vista_rllib.run.interrupt import Interrupt, Interrupted
from vista_rllib.run.live_table import LiveTable
from vista_rllib.run.memory import PeakMemory
from vista_rllib.run.progress_log import ProgressLog, flatten
from vista_rllib.run.results import RunFolder, RunRecord
from vista_rllib.run.summary import summarize


class SavesState:
    """Stands for an algorithm where only `save_to_path` matters."""

    def __init__(self, error: OSError | None = None) -> None:
        self.error = error

    def save_to_path(self, path: str) -> None:
        """Writes one file, or half of one and then fails."""
        Path(path).mkdir()
        (Path(path) / "state").write_text("weights")
        if self.error:
            raise self.error


@pytest.fixture
def example(tmp_path: Path) -> Path:
    path = tmp_path / "example.py"
    path.write_text("config = 1\n")
    return path


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_new_folder_is_the_latest_and_the_newest(tmp_path: Path, example: Path) -> None:
    storage = tmp_path / "results"
    first = RunFolder.create(storage, RunRecord(str(example), "one", overrides=["lr=1"], stop={"accuracy": 0.5}))
    second = RunFolder.create(storage, RunRecord(str(example), "one"))
    other = RunFolder.create(storage, RunRecord(str(example), "other"))
    assert len({first.path, second.path, other.path}) == 3
    assert (storage / "latest").resolve() == other.path
    assert RunFolder.newest(storage, "one").path == second.path
    assert first.tuned_example.read_text() == example.read_text()
    record = first.read_record()
    assert (record.overrides, record.stop, record.experiment) == (["lr=1"], {"accuracy": 0.5}, "one")
    with pytest.raises(ResultsError, match="no run of the experiment none"):
        RunFolder.newest(storage, "none")


def test_only_folders_of_runs_open(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="not the folder of a run"):
        RunFolder.open(tmp_path)
    (tmp_path / "run.json").write_text('{"file": "x", "experiment": "y", "colour": 1}')
    with pytest.raises(ResultsError, match="not written by this version"):
        RunFolder.open(tmp_path).read_record()
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(ResultsError, match=r"run.json: cannot be read"):
        RunFolder.open(tmp_path).read_record()


def test_one_process_at_a_time(tmp_path: Path) -> None:
    with (
        RunFolder(tmp_path).locked(),
        pytest.raises(ResultsError, match="another process is training into this folder"),
        RunFolder(tmp_path).locked(),
    ):
        pass
    with RunFolder(tmp_path).locked():
        pass


def test_checkpoints_keep_the_newest(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, keep=2)
    assert checkpoints.newest() is None
    for iteration in (1, 2, 10):
        checkpoints.save(SavesState(), RunProgress(iteration, 3.5, 0.25))  # type: ignore[arg-type]
    assert [path.name for path in checkpoints.all()] == ["checkpoint_000002", "checkpoint_000010"]
    newest = checkpoints.newest()
    assert newest is not None and (tmp_path / "checkpoint_latest").resolve() == newest
    assert read_progress(newest) == RunProgress(10, 3.5, 0.25)
    assert RunFolder.containing(newest) is None, "no run.json beside it"


def test_a_failed_or_killed_save_leaves_no_checkpoint(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, keep=1)
    checkpoints.save(SavesState(), RunProgress(1))  # type: ignore[arg-type]
    full = SavesState(OSError(28, "No space left on device"))
    with pytest.raises(CheckpointError, match=r"checkpoint_000002: cannot be written: .*No space left"):
        checkpoints.save(full, RunProgress(2))  # type: ignore[arg-type]
    assert [path.name for path in checkpoints.all()] == ["checkpoint_000001"]
    (tmp_path / ".checkpoint_000003.tmp").mkdir()
    (tmp_path / ".checkpoint_000003.tmp" / "half").touch()
    checkpoints.clean()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint_000001", "checkpoint_latest"]


def test_progress_in_three_formats(tmp_path: Path) -> None:
    log = ProgressLog(tmp_path)
    log.write({"training_iteration": 1, "reward_mean": 0.5})
    log.write({"training_iteration": 2, "reward_mean": 0.6, "kl": 0.01})
    log.write({"training_iteration": 3, "kl": 0.02})
    log.close()
    assert rows_of(tmp_path / "result.json") == log.rows
    with (tmp_path / "progress.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [row["kl"] for row in table] == ["", "0.01", "0.02"]
    assert [row["reward_mean"] for row in table] == ["0.5", "0.6", ""]
    assert list(tmp_path.glob("events.out.tfevents.*"))


def test_progress_after_the_checkpoint_is_made_again(tmp_path: Path) -> None:
    log = ProgressLog(tmp_path)
    for iteration in (1, 2, 3, 4):
        log.write({"training_iteration": iteration, "reward_mean": float(iteration)})
    log.close()
    with (tmp_path / "result.json").open("a") as file:
        file.write('{"training_iteration": 5, "rew')  # torn by a kill
    again = ProgressLog(tmp_path, until=2)
    assert [row["training_iteration"] for row in again.rows] == [1, 2]
    again.write({"training_iteration": 3, "reward_mean": 30.0})
    again.close()
    assert [row["reward_mean"] for row in rows_of(tmp_path / "result.json")] == [1.0, 2.0, 30.0]
    assert len((tmp_path / "progress.csv").read_text().splitlines()) == 4


def test_results_are_flattened_to_plain_numbers() -> None:
    result = {
        "a": {"b": np.float32(1.5), "c": {"d": np.int64(2)}},
        "config": {"lr": 1},
        "pid": 3,
        "curve": [1, 2],
        "array": np.array(4),
        "name": "x",
    }
    assert flatten(result) == {"a/b": 1.5, "a/c/d": 2, "array": 4, "name": "x"}


def test_plain_has_no_addresses() -> None:
    assert plain(np.arange(3)) == [0, 1, 2]
    assert plain({2, 1}) == [1, 2]
    assert plain(SavesState) == plain(SavesState()) == f"{__name__}.SavesState"
    assert plain(rows_of) == f"{__name__}.rows_of"


def test_files_and_links_are_replaced_in_one_step(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"x": 1})
    write_json(tmp_path / "a.json", {"x": np.int64(2)})
    link(tmp_path / "l", "a.json")
    link(tmp_path / "l", "b.json")
    assert json.loads((tmp_path / "a.json").read_text()) == {"x": 2}
    assert os.readlink(tmp_path / "l") == "b.json"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "l"]


def table_lines(rows: list[dict[str, Any]], *, terminal: bool = False, width: int = 40) -> list[str]:
    console = Console(force_terminal=terminal, width=width, color_system=None)
    table = LiveTable(console)
    with console.capture() as capture:
        for row in rows:
            table.add(row)
    return capture.get().splitlines()


def test_the_table_shows_what_there_is() -> None:
    lines = table_lines(
        [
            {"training_iteration": 1, "env_runners/episode_return_mean": 9.5, "time_this_iter_s": 1.25},
            {"training_iteration": 2, "env_runners/episode_return_mean": float("nan"), "time_this_iter_s": 1.0},
            {"training_iteration": 3, "reward_mean": 0.5, "accuracy": 0.875, "kl": 1e-4},
        ]
    )
    assert [line.split() for line in lines] == [
        ["iter", "reward", "seconds"],
        ["1", "9.500", "1.2"],
        ["2", "–", "1.0"],
        ["iter", "reward", "accuracy", "KL", "seconds"],
        ["3", "0.500", "87.5%", "1.00e-04", "–"],
    ]


def test_the_header_comes_again_and_lines_are_never_folded() -> None:
    rows = [
        {"training_iteration": i, "reward_mean": 0.1, "accuracy": 0.2, "kl": 0.3, "tokens_per_s": 4} for i in range(41)
    ]
    lines = table_lines(rows, width=20)
    assert len(lines) == 41 + 3 and [i for i, line in enumerate(lines) if "iter" in line] == [0, 21, 42]
    assert max(map(len, lines)) > 20, "a pipe gets whole lines"
    assert max(map(len, table_lines(rows, terminal=True, width=20))) == 20, "a terminal gets what fits"


def test_moving_mean() -> None:
    assert moving_mean(np.array([1.0, 2.0, 6.0]), 3).tolist() == [1.5, 3.0, 4.0]
    assert moving_mean(np.array([5.0]), 9).tolist() == [5.0]


def test_the_curve_is_a_png_with_a_panel_per_metric(tmp_path: Path) -> None:
    path = tmp_path / "curve.png"
    draw_curve(path, [])
    assert not path.exists()
    rows = [{"training_iteration": i, "reward_mean": i / 10, "accuracy": i / 40, "kl": 0.1} for i in range(1, 31)]
    draw_curve(path, rows[:1])
    narrow = Image.open(path).size
    draw_curve(path, rows, before={"accuracy": 0.1}, after={"accuracy": 0.9})
    assert Image.open(path).size == narrow, "the same three panels"
    draw_curve(path, [{"training_iteration": 1, "reward_mean": 1.0}])
    assert Image.open(path).size[0] < narrow[0]


def test_summary_counts_faults_and_takes_the_last_evaluation() -> None:
    rows = [
        {"training_iteration": 1, "fault_count": 2, "fault_count/ToolDied": 2, "tool_calls_per_episode": 0.5},
        {"training_iteration": 2, "fault_count": 1, "fault_count/ToolDied": math.nan, "fault_count/ToolTimeout": 1.0}
        | {"tool_calls_per_episode": 0.7},
    ]
    common: dict[str, Any] = {
        "status": "finished",
        "stopped_by": "x",
        "wall_s": 1.0,
        "peak_rss_gib": 0.5,
        "params": "{}",
        "before": {"accuracy": 0.1},
        "baseline": None,
    }
    evaluated = summarize(rows, after={"accuracy": 0.9, "tool_calls_per_episode": 1.0, "num_faults": 4}, **common)
    assert (evaluated.accuracy_before, evaluated.accuracy_after, evaluated.accuracy_baseline) == (0.1, 0.9, None)
    assert (evaluated.faults, evaluated.tool_calls_per_episode, evaluated.iterations) == (7, 1.0, 2)
    assert evaluated.faults_by_kind == {"ToolDied": 2, "ToolTimeout": 1}
    without = summarize(rows, after=None, **common)
    assert (without.accuracy_after, without.faults, without.tool_calls_per_episode) == (None, 3, 0.7)
    assert json.loads(json.dumps(without.to_dict()))["versions"]["ray"]


def test_peak_memory_counts_this_process() -> None:
    with PeakMemory(interval_s=0.001) as memory:
        block = np.ones(2**24)  # 128 MiB, touched
    assert memory.peak_gib > block.nbytes / 2**30


def test_a_signal_waits_for_the_end_of_a_block() -> None:
    console, done = Console(quiet=True), []
    previous = signal.getsignal(signal.SIGTERM)
    with Interrupt(console) as interrupt:
        with pytest.raises(Interrupted) as caught, interrupt.deferred("this"):
            os.kill(os.getpid(), signal.SIGINT)
            done.append("all of it")
        assert (done, caught.value.exit_code, interrupt.cut) == (["all of it"], 130, False)
        with pytest.raises(Interrupted) as caught:
            os.kill(os.getpid(), signal.SIGTERM)
        assert (caught.value.exit_code, interrupt.cut) == (143, False)
        with pytest.raises(Interrupted), interrupt.deferred("this"):
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
            done.append("never")
        assert (done, interrupt.cut) == (["all of it"], True)
    assert signal.getsignal(signal.SIGTERM) == previous
