"""`ScriptedModule`: the VLM agent played by rules. The baseline of every evaluation and the teacher of `vista-tiny`.

It reads the chart with `chart_to_table`, answers from the table (`policies.table_qa`), and lets the calculator compute.
Its turns are short, regular, and never contradict themselves: the cells an answer rests on are quoted before it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, ValidationError
from ray.rllib.core.columns import Columns
from ray.rllib.core.rl_module import RLModule

from envs.message import Message, Turn
from policies.request import Request, object_array, requests_of
from policies.table_qa import Table, TableAnswer, candidates, parse_table, read_cues, table_from_words
from tools.errors import VistaError

CHART, OCR, CALCULATOR = "chart_to_table", "ocr", "calculator"
UNKNOWN = "unknown"
"""The answer when nothing was read and the question does not suggest one."""

_CALL = re.compile(r"<tool_call>(.*?)</tool_call>", re.DOTALL)
_TAG = re.compile(r"</?(?:think|tool_call|answer)>")
_QUESTION = re.compile(r"^Question: (.*)$", re.MULTILINE)
_ERROR = re.compile(r"Error E\d: ")


class ScriptedModuleError(VistaError):
    """A setting of the scripted policy is wrong, or it observes something else than a message."""


class ScriptedConfig(BaseModel):
    """Settings of `ScriptedModule`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tools: tuple[str, ...] | None = None
    """Tools it may call; None: those named in the system prompt."""


class ScriptedModule(RLModule):
    """Stateless: everything it needs is in the request's history."""

    framework = "torch"  # it may stand beside torch modules in a MultiRLModule

    def setup(self) -> None:
        """Checks the settings. Raises `ScriptedModuleError`."""
        try:
            self.settings = ScriptedConfig(**cast(Mapping[str, Any], self.model_config or {}))
        except ValidationError as error:
            raise ScriptedModuleError(f"scripted policy: {error}") from error

    def _forward(self, batch: Mapping[str, Any], **kwargs: Any) -> dict[str, Any]:
        return {Columns.ACTIONS: object_array(self.act(request) for request in requests_of(batch))}

    def _forward_train(self, batch: Mapping[str, Any], **kwargs: Any) -> dict[str, Any]:
        raise ScriptedModuleError("the scripted policy cannot be trained: leave it out of policies_to_train")

    def act(self, request: Request) -> Turn:
        """The next turn of one episode.

        Raises:
            ScriptedModuleError: the observation is no `Message`.
        """
        if not isinstance(request.observation, Message):
            observed = type(request.observation).__name__
            raise ScriptedModuleError(f"the scripted policy observes a {observed}: expected a Message")
        messages = [message for message, _ in request.history] + [request.observation]
        turns = [turn.text for _, turn in request.history]
        offered = offered_tools(messages[0].system) if self.settings.tools is None else set(self.settings.tools)
        return Turn(_next_turn(_Episode(messages, turns), offered))

    def get_state(
        self,
        components: str | Collection[str] | None = None,
        *,
        not_components: str | Collection[str] | None = None,
        inference_only: bool = False,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Empty: rules have no weights."""
        return {}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Does nothing: rules have no weights."""


def offered_tools(system: str) -> set[str]:
    """Which of the tools it can use are named in a system prompt (`compact` or `full`)."""
    return {name for name in (CHART, OCR, CALCULATOR) if re.search(rf'(?:^|"){name}(?:"|\()', system, re.MULTILINE)}


def question_of(text: str) -> str:
    """The question inside the first user message."""
    match = _QUESTION.search(text)
    return match[1] if match else text


@dataclass(frozen=True, slots=True)
class _Episode:
    """Messages seen and turns written so far; there is one more message than turns."""

    messages: list[Message]
    turns: list[str]

    @property
    def question(self) -> str:
        return question_of(self.messages[0].text)

    @property
    def attempts(self) -> int:
        """Answers given, all of them wrong."""
        return sum("<answer>" in turn for turn in self.turns)

    def reply(self, tool: str) -> str | None:
        """What a tool said last time; an empty string for an error, None when it was not called."""
        for turn, message in zip(reversed(self.turns), reversed(self.messages), strict=False):
            if _called(turn) == tool:
                return "" if _ERROR.match(message.text) else message.text
        return None

    @property
    def computed(self) -> str | None:
        """The calculator's result, when it is what was seen last."""
        return self.reply(CALCULATOR) if self.turns and _called(self.turns[-1]) == CALCULATOR else None


def _called(turn: str) -> str | None:
    match = _CALL.search(turn)
    return json.loads(match[1])["tool"] if match else None


def _next_turn(episode: _Episode, offered: Collection[str]) -> str:
    chart = episode.reply(CHART)
    if chart is None and CHART in offered:
        return _call("Read the chart.", CHART)
    table: Table | None = parse_table(chart) if chart else None
    if table is None:
        words = episode.reply(OCR)
        if words is None and OCR in offered:
            return _call("Read the text.", OCR)
        table = table_from_words(words) if words else None
    found = candidates(episode.question, table) if table else []
    if not found:
        return _guess(episode)
    answer = found[min(episode.attempts, len(found) - 1)]
    if answer.expression is None or answer.answer is None:
        return _answer(answer.rationale, str(answer.answer))
    if episode.computed:
        return _answer(f"The result is {episode.computed}.", episode.computed)
    if CALCULATOR in offered and episode.computed is None and chart:  # after a detour by `ocr` turns are short
        return _call(answer.rationale, CALCULATOR, expression=answer.expression)
    return _answer(_worked(answer), answer.answer)


def _worked(answer: TableAnswer) -> str:
    return f"{answer.rationale}: {answer.expression} = {answer.answer}"


def _guess(episode: _Episode) -> str:
    """Answers from the question alone."""
    guesses = [UNKNOWN]
    if read_cues(episode.question).aim == "yes_no":
        guesses = ["Yes", "No"]
    elif match := re.search(r",\s*([^,?]+?) or ([^,?]+)\?", episode.question):
        guesses = [match[1], match[2]]
    return _answer("The chart shows nothing about it.", guesses[min(episode.attempts, len(guesses) - 1)])


def _call(thought: str, tool: str, **arguments: str) -> str:
    call = json.dumps({"tool": tool, "arguments": arguments}, ensure_ascii=False)
    return f"<think>{_TAG.sub('', thought)}</think><tool_call>{call}</tool_call>"


def _answer(thought: str, answer: str) -> str:
    return f"<think>{_TAG.sub('', thought)}</think><answer>{_TAG.sub('', answer).strip() or UNKNOWN}</answer>"
