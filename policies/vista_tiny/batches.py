"""Training batches: the teacher's trajectories as transcripts, encoded exactly as rollouts encode them."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator, Sequence

from envs.datasets.embedded import ChartSpec, render, sample_tables
from envs.message import Message
from policies.transcript import Transcript
from policies.vista_tiny.charts import ChartSource
from policies.vista_tiny.corpus import Teacher, Trajectory, trajectories
from policies.vlm import VLMModule
from tools.image import Image

DENSE_ROWS, DENSE_QUESTIONS = 8, 4
"""A dense row asks several questions about one table, without system prompt and image: more to learn per token."""
FULL_ROWS = 10
"""A full row is an episode as it will be: system prompt, question, answer; with the chart's image in every other."""
FULL_EVERY = 3
"""Every third batch is full."""
SORTED = 4
"""Batches drawn together and sorted by length, so that rows of one batch need little padding."""
PICTURES = 120
"""Rendered charts; each is asked about many times."""


class Batches:
    """An endless, seeded stream of batches; the first N are the same whatever comes after."""

    def __init__(self, module: VLMModule, tokenizer: object, seed: int) -> None:
        self._chat = module.chat
        self._tokenizer = tokenizer
        self._teacher = Teacher()
        self._rng = random.Random(seed)
        self._charts = trajectories(self._teacher, iter(ChartSource(seed)), self._rng, DENSE_QUESTIONS)
        self._pictures = [(spec, Image.from_bytes(render(spec))) for spec in sample_tables(seed + 2, PICTURES)]
        self._pictured = trajectories(self._teacher, self._picture_specs(), self._rng, 1)
        self._image_of = {id(spec): image for spec, image in self._pictures}

    def __iter__(self) -> Iterator[list[Transcript]]:
        dense = self._sorted(self._dense(), DENSE_ROWS)
        worded = self._sorted(self._full(), FULL_ROWS)
        pictured = self._sorted(self._full_with_picture(), FULL_ROWS)
        step = 0
        while True:
            step += 1
            if step % FULL_EVERY:
                yield next(dense)
            else:
                yield next(pictured if step % (2 * FULL_EVERY) == 0 else worded)

    def _sorted(self, rows: Iterator[Transcript], size: int) -> Iterator[list[Transcript]]:
        while True:
            pool = sorted((next(rows) for _ in range(SORTED * size)), key=len)
            batches = [pool[start : start + size] for start in range(0, len(pool), size)]
            self._rng.shuffle(batches)
            yield from batches

    def _picture_specs(self) -> Iterator[ChartSpec]:
        while True:
            yield self._rng.choice(self._pictures)[0]

    def _dense(self) -> Iterator[Transcript]:
        for _, solved in self._charts:
            transcript = Transcript()
            for number, trajectory in enumerate(solved):
                first = dataclasses.replace(trajectory.messages[0], system="")
                if number == 0:
                    self._append(transcript, (first, *trajectory.messages[1:]), trajectory.turns)
                else:  # the table stands there already
                    self._append(transcript, (first, *trajectory.messages[2:]), trajectory.turns[1:])
            yield transcript

    def _full(self) -> Iterator[Transcript]:
        for _, solved in self._charts:
            for trajectory in solved[:2]:
                yield self._episode(trajectory)

    def _full_with_picture(self) -> Iterator[Transcript]:
        for spec, solved in self._pictured:
            yield self._episode(solved[0], self._image_of[id(spec)])

    def _episode(self, trajectory: Trajectory, *images: Image) -> Transcript:
        transcript = Transcript()
        first = dataclasses.replace(trajectory.messages[0], images=images)
        self._append(transcript, (first, *trajectory.messages[1:]), trajectory.turns)
        return transcript

    def _append(self, transcript: Transcript, messages: Sequence[Message], turns: Sequence[str]) -> None:
        for message, turn in zip(messages, turns, strict=True):
            self._chat.observe(transcript, message)
            ids = self._tokenizer(turn, add_special_tokens=False).input_ids
            transcript.sample(ids, [0.0] * len(ids), 0, self._chat.image_token_id)
