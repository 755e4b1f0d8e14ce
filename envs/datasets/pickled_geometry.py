"""What GeoQA and UniGeo share: pickled lists of problems with number placeholders, programs and picture arrays."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import PIL.Image

from envs.datasets.fields import index_field, letter, number_text
from envs.datasets.layout import Raw
from envs.datasets.reader import RecordError, check_image
from envs.datasets.registry import DatasetError
from envs.datasets.release import Release, parent
from envs.datasets.safe_pickle import load_pickle, plain
from tools.image import Image


def problems(release: Release, name: str, prefix: str = "") -> Iterator[Raw]:
    """The problems of one pickled list, each with its `problem_type` where `sub_dataset_dict.pk` names it.

    Raises:
        DatasetError: the pickle is refused or damaged, or holds no list.
    """
    content = _load(release, name)
    if not isinstance(content, list):
        raise DatasetError(f"{release.root / name}: expected a pickled list, got {type(content).__name__}")
    types: dict[Any, Any] = {}
    for folder in (parent(name), parent(parent(name).rstrip("/"))):
        if release.has(f"{folder}sub_dataset_dict.pk"):
            found = _load(release, f"{folder}sub_dataset_dict.pk")
            types = found if isinstance(found, dict) else {}
            break
    for n in range(len(content)):
        record, content[n] = plain(content[n]), None  # pictures of problems that were read are let go
        if isinstance(record, dict) and isinstance(record.get("id"), int | str):
            record.setdefault("problem_type", types.get(record["id"]))
        yield Raw(f"{prefix}{n}", f"{name} record {n}", record)


def _load(release: Release, name: str) -> Any:
    with release.open(name) as file:
        return load_pickle(file, str(release.root / name))


def array_image(value: Any, name: str) -> Image:
    """A picture array (height, width) or (height, width, 1, 3 or 4), of bytes 0..255, as a PNG image.

    Raises:
        RecordError: it is no such array.
    """
    if value is None:
        raise RecordError("image missing", f"field {name!r} is absent")
    if isinstance(value, list):
        try:
            value = np.asarray(value)
        except ValueError as error:
            raise RecordError("image unreadable", f"field {name!r}: {error}") from error
    if not isinstance(value, np.ndarray) or value.size == 0 or value.dtype.kind not in "uif":
        raise RecordError("image unreadable", f"field {name!r}: expected a picture array, got {type(value).__name__}")
    if value.ndim == 3 and value.shape[2] == 1:
        value = value[:, :, 0]
    if value.ndim not in (2, 3) or (value.ndim == 3 and value.shape[2] not in (3, 4)):
        raise RecordError("image unreadable", f"field {name!r}: no picture has the shape {value.shape}")
    if not np.isfinite(value).all() or value.min() < 0 or value.max() > 255:
        raise RecordError("image unreadable", f"field {name!r}: values outside 0..255")
    buffer = io.BytesIO()
    PIL.Image.fromarray(np.ascontiguousarray(value.astype(np.uint8))).save(buffer, "PNG", compress_level=1)
    return check_image(buffer.getvalue(), name)


def numbers_of(record: dict[str, Any]) -> list[Any]:
    """The problem's numbers, which its `N_i` stand for; none where it has no such field."""
    value = record.get("numbers")
    value = value.tolist() if isinstance(value, np.ndarray) else value
    if value is not None and not isinstance(value, list):
        raise RecordError("malformed record", f"field 'numbers': expected a list, got {type(value).__name__}")
    return value or []


def choices_of(record: dict[str, Any]) -> tuple[tuple[str, ...], int]:
    """The choices as texts, and the index of the right one.

    `choice_nums` are the choices; where the release also writes them as texts of the same number, those are shown.

    Raises:
        RecordError: there are none, or `label` is none of them.
    """
    values = record.get("choice_nums")
    values = values.tolist() if isinstance(values, np.ndarray) else values
    if not isinstance(values, list) or not values:
        raise RecordError("choices missing", "field 'choice_nums' is absent or empty")
    shown = record.get("choices")
    if isinstance(shown, list) and len(shown) == len(values) and all(isinstance(c, str) and c.strip() for c in shown):
        choices = tuple(choice.strip() for choice in shown)
    else:
        choices = tuple(number_text(value, "choice_nums") for value in values)
    return choices, index_field(record, "label", len(choices))


def program_metadata(record: dict[str, Any], index: int) -> dict[str, Any]:
    """Metadata keys of both sets: program, numbers, the answer's place (`answer_label` counts from 1) and value."""
    choices = record["choice_nums"]
    return {
        "original_id": _simple(record.get("id")),
        "problem_type": record.get("problem_type"),
        "answer_index": index,
        "answer_label": index + 1,
        "answer_letter": letter(index),
        "answer_value": _simple(choices[index]),
        "choice_nums": [_simple(value) for value in choices],
        "numbers": [_simple(value) for value in numbers_of(record)],
        "manual_program": _simple(record.get("manual_program")),
        "knowledge_points": _simple(record.get("formal_point")),
    }


def _simple(value: Any) -> Any:
    """Without numpy types."""
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else value
