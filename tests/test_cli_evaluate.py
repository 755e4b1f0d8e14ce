"""`rllib evaluate`: what it is given is told apart, and the report reads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from vista_rllib.cli.rllib import app
from vista_rllib.run.checkpoints import CheckpointError, stored_config
from vista_rllib.run.evaluation_display import evaluation_table
from vista_rllib.run.results import RunFolder, RunRecord
from vista_rllib.run.target import Target, TargetError, find_target


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["evaluate", *(str(argument) for argument in arguments)])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """A run without checkpoints, in the working directory's `results`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "example.py").write_text("config = 1\n")
    return RunFolder.create(tmp_path / "results", RunRecord("example.py", "one"))


def test_a_run_stands_for_its_newest_checkpoint(folder: RunFolder) -> None:
    with pytest.raises(TargetError, match=r"results/latest: this run has no checkpoint yet"):
        find_target("results/latest")
    for name in ("checkpoint_000002", "checkpoint_000010", ".checkpoint_000011.tmp"):
        (folder.path / name).mkdir()
        (folder.path / name / "rllib_checkpoint.json").write_text("{}")
    assert find_target("results/latest") == Target(folder.path / "checkpoint_000010", folder)
    older = find_target(str(folder.path / "checkpoint_000002"))
    assert older == Target(folder.path / "checkpoint_000002", folder)


def test_models_are_folders_or_hub_ids(folder: RunFolder, tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    assert find_target(str(model)) == Target(model=str(model))
    assert find_target("Qwen/Qwen2.5-VL-7B-Instruct") == Target(model="Qwen/Qwen2.5-VL-7B-Instruct")
    assert find_target("vista-tiny") == Target(model="vista-tiny")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("results/mistyped", "no such folder; expected a run"),
        ("no-such", "no such folder; expected a run"),
        ("example.py", "is a file; expected the folder"),
        (".", "holds no run"),
    ],
)
def test_anything_else_is_refused(folder: RunFolder, text: str, message: str) -> None:
    with pytest.raises(TargetError, match=message):
        find_target(text)


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    (tmp_path / "class_and_ctor_args.pkl").write_bytes(b"\x80\x05broken")
    with pytest.raises(CheckpointError, match=r"class_and_ctor_args.pkl: cannot be read: UnpicklingError"):
        stored_config(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "expected a run, a checkpoint or a model, or --policy"),
        (["results/latest"], "Error: results/latest: this run has no checkpoint yet"),
        (["--policy", "scripted", "--json", "none/report.json"], "none is no folder"),
        (["--policy", "scripted", "--set", "env_config.max_turn=1"], 'did you mean "max_turns"?'),
    ],
)
def test_bad_command_lines(folder: RunFolder, ray_session: None, arguments: list[str], message: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    assert message in " ".join(result.output.replace("│", " ").split())


def test_unknown_names_are_said(folder: RunFolder, ray_session: None) -> None:
    for arguments, message in [
        (["--policy", "scriptd"], "Error: unknown policy 'scriptd'"),
        (["--policy", "scripted", "--tools", "hammer"], "hammer"),
        (["--policy", "scripted", "--env", "vista/ChatQA-v0"], "no env is named 'vista/ChatQA-v0'"),
    ]:
        result = run(*arguments)
        assert (result.exit_code, message in result.output) == (2, True), result.output


def test_a_named_policy_needs_no_checkpoint(tmp_path: Path, ray_session: None) -> None:
    report = tmp_path / "report.json"
    result = run("--policy", "scripted", "--limit", 2, "--tools", "none", "--max-attempts", 2, "--json", report)
    assert result.exit_code == 0, result.output
    assert "accuracy" in result.output and "tool calls per episode" in result.output
    values = json.loads(report.read_text())
    assert (values["num_tasks"], values["tool_calls_per_episode"], values["num_faults"]) == (2, 0.0, 0)
    assert (values["evaluated"], values["tools"], values["max_attempts"]) == ("scripted", ["none"], 2)


def test_the_report_shows_failures_errors_and_faults() -> None:
    report = {
        "accuracy": 0.5,
        "first_attempt_accuracy": 0.25,
        "by_kind": {"count": 0.5, "[odd] kind": 1.0},
        "num_tasks": 8,
        "tool_calls_per_episode": 1.25,
        "response_tokens": 30.0,
        "num_faults": 1,
        "failures": {"no answer: turns": 1, "wrong after tool (E6)": 3},
        "model_errors": {"E1": 2},
        "wall_s": 1.0,
    }
    console = Console(width=80)
    with console.capture() as capture:
        console.print(evaluation_table(report, {"TimeoutError in tool:ocr": 1}, "run"))
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in capture.get().splitlines() if "│" in line]
    assert rows == [
        ["accuracy", "50.0%"],
        ["accuracy, first attempt", "25.0%"],
        ["[odd] kind", "100.0%"],
        ["count", "50.0%"],
        ["tasks", "8"],
        ["tool calls per episode", "1.25"],
        ["response tokens", "30.0"],
        ["episodes lost to faults", "1"],
        ["wrong after tool (E6)", "3"],
        ["no answer: turns", "1"],
        ["turns with model error E1", "2"],
        ["fault: TimeoutError in tool:ocr", "1"],
        ["seconds", "1.0"],
    ]
