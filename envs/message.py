"""What goes between the env and the VLM agent: `Message` (observation) and `Turn` (action)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from tools.image import Image

Role = Literal["user", "tool"]
FinishReason = Literal["stop", "length", "context"]


@dataclass(frozen=True, slots=True)
class Message:
    """What the VLM agent observes *new* this turn. Never the history: the transcript belongs to the policy side.

    Attributes:
        role: `user` for the question and feedback, `tool` for a tool's result or error.
        text: the text; a literal `<image>` in it is text and nothing else.
        images: shown before the text, in order.
        system: the system prompt; only on the first message of an episode.
    """

    role: Role
    text: str
    images: tuple[Image, ...] = ()
    system: str = ""

    def __deepcopy__(self, memo: dict[int, Any]) -> Message:
        return self


@dataclass(frozen=True, slots=True)
class Turn:
    """One action of the VLM agent. The env takes a plain `str` too.

    Attributes:
        text: the sampled text, decoded.
        num_tokens: how many tokens were sampled for it; 0 when not known (scripted policies).
        finish_reason: `stop` at a closing tag or end-of-turn token, `length` at the turn's token limit, `context` when
            the transcript has no room left.
    """

    text: str
    num_tokens: int = 0
    finish_reason: FinishReason = "stop"

    def __deepcopy__(self, memo: dict[int, Any]) -> Turn:
        return self
