"""`Launch`: from a command line to a config, a folder and a record, for a new run or one that goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ray.rllib.algorithms.algorithm_config import AlgorithmConfig

from tools.errors import VistaError
from vista_rllib.run.evaluation_plan import EvaluationPlan, is_evaluation, plan_evaluation
from vista_rllib.run.overrides import apply_overrides
from vista_rllib.run.results import RunFolder, RunRecord
from vista_rllib.run.stop import check_stop
from vista_rllib.run.tuned_example import TunedExample, TunedExampleError, load_tuned_example


@dataclass(frozen=True, slots=True)
class Request:
    """What the user asked for; None leaves the default or what an earlier process recorded.

    Attributes:
        overrides: every `--set`.
        stop: metric to threshold, over those of the file.
        experiment: name; the file's stem by default.
        storage: folder of all results.
        seed: replaces the config's seed.
        checkpoint_freq: iterations between checkpoints, 0 for none on the way. Default 10.
        checkpoint_at_end: whether the last iteration is saved. Default yes.
        keep_checkpoints: how many of the newest stay. Default 2.
    """

    overrides: Sequence[str] = ()
    stop: dict[str, float] = field(default_factory=dict)
    experiment: str | None = None
    storage: Path = Path("results")
    seed: int | None = None
    checkpoint_freq: int | None = None
    checkpoint_at_end: bool | None = None
    keep_checkpoints: int | None = None


@dataclass(frozen=True, slots=True)
class Launch:
    """Everything a `Trainer` or a sweep starts from.

    Attributes:
        example: the tuned example as loaded.
        config: its config after all overrides.
        evaluation: its evaluation plan after all overrides.
        record: what was asked for.
    """

    example: TunedExample
    config: AlgorithmConfig
    evaluation: EvaluationPlan | None
    record: RunRecord


def launch_new(file: Path, request: Request) -> Launch:
    """Reads a tuned example and applies what was asked for. Nothing is written.

    Raises:
        TunedExampleError, OverrideError, StopError: what the user gave cannot be used.
    """
    example = load_tuned_example(file)
    record = RunRecord(
        file=str(file.resolve()), experiment=request.experiment or file.stem, stop=check_stop(example.stop)
    )
    record.checkpoint_freq, record.keep_checkpoints = 10, 2
    return _launch(example, record, request)


def launch_again(folder: RunFolder, request: Request) -> Launch:
    """Goes on with an earlier run: its own copy of the tuned example, its overrides, then the new ones.

    Raises:
        TunedExampleError, OverrideError, StopError, ResultsError: what is there or was given cannot be used.
    """
    record = folder.read_record()
    example = load_tuned_example(folder.tuned_example, original=Path(record.file))
    return _launch(example, record, request)


def _launch(example: TunedExample, record: RunRecord, request: Request) -> Launch:
    record.overrides += request.overrides
    record.stop |= request.stop
    for name in ("seed", "checkpoint_freq", "checkpoint_at_end", "keep_checkpoints"):
        value: Any = getattr(request, name)
        if value is not None:
            setattr(record, name, value)
    config = configure(example, record)
    evaluation = plan_evaluation(example.evaluation, [text for text in record.overrides if is_evaluation(text)])
    if evaluation is not None and not str(config.env).startswith("vista/"):
        raise TunedExampleError(f"{example.path}: `evaluation` needs an env of vista/, and `config` has {config.env}")
    return Launch(example, config, evaluation, record)


def configure(example: TunedExample, record: RunRecord) -> AlgorithmConfig:
    """The config of a tuned example after a run's overrides and seed, checked.

    Raises:
        OverrideError: an override names nothing or has the wrong type.
        TunedExampleError: RLlib refuses the config.
    """
    config = apply_overrides(example.config, [text for text in record.overrides if not is_evaluation(text)])
    if record.seed is not None:
        config.debugging(seed=record.seed)
    try:
        config.copy().validate()
    except VistaError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise TunedExampleError(f"{example.path}: `config` is not valid: {error}") from error
    return config
