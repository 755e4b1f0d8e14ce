"""`ToolModule`: a tool as an RLlib `RLModule`. Its observation is a `ToolCall`, its action a `ToolResult`."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ray.rllib.core.columns import Columns
from ray.rllib.core.rl_module import RLModule

from policies.request import Request, object_array, requests_of
from tools.cache import ToolCache, cached_run
from tools.errors import ErrorCode, Fault, FaultError, ModelError, ToolInputError, VistaError, boundary
from tools.registry import select_backend
from tools.tool import Tool, ToolCall, ToolResult

logger = logging.getLogger(__name__)


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
    """Seconds after which one run is given up: its calls get a `Fault`, and its thread is left behind."""
    concurrency: int = Field(8, ge=1)
    """Runs at the same time, each in its own thread."""
    batch_size: int = Field(1, ge=1)
    """Calls handed to one `Tool.run`. Raise it for tools that gain from batches (models on a GPU)."""
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


_Outcome: TypeAlias = "list[ToolResult] | FaultError"


@dataclass(slots=True)
class _Run:
    """Some calls on their way through one thread: their positions, and when the run started."""

    positions: list[int]
    started: float


class ToolModule(RLModule):
    """Runs one tool for a batch of requests. It has no weights and is never trained.

    Whatever goes wrong is part of the result: an exception, a timeout or a crash is a `Fault` of that call, a
    `ToolInputError` is a `ModelError` (E4). A tool that hangs costs one thread and nothing else.
    """

    framework = "torch"  # it may stand beside torch modules in a MultiRLModule

    def setup(self) -> None:
        """Builds the tool.

        Raises:
            ToolModuleError: a setting is wrong.
            UnknownToolError: no such tool.
            ToolUnavailableError: the tool cannot run here.
        """
        self.settings = ToolModuleConfig.from_dict(cast(Mapping[str, Any], self.model_config or {}))
        settings = self.settings
        selection = select_backend(settings.tool, settings.backend, settings.settings)
        self._name = selection.tool.name
        self._tool = selection.build()
        folder = self.settings.cache_dir
        self._cache = ToolCache(Path(folder) if folder else None)
        self.abandoned = 0

    @property
    def concurrency(self) -> int:
        """How many calls an env runner may give it at the same time, each in a thread of its own."""
        return self.settings.concurrency

    @property
    def tool(self) -> Tool:
        """The tool that it runs."""
        return self._tool

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
                results[index] = self._fault("InjectedFault", f"fault_rate={self.settings.fault_rate}")
            else:
                calls[index] = request.observation
        served = cached_run(self._tool, list(calls.values()), self._cache, self._run_guarded)
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

    def _injects_fault(self, request: Request) -> bool:
        rate = self.settings.fault_rate
        return rate > 0 and random.Random(f"{self.settings.fault_seed}:{request.seed}").random() < rate

    def _fault(self, kind: str, message: str, wall_s: float = 0.0) -> ToolResult:
        return ToolResult(error=Fault(kind, f"tool:{self._name}", message), wall_s=wall_s)

    def _run_guarded(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        """Runs `calls` in threads of `batch_size` calls each; never longer than the timeout per batch."""
        size = self.settings.batch_size
        waiting = deque(list(range(first, min(first + size, len(calls)))) for first in range(0, len(calls), size))
        running: dict[Future[_Outcome], _Run] = {}
        results: dict[int, ToolResult] = {}
        while waiting or running:
            while waiting and len(running) < self.settings.concurrency:
                positions = waiting.popleft()
                future = self._start([calls[position] for position in positions])
                running[future] = _Run(positions, time.monotonic())
            oldest = min(run.started for run in running.values())
            wait(running, max(0.0, oldest + self.settings.timeout_s - time.monotonic()), FIRST_COMPLETED)
            now = time.monotonic()
            for future, run in list(running.items()):
                if future.done():
                    del running[future]
                    served = self._finished(future.result(), len(run.positions), now - run.started)
                    if served is None:
                        waiting.extend([position] for position in run.positions)
                    else:
                        results.update(zip(run.positions, served, strict=True))
                elif now - run.started >= self.settings.timeout_s:
                    del running[future]
                    self.abandoned += 1
                    message = f"no result after {self.settings.timeout_s:g} s"
                    logger.warning("tool:%s: %s (%d threads left behind)", self._name, message, self.abandoned)
                    results.update(
                        (position, self._fault("ToolTimeout", message, now - run.started)) for position in run.positions
                    )
        return [results[index] for index in range(len(calls))]

    def _start(self, calls: Sequence[ToolCall]) -> Future[_Outcome]:
        """Runs the tool in a daemon thread, which a hanging tool may keep without keeping the process."""
        where = f"tool:{self._name}"
        future: Future[_Outcome] = Future()

        def work() -> None:
            outcome: _Outcome = FaultError(Fault("ToolCrash", where, "the tool ended its thread"))
            try:
                with boundary(where):
                    results = self._tool.run(calls)
                    if len(results) != len(calls) or not all(isinstance(item, ToolResult) for item in results):
                        raise ToolModuleError(f"{len(calls)} calls, but {len(results)} results or other objects")
                    outcome = list(results)
            except FaultError as error:
                outcome = error
            finally:
                future.set_result(outcome)

        threading.Thread(target=work, name=where, daemon=True).start()
        return future

    def _finished(self, outcome: _Outcome, num_calls: int, wall_s: float) -> list[ToolResult] | None:
        """The results of a finished run; None when a batch failed and its calls must run one at a time."""
        if isinstance(outcome, list):
            return [replace(result, wall_s=wall_s) for result in outcome]
        if num_calls > 1:
            return None
        cause = outcome.__cause__
        refused = ModelError(ErrorCode.ARGUMENT_CONTENT, str(cause)) if isinstance(cause, ToolInputError) else None
        return [ToolResult(error=refused or outcome.fault, wall_s=wall_s)]
