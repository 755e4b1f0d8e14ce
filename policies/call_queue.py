"""`CallQueue`: runs tool calls of many threads in batches, and gives up what hangs."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from tools.errors import ErrorCode, Fault, FaultError, ModelError, ToolInputError, boundary
from tools.tool import ToolCall, ToolResult

logger = logging.getLogger(__name__)

RunBatch: TypeAlias = "Callable[[Sequence[ToolCall]], list[ToolResult]]"
"""`Tool.run`, or what stands for it."""

GRACE_S = 0.5
"""A call that waits behind runs that hang is given up so many seconds after the timeout."""


@dataclass(eq=False, slots=True)
class _Entry:
    """One call on its way. `deadline` counts from its first run; before that it has none."""

    call: ToolCall
    since: float
    key: str | None = None
    deadline: float | None = None
    alone: bool = False
    run: _Run | None = None
    future: Future[ToolResult] = field(default_factory=Future)


@dataclass(eq=False, slots=True)
class _Run:
    """Some calls on their way through one thread."""

    entries: list[_Entry]
    started: float


class CallQueue:
    """Runs calls in daemon threads: `concurrency` runs at once, each of up to `batch_size` of the calls that wait.

    Whatever goes wrong is a result. An exception is a `Fault` of its call (a batch that fails runs again one call at
    a time), a `ToolInputError` a `ModelError` (E4), a wrong number or kind of results the fault `ToolGarbage`, an ended
    thread `ToolCrash`, a run without an end `ToolTimeout`.

    A run is given up `timeout_s` after its start: its thread is left behind, and the next calls have its place. How
    long a call waits for its turn does not count while the tool works. Once a run had to be given up it does, so that
    no call takes longer than `timeout_s` and `GRACE_S` because others hang.

    Args:
        where: component named in faults.
        run: what serves a batch.
        concurrency: runs at the same time.
        batch_size: calls in one run.
        timeout_s: seconds for a run that `serve` waits for.
        linger_s: seconds that a run waits for more calls when it could take more.
        gave_up: told, outside of all locks, that a run was given up.
    """

    def __init__(
        self,
        where: str,
        run: RunBatch,
        *,
        concurrency: int = 1,
        batch_size: int = 1,
        timeout_s: float = math.inf,
        linger_s: float = 0.0,
        gave_up: Callable[[], None] = lambda: None,
    ) -> None:
        self._where = where
        self._run = run
        self._concurrency = concurrency
        self._batch_size = batch_size
        self._timeout_s = timeout_s
        self._linger_s = linger_s
        self._gave_up = gave_up
        self._lock = threading.Lock()
        self._waiting: deque[_Entry] = deque()
        self._keyed: dict[str, _Entry] = {}
        self._threads = 0
        self._running: list[_Run] = []
        self._hung_at = -math.inf
        self.abandoned = 0

    def submit(self, calls: Sequence[ToolCall]) -> list[Future[ToolResult]]:
        """Queues calls. The futures never raise; nobody gives their runs up."""
        return [entry.future for entry, _ in self._enqueue(calls)]

    def serve(self, calls: Sequence[ToolCall], keys: Sequence[str | None] = ()) -> list[ToolResult]:
        """Queues calls and waits for their results, never longer than the timeout allows.

        Args:
            calls: the calls.
            keys: one per call; a call joins one of equal key that is under way. None joins none.

        Returns:
            One result per call, in order; `cached` where the call joined another.
        """
        queued = self._enqueue(calls, keys)
        entries = [entry for entry, _ in queued]
        while waiting := [entry for entry in entries if not entry.future.done()]:
            due = min(map(self._due, waiting))
            left = min(max(0.0, due - time.monotonic()), threading.TIMEOUT_MAX)
            wait([entry.future for entry in waiting], left)
            for entry in waiting:
                if self._due(entry) <= time.monotonic():
                    self._expire(entry)
        results = [(entry.future.result(), joined) for entry, joined in queued]
        return [replace(result, cached=True, wall_s=0.0) if joined else result for result, joined in results]

    def oldest_start(self) -> float | None:
        """When the oldest run that goes on was started (of `time.monotonic`); None when nothing runs."""
        with self._lock:
            return min((run.started for run in self._running), default=None)

    def _enqueue(self, calls: Sequence[ToolCall], keys: Sequence[str | None] = ()) -> list[tuple[_Entry, bool]]:
        """Entries, and whether they were under way already."""
        queued = []
        now = time.monotonic()
        with self._lock:
            for call, key in zip(calls, keys or [None] * len(calls), strict=True):
                entry = self._keyed.get(key) if key is not None else None
                queued.append((entry or _Entry(call, now, key), entry is not None))
                if entry is None:
                    self._waiting.append(queued[-1][0])
                    if key is not None:
                        self._keyed[key] = queued[-1][0]
            self._fill()
        return queued

    def _finish(self, entry: _Entry, result: ToolResult) -> None:
        """The caller holds the lock."""
        if not entry.future.done():
            if entry.key is not None:
                del self._keyed[entry.key]
            entry.future.set_result(result)

    def _fill(self) -> None:
        """Starts a thread per batch that waits, as far as there is room. The caller holds the lock."""
        batches = math.ceil(len(self._waiting) / self._batch_size)
        for _ in range(min(self._concurrency - self._threads, batches)):
            self._threads += 1
            threading.Thread(target=self._work, name=self._where, daemon=True).start()

    def _work(self) -> None:
        """One run, in a thread that a hanging tool may keep without keeping the process."""
        if self._linger_s and len(self._waiting) < self._batch_size:
            time.sleep(self._linger_s)
        run = self._take()
        if run is None:
            return
        outcome: list[ToolResult] | FaultError = self._fault("ToolCrash", "the tool ended its thread")
        try:
            with boundary(self._where):
                outcome = self._checked(self._run([entry.call for entry in run.entries]), len(run.entries))
        except FaultError as error:
            outcome = error
        finally:
            self._settle(run, outcome)

    def _take(self) -> _Run | None:
        with self._lock:
            batch: list[_Entry] = []
            while self._waiting and len(batch) < self._batch_size and not (batch and self._waiting[0].alone):
                batch.append(self._waiting.popleft())
                if batch[0].alone:
                    break
            if not batch:
                self._threads -= 1
                return None
            run = _Run(batch, time.monotonic())
            self._running.append(run)
            for entry in batch:
                entry.run = run
                if entry.deadline is None:
                    entry.deadline = min(run.started + self._timeout_s, self._patience(entry))
            return run

    def _checked(self, results: object, count: int) -> list[ToolResult]:
        if not isinstance(results, list | tuple):
            raise self._fault("ToolGarbage", f"a {type(results).__name__} in place of a list of results")
        strange = next((type(item).__name__ for item in results if not isinstance(item, ToolResult)), None)
        if strange is not None:
            raise self._fault("ToolGarbage", f"a {strange} among the results")
        if len(results) != count:
            raise self._fault("ToolGarbage", f"{count} calls, but {len(results)} results")
        return list(results)

    def _settle(self, run: _Run, outcome: list[ToolResult] | FaultError) -> None:
        wall_s = time.monotonic() - run.started
        with self._lock:
            if run not in self._running:  # given up: its place is taken, and nobody waits for it
                return
            self._running.remove(run)
            self._threads -= 1
            if isinstance(outcome, FaultError) and len(run.entries) > 1:
                for entry in reversed(run.entries):
                    if not entry.future.done():
                        entry.run, entry.alone = None, True
                        self._waiting.appendleft(entry)
            else:
                results = [_refused(outcome)] if isinstance(outcome, FaultError) else outcome
                for entry, result in zip(run.entries, results, strict=True):
                    self._finish(entry, replace(result, wall_s=wall_s))
            self._fill()

    # Giving up.

    def _due(self, entry: _Entry) -> float:
        """When to give the call up or to look again."""
        if entry.deadline is not None:
            return entry.deadline
        return min(self._patience(entry), time.monotonic() + self._timeout_s)

    def _patience(self, entry: _Entry) -> float:
        """Until when the call may take at all: without a limit as long as no run was given up while it waited."""
        hung = self._hung_at >= entry.since
        return entry.since + self._timeout_s + GRACE_S if hung else math.inf

    def _expire(self, entry: _Entry) -> None:
        with self._lock:
            if entry.future.done():
                return
            run = entry.run
            self._time_out(entry)
            if run is None:
                self._waiting.remove(entry)
                return
            if run not in self._running or not all(other.future.done() for other in run.entries):
                return
            self._running.remove(run)
            self._threads -= 1
            self.abandoned += 1
            self._hung_at = now = time.monotonic()
            for other in [other for other in self._waiting if self._patience(other) <= now]:
                self._waiting.remove(other)
                self._time_out(other)
            self._fill()
        logger.warning(
            "%s: no result after %g s (%d threads left behind)", self._where, self._timeout_s, self.abandoned
        )
        self._gave_up()

    def _time_out(self, entry: _Entry) -> None:
        wall_s = time.monotonic() - (entry.run.started if entry.run else entry.since)
        late = "no result" if entry.run else "still waiting behind calls that hang"
        fault = Fault("ToolTimeout", self._where, f"{late} after {self._timeout_s:g} s")
        self._finish(entry, ToolResult(error=fault, wall_s=wall_s))

    def _fault(self, kind: str, message: str) -> FaultError:
        return FaultError(Fault(kind, self._where, message))


def _refused(error: FaultError) -> ToolResult:
    """The result of a call that raised: what the policy asked for may be what was wrong."""
    cause = error.__cause__
    if isinstance(cause, ToolInputError):
        return ToolResult(error=ModelError(ErrorCode.ARGUMENT_CONTENT, str(cause)))
    return ToolResult(error=error.fault)
