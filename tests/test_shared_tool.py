"""One instance of a heavy tool per machine: who shares it, and what becomes of calls when it breaks."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import PIL.Image
import pytest
import ray
import shared_moody
from ray.rllib.core.columns import Columns
from ray.rllib.core.rl_module import RLModuleSpec
from shared_moody import SharedMoody

from policies import shared_tool
from policies.request import Request, object_array
from policies.tool import ToolModule
from tools import registry
from tools.errors import ErrorCode, Fault, ModelError, ToolUnavailableError
from tools.image import Image
from tools.registry import register_tool
from tools.tool import ToolCall, ToolResult

for _module in (shared_moody, sys.modules[__name__]):
    ray.cloudpickle.register_pickle_by_value(_module)  # Ray's workers do not find the modules of this folder


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    registry.registered_tools()
    monkeypatch.setattr(registry, "_tools", dict(registry._tools))
    monkeypatch.setattr(registry, "_names", dict(registry._names))
    register_tool(SharedMoody)


@pytest.fixture
def modules(ray_session: None, tmp_path: Path) -> Iterator[Any]:
    """Makes modules that share an actor of this test's own, and closes them."""
    made: list[ToolModule] = []

    def make(**settings: Any) -> ToolModule:
        made.append(module(log=str(tmp_path / "log"), **settings))
        return made[-1]

    yield make
    for one in made:
        one.close()


def module(log: str = "", broken: bool = False, **settings: Any) -> ToolModule:
    config = {"tool": "shared_moody", "settings": {"log": log, "broken": broken}, "timeout_s": 30.0, **settings}
    space = gymnasium.spaces.Discrete(1)  # not looked at
    return RLModuleSpec(ToolModule, observation_space=space, action_space=space, model_config=config).build()


def run(built: ToolModule, *words: str, images: tuple[Image, ...] = ()) -> list[ToolResult]:
    calls = [ToolCall("shared_moody", {"expression": word}, images) for word in words]
    requests = [Request("e", "shared_moody", call, seed=index) for index, call in enumerate(calls)]
    return list(built.forward_inference({Columns.OBS: object_array(requests)})[Columns.ACTIONS])


def pid_of(built: ToolModule) -> int:
    (result,) = run(built, "hello")
    assert result.error is None, result.error
    return int(result.text.split()[0])


def fault_of(result: ToolResult) -> Fault:
    assert isinstance(result.error, Fault)
    return result.error


@ray.remote(num_cpus=0)
def pid_elsewhere(log: str) -> int:
    register_tool(SharedMoody)
    return pid_of(module(log=log))


def test_all_processes_share_one_instance_and_its_batches(modules: Any, tmp_path: Path) -> None:
    first, second = modules(), modules()
    assert first.shared
    pids = {pid_of(first), pid_of(second), ray.get(pid_elsewhere.remote(str(tmp_path / "log")))}
    assert len(pids) == 1 and os.getpid() not in pids
    assert (tmp_path / "log").read_text() == "built\n"
    sizes = [int(result.text.split()[1]) for result in run(first, *["nap", *map(str, range(16))])]
    assert len(sizes) == 17 and max(sizes) == 8


def test_pictures_come_back(modules: Any) -> None:
    picture = Image.from_pil(PIL.Image.new("RGB", (400, 300), "red"))
    (result,) = run(modules(), "hello", images=(picture,))
    assert result.images == (picture,) and result.images[0].size == (400, 300)


def test_in_this_process_where_asked_for_or_where_ray_is_not_running(
    ray_session: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert pid_of(module(shared=False)) == os.getpid()
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    alone = module(shared=True)
    assert pid_of(alone) == os.getpid() and not alone.shared


def test_any_tool_is_shared_where_asked_for(ray_session: None) -> None:
    built = module(tool="calculator", settings={}, shared=True)
    call = ToolCall("calculator", {"expression": "2 ** 10"})
    requests = object_array([Request("e", "calculator", call)] * 2)
    results = built.forward_inference({Columns.OBS: requests})[Columns.ACTIONS]
    assert [result.text for result in results] == ["1024", "1024"]
    assert [result.cached for result in results] == [False, True]
    built.close()


def test_a_killed_actor_is_a_fault_of_the_calls_in_it_and_starts_again(modules: Any) -> None:
    first, second = modules(), modules()
    before = pid_of(first)
    (result,) = run(first, "kill")
    assert fault_of(result).kind == "ToolDied"
    after = pid_of(second)
    assert after == pid_of(first) != before


def test_a_hang_is_given_up_and_does_not_block_later_calls(modules: Any) -> None:
    first, second = modules(timeout_s=1.0), modules()
    before = pid_of(first)
    started = time.monotonic()
    (result,) = run(first, "hang")
    assert fault_of(result) == Fault("ToolTimeout", "tool:shared_moody", "no result after 1 s")
    assert time.monotonic() - started < 2.0
    wait_until_dead(before)
    assert pid_of(second) != before


def test_an_actor_that_does_not_even_answer_is_started_again(modules: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_tool, "ANSWER_S", 0.5)
    first, second = modules(timeout_s=1.0), modules()
    before = pid_of(first)
    assert fault_of(run(first, "stop")[0]).kind == "ToolTimeout"
    assert pid_of(second) != before


@pytest.mark.parametrize(
    ("word", "kind", "message"),
    [
        ("lost", "ToolGarbage", "1 calls, but 0 results"),
        ("number", "ToolGarbage", "a int among the results"),
        ("text", "ToolGarbage", "a str in place of a list of results"),
        ("crash", "OSError", "boom"),
    ],
)
@pytest.mark.parametrize("shared", [True, False])
def test_what_else_goes_wrong_is_a_fault_by_kind(
    modules: Any, word: str, kind: str, message: str, shared: bool
) -> None:
    built = modules(shared=shared)
    good, bad, last = run(built, "hello", word, "hello")
    fault = fault_of(bad)
    assert (fault.kind, fault.where) == (kind, "tool:shared_moody") and message in fault.message
    assert good.error is None and last.error is None


def test_what_cannot_travel_is_a_fault(modules: Any) -> None:
    built = modules()
    assert fault_of(run(built, "odd")[0]).kind == "TypeError"
    assert pid_of(built)


def test_what_the_policy_asked_wrongly_is_its_error(modules: Any) -> None:
    (result,) = run(modules(), "refuse")
    assert result.error == ModelError(ErrorCode.ARGUMENT_CONTENT, "that region is empty")


def test_a_tool_that_cannot_be_built_is_refused_at_start_up(ray_session: None) -> None:
    with pytest.raises(ToolUnavailableError, match=r"shared_moody.*RuntimeError: no such weights"):
        module(broken=True)


def test_ended_episodes_and_the_last_close_reach_it(modules: Any, tmp_path: Path) -> None:
    first, second = modules(), modules()
    before = pid_of(first)
    first.end_episode("e7")
    first.close()
    assert pid_of(second) == before
    second.close()
    wait_for(tmp_path / "log", "built\nended e7\nclosed\n")
    assert pid_of(second) != before


@ray.remote(num_cpus=0)
class Owner:
    """An env runner that starts the shared tool."""

    def start(self, log: str) -> int:
        register_tool(SharedMoody)
        self.module = module(log=log)
        return pid_of(self.module)


def test_the_end_of_the_process_that_started_it_is_no_end_for_others(modules: Any, tmp_path: Path) -> None:
    owner = Owner.remote()
    before = ray.get(owner.start.remote(str(tmp_path / "log")))
    other = modules()
    assert pid_of(other) == before
    ray.kill(owner)
    wait_until_dead(before)
    assert pid_of(other) != before


def wait_for(file: Path, text: str) -> None:
    deadline = time.monotonic() + 10
    while file.read_text() != text and time.monotonic() < deadline:
        time.sleep(0.05)
    assert file.read_text() == text


def wait_until_dead(pid: int) -> None:
    deadline = time.monotonic() + 20
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(f"/proc/{pid}").exists()
