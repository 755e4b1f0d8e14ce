"""The rewards of the VISTA paper (arXiv 2511.19773, section 4): gated (default), sparse, dense, correctness."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from envs.episode_record import EpisodeRecord
from envs.plugins import PluginConfigError
from envs.protocol import well_formed
from envs.rewards.registry import register_reward
from envs.rewards.repetition import CHAR_RUN, PHRASE_RUN, TOKEN_RUN, RepetitionDetector


def episode_well_formed(record: EpisodeRecord) -> bool:
    """Whether every turn has the exact form, the last one answers, and each earlier one calls a tool or attempts."""
    if not record.steps:
        return False
    *earlier, last = record.steps
    return (
        last.answer is not None
        and all(step.call is not None or step.answer is not None for step in earlier)
        and all(well_formed(step.turn.text) for step in record.steps)
    )


def attempt_value(record: EpisodeRecord, attempt_rewards: Sequence[float]) -> float:
    """What a right last answer is worth: `attempt_rewards[i]` at attempt i (the last entry after that), otherwise 0."""
    if not record.correct:
        return 0.0
    attempt = sum(step.grade is not None for step in record.steps) - 1
    return float(attempt_rewards[min(attempt, len(attempt_rewards) - 1)])


@register_reward("correct")
@dataclass(frozen=True)
class CorrectReward:
    """R_correct alone.

    Attributes:
        attempt_rewards: worth of a right answer at the first, second, ... attempt.
    """

    attempt_rewards: Sequence[float] = (1.0,)

    def __post_init__(self) -> None:
        worths = self.attempt_rewards
        if isinstance(worths, str) or not isinstance(worths, Sequence) or not worths:
            raise PluginConfigError(f"reward: attempt_rewards must be a list of at least one number, got {worths!r}")
        if not all(isinstance(worth, int | float) and math.isfinite(worth) for worth in worths):
            raise PluginConfigError(f"reward: attempt_rewards must hold finite numbers, got {worths!r}")

    def __call__(self, record: EpisodeRecord) -> dict[str, float]:
        """`correct`."""
        return {"correct": attempt_value(record, self.attempt_rewards)}


@register_reward("paper")
@dataclass(frozen=True)
class PaperReward(CorrectReward):
    """R_rep + R_format + R_correct, each only if the one before is clean.

    R_rep in {-3, -2, -1.5, 0} is the worst turn's; R_format is 1 or -1 if R_rep = 0; R_correct counts if R_format = 1.

    Attributes:
        token_run: see `RepetitionDetector`.
        phrase_run: see `RepetitionDetector`.
        char_run: see `RepetitionDetector`.
    """

    token_run: int = TOKEN_RUN
    phrase_run: int = PHRASE_RUN
    char_run: int = CHAR_RUN

    def __post_init__(self) -> None:
        super().__post_init__()
        self.detector()

    def detector(self) -> RepetitionDetector:
        """The repetition detector of these thresholds."""
        return RepetitionDetector(self.token_run, self.phrase_run, self.char_run)

    def __call__(self, record: EpisodeRecord) -> dict[str, float]:
        """`repetition`, `format`, `correct`."""
        detector = self.detector()
        repetition = min((detector.penalty(step.turn.text) for step in record.steps), default=0.0)
        if repetition < 0:
            return {"repetition": repetition, "format": 0.0, "correct": 0.0}
        if not episode_well_formed(record):
            return {"repetition": 0.0, "format": -1.0, "correct": 0.0}
        return {"repetition": 0.0, "format": 1.0, "correct": attempt_value(record, self.attempt_rewards)}


@register_reward("sparse")
@dataclass(frozen=True)
class SparseReward(CorrectReward):
    """The paper's ablation R_f * R_c, R_f in {0, 1}."""

    def __call__(self, record: EpisodeRecord) -> dict[str, float]:
        """`correct`: worth of a right answer in a well-formed episode."""
        return {"correct": episode_well_formed(record) * attempt_value(record, self.attempt_rewards)}


@register_reward("dense")
@dataclass(frozen=True)
class DenseReward(CorrectReward):
    """The paper's ablation -1 + 0.5 R_f + 0.5 R_c + R_f * R_c, R_f in {0, 1}: from -1 to 1."""

    def __call__(self, record: EpisodeRecord) -> dict[str, float]:
        """`base`, `format`, `correct`, `both`."""
        well, right = float(episode_well_formed(record)), attempt_value(record, self.attempt_rewards)
        return {"base": -1.0, "format": 0.5 * well, "correct": 0.5 * right, "both": well * right}
