"""`ToolModule`: a tool as an RLlib `RLModule`. Its observation is a `ToolCall`, its action a `ToolResult`."""

from __future__ import annotations

import logging
import random
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import ray
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ray.rllib.core.columns import Columns
from ray.rllib.core.rl_module import RLModule

from policies.call_queue import CallQueue
from policies.request import Request, object_array, requests_of
from policies.shared_tool import SharedTool, share
from tools.cache import ToolCache, cached_run
from tools.errors import Fault, FaultError, VistaError, boundary
from tools.registry import Selection, select_backend
from tools.tool import Tool, ToolCall, ToolResult

logger = logging.getLogger(__name__)

SHARED_BATCH = 8
"""Calls in one run of a shared tool, unless set."""
MAX_CALLERS = 1024
"""Threads in which an env runner may wait for one tool."""


class ToolModuleError(VistaError):
    """A setting of a tool module is unknown or wrong, or it was asked to do what is not a tool call."""


class ToolModuleConfig(BaseModel):
    """Settings of `ToolModule`; written as a plain dict in `RLModuleSpec(model_config=...)`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tool: str
    """Name or alias of the tool."""
    backend: str = ""
    """Which of the tool's backends; empty: the first that can run here."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """The backend's settings."""
    cache_dir: str | None = None
    """Folder of the result cache on disk; None keeps results in memory only."""
    timeout_s: float = Field(60.0, gt=0)
    """Seconds after which one run is given up: its calls get a `Fault`, and its thread or actor is left behind."""
    concurrency: int = Field(8, ge=1)
    """Runs at the same time, each in its own thread. A shared tool runs one batch at a time; of it, how many calls an
    env runner has in flight."""
    batch_size: int | None = Field(None, ge=1)
    """Calls in one run: more for tools that gain from batches (models on a GPU). None: 1, and 8 for a shared tool."""
    shared: bool | None = None
    """Whether one instance per machine serves all env runners, in a Ray actor. None: as the backend says. Without Ray
    every tool runs in its own process."""
    start_timeout_s: float = Field(1800.0, gt=0)
    """Seconds that a shared tool may take to load."""
    fault_rate: float = Field(0.0, ge=0, le=1)
    """Share of calls that get an injected `Fault` instead of a result. For testing recovery only."""
    fault_seed: int = 0
    """With the request's seed, decides which calls those are."""

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> ToolModuleConfig:
        """Validates a plain dict. Raises `ToolModuleError` naming each wrong key."""
        try:
            return cls(**settings)
        except ValidationError as error:
            problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
            raise ToolModuleError(f"tool module: {problems}") from error


class ToolModule(RLModule):
    """Runs one tool for a batch of requests. It has no weights and is never trained.

    Whatever goes wrong is part of the result (see `CallQueue`). Several threads may call it at the same time.
    """

    framework = "torch"  # it may stand beside torch modules in a MultiRLModule

    def setup(self) -> None:
        """Builds the tool, or finds the shared one.

        Raises:
            ToolModuleError: a setting is wrong.
            UnknownToolError: no such tool.
            ToolUnavailableError: the tool cannot run here.
        """
        self.settings = ToolModuleConfig.from_dict(cast(Mapping[str, Any], self.model_config or {}))
        settings = self.settings
        selection = select_backend(settings.tool, settings.backend, settings.settings)
        self._name = selection.tool.name
        shared = selection.tool.shared if settings.shared is None else settings.shared
        self._tool, self._queue = self._share(selection) if shared and ray.is_initialized() else self._build(selection)
        folder = settings.cache_dir
        self._cache = ToolCache(Path(folder) if folder else None)

    def _build(self, selection: Selection) -> tuple[Tool, CallQueue]:
        """An instance in this process."""
        tool, settings = selection.build(), self.settings
        return tool, CallQueue(
            f"tool:{tool.name}",
            tool.run,
            concurrency=settings.concurrency,
            batch_size=settings.batch_size or 1,
            timeout_s=settings.timeout_s,
        )

    def _share(self, selection: Selection) -> tuple[Tool, CallQueue]:
        """The machine's instance, and a queue from which enough calls are in flight to keep it busy."""
        settings = self.settings
        batch_size = settings.batch_size or SHARED_BATCH
        tool = share(
            selection,
            batch_size=batch_size,
            timeout_s=settings.timeout_s,
            start_timeout_s=settings.start_timeout_s,
        )
        return tool, CallQueue(
            f"tool:{tool.name}",
            tool.run,
            concurrency=max(settings.concurrency, 2 * batch_size),
            timeout_s=settings.timeout_s,
            gave_up=tool.gave_up,
        )

    @property
    def concurrency(self) -> int:
        """How many calls an env runner may give it at the same time, each in a thread of its own.

        More than it runs: the queue is here, because only here is it known which calls wait behind one that hangs.
        """
        return MAX_CALLERS

    @property
    def shared(self) -> bool:
        """Whether an actor runs it."""
        return isinstance(self._tool, SharedTool)

    @property
    def abandoned(self) -> int:
        """How many runs were given up."""
        return self._queue.abandoned

    def _forward(self, batch: Mapping[str, Any], **kwargs: Any) -> dict[str, Any]:
        return {Columns.ACTIONS: object_array(self.run(requests_of(batch)))}

    def _forward_train(self, batch: Mapping[str, Any], **kwargs: Any) -> dict[str, Any]:
        raise ToolModuleError(f"tool:{self._name} cannot be trained: leave it out of policies_to_train")

    def run(self, requests: Sequence[Request]) -> list[ToolResult]:
        """Serves a batch of requests.

        Args:
            requests: each observing a `ToolCall`.

        Returns:
            One result per request, in order.

        Raises:
            ToolModuleError: an observation is no `ToolCall`.
        """
        results: dict[int, ToolResult] = {}
        calls: dict[int, ToolCall] = {}
        for index, request in enumerate(requests):
            if not isinstance(request.observation, ToolCall):
                observed = type(request.observation).__name__
                raise ToolModuleError(f"tool:{self._name} observes a {observed}: expected a ToolCall")
            if self._injects_fault(request):
                fault = Fault("InjectedFault", f"tool:{self._name}", f"fault_rate={self.settings.fault_rate}")
                results[index] = ToolResult(error=fault)
            else:
                calls[index] = request.observation
        served = cached_run(self._tool, list(calls.values()), self._cache, self._serve)
        results.update(zip(calls, served, strict=True))
        return [results[index] for index in range(len(requests))]

    def get_state(
        self,
        components: str | Collection[str] | None = None,
        *,
        not_components: str | Collection[str] | None = None,
        inference_only: bool = False,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Empty: a tool has no weights."""
        return {}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Does nothing: a tool has no weights."""

    def end_episode(self, episode_id: str) -> None:
        """Lets the tool drop what it keeps for an episode. A tool that fails to is logged: the episode is over."""
        self._let_go("end_episode", episode_id)

    def close(self) -> None:
        """Gives back what the tool holds. A tool that fails to is logged."""
        self._let_go("close")

    def _let_go(self, method: str, *arguments: str) -> None:
        try:
            with boundary(f"tool:{self._name}"):
                getattr(self._tool, method)(*arguments)
        except FaultError as error:
            logger.warning("%s: %s", method, error)

    def _serve(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        """Runs what is not in the cache; equal calls of several episodes at the same time (a group's) run once."""
        return self._queue.serve(calls, [self._cache.key(self._tool, call) for call in calls])

    def _injects_fault(self, request: Request) -> bool:
        rate = self.settings.fault_rate
        return rate > 0 and random.Random(f"{self.settings.fault_seed}:{request.seed}").random() < rate
