"""The circuit breaker, with a clock of the test's own."""

from __future__ import annotations

import pytest

from tools.circuit_breaker import CircuitBreaker, CircuitOpen


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> CircuitBreaker:
    return CircuitBreaker(failures=3, reset_s=10.0, clock=clock)


def fail(breaker: CircuitBreaker, error: type[BaseException] = OSError) -> None:
    with pytest.raises(error), breaker.guard(OSError):
        raise error


def succeed(breaker: CircuitBreaker) -> None:
    with breaker.guard(OSError):
        pass


def test_it_opens_after_failures_in_a_row_only(breaker: CircuitBreaker) -> None:
    for _ in range(4):
        fail(breaker)
        fail(breaker)
        succeed(breaker)
    assert not breaker.is_open
    for _ in range(3):
        fail(breaker)
    assert breaker.is_open
    with pytest.raises(CircuitOpen, match=r"another 10\.0 s: 3 failures in a row"):
        succeed(breaker)


def test_other_exceptions_show_that_the_server_is_there(breaker: CircuitBreaker) -> None:
    fail(breaker)
    fail(breaker)
    fail(breaker, ValueError)
    fail(breaker)
    assert not breaker.is_open


def test_after_a_while_one_attempt_decides(breaker: CircuitBreaker, clock: Clock) -> None:
    for _ in range(3):
        fail(breaker)
    clock.now += 10
    with breaker.guard(OSError), pytest.raises(CircuitOpen, match="while one attempt is under way"):
        succeed(breaker)
    assert not breaker.is_open
    for _ in range(3):
        fail(breaker)
    clock.now += 10
    fail(breaker)
    clock.now += 9.9
    with pytest.raises(CircuitOpen, match="4 failures"):
        succeed(breaker)
    clock.now += 0.1
    succeed(breaker)
    assert not breaker.is_open


def test_a_cancelled_attempt_decides_nothing(breaker: CircuitBreaker, clock: Clock) -> None:
    for _ in range(3):
        fail(breaker)
    clock.now += 10
    fail(breaker, KeyboardInterrupt)
    assert breaker.is_open
    succeed(breaker)
    assert not breaker.is_open
