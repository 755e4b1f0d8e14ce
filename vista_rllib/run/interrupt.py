"""`Interrupt`: Ctrl-C and SIGTERM, put off while something must not be cut in two."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType

from rich.console import Console

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(KeyboardInterrupt):
    """The user or the system asked the run to end. `signum` says how."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum

    @property
    def exit_code(self) -> int:
        """What a shell expects: 130 after Ctrl-C, 143 after SIGTERM."""
        return 128 + self.signum


class Interrupt:
    """Turns signals into `Interrupted`: at once, or at the end of a `deferred` block. A second one is not put off.

    Attributes:
        signum: the signal that came; SIGINT until one has.
        cut: whether a deferred block was left in the middle.
    """

    def __init__(self, console: Console) -> None:
        self.signum = int(signal.SIGINT)
        self.cut = False
        self._console = console
        self._deferring = ""
        self._pending = False
        self._previous: dict[int, object] = {}

    def __enter__(self) -> Interrupt:
        for signum in SIGNALS:
            self._previous[signum] = signal.signal(signum, self._handle)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        for signum, handler in self._previous.items():
            signal.signal(signum, handler)  # type: ignore[arg-type]

    @contextmanager
    def deferred(self, what: str) -> Iterator[None]:
        """Puts a signal off until the block is done; `what` is told to the user meanwhile.

        Raises:
            Interrupted: at the end of the block, if a signal came; inside it, if a second came.
        """
        self._deferring, self._pending = what, False
        try:
            yield
        finally:
            self._deferring = ""
        if self._pending:
            raise Interrupted(self.signum)

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        self.signum = signum
        if self._deferring and not self._pending:
            self._pending = True
            self._console.print(f"Finishing {self._deferring}, then saving. Once more to leave now.", style="yellow")
            return
        self.cut = self.cut or bool(self._deferring)
        raise Interrupted(signum)
