"""Loading a tuned example: what it may define, and what is said when it cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest
from ray import cloudpickle

from vista_rllib.run.launch import Request, launch_again, launch_new
from vista_rllib.run.overrides import OverrideError
from vista_rllib.run.results import RunFolder
from vista_rllib.run.tuned_example import TunedExampleError, load_tuned_example

CONFIG = "from ray.rllib.algorithms.ppo import PPOConfig\nconfig = PPOConfig().environment('CartPole-v1')\n"


def write(folder: Path, text: str, name: str = "example.py") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_everything_it_may_define(tmp_path: Path) -> None:
    text = CONFIG + "stop = {'training_iteration': 5}\nevaluation = {'limit': 3}\nparam_space = {'lr': 1}\n"
    example = load_tuned_example(write(tmp_path, text))
    assert example.config.env == "CartPole-v1"
    assert (example.stop, example.evaluation) == ({"training_iteration": 5}, {"limit": 3})
    assert example.param_space == {"lr": 1}


def test_only_config_is_needed(tmp_path: Path) -> None:
    example = load_tuned_example(write(tmp_path, CONFIG))
    assert (example.stop, example.evaluation, example.param_space, example.tune_config) == ({}, None, {}, None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\n", r"example.py: defines no `config`; expected"),
        ("config = 3\n", r"example.py: `config` is a int; expected an instance of AlgorithmConfig"),
        (
            "from ray.rllib.algorithms.ppo import PPOConfig as config\n",
            r"example.py: `config` is a class PPOConfig; expected an instance",
        ),
        (
            "from ray.rllib.algorithms.algorithm_config import AlgorithmConfig\nconfig = AlgorithmConfig()\n",
            r"example.py: `config` belongs to no algorithm",
        ),
        (CONFIG + "stop = 3\n", r"example.py: `stop` is a int; expected a Mapping"),
        (CONFIG + "evaluation = [1]\n", r"example.py: `evaluation` is a list; expected a Mapping"),
        ("x = 1\nconfig = (\n", r"example.py:2: SyntaxError: '\(' was never closed"),
        ("\n\nimport no_such_package\n", r"example.py:3: ModuleNotFoundError: No module named 'no_such_package'"),
        ("def f():\n    return 1 / 0\nf()\n", r"example.py:2: ZeroDivisionError: division by zero"),
    ],
)
def test_errors_name_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(TunedExampleError, match=message):
        load_tuned_example(write(tmp_path, text))


def test_missing_and_wrong_files(tmp_path: Path) -> None:
    with pytest.raises(TunedExampleError, match=r"none.py: no such file"):
        load_tuned_example(tmp_path / "none.py")
    with pytest.raises(TunedExampleError, match=r"example.yaml: expected a Python file"):
        load_tuned_example(write(tmp_path, "a: 1", "example.yaml"))


def test_classes_of_the_file_travel_by_value(tmp_path: Path) -> None:
    text = CONFIG + "class Extra:\n    word = 'here'\nconfig.env_config = {'extra': Extra}\n"
    example = load_tuned_example(write(tmp_path, text, "name-with-hyphen.py"))
    assert b"here" in cloudpickle.dumps(example.config.env_config["extra"])


def test_a_copy_sees_the_original_as_its_file(tmp_path: Path) -> None:
    original = write(tmp_path, CONFIG + "config.env_config = {'file': __file__}\n")
    copy = tmp_path / "elsewhere" / "tuned_example.py"
    copy.parent.mkdir()
    copy.write_text(original.read_text())
    assert load_tuned_example(copy, original=original).config.env_config == {"file": str(original)}


def test_launch_merges_the_files_wishes_and_the_users(tmp_path: Path) -> None:
    file = write(tmp_path, CONFIG + "stop = {'training_iteration': 5, 'time_total_s': 60}\n")
    launch = launch_new(file, Request(overrides=["lr=0.5"], stop={"training_iteration": 9}, seed=7))
    assert launch.record.stop == {"training_iteration": 9, "time_total_s": 60}
    assert (launch.config.lr, launch.config.seed) == (0.5, 7)
    assert launch.record.experiment == "example"
    assert (launch.record.checkpoint_freq, launch.record.keep_checkpoints) == (10, 2)


def test_resuming_keeps_the_files_copy_and_all_overrides(tmp_path: Path) -> None:
    file = write(tmp_path, CONFIG + "config.gamma = 0.5\nstop = {'training_iteration': 5}\n")
    first = launch_new(file, Request(overrides=["lr=0.5"], checkpoint_freq=3, seed=7))
    folder = RunFolder.create(tmp_path / "results", first.record)
    write(tmp_path, CONFIG + "config.gamma = 0.9\n")
    again = launch_again(folder, Request(overrides=["num_epochs=2"], stop={"training_iteration": 8}))
    assert (again.config.gamma, again.config.lr, again.config.num_epochs, again.config.seed) == (0.5, 0.5, 2, 7)
    assert (again.record.stop, again.record.checkpoint_freq) == ({"training_iteration": 8}, 3)


def test_bad_requests_write_nothing(tmp_path: Path) -> None:
    file = write(tmp_path, CONFIG)
    with pytest.raises(OverrideError, match=r"learning_rat: no such setting"):
        launch_new(file, Request(overrides=["learning_rat=1"]))
    with pytest.raises(TunedExampleError, match=r"`config` is not valid: .*minibatch_size"):
        launch_new(file, Request(overrides=["minibatch_size=5000", "train_batch_size_per_learner=10"]))
    with pytest.raises(TunedExampleError, match=r"`evaluation` needs an env of vista/, and `config` has CartPole-v1"):
        launch_new(file, Request(overrides=["evaluation.limit=3"]))
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".py"] in ([], ["__pycache__"])
