"""`Task`: one question about one or more images, with its gold answer kept apart from everything observable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from tools.image import Image


@dataclass(frozen=True, slots=True)
class Task:
    """A superset of upstream's vlmgym record.

    Attributes:
        id: unique within a task set.
        dataset: registered dataset name, `chartqa`.
        question: the question as released.
        answer: the gold answer (or the first of `answers`); empty when the split has none. Never shown to an agent.
        images: zero or more images, in the order the question refers to them.
        task_type: `chart`, `geometry`, `geospatial`, `science`, `document`, `spatial`, `general`, `mathematics`.
        answers: every accepted gold answer; empty means `(answer,)`.
        choices: options of a multiple-choice question, in order.
        split: `train`, `val` or `test`.
        metadata: JSON-compatible extras of the release (source file, chart type, gold table ...). Never shown.
    """

    id: str
    dataset: str
    question: str
    answer: str
    images: tuple[Image, ...] = ()
    task_type: str = "chart"
    answers: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    split: str = "train"
    metadata: Mapping[str, Any] = field(default_factory=dict)


TASK_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("dataset", pa.string(), nullable=False),
        pa.field("question", pa.string(), nullable=False),
        pa.field("answer", pa.string(), nullable=False),
        pa.field("images", pa.list_(pa.string()), nullable=False),  # content hashes, looked up in the image file
        pa.field("task_type", pa.string(), nullable=False),
        pa.field("answers", pa.list_(pa.string()), nullable=False),
        pa.field("choices", pa.list_(pa.string()), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("metadata", pa.string(), nullable=False),  # JSON
    ]
)
"""One row per task; images live once each in a sibling file of `IMAGE_SCHEMA` rows."""

IMAGE_SCHEMA = pa.schema(
    [
        pa.field("hash", pa.string(), nullable=False),
        pa.field("width", pa.int32(), nullable=False),
        pa.field("height", pa.int32(), nullable=False),
        pa.field("data", pa.large_binary(), nullable=False),
    ]
)
"""Content-addressed images: sha256 of the encoded bytes, pixel size, the bytes as released."""
