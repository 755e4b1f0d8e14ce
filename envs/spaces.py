"""Gymnasium spaces of opaque objects: messages, turns, tool calls, tool results.

RLlib's connectors pass such leaves through untouched as object arrays, which is what the frozen dataclasses need: they
must never be stacked, flattened or cast. `sample` draws short valid elements, enough for RLlib's and PettingZoo's
environment checks.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import gymnasium as gym

from envs.message import Message, Turn
from tools.errors import ErrorCode, ModelError
from tools.tool import ToolCall, ToolResult

_ALPHABET = "abc xyz 0123456789 .,%-<>{}\"' äß漢字 🙂\n"


class ObjectSpace(gym.Space[Any]):
    """Elements of some Python classes, each one leaf. Equal to a space of the same class and parameters."""

    types: tuple[type, ...] = (object,)
    """Classes of which an element is an instance."""

    def __init__(self, seed: int | None = None) -> None:
        """`seed` of the generator that `sample` draws from; None takes entropy of the system."""
        super().__init__(shape=(), dtype=object, seed=seed)

    def contains(self, x: Any) -> bool:
        """Whether `x` is an element."""
        return isinstance(x, self.types)

    def sample(self, mask: Any | None = None, probability: Any | None = None) -> Any:
        """A random element. Masks have no meaning here and are refused."""
        if mask is not None or probability is not None:
            raise ValueError(f"{type(self).__name__}.sample takes neither a mask nor probabilities")
        return self._draw()

    def _draw(self) -> Any:
        raise NotImplementedError

    def _text(self, longest: int = 24) -> str:
        letters = self.np_random.integers(len(_ALPHABET), size=int(self.np_random.integers(1, longest)))
        return "".join(_ALPHABET[i] for i in letters)

    def _pick(self, options: Sequence[Any]) -> Any:
        return options[int(self.np_random.integers(len(options)))]

    @property
    def is_np_flattenable(self) -> bool:
        """Objects are never flattened."""
        return False

    def _parameters(self) -> tuple[Any, ...]:
        return ()

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self._parameters() == other._parameters()  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        return hash((type(self), self._parameters()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self._parameters()))})"


class MessageSpace(ObjectSpace):
    """Observations of the VLM agent: `Message`."""

    types = (Message,)

    def _draw(self) -> Message:
        return Message(self._pick(("user", "tool")), self._text())


class _ToolNamesSpace(ObjectSpace):
    """A space whose samples mention tools."""

    def __init__(self, tools: Sequence[str] = (), seed: int | None = None) -> None:
        """`tools`: the names that samples draw from."""
        super().__init__(seed)
        self.tools = tuple(tools)

    def _parameters(self) -> tuple[Any, ...]:
        return self.tools


class TurnSpace(_ToolNamesSpace):
    """Actions of the VLM agent: `Turn` or any `str`. Samples are calls, answers and malformed turns."""

    types = (str, Turn)

    def _draw(self) -> str:
        kind = int(self.np_random.integers(3))
        if kind == 0 and self.tools:
            call = json.dumps({"name": self._pick(self.tools), "arguments": {}})
            return f"<think>{self._text().translate(_NO_TAGS)}</think><tool_call>{call}</tool_call>"
        if kind == 1:
            return f"<think></think><answer>{int(self.np_random.integers(100))}</answer>"
        return self._text()


class ToolCallSpace(_ToolNamesSpace):
    """Observations of a tool agent: `ToolCall` of one of `tools` (of any tool when that is empty)."""

    types = (ToolCall,)

    def contains(self, x: Any) -> bool:
        """Whether `x` is a call of one of `tools`."""
        return isinstance(x, ToolCall) and (not self.tools or x.name in self.tools)

    def _draw(self) -> ToolCall:
        return ToolCall(self._pick(self.tools or ("tool",)))


class ToolResultSpace(ObjectSpace):
    """Actions of a tool agent: `ToolResult`, or the bare text of one (`str`, `Turn`) from a policy that writes it."""

    types = (ToolResult, str, Turn)

    def _draw(self) -> ToolResult:
        if int(self.np_random.integers(4)) == 0:
            return ToolResult(error=ModelError(ErrorCode.ARGUMENT_CONTENT, self._text()))
        return ToolResult(self._text())


_NO_TAGS = str.maketrans("<>", "()")
