"""Probability ratios between two sets of log-probabilities of the same tokens: the learner's and the rollout engine's.

The two differ even with equal weights (other kernels, other precision); a large ratio is a bug or stale weights.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tools.errors import VistaError
from vista_rllib.kl import MAX_LOG_RATIO


class ImportanceError(VistaError):
    """A cap that is not positive, or log-probabilities and mask of different shapes."""


def masked_log_ratio(logps: Tensor, other_logps: Tensor, mask: Tensor) -> Tensor:
    """logps - other_logps where `mask`, else exactly 0; clamped to +- `MAX_LOG_RATIO`. All [B, T].

    Masked positions may hold NaN or inf: they reach neither the result nor its gradient.

    Raises:
        ImportanceError: the shapes differ.
    """
    if not logps.shape == other_logps.shape == mask.shape:
        raise ImportanceError(
            f"shapes differ: logps {list(logps.shape)}, other {list(other_logps.shape)}, mask {list(mask.shape)}"
        )
    difference = torch.where(mask, logps, 0.0) - torch.where(mask, other_logps, 0.0)
    return difference.clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO)


def max_ratio_deviation(logps: Tensor, other_logps: Tensor, mask: Tensor) -> Tensor:
    """max |exp(logps - other_logps) - 1| over the mask, a detached scalar; 0 for an empty mask. Inputs [B, T]."""
    deviation = torch.expm1(masked_log_ratio(logps, other_logps, mask).detach()).abs()
    return deviation.max() if deviation.numel() else deviation.new_zeros(())


def truncated_importance_weights(train_logps: Tensor, rollout_logps: Tensor, mask: Tensor, cap: float = 2.0) -> Tensor:
    """min(exp(train - rollout), cap) per token, detached: corrects for sampling with the rollout engine's numerics.

    Truncated importance sampling: Yao et al., "Your efficient RL framework secretly brings you off-policy RL training"
    (2025, the Flash-RL project).

    Args:
        train_logps: under the learner, with the weights that sampled, [B, T].
        rollout_logps: as reported by the rollout engine, [B, T].
        mask: bool [B, T]; the weight is 0 where False.
        cap: largest weight, > 0.

    Returns:
        [B, T], without gradient.

    Raises:
        ImportanceError: `cap` is not positive, or the shapes differ.
    """
    if not cap > 0:
        raise ImportanceError(f"cap is {cap}, expected a positive number")
    weights = masked_log_ratio(train_logps, rollout_logps, mask).detach().exp().clamp(max=cap)
    return torch.where(mask, weights, 0.0)
