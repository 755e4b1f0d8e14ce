"""`rllib train file` from the command line, with RLlib's own PPO on CartPole: any algorithm can be trained."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from vista_rllib.cli.rllib import app

EXAMPLE = """
from ray.rllib.algorithms.ppo import PPOConfig

config = (
    PPOConfig()
    .environment("CartPole-v1")
    .env_runners(num_env_runners=0)
    .training(train_batch_size_per_learner=64, minibatch_size=32, num_epochs=1)
    .rl_module(model_config={"fcnet_hiddens": [4]})
)
stop = {"training_iteration": 2}
"""


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tuned example in the working directory."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "cart_pole.py"
    path.write_text(EXAMPLE)
    return path


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def iterations(folder: Path) -> list[int]:
    return [json.loads(line)["training_iteration"] for line in (folder / "result.json").read_text().splitlines()]


def summary(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "summary.json").read_text())


def test_train_then_resume(example: Path, ray_session: None) -> None:
    result = run("train", "file", example, "--set", "num_epochs=2", "--checkpoint-freq", "1")
    assert result.exit_code == 0, result.output
    folder = Path("results/latest").resolve()
    assert iterations(folder) == [1, 2], "the file's own stop holds"
    assert summary(folder)["status"] == "finished" and summary(folder)["iterations"] == 2
    assert json.loads((folder / "params.json").read_text())["num_epochs"] == 2
    assert sorted(path.name for path in folder.glob("checkpoint_0*")) == ["checkpoint_000001", "checkpoint_000002"]
    assert (folder / "learning_curve.png").stat().st_size > 0
    assert [line.split()[0] for line in result.output.splitlines() if line[:5].strip().isdigit()] == ["1", "2"]
    assert f"--resume-from results/{folder.name}" in result.output

    # As after a kill in iteration 2: its row is there, its checkpoint is not, and a line is torn.
    (folder / "checkpoint_000002").rename(folder / ".checkpoint_000002.tmp")
    with (folder / "result.json").open("a") as file:
        file.write('{"training_it')
    before = (folder / "result.json").read_text().splitlines()[0]
    result = run("train", "file", example, "--resume", "--stop", "training_iteration=3")
    assert result.exit_code == 0, result.output
    assert Path("results/latest").resolve() == folder
    assert iterations(folder) == [1, 2, 3]
    assert (folder / "result.json").read_text().splitlines()[0] == before
    lifetime = [
        json.loads(line)["num_env_steps_sampled_lifetime"] for line in (folder / "result.json").read_text().splitlines()
    ]
    assert lifetime == [64, 128, 192], "the algorithm's own state went on"
    assert sorted(path.name for path in folder.glob("*checkpoint_0*")) == ["checkpoint_000002", "checkpoint_000003"]

    result = run("train", "file", "--resume-from", folder)
    assert result.exit_code == 0 and iterations(folder) == [1, 2, 3], "nothing is left to do"


@pytest.mark.timeout(600)
def test_ctrl_c_leaves_a_checkpoint_and_whole_logs(example: Path) -> None:
    arguments = ["train", "file", str(example), "--stop", "training_iteration=1000000", "--ray-num-cpus", "1"]
    code = "from vista_rllib.cli.rllib import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), "OMP_NUM_THREADS": "1"},
    )
    try:
        rows = Path("results/latest/result.json")
        deadline = time.monotonic() + 400
        while not (rows.is_file() and rows.stat().st_size) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 130, output
    folder = Path("results/latest").resolve()
    done = iterations(folder)
    assert done == list(range(1, len(done) + 1))
    assert (folder / f"checkpoint_{done[-1]:06d}").is_dir()
    assert summary(folder)["status"] == "interrupted"
    assert f"rllib train file --resume-from results/{folder.name}" in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.py"], "Error: none.py: no such file"),
        (
            ["cart_pole.py", "--set", "num_epoch=3"],
            'Error: num_epoch: no such setting of PPOConfig; did you mean "num_epochs"?',
        ),
        (["cart_pole.py", "--set", "lr=fast"], "Error: lr: expected float, got str (fast)"),
        (["cart_pole.py", "--stop", "reward=high"], "Error: stop reward: expected a number, got 'high'"),
        (["cart_pole.py", "--framework", "tf2"], "only torch is supported, got tf2"),
        (["cart_pole.py", "--resume"], "Error: results: no run of the experiment cart_pole to resume"),
        (["--resume-from", "."], "Error: .: not the folder of a run"),
        ([], "expected a Python file that defines `config`"),
    ],
)
def test_bad_command_lines(example: Path, arguments: list[str], message: str) -> None:
    result = run("train", "file", *arguments)
    assert result.exit_code == 2
    # Usage errors come in a box that folds lines.
    assert message in " ".join(result.output.replace("│", " ").split())
    assert "Traceback" not in result.output
    assert not Path("results").exists()


@pytest.mark.parametrize("arguments", [[], ["train"], ["train", "file"], ["evaluate"]])
def test_help(arguments: list[str]) -> None:
    result = run(*arguments, "--help")
    assert result.exit_code == 0 and "Usage: " in result.output
