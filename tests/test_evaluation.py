"""Evaluation: every task once, in order, and a report that its own episodes bear out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ray.rllib.core.rl_module.rl_module import RLModuleSpec
from rollouts import TINY_VLM, TypistModule, config_of, picture_task

from envs.graders.by_dataset import grader_for
from envs.task import Task
from envs.visual_reasoning import VisualReasoningEnv
from tools.errors import VistaError
from vista_rllib import evaluation
from vista_rllib.evaluation import EvaluationError, evaluate
from vista_rllib.grpo import GRPO
from vista_rllib.rollout_runner import RolloutRunner

TASKS = {
    task.id: task
    for task in (
        picture_task("a", "Is the blue bar longer?", "Yes", question_kind="boolean"),
        picture_task("b", "Is the red bar longer?", "No", question_kind="boolean"),
        picture_task("c", "Which is longer, blue or red?", "blue", question_kind="choice"),
        picture_task("d", "Which is longer, blue or red?", "red", question_kind="choice"),
        picture_task("e", "What is the longest bar?", "green", question_kind="label"),
    )
}
"""Without a chart reader the scripted policy guesses: `Yes` and the first of two choices, then the other."""


def report_of(tasks: dict[str, Task] = TASKS, **options: Any) -> evaluation.EvaluationReport:
    return evaluate(config_of(tasks), policy="scripted", **options)


def test_the_scripted_policy_on_every_task() -> None:
    seen: list[tuple[int, int]] = []
    report = report_of(progress=lambda done, total: seen.append((done, total)))
    assert [record.task.id for record in report.episodes] == list("abcde")
    assert [record.correct for record in report.episodes] == [True, False, True, False, False]
    assert report.accuracy == report.first_attempt_accuracy == pytest.approx(0.4)
    assert report.by_kind == {"boolean": 0.5, "choice": 0.5, "label": 0.0}
    assert report.failures == {"wrong, no tool used": 3}
    assert (report.num_tasks, report.num_faults, report.response_tokens) == (5, 0, 0.0)
    assert report.tool_calls_per_episode == 0.0 and report.model_errors == {}
    assert seen == [(4, 5), (5, 5)]  # four sub-envs
    assert report.wall_s > 0


def test_a_second_attempt_counts_for_accuracy_only() -> None:
    report = report_of(max_attempts=2, feedback="verdict")
    assert [record.correct for record in report.episodes] == [True, True, True, True, False]
    assert report.accuracy == pytest.approx(0.8) and report.first_attempt_accuracy == pytest.approx(0.4)


def test_limit_and_report_as_json() -> None:
    report = report_of(limit=2)
    assert [record.task.id for record in report.episodes] == ["a", "b"]
    numbers = report.to_dict()
    assert "episodes" not in numbers and numbers["accuracy"] == 0.5 and numbers["num_tasks"] == 2


def test_the_tolerance_is_the_graders() -> None:
    tasks = {"n": picture_task("n", "Which is closer, 104 or 7?", "100")}
    assert report_of(tasks, tolerance=0.05).accuracy == 1.0
    assert report_of(tasks, tolerance=0.03).accuracy == 0.0


def test_faults_are_counted_and_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    step = VisualReasoningEnv.step

    def breaks(self: VisualReasoningEnv, actions: Any) -> Any:
        if self.record.task.id == "b":
            raise OSError("gone")
        return step(self, actions)

    monkeypatch.setattr(VisualReasoningEnv, "step", breaks)
    report = report_of()
    assert (report.num_tasks, report.num_faults) == (5, 1)
    assert report.accuracy == pytest.approx(2 / 4) and report.by_kind["boolean"] == 1.0


def test_what_cannot_be_evaluated_is_named() -> None:
    with pytest.raises(EvaluationError, match=r"unknown policy 'script'.*scripted"):
        evaluate(config_of(TASKS), policy="script")
    with pytest.raises(EvaluationError, match="no tasks to evaluate"):
        report_of(limit=0)
    with pytest.raises(VistaError, match="calculatr"):
        report_of(tools=["calculatr"])
    with pytest.raises(VistaError, match="/no/such/folder"):
        report_of(data="/no/such/folder")


def test_the_config_given_stays_as_it_was() -> None:
    config = config_of(TASKS)
    evaluate(config, policy="scripted", limit=1, tools=["none"], max_attempts=2)
    assert config.agent_modules == {} and config.policies_to_train == ["vlm"]
    assert config.env_config["tools"] == ["calculator"] and "max_attempts" not in config.env_config


class _TwoRunners:
    """RLlib's group of remote runners, in this process."""

    def __init__(self, config: Any, **kwargs: Any) -> None:
        self._runners = {index: RolloutRunner(config=config, worker_index=index) for index in (1, 2)}

    def healthy_worker_ids(self) -> list[int]:
        return list(self._runners)

    def foreach_env_runner(self, names: Any, *, kwargs: Any, remote_worker_ids: Any, **_: Any) -> Iterator[Any]:
        for index, name, arguments in zip(remote_worker_ids, names, kwargs, strict=True):
            if index not in LOST:
                yield getattr(self._runners[index], name)(**arguments)

    def stop(self) -> None:
        pass


LOST: set[int] = set()


def test_several_runners_keep_the_order_and_lose_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "EnvRunnerGroup", _TwoRunners)
    config = config_of(TASKS).env_runners(num_env_runners=2)
    report = evaluate(config, policy="scripted")
    assert [record.task.id for record in report.episodes] == list("abcde")
    monkeypatch.setitem(globals(), "LOST", {2})
    with pytest.raises(EvaluationError, match="2 of 5 episodes did not come back"):
        evaluate(config, policy="scripted")


def test_the_vlm_without_an_algorithm_is_greedy() -> None:
    report = evaluate(config_of(TASKS, max_turns=2).policy(vlm=TINY_VLM), limit=2, tools=["calculator"])
    again = evaluate(config_of(TASKS, max_turns=2).policy(vlm=TINY_VLM), limit=2, tools=["calculator"])
    turns = [[step.turn.text for step in record.steps] for record in report.episodes]
    assert turns == [[step.turn.text for step in record.steps] for record in again.episodes]
    assert report.response_tokens > 0 and report.num_tasks == 2


def test_an_algorithm_is_evaluated_with_its_current_weights(ray_session: None) -> None:
    config = config_of(TASKS, max_turns=2).policy(
        modules={"vlm": RLModuleSpec(module_class=TypistModule, model_config={**TINY_VLM, "max_new_tokens": 64})}
    )
    config.training(groups_per_iteration=1, rollouts_per_task=2, lr=1e-3, measure_kl=False, kl_coeff=0.0)
    algo: GRPO = config.build_algo()
    try:
        used: list[Any] = []
        generate = TypistModule._generate

        def watched(self: TypistModule, requests: Any, greedy: bool) -> Any:
            used.append((self, greedy))
            return generate(self, requests, greedy)

        trained = algo.env_runner.module["vlm"]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(TypistModule, "_generate", watched)
            report = evaluate(algo.config, algo=algo, limit=1)
        assert report.num_tasks == 1 and all(module is trained and greedy for module, greedy in used)
        assert used and set(algo.env_runner.module.keys()) == {"vlm", "calculator"}
        assert algo.train()["training_iteration"] == 1  # evaluation has not disturbed it
    finally:
        algo.stop()


def test_a_policy_by_name_needs_no_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("policies.vlm.VLMModule.setup", lambda self: pytest.fail("the VLM was loaded"))
    assert report_of(limit=1).num_tasks == 1


def test_data_of_another_dataset_is_graded_as_its_authors_grade(shared_data: Path) -> None:
    report = report_of(data=str(shared_data / "tabmwp"), tools=(), limit=4)
    assert {record.task.dataset for record in report.episodes} == {"tabmwp"}
    for record in report.episodes:
        assert record.grade == grader_for("tabmwp")(record.steps[-1].answer or "", record.task)
