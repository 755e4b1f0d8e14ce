"""A tool as an RLModule: results, errors, timeouts, injected faults, and its place beside other modules."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from ray import cloudpickle
from ray.rllib.core.columns import Columns
from ray.rllib.core.rl_module import MultiRLModuleSpec, RLModuleSpec
from ray.rllib.core.rl_module.torch import TorchRLModule

from policies.request import Request, object_array
from policies.tool import ToolModule, ToolModuleError
from tools import registry
from tools.errors import ErrorCode, Fault, ModelError, ToolInputError, ToolUnavailableError, UnknownToolError
from tools.registry import register_tool
from tools.tool import Arguments, Tool, ToolCall, ToolResult


class WordArguments(Arguments):
    word: str = ""


class Moody(Tool):
    """Does what the word says."""

    name = "moody_test"
    description = "Does what the word says."
    arguments = WordArguments
    deterministic = False
    release = threading.Event()

    def run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        words = [call.arguments.get("word", "") for call in calls]
        if "crash" in words:
            raise RuntimeError("boom")
        if "exit" in words:
            sys.exit(1)
        if "refuse" in words:
            raise ToolInputError("that region is empty")
        if "hang" in words:
            self.release.wait(30)
        if "sleep" in words:
            time.sleep(0.1)
        return [ToolResult(text=word) for word in words if word != "lost"]


@pytest.fixture(autouse=True)
def _moody(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    registry.registered_tools()
    monkeypatch.setattr(registry, "_tools", dict(registry._tools))
    monkeypatch.setattr(registry, "_names", dict(registry._names))
    register_tool(Moody)
    Moody.release.clear()
    yield
    Moody.release.set()


def spec_of(module_class: type, **settings: Any) -> RLModuleSpec:
    space = gymnasium.spaces.Discrete(1)  # not looked at
    return RLModuleSpec(module_class, observation_space=space, action_space=space, model_config=settings)


def module(**settings: Any) -> ToolModule:
    return spec_of(ToolModule, **{"tool": "moody_test", **settings}).build()


def batch(*words: str) -> dict[str, np.ndarray]:
    calls = [ToolCall("moody_test", {"word": word}) for word in words]
    return {Columns.OBS: object_array(Request("e", "moody_test", call, seed=i) for i, call in enumerate(calls))}


def run(built: ToolModule, *words: str) -> list[ToolResult]:
    actions = built.forward_inference(batch(*words))[Columns.ACTIONS]
    assert actions.dtype == object and actions.shape == (len(words),)
    return list(actions)


def test_results_come_in_order_with_their_wall_time() -> None:
    results = run(module(concurrency=2), "a", "sleep", "b", "c")
    assert [result.text for result in results] == ["a", "sleep", "b", "c"]
    assert results[1].wall_s >= 0.1 > results[0].wall_s
    assert run(module()) == []


def test_exploration_and_inference_are_the_same() -> None:
    built = module()
    actions = built.forward_exploration(batch("a", "b"))[Columns.ACTIONS]
    assert [action.text for action in actions] == ["a", "b"]


@pytest.mark.parametrize("batch_size", [1, 4])
def test_errors_stay_with_their_call(batch_size: int) -> None:
    good, crash, refuse, lost, last = run(module(batch_size=batch_size), "good", "crash", "refuse", "lost", "last")
    assert (good.text, last.text) == ("good", "last")
    assert crash.error == Fault("RuntimeError", "tool:moody_test", "boom")
    assert refuse.error == ModelError(ErrorCode.ARGUMENT_CONTENT, "that region is empty")
    assert isinstance(lost.error, Fault) and "0 results" in lost.error.message


def test_a_tool_that_ends_its_thread_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    (result,) = run(module(), "exit")
    for thread in threading.enumerate():
        if thread.name == "tool:moody_test":
            thread.join()
    assert isinstance(result.error, Fault) and result.error.kind == "ToolCrash"


def test_a_hanging_tool_is_a_fault_and_the_module_stays_usable() -> None:
    built = module(timeout_s=0.2, concurrency=1)
    results = run(built, "hang", "a", "hang", "b")
    assert [type(result.error) for result in results] == [Fault, type(None), Fault, type(None)]
    assert results[0].error == Fault("ToolTimeout", "tool:moody_test", "no result after 0.2 s")
    assert results[0].wall_s >= 0.2
    assert built.abandoned == 2
    assert run(built, "again")[0].text == "again"


def test_runs_overlap() -> None:
    started = time.monotonic()
    run(module(concurrency=8), *["sleep"] * 8)
    assert time.monotonic() - started < 0.6  # one after the other: 0.8 s


def test_injected_faults_follow_seed_and_rate() -> None:
    def faults(fault_seed: int) -> list[bool]:
        return [bool(r.error) for r in run(module(fault_rate=0.3, fault_seed=fault_seed), *["w"] * 400)]

    assert faults(0) == faults(0) != faults(1)
    assert 80 < sum(faults(0)) < 160
    assert all(r.error is None for r in run(module(), *["w"] * 20))
    (result,) = run(module(fault_rate=1.0), "w")
    assert isinstance(result.error, Fault) and result.error.kind == "InjectedFault"


def test_cache_folder_is_shared_between_modules(tmp_path: Path) -> None:
    calls = object_array([Request("e", "calculator", ToolCall("calculator", {"expression": "12 - 7"}))])
    results = []
    for _ in range(2):
        built = module(tool="calculator", cache_dir=str(tmp_path))
        results += built.forward_inference({Columns.OBS: calls})[Columns.ACTIONS].tolist()
    assert [result.text for result in results] == ["5", "5"]
    assert [result.cached for result in results] == [False, True]


def test_settings_are_checked() -> None:
    with pytest.raises(ToolModuleError, match="timeout"):
        module(timeout=3)
    with pytest.raises(ToolModuleError, match="fault_rate"):
        module(fault_rate=2)
    with pytest.raises(UnknownToolError, match="nosuch"):
        module(tool="nosuch")
    with pytest.raises(UnknownToolError, match="none"):
        module(tool="none")


def test_tool_is_told_of_ended_episodes_and_its_failure_to_let_go_is_only_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ended = []
    monkeypatch.setattr(Moody, "end_episode", lambda self, episode_id: ended.append(episode_id))
    built = module()
    built.end_episode("e7")
    assert ended == ["e7"]
    monkeypatch.setattr(Moody, "close", lambda self: 1 // 0)
    built.close()
    assert "moody_test" in caplog.text and "ZeroDivisionError" in caplog.text


def test_unavailable_tool_is_refused_at_start_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Moody, "unavailable", classmethod(lambda cls, settings: "no weights; run `get weights`"))
    with pytest.raises(ToolUnavailableError, match="get weights"):
        module()


def test_observation_must_be_a_call() -> None:
    requests = object_array([Request("e", "moody_test", "hello")])  # type: ignore[arg-type]
    with pytest.raises(ToolModuleError, match="expected a ToolCall"):
        module().forward_inference({Columns.OBS: requests})


def test_is_not_trained() -> None:
    with pytest.raises(ToolModuleError, match="policies_to_train"):
        module().forward_train(batch("a"))


class Linear(TorchRLModule):
    """A module with weights to stand beside."""

    def setup(self) -> None:
        import torch

        self.layer = torch.nn.Linear(1, 1)

    def _forward(self, batch: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        return {Columns.ACTIONS: batch[Columns.OBS]}


def test_lives_beside_torch_modules(tmp_path: Path) -> None:
    modules = {"vlm": spec_of(Linear), "calculator": spec_of(ToolModule, tool="calculator")}
    spec = MultiRLModuleSpec(rl_module_specs=modules)
    both = cloudpickle.loads(cloudpickle.dumps(spec)).build()
    assert both.framework == "torch"
    call = Request("e", "calculator", ToolCall("calculator", {"expression": "1+1"}))
    out = both.forward_exploration({"calculator": {Columns.OBS: object_array([call])}, "vlm": {Columns.OBS: [1]}})
    assert out["calculator"][Columns.ACTIONS][0].text == "2"
    state = both.get_state(inference_only=True)
    assert state["calculator"] == {} and state["vlm"]
    both.set_state(state)
    both.save_to_path(tmp_path)
    both.restore_from_path(tmp_path)
