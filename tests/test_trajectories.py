"""The trajectory log: written exactly, read back, recovered, compacted, shown, counted and graded again."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
from pathlib import Path

import numpy as np
import PIL.Image
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from envs.episode_record import EpisodeRecord, Step
from envs.graders import get_grader
from envs.message import Message, Turn
from envs.task import Task
from policies.transcript import Transcript
from tools.errors import ErrorCode, Fault, ModelError
from tools.image import Image
from tools.tool import ToolCall, ToolResult
from vista_rllib.cli.trajectories import app
from vista_rllib.trajectories import (
    Trajectory,
    TrajectoryLogError,
    TrajectoryWriter,
    compact,
    find_image,
    iter_trajectories,
    read_trajectories,
    recover,
)
from vista_rllib.trajectories.regrade import regrade
from vista_rllib.trajectories.stats import log_stats

CHART = Image.from_pil(PIL.Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)))
CROP = Image.from_pil(PIL.Image.fromarray(np.zeros((8, 9, 3), np.uint8)))
ROBUST = get_grader("chartqa")


def make(number: int, answer: str = "14", gold: str = "14", fault: Fault | None = None) -> Trajectory:
    """Zoom, then answer; with a transcript of 3 observed and 2 sampled tokens, twice."""
    task = Task(f"task-{number}", "chartqa", "How many bars are there?", gold, (CHART,), metadata={"source": "human"})
    grade = ROBUST(answer, task)
    zoom = '<think>look</think><tool_call>{"tool": "zoom"}</tool_call>'
    record = EpisodeRecord(
        task,
        Message("user", "How many \u2014 <image>?", (CHART,), system="You may call zoom."),
        [
            Step(
                Turn(zoom, 2),
                ToolCall("zoom", {"box": [0, 0, 1, 1]}),
                (fault and ToolResult(error=fault)) or ToolResult("a crop", (CROP,), {"box": [1, 2]}, wall_s=0.25),
                reply=None if fault else Message("tool", "a crop", (CROP,)),
                wall_s=0.5,
            )
        ],
        end="fault" if fault else "answered",
        fault=fault,
    )
    if not fault:
        record.steps.append(Step(Turn(f"<think>so</think><answer>{answer}</answer>", 2), answer=answer, grade=grade))
        record.reward_parts = {"format": 1.0, "correct": grade.score}
        record.reward = 1.0 + grade.score
    transcript = Transcript()
    transcript.observe([1, 9, 9], [CHART], [2], 9)
    transcript.sample([5, 6], [-0.5, -1.25], version=3)
    transcript.observe([9, 2, 3], [CROP], [1], 9)
    transcript.sample([7, 8], [-0.125, -2.0], version=4)
    return Trajectory.from_record(
        record, {"vlm": transcript}, episode_id=f"e{number}", group_id=f"g{number // 2}", iteration=7, seed=number
    )


def write(folder: Path, *batches: list[Trajectory], worker: int = 0) -> Path:
    with TrajectoryWriter(folder, worker, run_id="run") as writer:
        for batch in batches:
            writer.write(batch)
    return writer.path


def test_everything_comes_back(tmp_path: Path) -> None:
    write(tmp_path, [make(0), make(1, answer="15")], [make(2, fault=Fault("TimeoutError", "tool:zoom", "30 s"))])
    right, wrong, void = iter_trajectories(tmp_path)
    assert [m["role"] for m in right["messages"]] == ["system", "user", "assistant", "tool", "assistant"]
    assert right["messages"][1] == {"role": "user", "text": "How many \u2014 <image>?", "images": [CHART.hash]}
    assert right["messages"][3]["images"] == [CROP.hash]
    call = right["calls"][0]
    assert (call["turn"], call["name"], call["arguments"], call["data"]) == (
        0,
        "zoom",
        '{"box": [0, 0, 1, 1]}',
        '{"box": [1, 2]}',
    )
    assert (call["wall_s"], call["cached"], call["error_code"]) == (0.25, False, None)
    tokens = right["transcripts"][0]
    assert tokens["agent_id"] == "vlm"
    assert tokens["token_ids"] == [1, 9, 9, 5, 6, 9, 2, 3, 7, 8]
    assert tokens["sampled"] == [False] * 3 + [True] * 2 + [False] * 3 + [True] * 2
    assert tokens["logps"] == [0, 0, 0, -0.5, -1.25, 0, 0, 0, -0.125, -2.0]
    assert tokens["versions"] == [-1, -1, -1, 3, 3, -1, -1, -1, 4, 4]
    assert (tokens["images"], tokens["image_tokens"]) == ([CHART.hash, CROP.hash], [2, 1])
    assert (right["weights_version"], right["group_id"], right["iteration"], right["seed"]) == (4, "g0", 7, 0)
    assert (right["run_id"], right["worker_index"], right["end"]) == ("run", 0, "answered")
    assert right["reward_parts"] == {"format": 1.0, "correct": 1.0}
    assert right["reward"] == 2.0
    assert (right["gold"], right["turns"][1]["answer"], right["turns"][0]["answer"]) == (["14"], "14", None)
    assert right["grade"]["correct"] and not wrong["grade"]["correct"]
    assert void["grade"] is None
    assert void["faults"] == [{"kind": "TimeoutError", "where": "tool:zoom", "message": "30 s"}]


def test_images_are_stored_once(tmp_path: Path) -> None:
    write(tmp_path, [make(0), make(1)], [make(2)])
    images = pa.ipc.open_stream(next(tmp_path.glob("images-*"))).read_all()
    assert sorted(images["hash"].to_pylist()) == sorted([CHART.hash, CROP.hash])
    found = find_image(tmp_path, CHART.hash)
    assert found is not None and found.data == CHART.data and found.size == (60, 40)
    assert find_image(tmp_path, "0" * 64) is None


def test_columns_can_be_chosen(tmp_path: Path) -> None:
    path = write(tmp_path, [make(0)])
    for source in (tmp_path, path, str(path)):
        assert read_trajectories(source, ["end", "reward"]).to_pylist() == [{"end": "answered", "reward": 2.0}]
    with pytest.raises(TrajectoryLogError, match="no column 'rewards'"):
        read_trajectories(tmp_path, ["rewards"])


def test_an_open_log_is_readable(tmp_path: Path) -> None:
    with TrajectoryWriter(tmp_path, 0) as writer:
        assert read_trajectories(tmp_path).num_rows == 0
        writer.write([make(0)])
        assert read_trajectories(tmp_path)["episode_id"].to_pylist() == ["e0"]
        writer.write([])
        writer.write([make(1)])
        assert read_trajectories(tmp_path)["episode_id"].to_pylist() == ["e0", "e1"]


def test_a_stream_cut_anywhere_gives_its_whole_batches(tmp_path: Path) -> None:
    with TrajectoryWriter(tmp_path, 0) as writer:
        ends = [writer.path.stat().st_size]
        for number in range(3):
            writer.write([make(number)])
            ends.append(writer.path.stat().st_size)
    data = writer.path.read_bytes()
    cut = tmp_path / "cut.arrows"
    rng = np.random.default_rng(0)
    for size in sorted({0, 1, 7, 8, *ends, *(end - 1 for end in ends[1:]), *rng.integers(0, len(data), 150).tolist()}):
        cut.write_bytes(data[:size])
        whole = sum(end <= size for end in ends[1:])
        assert recover(cut)["episode_id"].to_pylist() == [f"e{n}" for n in range(whole)], size


def test_a_killed_writer_loses_nothing_that_was_written(tmp_path: Path) -> None:
    child = os.fork()
    if not child:
        writer = TrajectoryWriter(tmp_path, 0)
        writer.write([make(0)])
        writer.write([make(1)])
        os.kill(os.getpid(), signal.SIGKILL)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    write(tmp_path, [make(2)])  # the restarted worker makes a file of its own
    assert read_trajectories(tmp_path)["episode_id"].to_pylist() == ["e0", "e1", "e2"]
    compact(tmp_path)
    assert read_trajectories(tmp_path)["episode_id"].to_pylist() == ["e0", "e1", "e2"]


def test_compaction_merges_workers_and_drops_duplicates(tmp_path: Path) -> None:
    write(tmp_path, [make(0), make(1)], worker=0)
    write(tmp_path, [make(1), make(2)], worker=1)
    before = read_trajectories(tmp_path)
    assert before["episode_id"].to_pylist() == ["e0", "e1", "e2"]
    path = compact(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["images.parquet", "trajectories.parquet"]
    assert read_trajectories(path).equals(before)
    assert pq.read_table(tmp_path / "images.parquet").num_rows == 2
    write(tmp_path, [make(2), make(3)], worker=0)
    compact(tmp_path)
    assert read_trajectories(tmp_path)["episode_id"].to_pylist() == ["e0", "e1", "e2", "e3"]
    assert find_image(path, CROP.hash) == CROP
    assert compact(tmp_path) == path  # nothing left to merge


def test_compaction_leaves_a_living_worker_alone(tmp_path: Path) -> None:
    write(tmp_path, [make(0)], worker=0)
    with TrajectoryWriter(tmp_path, 1) as writer:
        writer.write([make(1)])
        compact(tmp_path)
        writer.write([make(2)])
        assert read_trajectories(tmp_path)["episode_id"].to_pylist() == ["e0", "e1", "e2"]
    compact(tmp_path)
    assert read_trajectories(tmp_path / "trajectories.parquet").num_rows == 3


def test_compaction_keeps_a_stream_that_was_cut_short(tmp_path: Path) -> None:
    path = write(tmp_path, [make(0)], [make(1)])
    path.write_bytes(path.read_bytes()[:-100])
    compact(tmp_path)
    assert path.with_suffix(".cut").is_file()
    assert read_trajectories(tmp_path)["episode_id"].to_pylist() == ["e0"]


def test_failed_compaction_keeps_the_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, [make(0)])
    names = sorted(p.name for p in tmp_path.iterdir())

    def full(self: Path, target: Path) -> Path:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(TrajectoryLogError, match=r"images\.parquet.*ENOSPC"):
        compact(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == names


def test_a_full_disk_is_a_named_error_and_costs_only_the_batch(tmp_path: Path) -> None:
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    writer = TrajectoryWriter(tmp_path, 0)
    try:
        for number in range(2):
            resource.setrlimit(resource.RLIMIT_FSIZE, (writer.path.stat().st_size + 2000, old[1]))
            with pytest.raises(TrajectoryLogError, match=r"\.arrows.*EFBIG"):
                writer.write([make(number)])
            assert read_trajectories(tmp_path)["episode_id"].to_pylist() == [f"e{n}" for n in range(number)]
            resource.setrlimit(resource.RLIMIT_FSIZE, old)
            writer.write([make(number)])  # there is room again: the batch is repeated
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, handler)
    writer.close()
    assert read_trajectories(tmp_path)["episode_id"].to_pylist() == ["e0", "e1"]
    assert find_image(tmp_path, CHART.hash) == CHART


def test_a_really_full_file_system(tmp_path: Path) -> None:
    if (
        os.geteuid() != 0
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)], capture_output=True, check=False
        ).returncode
    ):
        pytest.skip("needs the right to mount a tmpfs")
    try:
        writer = TrajectoryWriter(tmp_path, 0)
        written = 0
        with pytest.raises(TrajectoryLogError, match="ENOSPC"):
            for number in range(100):
                writer.write([make(number)])
                written += 1
        assert 0 < written < 100
        assert recover(writer.path)["episode_id"].to_pylist() == [f"e{n}" for n in range(written)]
    finally:
        subprocess.run(["umount", "-l", str(tmp_path)], check=True)


def test_paths_without_a_log_are_named(tmp_path: Path) -> None:
    for path, message in ((tmp_path / "none", "no such file"), (tmp_path, "no trajectory log here")):
        with pytest.raises(TrajectoryLogError, match=message):
            read_trajectories(path)
    other = tmp_path / "trajectories.parquet"
    pq.write_table(pa.table({"a": [1]}), other)
    with pytest.raises(TrajectoryLogError, match="not a trajectory log: it has no column"):
        read_trajectories(tmp_path)
    other.write_bytes(b"PAR1 no")
    with pytest.raises(TrajectoryLogError, match=r"trajectories\.parquet: cannot be read"):
        read_trajectories(tmp_path)
    with pytest.raises(TrajectoryLogError, match=r"ENOTDIR|EEXIST"):
        TrajectoryWriter(other, 0)


def test_odd_texts_survive(tmp_path: Path) -> None:
    task = Task("t", "chartqa", "\ud800?", "14")
    step = Step(Turn("\x00\x1b[31m\ud800"), ToolCall("x", {"a": {1, 2}}), ToolResult("\udfff", data={"b": object()}))
    step.error = ModelError(ErrorCode.SCHEMA, "no\ud800")
    write(tmp_path, [Trajectory.from_record(EpisodeRecord(task, Message("user", ""), [step]), episode_id="odd")])
    (row,) = iter_trajectories(tmp_path)
    assert row["question"] == "??"
    assert row["messages"][-1]["text"] == "\x00\x1b[31m?"
    shown = CliRunner().invoke(app, ["show", str(tmp_path)])
    assert shown.exit_code == 0
    assert "\x1b[31m?" not in shown.output


@pytest.fixture
def log(tmp_path: Path) -> Path:
    fault = Fault("TimeoutError", "tool:zoom", "30 s")
    write(tmp_path, [make(0), make(1, answer="14 bars", gold="14"), make(2, answer="15"), make(3, fault=fault)])
    return tmp_path


def test_stats(log: Path) -> None:
    stats = log_stats(log)
    assert (stats.episodes, stats.voided, stats.correct) == (3, 1, 2)
    assert stats.calls == {"zoom": 3}
    assert stats.faults == {"TimeoutError": 1}
    assert stats.kinds == {"counting": (2, 3)}
    assert stats.parts == {"format": 3.0, "correct": 2.0}
    assert stats.summary()["tokens per episode"] == 4.0
    output = CliRunner().invoke(app, ["stats", str(log)]).output
    assert "66.7%" in output and "TimeoutError" in output and "counting" in output


def test_stats_by_tool(tmp_path: Path) -> None:
    """Of two tools: which were called, how often, how long they took, and what failed."""
    fault = Fault("ToolTimeout", "tool:ocr", "1 s")
    results = [
        ("zoom", ToolResult("a", wall_s=0.1)),
        ("zoom", ToolResult("b", wall_s=0.3)),
        ("zoom", ToolResult("b", cached=True)),
        ("zoom", ToolResult(error=ModelError(ErrorCode.ARGUMENT_CONTENT, "empty"), wall_s=0.2)),
        ("ocr", ToolResult(error=fault, wall_s=1.0)),
        ("ocr", None),
    ]
    steps = [Step(Turn("t"), ToolCall(name), result) for name, result in results]
    record = EpisodeRecord(Task("t", "chartqa", "?", "14"), Message("user", ""), steps, fault=fault)
    write(tmp_path, [Trajectory.from_record(record, episode_id="e")])
    stats = log_stats(tmp_path)
    zoom, ocr = stats.tools["zoom"], stats.tools["ocr"]
    assert (zoom.calls, zoom.cached, zoom.errors, zoom.faults) == (4, 1, {"E4": 1}, {})
    assert (zoom.percentile(50), zoom.total_s) == pytest.approx((0.2, 0.6))
    assert (ocr.calls, ocr.errors, ocr.faults) == (1, {}, {"ToolTimeout": 1})
    output = CliRunner().invoke(app, ["stats", str(tmp_path)], env={"COLUMNS": "160"}).output
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in output.splitlines() if "│" in line]
    assert ["zoom", "4", "1", "0.200", "0.290", "0.600", "E4 1", ""] in rows
    assert ["ocr", "1", "0", "1.000", "1.000", "1.000", "", "ToolTimeout 1"] in rows


def test_regrade_knows_the_choices_of_a_question(tmp_path: Path) -> None:
    task = Task("q", "ai2d", "Which?", "a leaf", (CHART,), choices=("a root", "a leaf"), metadata={"answer_index": 1})
    step = Step(Turn("", 2), answer="(B)", grade=ROBUST("(B)", task))
    record = EpisodeRecord(task, Message("user", "Which?", (CHART,)), [step], end="answered")
    write(tmp_path, [Trajectory.from_record(record, episode_id="e")])
    assert regrade(tmp_path, "multiple_choice").confusion == {(False, True): 1}


def test_regrade_by_the_official_metric(log: Path) -> None:
    result = regrade(log, "chartqa", "strict")
    assert result.confusion == {(True, True): 1, (True, False): 1, (False, False): 1}
    assert (result.unanswered, result.voided) == (0, 1)
    assert regrade(log, "chartqa", "robust").confusion == {(True, True): 2, (False, False): 1}
    assert regrade(log, "chartqa", "robust", tolerance=0.1).confusion == {(True, True): 2, (False, True): 1}
    run = CliRunner().invoke(app, ["regrade", str(log), "--mode", "strict"])
    assert run.exit_code == 0, run.output
    assert pq.read_table(log / "regrade-chartqa-strict.parquet")["new_correct"].to_pylist() == [True, False, False]
    bad = CliRunner().invoke(app, ["regrade", str(log), "--grader", "chartq"])
    assert bad.exit_code == 2
    assert "did you mean 'chartqa'" in bad.output


def test_show(log: Path, tmp_path: Path) -> None:
    runner = CliRunner()
    everything = runner.invoke(app, ["show", str(log), "--limit", "9"]).output
    assert everything.count("How many") == 4 and "VOID" in everything
    wrong = runner.invoke(app, ["show", str(log), "--wrong", "--episode", "e2"]).output
    assert "WRONG" in wrong and "RIGHT" not in wrong
    page = tmp_path / "page.html"
    assert runner.invoke(app, ["show", str(log), "--limit", "1", "--html", str(page)]).exit_code == 0
    html = page.read_text()
    assert html.count("data:image/png;base64,") == 2
    assert "&lt;think&gt;" in html and "<think>" not in html
    missing = runner.invoke(app, ["show", str(log), "--episode", "nope"])
    assert missing.exit_code == 2 and "no episode matches" in missing.output
