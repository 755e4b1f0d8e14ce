"""From a loss per token to one number: the weight of every token, such that the loss is `(per_token * weights).sum()`.

Weights are computed on the whole minibatch *before* it is cut into micro-batches, so the cut does not change the
gradient: summed over the micro-batches it is that of the minibatch.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from tools.errors import VistaError
from vista_rllib.registry import Registry

Aggregation = Callable[[Tensor, int | None], Tensor]
"""(mask bool [B, T] with at least one True, length) -> weights [B, T]; only those where the mask is True are used."""

AGGREGATIONS: Registry[Aggregation] = Registry("aggregation")
register_aggregation = AGGREGATIONS.register


class AggregationError(VistaError):
    """No token to learn from, or a missing length."""


@register_aggregation("token-mean")
def token_mean(mask: Tensor, length: int | None) -> Tensor:
    """1 / (loss tokens in the minibatch): every token counts the same. DAPO, arXiv 2503.14476, section 3.3."""
    return torch.full(mask.shape, 1.0 / mask.sum().item(), device=mask.device)


@register_aggregation("sequence-mean")
def sequence_mean(mask: Tensor, length: int | None) -> Tensor:
    """Mean over sequences of the mean over their tokens. GRPO, arXiv 2402.03300, equation 3.

    Sequences without a loss token are not counted.
    """
    tokens = mask.sum(dim=1, keepdim=True)
    return (1.0 / (tokens.clamp(min=1) * (tokens > 0).sum())).expand(mask.shape)


@register_aggregation("fixed-length")
def fixed_length(mask: Tensor, length: int | None) -> Tensor:
    """1 / (sequences * length): no sequence's own length enters. Dr. GRPO, arXiv 2503.20783, section 3.2.

    Sequences without a loss token are not counted.
    """
    if length is None or length < 1:
        raise AggregationError(f"aggregation 'fixed-length' needs a positive length in tokens, got {length}")
    return torch.full(mask.shape, 1.0 / (mask.any(dim=1).sum().item() * length), device=mask.device)


def token_weights(mask: Tensor, mode: str | Aggregation = "token-mean", length: int | None = None) -> Tensor:
    """The weight of every token in the loss.

    Args:
        mask: the tokens to learn from in the whole minibatch, bool [B, T].
        mode: name of a registered aggregation, or a function.
        length: tokens per sequence; only for `fixed-length`.

    Returns:
        float32 [B, T], exactly 0 where the mask is False.

    Raises:
        AggregationError: the mask is not bool [B, T], has no True, or `length` is missing.
        RegistryError: no such aggregation.
    """
    if mask.ndim != 2 or mask.dtype != torch.bool:
        raise AggregationError(f"expected a bool mask [B, T], got {mask.dtype} {list(mask.shape)}")
    if not mask.any():
        raise AggregationError(f"the minibatch {list(mask.shape)} has no token to learn from")
    return torch.where(mask, AGGREGATIONS.resolve(mode)(mask, length), 0.0)
