"""`run_sweep`: several trials of a tuned example through Ray Tune."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ray.rllib.algorithms.algorithm_config import AlgorithmConfig
from ray.tune import CheckpointConfig, ResultGrid, RunConfig, TuneConfig, Tuner

from tools.errors import VistaError
from vista_rllib.run.launch import Launch

METRICS = ("reward_mean", "env_runners/episode_return_mean")
"""What the best trial is chosen by, the first that the trials report."""


class SweepError(VistaError):
    """A sweep cannot start, or a trial of it failed."""


def run_sweep(launch: Launch, *, storage: Path, num_samples: int) -> ResultGrid:
    """Runs `num_samples` trials of each point of the tuned example's `param_space`.

    Raises:
        SweepError: the space names a setting the config lacks, or trials failed; says where their errors are.
    """
    record = launch.record
    tune_config = launch.example.tune_config or TuneConfig()
    tune_config.num_samples = num_samples
    run_config = RunConfig(
        name=record.experiment,
        storage_path=str(storage.resolve()),
        stop=dict(record.stop) or None,
        checkpoint_config=CheckpointConfig(
            checkpoint_frequency=record.checkpoint_freq,
            checkpoint_at_end=record.checkpoint_at_end,
            num_to_keep=record.keep_checkpoints,
        ),
    )
    space = _with_space(launch.config, launch.example.param_space)
    # RLlib takes an AlgorithmConfig here, whatever the annotation says.
    results = Tuner(launch.config.algo_class, param_space=space, tune_config=tune_config, run_config=run_config).fit()
    if results.num_errors:
        raise SweepError(
            f"{results.num_errors} of {len(results)} trials failed; see error.txt in {results.experiment_path}"
        )
    return results


def _with_space(config: AlgorithmConfig, space: Mapping[str, object]) -> Any:
    """The config with search spaces in the place of values."""
    config = config.copy(copy_frozen=False)
    for key, value in space.items():
        if not hasattr(config, key):
            raise SweepError(f"param_space: {type(config).__name__} has no setting {key}")
        setattr(config, key, value)
    return config
