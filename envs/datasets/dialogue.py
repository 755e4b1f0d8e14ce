"""Questions and answers that were released as chats: choices written into the question, answers into a sentence.

Three generic layouts: `conversations` (LLaVA: `{"from": "human"|"gpt", "value"}`), `texts` (the Cauldron:
`{"user", "assistant", "source"}`), and `problem` with `solution` or `answer` (sets made for reinforcement learning).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from envs.datasets.fields import letter, letter_index, without_tags
from envs.datasets.layout import Item, Layout
from envs.datasets.mirror import cell_image, cell_images, first_row, listed, mirror
from envs.datasets.reader import RecordError, text_field
from envs.task import Task

_CHOICES = re.compile(r"\n\s*(?:Choices|Options)\s*:\s*\n?", re.IGNORECASE)
_CHOICE = re.compile(r"^\s*\(?([A-Z])[).:]\s*(.*?)\s*$")
_HINT = re.compile(r"\A\s*Hint:.*?(?:\n|\Z)", re.DOTALL)
_WRAPPERS = (
    re.compile(r"\\boxed\s*\{(.*)\}", re.DOTALL),
    re.compile(r"<answer>(.*?)</answer>", re.DOTALL | re.IGNORECASE),
    re.compile(r"(?:the\s+)?answer\s*(?:is|:)\s*:?\s*(.*)", re.DOTALL | re.IGNORECASE),
)


def split_choices(text: str) -> tuple[str, tuple[str, ...]]:
    """A question and the choices listed under its last `Choices:` line, lettered from A; no choices where none are."""
    text = without_tags(text)
    text = _HINT.sub("", text, count=1).strip()
    text = re.sub(r"\AQuestion:\s*", "", text)
    parts = _CHOICES.split(text)
    if len(parts) < 2:
        return text, ()
    choices: list[str] = []
    for line in parts[-1].splitlines():
        found = _CHOICE.match(line)
        if found and found[1] == letter(len(choices)):
            choices.append(found[2])
        elif line.strip():
            break  # what follows is an instruction
    return ("\n".join(parts[:-1]).strip(), tuple(choices)) if choices else (text, ())


def short_answer(text: str) -> str:
    """The answer in a reply: in `\\boxed{}`, in `<answer>`, after `The answer is`, else all of it. No full stop."""
    for wrapper in _WRAPPERS:
        found = wrapper.findall(text)
        if found:
            text = found[-1]
            break
    text = text.strip()
    return text[:-1].rstrip() if text.endswith(".") and not text.endswith("..") else text


def gold(reply: str, choices: tuple[str, ...]) -> tuple[str, dict[str, Any]]:
    """The gold answer of a reply, as a choice's text where there are choices, and what metadata say of it.

    Raises:
        RecordError: the reply is empty, or names none of the choices.
    """
    answer = short_answer(reply)
    if not answer:
        raise RecordError("answer missing", f"the reply {reply[:60]!r} has no answer")
    if not choices:
        return answer, {}
    index = choices.index(answer) if answer in choices else letter_index(answer, len(choices))
    if index is None:
        raise RecordError("answer not among the choices", f"{answer[:60]!r} is none of {', '.join(choices)!r:.200}")
    return choices[index], {"answer_index": index, "answer_letter": letter(index)}


def turns(record: dict[str, Any]) -> tuple[str, str]:
    """The first question and the reply to it, from `conversations` or `messages`. Raises `RecordError`."""
    chat = record.get("conversations") or record.get("messages")
    if not isinstance(chat, list):
        raise RecordError("malformed record", "field 'conversations': expected a list of turns")
    said: dict[str, str] = {}
    for turn in chat:
        if not isinstance(turn, dict):
            raise RecordError("malformed record", f"field 'conversations': a turn is {type(turn).__name__}")
        who = {"human": "user", "gpt": "assistant"}.get(str(turn.get("from", turn.get("role"))), turn.get("role"))
        value = turn.get("value", turn.get("content"))
        if who in ("user", "assistant") and who not in said:
            said[who] = text_field(
                {"value": value}, "value", "answer missing" if who == "assistant" else "question missing"
            )
    if "user" not in said:
        raise RecordError("question missing", "field 'conversations' has no turn of a human")
    if "assistant" not in said:
        raise RecordError("answer missing", "field 'conversations' has no reply")
    return said["user"], said["assistant"]


def build_texts(item: Item) -> Task:
    """A task of one turn of the Cauldron."""
    question, choices = split_choices(text_field(item.record, "user", "question missing"))
    answer, metadata = gold(text_field(item.record, "assistant", "answer missing"), choices)
    images = cell_images(item, "images")
    return item.task(question, answer, images, choices=choices, metadata=metadata)


def _texts(row: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for n, turn in enumerate(listed(row, "texts")):
        yield f"-{n}", {"images": row.get("images"), **(turn if isinstance(turn, dict) else {})}


def cauldron(*sources: str) -> Layout:
    """The layout of `HuggingFaceM4/the_cauldron`, for rows whose `source` is one of these (letters and digits only)."""

    def accept(file: Path) -> bool:
        row = first_row(file, "texts")
        said = row[0].get("source") if isinstance(row, list) and row and isinstance(row[0], dict) else None
        return re.sub(r"[^a-z0-9]", "", str(said).lower()) in sources

    return mirror({"images", "texts"}, build_texts, expand=_texts, accept=accept)


def build_problem(item: Item) -> Task:
    """A task of a row `image` or `images`, `problem`, `answer` or `solution`."""
    record = item.record
    question, choices = split_choices(text_field(record, "problem", "question missing"))
    reply = record.get("answer") if record.get("answer") is not None else record.get("solution")
    answer, metadata = gold(text_field({"answer": reply}, "answer", "answer missing"), choices)
    images = cell_images(item, "images") if "images" in record else [cell_image(item, "image")]
    return item.task(question, answer, images, choices=choices, metadata=metadata)


def problems(*columns: str) -> Layout:
    """The layout of sets made for reinforcement learning, with these columns beside `problem`. Any dataset's."""
    return mirror({"problem", *columns}, build_problem, certain=False)


def build_conversation(item: Item) -> Task:
    """A task of a row `image`, `conversations`."""
    asked, reply = turns(item.record)
    question, choices = split_choices(asked)
    answer, metadata = gold(reply, choices)
    return item.task(question, answer, [cell_image(item, "image")], choices=choices, metadata=metadata)


def conversations() -> Layout:
    """The layout of `lmms-lab/LLaVA-OneVision-Data`, one folder of it. Any dataset's."""
    return mirror({"image", "conversations"}, build_conversation, key="id", certain=False)
