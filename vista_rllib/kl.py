"""Per-token estimators of KL(policy || reference) from tokens sampled by the policy.

k1, k2, k3 are those of J. Schulman, "Approximating KL divergence" (2020), http://joschu.net/blog/kl-approx.html.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from tools.errors import VistaError
from vista_rllib.registry import Registry

MAX_LOG_RATIO = 20.0
"""Log-ratios are clamped to +- this before `exp`, so that one wild token gives neither inf nor a gradient."""

KLEstimator = Callable[[Tensor], Tensor]
"""log-ratio `log policy - log reference` [B, T] -> estimate per token [B, T]."""

KL_ESTIMATORS: Registry[KLEstimator] = Registry("KL estimator")
register_kl = KL_ESTIMATORS.register


class KLError(VistaError):
    """Log-probabilities of different shapes."""


@register_kl("k1")
def k1(log_ratio: Tensor) -> Tensor:
    """log(p / q): unbiased, high variance, may be negative; its expected gradient as a loss is zero."""
    return log_ratio


@register_kl("k2")
def k2(log_ratio: Tensor) -> Tensor:
    """log(p / q)^2 / 2: biased, low variance, never negative; its gradient is that of the true KL."""
    return log_ratio.square() / 2


@register_kl("k3")
def k3(log_ratio: Tensor) -> Tensor:
    """q / p - 1 + log(p / q): unbiased, low variance, never negative; GRPO's own (arXiv 2402.03300, equation 4)."""
    return torch.expm1(-log_ratio.clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO)) + log_ratio


def kl_estimate(logps: Tensor, ref_logps: Tensor, kind: str | KLEstimator = "k3", mask: Tensor | None = None) -> Tensor:
    """Estimates KL(policy || reference) per token.

    Args:
        logps: log-probabilities of the sampled tokens under the policy, [B, T]; carries the gradient.
        ref_logps: the same under the reference, [B, T].
        kind: name of a registered estimator, or a function.
        mask: bool [B, T]; where False the estimate and its gradient are exactly 0, whatever stands in the inputs.

    Returns:
        [B, T].

    Raises:
        KLError: the shapes differ.
        RegistryError: no such estimator.
    """
    if logps.shape != ref_logps.shape:
        raise KLError(f"logps {list(logps.shape)} and ref_logps {list(ref_logps.shape)} differ in shape")
    log_ratio = logps - ref_logps
    if mask is None:
        return KL_ESTIMATORS.resolve(kind)(log_ratio)
    return torch.where(mask, KL_ESTIMATORS.resolve(kind)(torch.where(mask, log_ratio, 0.0)), 0.0)
