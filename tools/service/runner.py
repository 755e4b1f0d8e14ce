"""`ToolRunner`: one tool behind a queue. Calls that wait together run together, in threads beside the event loop."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

from tools.errors import ErrorCode, Fault, FaultError, ModelError, ToolInputError, VistaError, boundary
from tools.tool import Tool, ToolCall, ToolResult

MAX_ABANDONED = 16
"""Threads that a hanging tool may keep before its runner counts as failing."""


class QueueFull(VistaError):
    """More calls wait than the tool's queue holds: ask again later."""


class ToolContractBroken(VistaError):
    """The tool returned something other than one result per call."""


class Served(NamedTuple):
    """A result, and how many calls ran in its batch: told with the batch's first result, 0 with the others."""

    result: ToolResult
    batch: int


class Executor(Protocol):
    """Where a tool runs."""

    async def run(self, calls: Sequence[ToolCall]) -> list[Served]:
        """One result per call, in order; whatever goes wrong is part of the results. Raises `QueueFull`."""
        ...

    async def failing(self) -> str | None:
        """What is wrong with it; None when it can serve."""
        ...

    def close(self) -> None:
        """Gives back what it holds."""
        ...


@dataclass(slots=True)
class _Waiting:
    call: ToolCall
    served: asyncio.Future[Served]
    since: float


class ToolRunner:
    """Runs a tool's calls. To be used from one event loop only.

    Calls are gathered while all threads are busy, and run as soon as one is free: under load batches grow by
    themselves, and a lone call does not wait (unless `batch_wait_s` asks for it).

    Args:
        tool: the tool.
        max_batch: calls handed to one `Tool.run`.
        batch_wait_s: how long a call may wait for others to join it while a thread is free.
        threads: batches that run at the same time.
        timeout_s: seconds after which a batch is given up: its calls get a fault, its thread is left behind. A call
            that waited this long is not run any more.
        max_waiting: calls in the queue.
    """

    def __init__(
        self,
        tool: Tool,
        max_batch: int = 16,
        batch_wait_s: float = 0.0,
        threads: int = 1,
        timeout_s: float = 60.0,
        max_waiting: int = 4096,
    ) -> None:
        self._tool = tool
        self._where = f"tool:{tool.name}"
        self._max_batch, self._batch_wait_s, self._timeout_s = max_batch, batch_wait_s, timeout_s
        self._max_waiting = max_waiting
        self._waiting: deque[_Waiting] = deque()
        self._running: dict[int, tuple[list[_Waiting], asyncio.TimerHandle]] = {}
        self._free = threads
        self._started = 0
        self._abandoned = 0
        self._scheduled: asyncio.Handle | None = None
        self._work: queue.SimpleQueue[tuple[int, list[ToolCall], asyncio.AbstractEventLoop] | None]
        self._work = queue.SimpleQueue()
        self._threads = threads
        for _ in range(threads):
            self._start_thread()

    async def run(self, calls: Sequence[ToolCall]) -> list[Served]:
        """Serves calls, together with those of other tasks."""
        if len(self._waiting) + len(calls) > self._max_waiting:
            raise QueueFull(f"{self._tool.name}: {len(self._waiting)} calls are waiting already")
        loop, now = asyncio.get_running_loop(), time.monotonic()
        new = [_Waiting(call, loop.create_future(), now) for call in calls]
        self._waiting.extend(new)
        if self._scheduled is None and self._free:
            # Not at once: what the loop reads in this round joins the batch.
            self._scheduled = loop.call_later(self._batch_wait_s, self._dispatch)
        return [await waiting.served for waiting in new]

    async def failing(self) -> str | None:
        """Says so when too many threads hang."""
        return f"{self._abandoned} runs hang" if self._abandoned >= MAX_ABANDONED else None

    def close(self) -> None:
        """Lets the threads end, and gives back what the tool holds."""
        for _ in range(self._threads):
            self._work.put(None)
        self._tool.close()

    def _dispatch(self) -> None:
        self._scheduled = None
        now, loop = time.monotonic(), asyncio.get_running_loop()
        while self._waiting and self._free:
            batch: list[_Waiting] = []
            while self._waiting and len(batch) < self._max_batch:
                waiting = self._waiting.popleft()
                if waiting.served.done():  # its client is gone
                    continue
                if now - waiting.since > self._timeout_s:
                    self._give(waiting, self._fault(f"waited {now - waiting.since:.3g} s without being run"), 0)
                else:
                    batch.append(waiting)
            if not batch:
                return
            self._free -= 1
            self._started += 1
            give_up = loop.call_later(self._timeout_s, self._abandon, self._started)
            self._running[self._started] = (batch, give_up)
            self._work.put((self._started, [waiting.call for waiting in batch], loop))

    def _finished(self, number: int, results: list[ToolResult], ended: bool) -> None:
        """A batch came back; `ended`: and its thread is no more."""
        if ended:
            self._start_thread()
        running = self._running.pop(number, None)
        if running is not None:
            batch, give_up = running
            give_up.cancel()
            for position, (waiting, result) in enumerate(zip(batch, results, strict=True)):
                self._give(waiting, result, 0 if position else len(batch))
            self._free += 1
        else:  # given up before
            if self._abandoned > MAX_ABANDONED:
                self._free += 1
            else:  # it was replaced
                self._work.put(None)
            self._abandoned -= 1
        self._dispatch()

    def _abandon(self, number: int) -> None:
        batch, _ = self._running.pop(number)
        for position, waiting in enumerate(batch):
            self._give(waiting, self._fault(f"no result after {self._timeout_s:g} s"), 0 if position else len(batch))
        self._abandoned += 1
        if self._abandoned <= MAX_ABANDONED:
            self._start_thread()
            self._free += 1
        self._dispatch()

    def _fault(self, message: str) -> ToolResult:
        return ToolResult(error=Fault("ToolTimeout", self._where, message), wall_s=self._timeout_s)

    def _give(self, waiting: _Waiting, result: ToolResult, batch: int) -> None:
        if not waiting.served.done():
            waiting.served.set_result(Served(result, batch))

    def _start_thread(self) -> None:
        """A daemon: a hanging tool may keep it without keeping the process."""
        threading.Thread(target=self._serve, name=self._where, daemon=True).start()

    def _serve(self) -> None:
        while (work := self._work.get()) is not None:
            number, calls, loop = work
            results = [ToolResult(error=Fault("ToolCrash", self._where, "the tool ended its thread"))] * len(calls)
            ended = True
            try:
                results = run_batch(self._tool, calls, self._where)
                ended = False
            finally:
                with suppress(RuntimeError):  # the loop is closed: the service ended while the tool ran
                    loop.call_soon_threadsafe(self._finished, number, results, ended)


def run_batch(tool: Tool, calls: Sequence[ToolCall], where: str) -> list[ToolResult]:
    """Runs calls together; where that fails, one at a time, so that each failure stays with the call that caused it.

    Returns:
        One result per call, in order, with the seconds it took. An exception is a `Fault`, `ToolInputError` a
        `ModelError` (E4).
    """
    start = time.monotonic()
    try:
        with boundary(where):
            results = tool.run(calls)
            if len(results) != len(calls) or not all(isinstance(result, ToolResult) for result in results):
                raise ToolContractBroken(f"{len(calls)} calls, but {len(results)} results or other objects")
    except FaultError as error:
        if len(calls) > 1:
            return [result for call in calls for result in run_batch(tool, [call], where)]
        cause = error.__cause__
        refused = ModelError(ErrorCode.ARGUMENT_CONTENT, str(cause)) if isinstance(cause, ToolInputError) else None
        results = [ToolResult(error=refused or error.fault)]
    wall_s = time.monotonic() - start
    return [replace(result, wall_s=wall_s) for result in results]
