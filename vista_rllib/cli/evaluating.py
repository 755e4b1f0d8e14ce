"""What `rllib evaluate` does once its options are read."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ray.rllib.algorithms.algorithm import Algorithm
from ray.rllib.algorithms.algorithm_config import AlgorithmConfig

from vista_rllib.cli.group import out, quiet_libraries, shown
from vista_rllib.evaluation import evaluate
from vista_rllib.grpo_config import GRPOConfig
from vista_rllib.run.checkpoints import restore, stored_config
from vista_rllib.run.evaluation_display import evaluation_progress, evaluation_table, fault_kinds
from vista_rllib.run.evaluation_plan import EvaluationPlan, is_evaluation, plan_evaluation
from vista_rllib.run.files import write_json
from vista_rllib.run.launch import Launch, Request, launch_again
from vista_rllib.run.overrides import apply_overrides
from vista_rllib.run.ray_runtime import Cluster, ray_runtime
from vista_rllib.run.target import Target, TargetError, find_target
from vista_rllib.trainer import LOGS

DEFAULT_ENV = "vista/ChartQA-v0"


def evaluate_target(
    checkpoint: str | None,
    *,
    policy: str | None,
    env: str | None,
    wishes: Mapping[str, Any],
    settings: Sequence[str],
    json_file: Path | None,
    cluster: Cluster,
) -> None:
    """Evaluates and prints the report.

    Args:
        checkpoint: run, checkpoint, model folder or hub id.
        policy: a named policy in its place.
        env: where no run names one.
        wishes: fields of `EvaluationPlan` that were asked for.
        settings: every `--set`.
        json_file: where the report goes as JSON too.
        cluster: the Ray to use.

    Raises:
        TargetError: what is to be evaluated cannot be told or used.
    """
    console = out()
    target = find_target(checkpoint) if checkpoint else Target()
    launch = launch_again(target.run, Request(overrides=settings)) if target.run else None
    own = [setting for setting in settings if is_evaluation(setting)]
    plan = (launch.evaluation if launch else plan_evaluation(None, own)) or EvaluationPlan()
    plan = dataclasses.replace(plan, **wishes)
    quiet_libraries()
    with (
        ray_runtime(cluster),
        _policy(target, launch, policy, env, settings) as (config, algo),
        evaluation_progress(console, "Evaluating") as progress,
    ):
        report = evaluate(config, policy=policy, algo=algo, progress=progress, **plan.arguments())
    faults = fault_kinds(report.episodes)
    name = policy or target.model or shown(target.checkpoint or Path())
    console.print(evaluation_table(report.to_dict(), faults, name))
    if json_file is not None:
        asked = {"evaluated": name, "env": str(config.env), **plan.arguments()}
        write_json(json_file, asked | report.to_dict() | {"faults": faults})
        console.print(f"Report in {json_file}", soft_wrap=True, markup=False)


@contextmanager
def _policy(
    target: Target, launch: Launch | None, policy: str | None, env: str | None, settings: Sequence[str]
) -> Iterator[tuple[AlgorithmConfig, Algorithm | None]]:
    """The config, and the restored algorithm where there is a checkpoint to restore."""
    if target.checkpoint is None:
        others = [setting for setting in settings if not is_evaluation(setting)]
        config = apply_overrides(GRPOConfig().environment(env or DEFAULT_ENV), others)
        if target.model:
            config.policy(vlm={"model": target.model})
        yield config, None
        return
    if env is not None:
        raise TargetError(f"--env {env}: a checkpoint has its own env; use --data, or --set env=... to change it")
    if launch is not None and policy is not None:
        yield launch.config, None
        return
    algo = _restored(target.checkpoint, launch, settings)
    try:
        yield algo.config, algo
    finally:
        algo.stop()


def _restored(checkpoint: Path, launch: Launch | None, settings: Sequence[str]) -> Algorithm:
    """An algorithm with the checkpoint's state that writes no logs: restoring would cut those of its run."""
    if launch is not None:
        config = launch.config.copy(copy_frozen=False)
    else:
        config = apply_overrides(stored_config(checkpoint), [text for text in settings if not is_evaluation(text)])
    for name in LOGS:
        if hasattr(config, name):
            setattr(config, name, None)
    algo = config.build_algo()
    restore(algo, checkpoint)
    return algo
