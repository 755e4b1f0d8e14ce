"""Training batches: the teacher's trajectories as transcripts, encoded exactly as rollouts encode them."""

from __future__ import annotations

import dataclasses
import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from envs.datasets.embedded import ChartSpec, questions_for, render, sample_tables
from envs.message import Message
from policies.transcript import Transcript
from policies.vista_tiny.charts import ChartSource
from policies.vista_tiny.corpus import ALL_TOOLS, Teacher, Trajectory, table_text, trajectories
from policies.vista_tiny.delegating import TOOLS, DelegatingTeacher
from policies.vlm import VLMModule
from tools.image import Image

DENSE_ROWS = 8
"""A dense row asks several questions about one table, without system prompt and image: more to learn per token."""
FULL_ROWS = 10
"""A full row is an episode as it will be: system prompt, question, answer; with the chart's image in every other."""
CHOICE_ROWS = 12
"""Full rows of the stages with two teachers."""
SORTED = 4
"""Batches drawn together and sorted by length, so that rows of one batch need little padding."""
PICTURES = 120
"""Rendered charts; each is asked about many times."""


Solved = Iterator[tuple[ChartSpec, Sequence[Trajectory]]]
"""Charts with the teacher's trajectories about them."""


@dataclass(frozen=True, slots=True)
class Diet:
    """What a stage of training is fed with.

    Attributes:
        questions: questions about the table of a dense row.
        plain: share kept of the plain questions, those for a single cell.
        full_every: every so many batches one of full rows instead of dense ones.
    """

    questions: int
    plain: float
    full_every: int


@dataclass(frozen=True, slots=True)
class Choice:
    """A stage with two teachers: one reads the whole table, the other lets a tool look the answer up.

    Attributes:
        delegated: share of the questions that the delegating teacher answers, of those that it can.
    """

    delegated: float


class Batches:
    """An endless, seeded stream of batches; the first N are the same whatever comes after."""

    def __init__(self, module: VLMModule, tokenizer: PreTrainedTokenizerBase, seed: int, diet: Diet | Choice) -> None:
        self._chat = module.chat
        self._seed = seed
        self._tokenizer = tokenizer
        self._teacher = Teacher()
        if isinstance(diet, Diet):
            self._prompts = (*[self._teacher.system] * 3, Teacher(ALL_TOOLS).system)
        else:
            self._prompts = (Teacher(TOOLS).system,)
        self._rng = random.Random(seed)
        self._diet = diet
        self._pictures = [(spec, Image.from_bytes(render(spec))) for spec in sample_tables(seed + 2, PICTURES)]
        self._pictured = trajectories(self._teacher, self._picture_specs(), self._rng, 1)
        self._image_of = {id(spec): image for spec, image in self._pictures}

    def __iter__(self) -> Iterator[list[Transcript]]:
        if isinstance(self._diet, Diet):
            return self._careful(self._diet)
        return self._sorted(self._of_two_teachers(self._diet.delegated), CHOICE_ROWS)

    def _of_two_teachers(self, delegated: float) -> Iterator[Transcript]:
        """Two questions about a chart with its picture, two about one in words, and so on."""
        delegating = DelegatingTeacher()
        pictured, worded = self._picture_specs(), iter(ChartSource(self._seed + 3))
        for number in itertools.count():
            spec = next(pictured if number % 2 else worded)
            for question in questions_for(spec, self._rng, 2):
                shown = delegating.solve(question, spec) if self._rng.random() < delegated else None
                if shown is None:
                    shown = self._teacher.solve(question, table_text(spec, self._rng))
                if shown is not None:
                    yield self._episode(shown, *([self._image_of[id(spec)]] if number % 2 else []))

    def _careful(self, diet: Diet) -> Iterator[list[Transcript]]:
        charts = trajectories(self._teacher, iter(ChartSource(self._seed)), self._rng, diet.questions)
        dense = self._sorted(self._dense(charts, diet.plain), DENSE_ROWS)
        worded = self._sorted(self._full(charts), FULL_ROWS)
        pictured = self._sorted(self._full_with_picture(), FULL_ROWS)
        step = 0
        while True:
            step += 1
            if step % diet.full_every:
                yield next(dense)
            else:
                yield next(pictured if step % (2 * diet.full_every) == 0 else worded)

    def _sorted(self, rows: Iterator[Transcript], size: int) -> Iterator[list[Transcript]]:
        while True:
            pool = sorted((next(rows) for _ in range(SORTED * size)), key=len)
            batches = [pool[start : start + size] for start in range(0, len(pool), size)]
            self._rng.shuffle(batches)
            yield from batches

    def _picture_specs(self) -> Iterator[ChartSpec]:
        while True:
            yield self._rng.choice(self._pictures)[0]

    def _dense(self, charts: Solved, plain: float) -> Iterator[Transcript]:
        for _, solved in charts:
            transcript = Transcript()
            kept = [t for t in solved if plain == 1 or t.question.kind != "retrieve" or self._rng.random() < plain]
            for number, trajectory in enumerate(kept or solved[:1]):
                first = dataclasses.replace(trajectory.messages[0], system="")
                if number == 0:
                    self._append(transcript, (first, *trajectory.messages[1:]), trajectory.turns)
                else:  # the table stands there already
                    self._append(transcript, (first, *trajectory.messages[2:]), trajectory.turns[1:])
            yield transcript

    def _full(self, charts: Solved) -> Iterator[Transcript]:
        for _, solved in charts:
            for trajectory in solved[:2]:
                yield self._episode(trajectory)

    def _full_with_picture(self) -> Iterator[Transcript]:
        for spec, solved in self._pictured:
            yield self._episode(solved[0], self._image_of[id(spec)])

    def _episode(self, trajectory: Trajectory, *images: Image) -> Transcript:
        transcript = Transcript()
        first = dataclasses.replace(trajectory.messages[0], images=images, system=self._rng.choice(self._prompts))
        self._append(transcript, (first, *trajectory.messages[1:]), trajectory.turns)
        return transcript

    def _append(self, transcript: Transcript, messages: Sequence[Message], turns: Sequence[str]) -> None:
        for message, turn in zip(messages, turns, strict=True):
            self._chat.observe(transcript, message)
            ids = self._tokenizer(turn, add_special_tokens=False).input_ids
            transcript.sample(ids, [0.0] * len(ids), 0, self._chat.image_token_id)
