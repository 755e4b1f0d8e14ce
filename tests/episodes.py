"""Tasks, turns and a driver shared by the tests of the env."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import PIL.Image

import tools.calculator
import tools.zoom  # noqa: F401 - registers the tool
from envs.message import Turn
from envs.task import Task
from envs.visual_reasoning import VisualReasoningEnv
from tools.image import Image
from tools.tool import ToolCall, ToolResult

TOOLS = ("zoom", "calculator")


def picture(shade: int = 0) -> Image:
    """A small image; equal shades are the same image."""
    return Image.from_pil(PIL.Image.new("L", (8, 6), shade))


def task(id: str = "a", **fields: Any) -> Task:
    """A counting task whose answer is 3."""
    return Task(**{"id": id, "dataset": "chartqa", "question": "How many bars are shown?", "answer": "3",
                   "images": (picture(),), **fields})  # fmt: skip


def call(name: str = "calculator", thoughts: str = "t", **arguments: Any) -> str:
    """A well-formed turn with a call."""
    if name == "calculator" and not arguments:
        arguments = {"expression": "1+1"}
    return f"<think>{thoughts}</think><tool_call>{json.dumps({'name': name, 'arguments': arguments})}</tool_call>"


def answer(text: str = "3") -> str:
    """A well-formed turn with an answer."""
    return f"<think>t</think><answer>{text}</answer>"


def make_env(tasks: Iterable[Task] = (), clock: Callable[[], float] | None = None, **config: Any) -> VisualReasoningEnv:
    """An env over in-memory tasks (one, if none are given) with the tools zoom and calculator."""
    tasks = {t.id: t for t in tasks} or {"a": task()}
    keywords = {} if clock is None else {"clock": clock}
    return VisualReasoningEnv({"tools": TOOLS, **config}, tasks=tasks, **keywords)


def play(
    env: VisualReasoningEnv,
    turns: Iterable[str | Turn],
    tool: Callable[[ToolCall], Any] = lambda call: ToolResult("2"),
    watch: Callable[[Mapping[str, Any], tuple[Any, ...]], None] = lambda actions, returned: None,
    **options: Any,
) -> tuple[Any, ...]:
    """Plays an episode to its end (or until `turns` run out); returns the last step's return.

    Args:
        env: the env; it is reset first, with `options`.
        turns: what the VLM writes, in order.
        tool: what every tool agent does.
        watch: called with the actions and the return of reset (no actions) and of every step.
        options: of reset.
    """
    returned: tuple[Any, ...] = env.reset(options=options)
    watch({}, returned)
    turns = iter(turns)
    while env.acting:
        observation = returned[0][env.acting]
        action = next(turns, None) if env.acting == "vlm" else tool(observation)
        if action is None:
            break
        actions = {env.acting: action}
        returned = env.step(actions)
        watch(actions, returned)
    return returned
