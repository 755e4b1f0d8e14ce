"""`Transcript`: the exact token ids that one agent saw and sampled in one episode. Append-only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from tools.errors import VistaError
from tools.image import Image


class TranscriptError(VistaError):
    """An append would break the transcript's invariants."""


@dataclass(slots=True)
class Transcript:
    """Token ids, which of them were sampled, and with what log-probability by which weights.

    Sampled ids are stored as the sampler returned them: they are never decoded and encoded again. The number of image
    placeholders always equals what the images expand to.

    Attributes:
        token_ids: every id, observed and sampled, in order; length T.
        sampled: per token, True where the policy sampled it.
        logps: per token, log-probability under the sampling distribution; 0 where not sampled.
        versions: per token, `WEIGHTS_SEQ_NO` of the weights that sampled it; -1 where not sampled.
        images: the images in the order of their placeholders.
        image_tokens: how many placeholder tokens each image takes.
        image_offsets: per image, the length of the transcript before the observation that brought it.
    """

    token_ids: list[int] = field(default_factory=list)
    sampled: list[bool] = field(default_factory=list)
    logps: list[float] = field(default_factory=list)
    versions: list[int] = field(default_factory=list)
    images: list[Image] = field(default_factory=list)
    image_tokens: list[int] = field(default_factory=list)
    image_offsets: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.token_ids)

    def observe(
        self,
        token_ids: Sequence[int],
        images: Sequence[Image] = (),
        image_tokens: Sequence[int] = (),
        image_token_id: int | None = None,
    ) -> None:
        """Appends tokens the agent was shown, and the images whose placeholders are among them.

        Raises:
            TranscriptError: the placeholders among `token_ids` are not exactly those of `images`.
        """
        if len(images) != len(image_tokens):
            raise TranscriptError(f"{len(images)} images but {len(image_tokens)} placeholder counts")
        placeholders = sum(token == image_token_id for token in token_ids)
        if placeholders != sum(image_tokens):
            raise TranscriptError(f"{placeholders} image placeholders for images that expand to {sum(image_tokens)}")
        self.image_offsets += [len(self)] * len(images)
        self.token_ids += token_ids
        self.sampled += [False] * len(token_ids)
        self.logps += [0.0] * len(token_ids)
        self.versions += [-1] * len(token_ids)
        self.images += images
        self.image_tokens += image_tokens

    def sample(
        self, token_ids: Sequence[int], logps: Sequence[float], version: int, image_token_id: int | None = None
    ) -> None:
        """Appends tokens that the policy sampled with weights `version`.

        Raises:
            TranscriptError: ids and log-probabilities differ in number, or the policy emitted an image placeholder.
        """
        if len(token_ids) != len(logps):
            raise TranscriptError(f"{len(token_ids)} sampled ids but {len(logps)} log-probabilities")
        if image_token_id is not None and image_token_id in token_ids:
            raise TranscriptError("the policy emitted an image placeholder, which sampling must ban")
        self.token_ids += token_ids
        self.sampled += [True] * len(token_ids)
        self.logps += logps
        self.versions += [version] * len(token_ids)

    @property
    def num_sampled(self) -> int:
        """How many tokens the policy sampled."""
        return sum(self.sampled)

    def arrays(self) -> dict[str, np.ndarray]:
        """`token_ids` int64 [T], `sampled` bool [T], `logps` float32 [T], `versions` int64 [T]."""
        return {
            "token_ids": np.asarray(self.token_ids, np.int64),
            "sampled": np.asarray(self.sampled, bool),
            "logps": np.asarray(self.logps, np.float32),
            "versions": np.asarray(self.versions, np.int64),
        }
