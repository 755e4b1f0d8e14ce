"""A tool that is shared, and does to its process what it is told; for tests of what happens then."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Sequence

from tools.errors import ToolInputError
from tools.tool import Arguments, Tool, ToolCall, ToolResult, ToolSettings


class MoodyArguments(Arguments):
    expression: str = ""


class MoodySettings(ToolSettings):
    mood: str = ""
    """What it does, of `do_as_told`, whatever it is asked."""
    share: float = 1.0
    """Of how many calls, drawn by the expression."""
    broken: bool = False
    """Cannot be built."""
    log: str = ""
    """File that says what reached the tool."""


class SharedMoody(Tool):
    """Answers with its process id and the size of the batch, or does what its mood or the expression says."""

    name = "shared_moody"
    description = "Does what it is told."
    arguments = MoodyArguments
    deterministic = False
    shared = True
    settings_type = MoodySettings
    settings: MoodySettings

    def __init__(self, settings: MoodySettings | None = None) -> None:
        super().__init__(settings)
        if self.settings.broken:
            raise RuntimeError("no such weights")
        self._log("built")

    def run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        for call in calls:
            asked = str(call.arguments.get("expression", ""))
            drawn = random.Random(asked).random() < self.settings.share
            garbage = do_as_told(self.settings.mood if self.settings.mood and drawn else asked)
            if garbage is not None:
                return garbage  # type: ignore[return-value]
        text = f"{os.getpid()} {len(calls)}"
        return [ToolResult(text, images=call.images) for call in calls]

    def end_episode(self, episode_id: str) -> None:
        self._log(f"ended {episode_id}")

    def close(self) -> None:
        self._log("closed")

    def _log(self, line: str) -> None:
        if self.settings.log:
            with open(self.settings.log, "a") as file:
                file.write(f"{line}\n")


def do_as_told(word: str) -> object:
    """Nothing for most words; what is returned is returned in place of results."""
    if word == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if word == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    if word == "hang":
        time.sleep(120)
    if word == "nap":
        time.sleep(0.3)
    if word == "crash":
        raise OSError("boom")
    if word == "refuse":
        raise ToolInputError("that region is empty")
    if word == "odd":
        return [ToolResult(data=threading.Lock())]  # cannot be pickled
    return {"lost": [], "number": [7], "text": "hello"}.get(word)
