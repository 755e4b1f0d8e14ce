"""`PeakMemory`: how much memory the driver and everything it started held at most."""

from __future__ import annotations

import threading
from types import TracebackType

import psutil

GIB = 2**30


class PeakMemory:
    """Samples the resident memory of this process and all its descendants while the context is open.

    The sum counts pages shared between processes once per process, so it is an upper bound.
    """

    def __init__(self, interval_s: float = 0.5) -> None:
        self._interval_s = interval_s
        self._peak = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample_until_ended, name="peak-memory", daemon=True)

    @property
    def peak_gib(self) -> float:
        """Largest sum seen so far, GiB."""
        return self._peak / GIB

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()

    def _sample_until_ended(self) -> None:
        process = psutil.Process()
        while True:
            self._peak = max(self._peak, _resident(process))
            if self._ended.wait(self._interval_s):
                return


def _resident(process: psutil.Process) -> int:
    """Resident bytes of the process tree."""
    total = 0
    for member in [process, *process.children(recursive=True)]:
        try:
            total += member.memory_info().rss
        except psutil.NoSuchProcess:  # it ended between listing and asking
            continue
    return total
