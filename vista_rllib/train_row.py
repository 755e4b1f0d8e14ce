"""`TrainRow`: one transcript on its way to the loss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from policies.transcript import Transcript
from tools.image import Image


@dataclass(slots=True)
class TrainRow:
    """One agent's transcript of one episode. Ragged: rows are padded only when a micro-batch is made.

    Attributes:
        token_ids: int64 [T].
        sampled: bool [T], the tokens that carry loss.
        rollout_logps: float32 [T], log-probabilities recorded while sampling.
        images: in the order of their placeholders.
        group_id: the group its reward is compared with.
        reward: return of the agent.
        episode_id: for error messages.
        advantage: group-relative advantage, the same for every token.
        old_logps: float32 [T], the policy at the start of the update; the rollout's unless recomputed.
        ref_logps: float32 [T], the reference policy; None without a KL term.
    """

    token_ids: np.ndarray
    sampled: np.ndarray
    rollout_logps: np.ndarray
    images: list[Image]
    group_id: int
    reward: float
    episode_id: str
    advantage: float = 0.0
    old_logps: np.ndarray | None = None
    ref_logps: np.ndarray | None = None

    @classmethod
    def from_transcript(cls, transcript: Transcript, group_id: int, reward: float, episode_id: str) -> TrainRow:
        """A row with the reward, still without an advantage.

        What was observed after the last sampled token can neither be learned nor be looked back at: it is left out.
        """
        arrays = transcript.arrays()
        sampled = np.flatnonzero(arrays["sampled"])
        end = int(sampled[-1]) + 1 if len(sampled) else 0
        images = [image for image, at in zip(transcript.images, transcript.image_offsets, strict=True) if at < end]
        token_ids, mask, logps = (arrays[name][:end] for name in ("token_ids", "sampled", "logps"))
        return cls(token_ids, mask, logps, images, group_id, reward, episode_id)

    def __len__(self) -> int:
        return len(self.token_ids)
