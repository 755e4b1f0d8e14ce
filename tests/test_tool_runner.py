"""`ToolRunner`: batches, and that no failure of a tool becomes another call's."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator

import pytest
from service_tools import Moody, moody

from tools.errors import ErrorCode, Fault, ModelError
from tools.service import runner as runner_module
from tools.service.runner import QueueFull, Served, ToolRunner


@pytest.fixture(autouse=True)
def _forget_batches() -> Iterator[None]:
    Moody.batches.clear()
    yield


def run(test: Callable[[ToolRunner], Awaitable[None]], **how: float) -> None:
    async def go() -> None:
        runner = ToolRunner(Moody(), **how)  # type: ignore[arg-type]
        try:
            await test(runner)
        finally:
            runner.close()

    asyncio.run(go())


def kinds(served: list[Served]) -> list[str | None]:
    errors = [item.result.error for item in served]
    return [error.kind if isinstance(error, Fault) else error and error.code.value for error in errors]


def test_results_come_in_the_order_of_their_calls() -> None:
    async def test(runner: ToolRunner) -> None:
        parts = await asyncio.gather(*(runner.run([moody("fine", n), moody("fine", n + 100)]) for n in range(20)))
        texts = [[item.result.text for item in part] for part in parts]
        assert texts == [[f"fine {n}", f"fine {n + 100}"] for n in range(20)]
        assert sum(item.batch for part in parts for item in part) == 40 == sum(Moody.batches)

    run(test, max_batch=7)
    assert max(Moody.batches) == 7


def test_calls_that_wait_run_together() -> None:
    async def test(runner: ToolRunner) -> None:
        first = asyncio.create_task(runner.run([moody("slow")]))
        await asyncio.sleep(0.02)
        rest = await asyncio.gather(*(runner.run([moody("fine", n)]) for n in range(5)))
        await first
        assert [part[0].result.data for part in rest] == [{"batch": 5}] * 5

    run(test)
    assert Moody.batches == [1, 5]


def test_a_failing_call_spoils_only_itself() -> None:
    async def test(runner: ToolRunner) -> None:
        served = await runner.run([moody("fine"), moody("raises"), moody("refuses"), moody("miscounts")])
        assert kinds(served) == [None, "RuntimeError", "E4", "ToolContractBroken"]
        assert served[1].result.error == Fault("RuntimeError", "tool:service_moody", "no mood for this")
        assert served[2].result.error == ModelError(ErrorCode.ARGUMENT_CONTENT, "ask something else")

    run(test)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_tool_that_ends_its_thread_is_served_by_another() -> None:
    async def test(runner: ToolRunner) -> None:
        assert kinds(await runner.run([moody("exits")])) == ["ToolCrash"]
        assert kinds(await runner.run([moody("fine")])) == [None]
        assert await runner.failing() is None

    run(test)


def test_a_hanging_batch_is_given_up_and_does_not_hold_up_the_next() -> None:
    async def test(runner: ToolRunner) -> None:
        start = time.monotonic()
        assert kinds(await runner.run([moody("hangs"), moody("fine")])) == ["ToolTimeout"] * 2
        assert kinds(await runner.run([moody("fine")])) == [None]
        assert time.monotonic() - start < 5

    run(test, timeout_s=0.2)


def test_a_call_that_waited_too_long_is_not_run() -> None:
    async def test(runner: ToolRunner) -> None:
        hanging = asyncio.create_task(runner.run([moody("hangs")]))
        await asyncio.sleep(0.01)
        blocked = [asyncio.create_task(runner.run([moody("hangs", n)])) for n in range(2)]
        await asyncio.sleep(0.01)
        served = [(await task)[0] for task in (hanging, *blocked)]
        messages = [item.result.error.message for item in served if isinstance(item.result.error, Fault)]
        assert messages[0].startswith("no result after") and any("without being run" in text for text in messages[1:])

    run(test, timeout_s=0.2, max_batch=1)


def test_too_many_hanging_runs_are_a_failing_tool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner_module, "MAX_ABANDONED", 2)

    async def test(runner: ToolRunner) -> None:
        for _ in range(2):
            await runner.run([moody("hangs")])
        assert await runner.failing() == "2 runs hang"

    run(test, timeout_s=0.1)


def test_a_full_queue_refuses_more() -> None:
    async def test(runner: ToolRunner) -> None:
        first = asyncio.create_task(runner.run([moody("slow")]))
        await asyncio.sleep(0.02)
        second = asyncio.create_task(runner.run([moody("fine")] * 3))
        await asyncio.sleep(0)
        with pytest.raises(QueueFull, match="3 calls are waiting"):
            await runner.run([moody("fine")])
        await asyncio.gather(first, second)

    run(test, max_waiting=3)
