"""The queue before a tool: batches, and how long a call may wait behind others that hang."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from policies.call_queue import GRACE_S, CallQueue
from tools.errors import Fault
from tools.tool import ToolCall, ToolResult


class Worker:
    """A tool that hangs where it is told to, and notes the batches it gets."""

    def __init__(self) -> None:
        self.release = threading.Event()
        self.batches: list[list[str]] = []

    def run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        words = [str(call.arguments["word"]) for call in calls]
        self.batches.append(words)
        if "hang" in words:
            self.release.wait(30)
        if "slow" in words:
            time.sleep(0.15)
        if "crash" in words:
            raise RuntimeError("boom")
        return [ToolResult(word) for word in words]


@pytest.fixture
def worker() -> Iterator[Worker]:
    made = Worker()
    yield made
    made.release.set()


def queue(worker: Worker, **settings: Any) -> CallQueue:
    return CallQueue("tool:x", worker.run, **settings)


def serve(made: CallQueue, *words: str) -> list[ToolResult]:
    """Each call from a thread of its own, as env runners do; begun in order."""

    def one(word: str) -> ToolResult:
        (result,) = made.serve([ToolCall("x", {"word": word})])
        return result

    with ThreadPoolExecutor(len(words)) as pool:
        futures = []
        for word in words:
            futures.append(pool.submit(one, word))
            time.sleep(0.002)
        return [future.result() for future in futures]


def behind_another(made: CallQueue, worker: Worker, *words: str) -> list[ToolResult]:
    """Calls that queue up while another runs."""
    first = made.submit([ToolCall("x", {"word": "hang"})])
    while not worker.batches:
        time.sleep(0.001)
    futures = [future for word in words for future in made.submit([ToolCall("x", {"word": word})])]
    worker.release.set()
    assert first[0].result(10).text == "hang"
    return [future.result(10) for future in futures]


def test_calls_that_wait_make_a_batch(worker: Worker) -> None:
    results = behind_another(queue(worker, batch_size=4), worker, "a", "b", "c", "d", "e")
    assert [result.text for result in results] == ["a", "b", "c", "d", "e"]
    assert worker.batches == [["hang"], ["a", "b", "c", "d"], ["e"]]


def test_a_lingering_run_waits_for_more_calls(worker: Worker) -> None:
    futures = []
    made = queue(worker, batch_size=3, linger_s=0.3)
    for word in "abc":
        futures += made.submit([ToolCall("x", {"word": word})])
    assert [future.result(5).text for future in futures] == ["a", "b", "c"]
    assert worker.batches == [["a", "b", "c"]]


def test_a_failed_batch_runs_again_one_by_one(worker: Worker) -> None:
    results = behind_another(queue(worker, batch_size=8), worker, "a", "crash", "b")
    assert [type(result.error) for result in results] == [type(None), Fault, type(None)]
    assert worker.batches == [["hang"], ["a", "crash", "b"], ["a"], ["crash"], ["b"]]


def test_a_long_queue_is_no_reason_to_give_up(worker: Worker) -> None:
    """Eight calls of 0.15 s one after the other, each allowed 0.4 s."""
    assert all(result.error is None for result in serve(queue(worker, timeout_s=0.4), *["slow"] * 8))


def test_no_call_waits_longer_because_others_hang(worker: Worker) -> None:
    told: list[int] = []
    made = queue(worker, timeout_s=0.3, concurrency=2, gave_up=lambda: told.append(1))
    started = time.monotonic()
    results = serve(made, *["hang"] * 8, "good")
    assert time.monotonic() - started < 0.3 + GRACE_S + 0.5
    kinds = [result.error.kind if isinstance(result.error, Fault) else "" for result in results]
    assert kinds[:8] == ["ToolTimeout"] * 8
    assert max(result.wall_s for result in results) < 0.3 + GRACE_S + 0.5
    assert made.abandoned == len(told) >= 2
    assert serve(made, "again")[0].text == "again"


def test_what_was_given_up_and_ends_after_all_changes_nothing(worker: Worker) -> None:
    made = queue(worker, timeout_s=0.1)
    (late,) = serve(made, "hang")
    worker.release.set()
    assert isinstance(late.error, Fault)
    assert [result.text for result in serve(made, "a", "b")] == ["a", "b"]
    assert made.oldest_start() is None


def test_equal_calls_under_way_are_one(worker: Worker) -> None:
    made = queue(worker, concurrency=8, timeout_s=5.0)

    def one(word: str, key: str | None) -> ToolResult:
        (result,) = made.serve([ToolCall("x", {"word": word})], [key])
        return result

    with ThreadPoolExecutor(8) as pool:
        asked = [("slow", "k")] * 4 + [("slow", None)] * 2
        results = list(pool.map(lambda pair: one(*pair), asked))
    assert [result.text for result in results] == ["slow"] * 6
    assert len(worker.batches) == 3
    assert sum(result.cached for result in results) == 3
    assert one("again", "k").text == "again"  # it was under way, not kept


def test_who_joins_a_hanging_call_is_given_up_with_it(worker: Worker) -> None:
    made = queue(worker, concurrency=8, timeout_s=0.2)
    results = made.serve([ToolCall("x", {"word": "hang"})] * 3, ["k"] * 3)
    assert [result.error.kind for result in results if isinstance(result.error, Fault)] == ["ToolTimeout"] * 3
    assert made.abandoned == 1 and len(worker.batches) == 1
    assert made.serve([ToolCall("x", {"word": "a"})], ["k"])[0].text == "a"
