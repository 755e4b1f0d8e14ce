"""`Trajectory`: one finished episode as the log keeps it, and the Arrow schema of its row."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain, compress
from typing import Any

import numpy as np
import pyarrow as pa

from envs.episode_record import EpisodeRecord, Step
from envs.grade import Grade
from envs.message import Message
from policies.transcript import Transcript
from tools.errors import Fault, ModelError, VistaError
from tools.image import Image


class TrajectoryLogError(VistaError):
    """The log cannot be written or read. The message names the file and, for a failed write, the errno."""


_HASHES = pa.list_(pa.string())
_GRADE = pa.struct(
    [("correct", pa.bool_()), ("score", pa.float32()), ("extracted", pa.string()), ("reason", pa.string())]
)
TRANSCRIPT_TYPE = pa.struct(
    [
        ("agent_id", pa.string()),
        ("token_ids", pa.list_(pa.int32())),
        ("sampled", pa.list_(pa.bool_())),
        ("logps", pa.list_(pa.float32())),  # 0 where not sampled
        ("versions", pa.list_(pa.int32())),  # -1 where not sampled
        ("images", _HASHES),
        ("image_tokens", pa.list_(pa.int32())),
    ]
)
"""The exact tokens of one agent, see `policies.transcript.Transcript`."""

SCHEMA = pa.schema(
    [
        ("episode_id", pa.string()),
        ("task_id", pa.string()),
        ("dataset", pa.string()),
        ("task_type", pa.string()),
        ("question", pa.string()),
        ("gold", pa.list_(pa.string())),
        ("choices", pa.list_(pa.string())),
        ("metadata", pa.string()),  # JSON, as in the task
        ("group_id", pa.string()),
        ("iteration", pa.int32()),
        ("run_id", pa.string()),
        ("worker_index", pa.int32()),
        ("weights_version", pa.int64()),
        ("seed", pa.int64()),
        ("messages", pa.list_(pa.struct([("role", pa.string()), ("text", pa.string()), ("images", _HASHES)]))),
        (
            "turns",  # one per VLM turn
            pa.list_(
                pa.struct(
                    [
                        ("num_tokens", pa.int32()),
                        ("finish_reason", pa.string()),
                        ("answer", pa.string()),
                        ("grade", _GRADE),
                        ("error_code", pa.string()),
                        ("error_message", pa.string()),
                        ("wall_s", pa.float32()),
                    ]
                )
            ),
        ),
        (
            "calls",  # one per call that was parsed; `turn` is its index in `turns`
            pa.list_(
                pa.struct(
                    [
                        ("turn", pa.int32()),
                        ("name", pa.string()),
                        ("arguments", pa.string()),  # JSON
                        ("text", pa.string()),
                        ("images", _HASHES),
                        ("data", pa.string()),  # JSON
                        ("error_code", pa.string()),  # E1-E6, or the fault's kind
                        ("error_message", pa.string()),
                        ("wall_s", pa.float32()),
                        ("cached", pa.bool_()),
                    ]
                )
            ),
        ),
        ("reward", pa.float64()),
        ("reward_parts", pa.map_(pa.string(), pa.float64())),
        ("grade", _GRADE),
        ("faults", pa.list_(pa.struct([("kind", pa.string()), ("where", pa.string()), ("message", pa.string())]))),
        ("end", pa.string()),
        ("wall_s", pa.float32()),
        ("tool_s", pa.float32()),
        ("created", pa.timestamp("us", "UTC")),
        ("transcripts", pa.list_(TRANSCRIPT_TYPE)),
    ],
    metadata={"vista.trajectories": "1"},
)
"""One row per episode. Images are hashes here, and bytes once each in a sibling file of `IMAGE_SCHEMA` rows."""


@dataclass(frozen=True, slots=True)
class Trajectory:
    """One finished episode. Make it with `from_record`.

    Attributes:
        row: the columns of `SCHEMA`, except `transcripts` and `run_id` (the writer knows that).
        transcripts: per agent id, the tokens it saw and sampled.
        images: every image that the row mentions, by hash.
    """

    row: Mapping[str, Any]
    transcripts: Mapping[str, Transcript] = field(default_factory=dict)
    images: Mapping[str, Image] = field(default_factory=dict)

    @classmethod
    def from_record(
        cls,
        record: EpisodeRecord,
        transcripts: Mapping[str, Transcript] | None = None,
        *,
        episode_id: str,
        group_id: str | int = "",
        iteration: int = 0,
        worker_index: int | None = None,
        weights_version: int | None = None,
        seed: int | None = None,
        wall_s: float | None = None,
        created: datetime | None = None,
    ) -> Trajectory:
        """Takes what the env knows of an episode and what the policies kept of it.

        Args:
            record: `VisualReasoningEnv.record` after the last step.
            transcripts: per agent id; empty for scripted policies.
            episode_id: RLlib's episode id, unique in the log.
            group_id: which episodes were sampled from one task together.
            iteration: training iteration, 0 before training.
            worker_index: which worker sampled it; by default the one that writes it.
            weights_version: newest weights that sampled a token; by default read off the transcripts, -1 without any.
            seed: the episode's seed.
            wall_s: seconds from reset to end; by default the sum over turns.
            created: when the episode ended; by default now.
        """
        task, transcripts = record.task, dict(transcripts or {})
        if weights_version is None:
            weights_version = max((max(t.versions, default=-1) for t in transcripts.values()), default=-1)
        messages, turns, calls, seen = _conversation(record)
        seen += task.images
        for transcript in transcripts.values():
            seen += transcript.images
        row = {
            "episode_id": episode_id,
            "task_id": task.id,
            "dataset": task.dataset,
            "task_type": task.task_type,
            "question": _utf8(task.question),
            "gold": [_utf8(answer) for answer in task.answers or (task.answer,)],
            "choices": [_utf8(choice) for choice in task.choices],
            "metadata": _json(dict(task.metadata)),
            "group_id": str(group_id),
            "iteration": iteration,
            "worker_index": worker_index,
            "weights_version": weights_version,
            "seed": seed,
            "messages": messages,
            "turns": turns,
            "calls": calls,
            "reward": float(record.reward),
            "reward_parts": [(name, float(value)) for name, value in record.reward_parts.items()],
            "grade": _grade(record.grade),
            "faults": _faults(record),
            "end": record.end,
            "wall_s": sum(step.wall_s for step in record.steps) if wall_s is None else wall_s,
            "tool_s": sum(step.result.wall_s for step in record.steps if step.result),
            "created": created or datetime.now(UTC),
        }
        return cls(row, transcripts, {image.hash: image for image in seen})


def _conversation(record: EpisodeRecord) -> tuple[list[Any], list[Any], list[Any], list[Image]]:
    """(messages, turns, calls, images) of a record, in order."""
    messages: list[dict[str, Any]] = []
    images: list[Image] = []

    def add(message: Message) -> None:
        messages.append({"role": message.role, "text": _utf8(message.text), "images": _hashes(message.images)})
        images.extend(message.images)

    if record.first.system:
        messages.append({"role": "system", "text": _utf8(record.first.system), "images": []})
    add(record.first)
    turns, calls = [], []
    for index, step in enumerate(record.steps):
        messages.append({"role": "assistant", "text": _utf8(step.turn.text), "images": []})
        turns.append(_turn(step))
        if step.call is not None:
            calls.append(_call(index, step))
            images.extend(step.result.images if step.result else ())
        if step.reply is not None:
            add(step.reply)
    return messages, turns, calls, images


def _turn(step: Step) -> dict[str, Any]:
    code, message = _error(step.error)
    return {
        "num_tokens": step.turn.num_tokens,
        "finish_reason": step.turn.finish_reason,
        "answer": None if step.answer is None else _utf8(step.answer),
        "grade": _grade(step.grade),
        "error_code": code,
        "error_message": message,
        "wall_s": step.wall_s,
    }


def _call(turn: int, step: Step) -> dict[str, Any]:
    assert step.call is not None
    row: dict[str, Any] = {"turn": turn, "name": step.call.name, "arguments": _json(dict(step.call.arguments))}
    if step.result is not None:
        code, message = _error(step.result.error)
        row |= {
            "text": _utf8(step.result.text),
            "images": _hashes(step.result.images),
            "data": None if step.result.data is None else _json(step.result.data),
            "error_code": code,
            "error_message": message,
            "wall_s": step.result.wall_s,
            "cached": step.result.cached,
        }
    return row


def _faults(record: EpisodeRecord) -> list[dict[str, str]]:
    """The fault that voided the episode, then those of its tools, each once."""
    found = [record.fault, *(step.result.error for step in record.steps if step.result)]
    faults = dict.fromkeys(fault for fault in found if isinstance(fault, Fault))
    return [{"kind": fault.kind, "where": fault.where, "message": _utf8(fault.message)} for fault in faults]


def _error(error: ModelError | Fault | None) -> tuple[str | None, str | None]:
    if error is None:
        return None, None
    return (str(error.code) if isinstance(error, ModelError) else error.kind), _utf8(error.message)


def _grade(grade: Grade | None) -> dict[str, Any] | None:
    if grade is None:
        return None
    return {
        "correct": grade.correct,
        "score": grade.score,
        "extracted": _utf8(grade.extracted),
        "reason": _utf8(grade.reason),
    }


def _hashes(images: Iterable[Image]) -> list[str]:
    return [image.hash for image in images]


def _json(value: Any) -> str:
    """JSON; what JSON cannot hold is written as its `str`, so that an odd tool result never costs the log a row."""
    return json.dumps(value, default=str)


def _utf8(text: str) -> str:
    """Lone surrogates become `?`: Arrow holds UTF-8 only."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def to_batch(trajectories: Sequence[Trajectory], run_id: str, worker_index: int) -> pa.RecordBatch:
    """One record batch of `SCHEMA`. Token columns go through NumPy, never through one Python object per token."""
    columns = []
    for column in SCHEMA:
        if column.name == "transcripts":
            columns.append(_transcripts([t.transcripts for t in trajectories]))
        elif column.name == "run_id":
            columns.append(pa.repeat(pa.scalar(run_id), len(trajectories)))
        elif column.name == "worker_index":
            own = (t.row["worker_index"] for t in trajectories)
            columns.append(pa.array([worker_index if index is None else index for index in own], pa.int32()))
        else:
            columns.append(pa.array([t.row[column.name] for t in trajectories], column.type))
    return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)


def _transcripts(episodes: Sequence[Mapping[str, Transcript]]) -> pa.Array:
    """list<TRANSCRIPT_TYPE>, one list per episode."""
    agents = [(agent_id, transcript) for episode in episodes for agent_id, transcript in episode.items()]
    values = [transcript for _, transcript in agents]
    tokens = _offsets([len(transcript) for transcript in values])
    images = _offsets([len(transcript.images) for transcript in values])
    count = tokens[-1].as_py()
    sampled = np.frombuffer(b"".join(bytes(t.sampled) for t in values), np.bool_)

    def where_sampled(lists: Iterable[Sequence[Any]], kind: type, otherwise: float) -> pa.Array:
        # Most tokens are observed, and have no value of their own: only the others are taken out of the lists.
        filled = np.full(count, otherwise, kind)
        picked = chain.from_iterable(compress(part, t.sampled) for part, t in zip(lists, values, strict=True))
        filled[sampled] = np.fromiter(picked, kind, int(sampled.sum()))
        return pa.array(filled)

    fields = {
        "agent_id": pa.array([agent_id for agent_id, _ in agents], pa.string()),
        "token_ids": (tokens, np.fromiter(chain.from_iterable(t.token_ids for t in values), np.int32, count)),
        "sampled": (tokens, sampled),
        "logps": (tokens, where_sampled((t.logps for t in values), np.float32, 0.0)),
        "versions": (tokens, where_sampled((t.versions for t in values), np.int32, -1)),
        "images": (images, pa.array([image.hash for t in values for image in t.images], pa.string())),
        "image_tokens": (images, pa.array([number for t in values for number in t.image_tokens], pa.int32())),
    }
    arrays = [
        pa.ListArray.from_arrays(field[0], pa.array(field[1])) if isinstance(field, tuple) else field
        for field in fields.values()
    ]
    structs = pa.StructArray.from_arrays(arrays, fields=list(TRANSCRIPT_TYPE))
    return pa.ListArray.from_arrays(_offsets([len(episode) for episode in episodes]), structs)


def _offsets(lengths: Sequence[int]) -> pa.Array:
    """Arrow list offsets: 0 and the running sums, [N + 1]."""
    total = 0
    return pa.array([0, *(total := total + length for length in lengths)], pa.int32())
