"""`CircuitBreaker`: stops asking a server that keeps failing, and tries again after a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tools.errors import VistaError


class CircuitOpen(VistaError):
    """The server failed several times in a row and is left alone for now. The message says for how long."""


class CircuitBreaker:
    """Counts failures in a row. After `failures` of them everything is refused for `reset_s` seconds; then one attempt
    is let through (half-open): its success closes the circuit, its failure opens it for as long again.

    Args:
        failures: in a row, after which it opens.
        reset_s: seconds until the next attempt.
        clock: seconds, monotonic.
    """

    def __init__(self, failures: int, reset_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = failures
        self._reset_s = reset_s
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._opened_at = 0.0
        self._trying = False

    @property
    def is_open(self) -> bool:
        """Whether it opened and no attempt has succeeded since."""
        return self._failures >= self._limit

    @contextmanager
    def guard(self, *counted: type[Exception]) -> Iterator[None]:
        """Around one attempt. An exception of a `counted` type is a failure, any other outcome a success.

        An attempt that is cancelled says nothing about the server.

        Raises:
            CircuitOpen: the attempt must not be made.
        """
        trial = self._enter()
        failed: bool | None = None
        try:
            yield
            failed = False
        except Exception as error:
            failed = isinstance(error, counted)
            raise
        finally:
            self._leave(trial, failed)

    def _enter(self) -> bool:
        """Whether this attempt is the one that a half-open circuit lets through."""
        with self._lock:
            if not self.is_open:
                return False
            left = self._opened_at + self._reset_s - self._clock()
            if self._trying or left > 0:
                when = "while one attempt is under way" if self._trying else f"for another {left:.1f} s"
                raise CircuitOpen(f"not asked {when}: {self._failures} failures in a row")
            self._trying = True
            return True

    def _leave(self, trial: bool, failed: bool | None) -> None:
        with self._lock:
            if trial:
                self._trying = False
            if failed:
                self._failures += 1
                self._opened_at = self._clock()
            elif failed is False:
                self._failures = 0
