"""Training while a shared tool's actor is killed, hangs or talks nonsense: it goes on, and says what went wrong."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import episodes
import pytest
import ray
import rollouts
import shared_moody
from episodes import answer, call
from ray.rllib.core.rl_module.rl_module import RLModuleSpec
from rollouts import TypistModule, config_of, tasks_with
from shared_moody import SharedMoody

from policies.request import Request
from policies.tool import ToolModule
from tools import registry
from tools.registry import register_tool
from tools.tool import ToolResult
from vista_rllib.connectors import RECORD
from vista_rllib.grpo import GRPO
from vista_rllib.trajectories.stats import log_stats

for _module in (episodes, rollouts, shared_moody, sys.modules[__name__]):
    ray.cloudpickle.register_pickle_by_value(_module)  # Ray's workers do not find the modules of this folder

TIMEOUT_S = {"kill": 6.0, "hang": 1.0, "lost": 6.0}
ITERATIONS = 2
TYPIST = {"max_new_tokens": 64, "max_length": 1024, "random_init_seed": 3}
KINDS = {
    "kill": {"ToolDied", "ToolTimeout"},  # ToolTimeout where starting again takes longer than a call may
    "hang": {"ToolDied", "ToolTimeout"},  # ToolDied where another call's hang ended the actor
    "lost": {"ToolGarbage"},
}


def write(request: Request) -> str:
    """Asks the tool once, then answers; a bit of the seed decides whether it is right."""
    if not request.history:
        return call("shared_moody", expression=str(request.seed))
    return answer("3" if request.seed & 2 else "4")


@pytest.fixture(autouse=True)
def _moody(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    registry.registered_tools()
    for name in ("_tools", "_names"):
        monkeypatch.setattr(registry, name, dict(getattr(registry, name)))
    register_tool(SharedMoody)
    monkeypatch.setattr(rollouts, "write", write)
    yield


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that each call was with the tool."""
    seconds: list[float] = []
    run = ToolModule.run

    def timed(self: ToolModule, requests: Sequence[Request]) -> list[ToolResult]:
        started = time.monotonic()
        results = run(self, requests)
        seconds.append(time.monotonic() - started)
        return results

    monkeypatch.setattr(ToolModule, "run", timed)
    return seconds


def algorithm(mood: str, share: float, folder: Path) -> GRPO:
    config = config_of(tasks_with([1] * 6), num_envs=8, tools=["shared_moody"])
    config.policy(
        tools={"timeout_s": TIMEOUT_S[mood], "batch_size": 1, "cache_dir": None},
        tool_options={"shared_moody": {"settings": {"mood": mood, "share": share}}},
        modules={
            "vlm": RLModuleSpec(
                module_class=TypistModule,
                model_config={"max_new_tokens": 64, "max_length": 1024, "random_init_seed": 3},
            )
        },
    )
    config.training(groups_per_iteration=2, rollouts_per_task=4, lr=1e-3, kl_coeff=0.0)
    return config.logging(trajectory_dir=str(folder / "trajectories")).build_algo()


@pytest.mark.parametrize("share", [0.05, 0.5])
@pytest.mark.parametrize("mood", list(KINDS))
def test_training_goes_on(mood: str, share: float, waits: list[float], ray_session: None, tmp_path: Path) -> None:
    algo = algorithm(mood, share, tmp_path)
    sampled: list[Any] = []
    rollout = algo._rollout
    algo._rollout = lambda jobs: sampled.extend(found := rollout(jobs)) or found
    try:
        results = [algo.train() for _ in range(ITERATIONS)]
    finally:
        algo.stop()
    assert [result["training_iteration"] for result in results] == [1, 2]
    records = [episode.custom_data[RECORD] for episode in sampled]
    assert len(records) == 8 * ITERATIONS

    faults = Counter(record.fault.kind for record in records if record.fault)
    assert 1 <= faults.total() <= len(records) and set(faults) <= KINDS[mood]
    if share < 0.1:
        assert any(record.correct for record in records)
    told: Counter[str] = Counter()
    for result in results:
        told += Counter({kind: int(result.get(f"fault_count/{kind}", 0)) for kind in KINDS[mood]})
    assert told == faults
    assert log_stats(tmp_path).faults == faults

    assert len(waits) == len(records) and max(waits) <= TIMEOUT_S[mood] + 1.0
    assert all(record.reward == 0.0 and not record.reward_parts for record in records if record.fault)
