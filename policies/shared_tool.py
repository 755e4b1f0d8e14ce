"""`SharedTool`: a tool that is expensive to load runs once per machine, in a Ray actor that all env runners call."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import ray
from ray.exceptions import ActorDiedError, GetTimeoutError, RayActorError, RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from policies.call_queue import CallQueue
from tools.errors import Fault, FaultError, ToolUnavailableError, boundary
from tools.registry import Selection
from tools.tool import Tool, ToolCall, ToolResult

logger = logging.getLogger(__name__)

LINGER_S = 0.003
"""How long the actor waits for calls of other env runners before it runs a batch that is not full."""
ANSWER_S = 5.0
"""An actor that is loading or running answers at once; one that is silent for so long has stopped altogether."""
RETRY_S = 0.1

_owned: list[Any] = []
"""Handles of actors that this process started: Ray ends an actor when its first handle is gone."""


class ToolActor:
    """The actor: builds the tool once, runs one batch at a time, answers questions about itself meanwhile."""

    def __init__(self, selection: Selection, batch_size: int) -> None:
        """Starts to build; calls wait until it is done."""
        self._selection = selection
        self._where = f"tool:{selection.tool.name}"
        self._batch_size = batch_size
        self._builder = ThreadPoolExecutor(1, thread_name_prefix="build")
        self._building: Future[tuple[Tool, CallQueue]] = self._builder.submit(self._build)
        self._clients: set[str] = set()

    def _build(self) -> tuple[Tool, CallQueue]:
        tool = self._selection.build()
        return tool, CallQueue(self._where, tool.run, batch_size=self._batch_size, linger_s=LINGER_S)

    async def join(self, client: str) -> None:
        """Notes who uses it. Answers at once, so this also tells whether the actor is there."""
        self._clients.add(client)

    async def ready(self) -> None:
        """Waits until the tool is built. Raises what building it raised; the next caller has it built again."""
        building = self._building
        try:
            await asyncio.wrap_future(building)
        finally:
            if building.done() and building.exception() is not None and self._building is building:
                self._building = self._builder.submit(self._build)

    async def run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        """Serves calls together with those of other env runners."""
        await self.ready()
        _, queue = self._building.result()
        return list(await asyncio.gather(*map(asyncio.wrap_future, queue.submit(calls))))

    async def end_episode(self, episode_id: str) -> None:
        """Lets the tool drop what it keeps for an episode."""
        self._let_go(lambda tool: tool.end_episode(episode_id))

    async def end_if_hung(self, limit_s: float) -> None:
        """Ends this process when the present run is not done `limit_s` after its start. Ray starts it again."""
        if not self._built():
            return
        _, queue = self._building.result()
        started = queue.oldest_start()
        if started is None:
            return
        await asyncio.sleep(max(0.0, started + limit_s - time.monotonic()))
        if queue.oldest_start() == started:
            logger.warning("%s: a run does not end within %g s: starting again", self._where, limit_s)
            os._exit(1)

    async def leave(self, client: str) -> None:
        """The last one to leave has the tool closed and the actor ended."""
        self._clients.discard(client)
        if not self._clients:
            self._let_go(lambda tool: tool.close())
            ray.kill(ray.get_runtime_context().current_actor)

    def _built(self) -> bool:
        return self._building.done() and self._building.exception() is None

    def _let_go(self, act: Callable[[Tool], None]) -> None:
        if not self._built():
            return
        try:
            with boundary(self._where):
                act(self._building.result()[0])
        except FaultError as error:
            logger.warning("letting go: %s", error)


class SharedTool(Tool):
    """A tool whose calls run in this machine's actor for one backend and its settings. Made by `share`.

    It is found by name, and started by whoever looks for it first. It belongs to the process that started it and dies
    with that, at the latest with the job; the next call of anyone else starts it anew. After a crash Ray restarts it.
    Calls that were in it then get the fault `ToolDied`; later ones wait for it.

    Args:
        selection: the backend.
        batch_size: calls in one run.
        timeout_s: seconds that a call may take.
        start_timeout_s: seconds that building the tool may take.

    Raises:
        ToolUnavailableError: it could not be built, or not in time.
    """

    def __init__(self, selection: Selection, *, batch_size: int, timeout_s: float, start_timeout_s: float) -> None:
        self.settings = selection.settings or selection.tool.settings_type()
        self._selection = selection
        self._batch_size = batch_size
        self._timeout_s = timeout_s
        self._where = f"tool:{selection.tool.name}"
        self._client = uuid.uuid4().hex
        context = ray.get_runtime_context()
        self._node = context.get_node_id()
        self._namespace = f"vista-tools-{context.get_job_id()}"
        self._name = f"{selection.tool.name}-{selection.tool.backend}-{self._digest()}-{self._node}"
        self._lock = threading.Lock()
        self._handle: Any = None
        self._keeps_episodes = selection.tool.end_episode is not Tool.end_episode
        try:
            ray.get(self._reach(start_timeout_s).ready.remote(), timeout=start_timeout_s)
        except RayError as error:
            cause = getattr(error, "cause", error)
            why = "not loaded in time" if isinstance(error, GetTimeoutError) else f"{type(cause).__name__}: {cause}"
            raise ToolUnavailableError(f"{self._where}: its shared instance could not be built: {why}") from error

    def run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        """Runs calls in the actor.

        Raises:
            FaultError: the actor died, or what it raised.
        """
        # Ask first: a call given to an actor that is away would be lost with it, although it never ran.
        handle = self._reach(self._timeout_s)
        try:
            return ray.get(handle.run.remote(list(calls)))
        except RayActorError as error:
            raise FaultError(Fault("ToolDied", self._where, _first_line(error))) from error
        except RayTaskError as error:
            raise FaultError(Fault(type(error.cause).__name__, self._where, str(error.cause))) from error

    def gave_up(self) -> None:
        """A run was given up: has the actor started again if it hangs. Returns at once."""
        if (handle := self._handle) is not None:
            threading.Thread(target=self._end_if_hung, args=(handle,), name=self._where, daemon=True).start()

    def end_episode(self, episode_id: str) -> None:
        """Lets the tool drop what it keeps for an episode, without waiting for it."""
        if self._keeps_episodes and self._handle is not None:
            self._handle.end_episode.remote(episode_id)

    def close(self) -> None:
        """Uses the actor no more; it ends with its last user."""
        handle, self._handle = self._handle, None
        if handle is not None:
            handle.leave.remote(self._client)

    def _reach(self, patience_s: float) -> Any:
        """The actor as soon as it answers; started where there is none, waited for while it starts again."""
        deadline = time.monotonic() + patience_s
        while True:
            with self._lock:
                handle = self._handle = self._handle or self._start()
            try:
                left = max(0.0, deadline - time.monotonic())
                ray.get(handle.join.remote(self._client), timeout=min(left, ANSWER_S))
            except GetTimeoutError as error:  # it takes long to start, or what was asked got lost with it
                if time.monotonic() >= deadline:
                    raise FaultError(Fault("ToolTimeout", self._where, f"no answer in {patience_s:g} s")) from error
            except RayActorError as error:
                if time.monotonic() >= deadline:
                    raise FaultError(Fault("ToolDied", self._where, _first_line(error))) from error
                with self._lock:
                    if isinstance(error, ActorDiedError) and self._handle is handle:
                        self._handle = None
                time.sleep(RETRY_S)
            else:
                return handle

    def _start(self) -> Any:
        num_gpus = getattr(self.settings, "num_gpus", 0.0)
        handle = (
            ray.remote(ToolActor)
            .options(
                name=self._name,
                namespace=self._namespace,
                get_if_exists=True,
                max_restarts=-1,
                num_cpus=0,
                num_gpus=num_gpus,
                scheduling_strategy=NodeAffinitySchedulingStrategy(self._node, soft=True),
            )
            .remote(self._selection, self._batch_size)
        )
        _owned.append(handle)
        return handle

    def _end_if_hung(self, handle: Any) -> None:
        try:
            handle.end_if_hung.remote(self._timeout_s)
            ray.get(handle.join.remote(self._client), timeout=ANSWER_S)
        except GetTimeoutError:
            logger.warning("%s: the shared instance does not answer: starting it again", self._where)
            ray.kill(handle, no_restart=False)
        except RayActorError:  # it is gone, or on its way back
            return

    def _digest(self) -> str:
        tool = self._selection.tool
        parts = [
            tool.__module__,
            tool.__qualname__,
            tool.version,
            self.settings.model_dump(mode="json"),
            self._batch_size,
        ]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


def share(selection: Selection, *, batch_size: int, timeout_s: float, start_timeout_s: float) -> SharedTool:
    """The shared instance of a backend, in all but where it runs like one built here. Arguments as for `SharedTool`."""
    shared = type(f"Shared{selection.tool.__name__}", (SharedTool, selection.tool), {})
    return shared(selection, batch_size=batch_size, timeout_s=timeout_s, start_timeout_s=start_timeout_s)


def _first_line(error: RayActorError) -> str:
    return str(error).partition("\n")[0]
