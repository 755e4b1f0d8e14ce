"""A user's own tool, defined in the user's own file, in a run whose env runner is another process."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import episodes
import pytest
import ray
import rollouts
from episodes import answer, call
from ray.rllib.core.rl_module.rl_module import RLModuleSpec
from rollouts import Actor, tasks_with

from policies.request import Request
from tools import registry
from tools.carried_tools import CarriedTools
from tools.errors import UnknownToolError
from tools.registry import get_tool
from vista_rllib.connectors import RECORD
from vista_rllib.job import RolloutJob
from vista_rllib.run.tuned_example import load_tuned_example

for _module in (episodes, rollouts, sys.modules[__name__]):
    ray.cloudpickle.register_pickle_by_value(_module)  # Ray's workers do not find the modules of this folder

EXAMPLE = Path(__file__).resolve().parents[1] / "tuned_examples" / "custom_tool.py"


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    registry.registered_tools()
    for name in ("_tools", "_names", "_backends"):
        monkeypatch.setattr(registry, name, dict(getattr(registry, name)))
    yield


def grey_share(request: Request) -> str:
    """Asks how much of the picture is grey, then answers."""
    return answer() if request.history else call("colour_share", colour="#808080")


def test_a_tool_of_the_users_file_runs_in_another_process(ray_session: None) -> None:
    config = load_tuned_example(EXAMPLE).config
    config.environment(env_config={"tasks": tasks_with([1] * 2)})
    config.policy(modules={"vlm": RLModuleSpec(module_class=Actor, model_config={"act": grey_share})})
    config.multi_agent(policies_to_train=[])
    config.env_runners(num_env_runners=1, num_envs_per_env_runner=2)
    config.validate()
    from ray.rllib.env.env_runner_group import EnvRunnerGroup

    group = EnvRunnerGroup(config=config, local_env_runner=False)
    try:
        jobs = [RolloutJob(f"t{index}", index, seed=index) for index in range(2)]
        (sampled,) = group.foreach_env_runner("sample", kwargs={"jobs": jobs, "explore": False}, local_env_runner=False)
    finally:
        group.stop()
    records = [episode.custom_data[RECORD] for episode in sampled]
    assert [record.fault for record in records] == [None, None]
    assert [record.steps[0].result.text for record in records] == ["100.0% of the image is #808080."] * 2
    assert all(record.correct for record in records)


def test_carried_tools_register_where_they_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    load_tuned_example(EXAMPLE)
    packed: Any = ray.cloudpickle.dumps(CarriedTools.of(["colour_share", "zoom"]))
    for names in (registry._tools, registry._names):
        names.pop("colour_share")
    with pytest.raises(UnknownToolError):
        get_tool("colour_share")
    carried = ray.cloudpickle.loads(packed)
    assert get_tool("colour_share") is carried.tools[0]


def test_a_copy_of_the_file_defines_the_same_tool(tmp_path: Path) -> None:
    load_tuned_example(EXAMPLE)
    copy = tmp_path / "tuned_example.py"
    copy.write_text(EXAMPLE.read_text())
    load_tuned_example(copy, original=EXAMPLE)
    load_tuned_example(EXAMPLE)
