"""Policy losses per token. Pure functions, by name; what to do with the tokens is `aggregation`'s business.

Metrics are returned so that those of micro-batches add up: `NAME/sum` (add them, divide by `tokens`), `NAME/max` (take
the largest), `tokens` (add). `combine_metrics` does that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from tools.errors import VistaError
from vista_rllib.importance import masked_log_ratio, max_ratio_deviation
from vista_rllib.kl import KLEstimator, kl_estimate
from vista_rllib.registry import Registry


class LossError(VistaError):
    """Loss inputs that do not fit together, or an option out of range."""


@dataclass(frozen=True, slots=True)
class LossInputs:
    """What a policy loss sees.

    Construction sets every masked position to 0, so that a NaN or inf in the padding or in an observation reaches
    neither the loss nor its gradient.

    Attributes:
        logps: log-probabilities of the sampled tokens under the current policy, [B, T]; carries the gradient.
        old_logps: the same under the policy that sampled them (or the learner before this update), [B, T].
        advantages: [B, T], or [B, 1] for one per sequence; held as [B, T].
        mask: the tokens to learn from, bool [B, T].
        ref_logps: under the reference policy, [B, T]; for the KL penalty.
        weights: importance weights that multiply the policy loss, [B, T] (see `importance`).

    Raises:
        LossError: a shape or dtype differs from the above.
    """

    logps: Tensor
    old_logps: Tensor
    advantages: Tensor
    mask: Tensor
    ref_logps: Tensor | None = None
    weights: Tensor | None = None

    def __post_init__(self) -> None:
        shape = self.mask.shape
        if self.mask.ndim != 2 or self.mask.dtype != torch.bool:
            raise LossError(f"mask: expected bool [B, T], got {self.mask.dtype} {list(shape)}")
        for name in ("logps", "old_logps", "advantages", "ref_logps", "weights"):
            value: Tensor | None = getattr(self, name)
            if value is None:
                continue
            if name == "advantages" and value.shape == (shape[0], 1):
                value = value.expand(shape)
            if value.shape != shape:
                raise LossError(f"{name}: expected {list(shape)} like mask, got {list(value.shape)}")
            object.__setattr__(self, name, torch.where(self.mask, value, 0.0))


class PolicyLoss(Protocol):
    """A registered loss: (inputs, its own options) -> loss per token [B, T], 0 where masked, and metrics."""

    def __call__(self, inputs: LossInputs, /, **options: Any) -> tuple[Tensor, dict[str, Tensor]]: ...


POLICY_LOSSES: Registry[Any] = Registry("policy loss")
register_policy_loss = POLICY_LOSSES.register


@register_policy_loss("grpo")
def grpo(inputs: LossInputs, *, clip_low: float = 0.2, clip_high: float = 0.2) -> tuple[Tensor, dict[str, Tensor]]:
    """-w * min(ratio * A, clip(ratio, 1 - clip_low, 1 + clip_high) * A), with ratio = exp(logps - old_logps).

    PPO's clipped surrogate as GRPO uses it (arXiv 2402.03300, equation 3), with DAPO's separate bounds (arXiv
    2503.14476, section 3.1) and w the importance weights, 1 without. The KL penalty is added by `token_loss`.

    Raises:
        LossError: a clip bound is negative, or `clip_low` is above 1.
    """
    if not 0 <= clip_low <= 1 or not clip_high >= 0:
        raise LossError(f"expected 0 <= clip_low <= 1 and clip_high >= 0, got {clip_low} and {clip_high}")
    advantages = inputs.advantages
    log_ratio = masked_log_ratio(inputs.logps, inputs.old_logps, inputs.mask)
    ratio = log_ratio.exp()
    surrogate = ratio * advantages
    clipped = ratio.clamp(1 - clip_low, 1 + clip_high) * advantages
    loss = -torch.minimum(surrogate, clipped)
    metrics = ratio_metrics(inputs) | {"clip_fraction/sum": (clipped < surrogate).detach().sum()}
    return (loss if inputs.weights is None else inputs.weights * loss), metrics


def ratio_metrics(inputs: LossInputs) -> dict[str, Tensor]:
    """Metrics of every loss, detached: `tokens`, how far the policy moved from `old_logps`.

    `approx_kl` estimates KL(old || current) by ratio - 1 - log ratio (Schulman's k3 with samples of the old policy).
    """
    log_ratio = masked_log_ratio(inputs.logps, inputs.old_logps, inputs.mask).detach()
    return {
        "tokens": inputs.mask.sum(),
        "approx_kl/sum": (torch.expm1(log_ratio) - log_ratio).sum(),
        "ratio_max_dev/max": max_ratio_deviation(inputs.logps, inputs.old_logps, inputs.mask),
    }


def token_loss(
    name: str | PolicyLoss,
    inputs: LossInputs,
    *,
    kl_coeff: float = 0.0,
    kl_kind: str | KLEstimator = "k3",
    options: Mapping[str, Any] | None = None,
) -> tuple[Tensor, dict[str, Tensor]]:
    """The whole loss per token: policy loss + `kl_coeff` * KL(policy || reference).

    Args:
        name: a registered policy loss, or a function.
        inputs: see `LossInputs`. With `ref_logps` the KL is measured even where `kl_coeff` is 0.
        kl_coeff: weight of the penalty, the beta of GRPO.
        kl_kind: see `kl.kl_estimate`.
        options: the policy loss's own keyword arguments.

    Returns:
        Loss per token [B, T], exactly 0 where masked, and metrics (`kl/sum` with a reference).

    Raises:
        LossError: a penalty is asked for without `ref_logps`.
        RegistryError: no such loss or estimator.
    """
    loss, metrics = POLICY_LOSSES.resolve(name)(inputs, **(options or {}))
    if inputs.ref_logps is None:
        if kl_coeff:
            raise LossError(f"kl_coeff is {kl_coeff}, but there are no ref_logps")
        return loss, metrics
    kl = kl_estimate(inputs.logps, inputs.ref_logps, kl_kind, inputs.mask)
    metrics["kl/sum"] = kl.detach().sum()
    return (loss + kl_coeff * kl if kl_coeff else loss), metrics


def combine_metrics(parts: Sequence[Mapping[str, Tensor]]) -> dict[str, float]:
    """Metrics of a minibatch from those of its micro-batches: `tokens`, and one number per NAME.

    Raises:
        LossError: no parts, or a key that ends in neither `/sum` nor `/max`.
    """
    if not parts:
        raise LossError("no metrics to combine: the minibatch had no micro-batch")
    tokens = sum(float(part["tokens"]) for part in parts)
    combined = {"tokens": tokens}
    for key in parts[0].keys() - {"tokens"}:
        name, _, kind = key.rpartition("/")
        values = [float(part[key]) for part in parts]
        if kind == "sum":
            combined[name] = sum(values) / max(tokens, 1.0)
        elif kind == "max":
            combined[name] = max(values)
        else:
            raise LossError(f"metric {key!r}: expected a name ending in /sum or /max")
    return combined
