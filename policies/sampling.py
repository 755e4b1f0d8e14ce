"""Sampling one turn for a batch of transcripts with transformers' `generate`, reproducibly for each row.

transformers draws from one global generator, so a row's tokens would depend on its neighbours. Here each row draws its
own uniform numbers from its request's seed, and `generate` runs greedily over the choice that was already made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from transformers import LogitsProcessor, StoppingCriteria

STOP_WINDOW = 12
"""Sampled tokens that are looked at for a stop string: the longest has 12 characters, hence at most 12 tokens."""


def tempered_logps(logits: torch.Tensor, temperature: float, banned_ids: torch.Tensor) -> torch.Tensor:
    """Log-probabilities [..., V] of the sampling distribution: banned ids removed, then tempered.

    Rollout and learner both call this, so that the two can only differ by rounding. `temperature` 0 (greedy) is treated
    as 1: the probabilities that are recorded are the model's.
    """
    logits = logits.float()
    logits = logits.index_fill(-1, banned_ids, -torch.inf)
    return torch.log_softmax(logits / (temperature or 1.0), dim=-1)


class TurnSampler(LogitsProcessor):
    """Chooses each row's next token and records its log-probability.

    `top_p` cuts the tail of what may be drawn; the recorded log-probability is that of the uncut distribution, which
    the learner can recompute.

    Attributes:
        logps: one [B] tensor per step.
    """

    def __init__(
        self,
        seeds: Sequence[int],
        max_new_tokens: int,
        temperature: float,
        top_p: float,
        banned_ids: torch.Tensor,
        greedy: bool,
    ) -> None:
        self._temperature, self._top_p, self._banned_ids = temperature, top_p, banned_ids
        self._greedy = greedy or temperature == 0
        draws = np.stack([np.random.default_rng(seed).random(max_new_tokens) for seed in seeds])
        self._uniform = torch.from_numpy(draws).to(banned_ids.device)
        self.logps: list[torch.Tensor] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        logps = tempered_logps(scores, self._temperature, self._banned_ids)
        choice = logps.argmax(-1) if self._greedy else self._draw(logps)
        self.logps.append(logps.gather(-1, choice[:, None])[:, 0])
        return torch.full_like(scores, -torch.inf).scatter(-1, choice[:, None], 0.0)

    def _draw(self, logps: torch.Tensor) -> torch.Tensor:
        """Inverse-CDF sampling over the tokens in order of falling probability."""
        probabilities, order = logps.double().exp().sort(dim=-1, descending=True)
        cumulative = probabilities.cumsum(-1)
        # The smallest set of tokens whose probability reaches `top_p`; always at least one.
        kept_mass = cumulative.gather(
            -1, (cumulative < self._top_p).sum(-1, keepdim=True).clamp(max=logps.shape[-1] - 1)
        )
        target = self._uniform[:, len(self.logps), None] * kept_mass
        index = torch.searchsorted(cumulative, target, right=True).clamp(max=logps.shape[-1] - 1)
        return order.gather(-1, index)[:, 0]


class TurnEnd(StoppingCriteria):
    """Ends a row at an end token or a complete stop string, and remembers where.

    Attributes:
        lengths: sampled tokens per row, the ending token included; 0 while the row runs.
    """

    def __init__(
        self, prompt_length: int, num_rows: int, end_ids: Sequence[int], complete: Callable[[list[int]], bool]
    ) -> None:
        self._prompt_length, self._end_ids, self._complete = prompt_length, frozenset(end_ids), complete
        self.lengths = [0] * num_rows

    def __call__(  # type: ignore[override]
        self, input_ids: torch.Tensor, scores: torch.Tensor, **kwargs: object
    ) -> torch.Tensor:
        length = input_ids.shape[1]
        start = max(self._prompt_length, length - STOP_WINDOW)
        for row, token_ids in enumerate(input_ids[:, start:].tolist()):
            if not self.lengths[row] and (token_ids[-1] in self._end_ids or self._complete(token_ids)):
                self.lengths[row] = length - self._prompt_length
        return torch.tensor([length > 0 for length in self.lengths], device=input_ids.device)
