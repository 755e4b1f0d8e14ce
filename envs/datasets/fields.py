"""Fields of a raw record, checked: texts, choices, numbers, splits, answers of many people."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from envs.datasets.reader import RecordError, text_field

_SPLITS = {
    "train": "train", "training": "train", "minitrain": "train",
    "val": "val", "valid": "val", "validation": "val", "dev": "val", "minival": "val", "dev1k": "val",
    "test": "test", "testmini": "test", "minitest": "test", "test1k": "test",
}  # fmt: skip
_TAG = re.compile(r"<image(\d*)>")


def split_name(text: object) -> str | None:
    """The name of ours for a split as releases call it (`validation`, `dev`, `testmini`); None for anything else."""
    return _SPLITS.get(str(text).lower())


def check_split(record: Mapping[str, Any], name: str, split: str) -> None:
    """Raises `RecordError` when a record's own field says that it belongs to another split than its file."""
    own = record.get(name)
    if own is not None and (found := split_name(own)) is not None and found != split:
        raise RecordError("split mismatch", f"field {name!r} is {own!r} in a file of {split}")


def texts(record: Mapping[str, Any], name: str, missing: str = "malformed record") -> tuple[str, ...]:
    """A field that is a list of texts (numbers are taken as texts).

    Raises:
        RecordError: it is absent or empty (counted as `missing`), no list, or an entry is no text.
    """
    values = record.get(name)
    if values is None or (isinstance(values, list) and not values):
        raise RecordError(missing, f"field {name!r} is {'absent' if values is None else 'empty'}")
    if not isinstance(values, list):
        raise RecordError("malformed record", f"field {name!r}: expected a list, got {type(values).__name__}")
    return tuple(text_field({name: value}, name) for value in values)


def index_field(record: Mapping[str, Any], name: str, count: int) -> int:
    """An index into `count` choices.

    Raises:
        RecordError: it is absent, no whole number, or out of range.
    """
    value = record.get(name)
    if value is None:
        raise RecordError("answer missing", f"field {name!r} is absent")
    if isinstance(value, str) and re.fullmatch(r"\s*\d+\s*", value):
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise RecordError("malformed record", f"field {name!r}: expected an index, got {value!r}")
    if not 0 <= value < count:
        raise RecordError("answer not among the choices", f"field {name!r} is {value}, there are {count} choices")
    return value


def letter(index: int) -> str:
    """`A` for 0."""
    return chr(ord("A") + index)


def letter_index(text: str, count: int) -> int | None:
    """The choice that a letter alone (`B`, `(b)`, `B.`) stands for; None when it stands for none of `count`."""
    found = re.fullmatch(r"\(?([A-Za-z])[).:]?", text.strip())
    index = ord(found[1].upper()) - ord("A") if found else count
    return index if index < count else None


def number_text(value: Any, name: str) -> str:
    """A number as people write it: `40`, `0.5`. Raises `RecordError` for anything else than a finite number or text."""
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    if isinstance(value, bool) or (isinstance(value, float) and not math.isfinite(value)):
        raise RecordError("malformed record", f"field {name!r}: expected a number, got {value!r}")
    return text_field({name: value}, name)


def fill_placeholders(text: str, numbers: Sequence[Any]) -> str:
    """`N_0`, `N_1` ... replaced by the problem's numbers. Raises `RecordError` when there is no such number."""

    def number(found: re.Match[str]) -> str:
        index = int(found[1])
        if index >= len(numbers):
            raise RecordError("placeholder without a number", f"N_{index}: the problem has {len(numbers)} numbers")
        return number_text(numbers[index], "numbers")

    return re.sub(r"N_(\d+)", number, text)


def without_tags(text: str) -> str:
    """A question without its `<image>` markers: one that stands alone goes, `<image2>` in a sentence is `image 2`."""
    kept = [line for line in text.splitlines() if _TAG.sub("", line).strip() or not _TAG.search(line)]
    joined = "\n".join(kept).strip()
    joined = re.sub(r"^(?:<image\d*>\s*)+|(?:\s*<image\d*>)+$", "", joined)
    return named_tags(joined).strip()


def named_tags(text: str) -> str:
    """`<image2>` as `image 2`, for markers that are part of what is said."""
    return _TAG.sub(lambda found: f"image {found[1]}" if found[1] else "the image", text)


def consensus(answers: Sequence[str]) -> str:
    """The answer that most people gave, the first given of those. `answers` is not empty."""
    counts = Counter(answers)
    return max(counts, key=lambda answer: counts[answer])


def extras(record: Mapping[str, Any], *without: str) -> dict[str, Any]:
    """The record's other fields, for `Task.metadata`."""
    return {name: value for name, value in record.items() if name not in without and not isinstance(value, bytes)}
