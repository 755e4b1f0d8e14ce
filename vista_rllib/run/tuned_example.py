"""`TunedExample`: a Python file that defines `config`, and what else it may define."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from ray import cloudpickle
from ray.rllib.algorithms.algorithm_config import AlgorithmConfig
from ray.tune import TuneConfig

from tools.errors import VistaError, boundary


class TunedExampleError(VistaError):
    """A tuned example cannot be loaded. The message names the file and what was expected."""


@dataclass(frozen=True, slots=True)
class TunedExample:
    """What a tuned example defines.

    Attributes:
        path: the file.
        config: an unfrozen copy of its `config`.
        stop: its `stop`, metric to threshold; empty when it has none.
        evaluation: its `evaluation`, the fields of `EvaluationPlan`; None when it has none.
        param_space: its `param_space`, hyperparameters for Ray Tune; empty when it has none.
        tune_config: its `tune_config`.
    """

    path: Path
    config: AlgorithmConfig
    stop: Mapping[str, float] = field(default_factory=dict)
    evaluation: Mapping[str, Any] | None = None
    param_space: Mapping[str, Any] = field(default_factory=dict)
    tune_config: TuneConfig | None = None


def load_tuned_example(path: Path, *, original: Path | None = None) -> TunedExample:
    """Runs the file and reads its names.

    Args:
        path: the Python file.
        original: what the file sees as its `__file__`, for a copy of a file that looks for its neighbours.

    Raises:
        TunedExampleError: no such file, it does not run, `config` is missing, or a name has the wrong type.
    """
    module = run_file(path, original)
    config = getattr(module, "config", None)
    if config is None:
        raise TunedExampleError(f"{path}: defines no `config`; expected `config = GRPOConfig()...` at its top level")
    if not isinstance(config, AlgorithmConfig):
        raise TunedExampleError(f"{path}: `config` is a {_kind(config)}; expected an instance of AlgorithmConfig")
    if config.algo_class is None:
        raise TunedExampleError(f"{path}: `config` belongs to no algorithm; expected GRPOConfig(), PPOConfig(), ...")
    return TunedExample(
        path=path,
        config=config.copy(copy_frozen=False),
        stop=_optional(module, path, "stop", Mapping) or {},
        evaluation=_optional(module, path, "evaluation", Mapping),
        param_space=_optional(module, path, "param_space", Mapping) or {},
        tune_config=_optional(module, path, "tune_config", TuneConfig),
    )


def run_file(path: Path, original: Path | None = None) -> ModuleType:
    """Imports the file under a name of its own, so that its classes and functions travel to workers by value.

    A copy has the name of its original: a tool that both define is one and the same.

    Raises:
        TunedExampleError: no such file, or it does not run.
    """
    if not path.is_file():
        raise TunedExampleError(f"{path}: no such file; expected a Python file")
    if path.suffix != ".py":
        raise TunedExampleError(f"{path}: expected a Python file (.py)")
    original = (original or path).resolve()
    name = f"tuned_example_{hashlib.sha256(str(original).encode()).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise TunedExampleError(f"{path}: Python cannot import it")
    module = importlib.util.module_from_spec(spec)
    module.__file__ = str(original)
    sys.modules[name] = module
    # Before the file runs: `register_env` in it pickles its argument at once.
    cloudpickle.register_pickle_by_value(module)
    try:
        with boundary("tuned example"):
            spec.loader.exec_module(module)
    except VistaError as error:
        cause = error.__cause__ or error
        raise TunedExampleError(f"{path}{_line(cause, path)}: {type(cause).__name__}: {_text(cause)}") from cause
    return module


def _line(error: BaseException, path: Path) -> str:
    """`:12` for the file's own line the error came from, or nothing."""
    if isinstance(error, SyntaxError):
        return f":{error.lineno}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return f":{lines[-1]}" if lines else ""


def _text(error: BaseException) -> str:
    return str(error.msg if isinstance(error, SyntaxError) else error)


def _optional(module: ModuleType, path: Path, name: str, kind: type) -> Any:
    value = getattr(module, name, None)
    if value is not None and not isinstance(value, kind):
        raise TunedExampleError(f"{path}: `{name}` is a {_kind(value)}; expected a {kind.__name__}")
    return value


def _kind(value: object) -> str:
    return f"class {value.__name__}" if isinstance(value, type) else type(value).__name__
