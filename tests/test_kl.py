"""KL estimators: worked by hand, unbiasedness, gradients, masks."""

from __future__ import annotations

from math import log

import pytest
import torch

from vista_rllib.kl import KL_ESTIMATORS, KLError, kl_estimate

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("k1", [log(2), -log(2), 0.0]),
        ("k2", [log(2) ** 2 / 2] * 2 + [0.0]),
        ("k3", [0.5 - 1 + log(2), 2 - 1 - log(2), 0.0]),
    ],
)
def test_by_hand(kind: str, expected: list[float]) -> None:
    p = torch.tensor([[0.5, 0.25, 0.1]], dtype=torch.float64).log()
    q = torch.tensor([[0.25, 0.5, 0.1]], dtype=torch.float64).log()
    torch.testing.assert_close(kl_estimate(p, q, kind), torch.tensor([expected], dtype=torch.float64))


def test_expectations_over_a_distribution() -> None:
    p = torch.tensor([[0.7, 0.2, 0.1]], dtype=torch.float64)
    q = torch.tensor([[0.5, 0.3, 0.2]], dtype=torch.float64)
    true = (p * (p / q).log()).sum()
    for kind in ("k1", "k3"):  # unbiased
        torch.testing.assert_close((p * kl_estimate(p.log(), q.log(), kind)).sum(), true)
    assert (kl_estimate(p.log(), q.log(), "k3") >= 0).all() and (kl_estimate(p.log(), q.log(), "k2") >= 0).all()


@pytest.mark.parametrize("kind", sorted(KL_ESTIMATORS))
def test_gradient(kind: str) -> None:
    generator = torch.Generator().manual_seed(0)
    logps = (-torch.rand(2, 5, generator=generator, dtype=torch.float64)).requires_grad_()
    ref = -torch.rand(2, 5, generator=generator, dtype=torch.float64)
    mask = torch.rand(2, 5, generator=generator) < 0.7
    assert torch.autograd.gradcheck(lambda x: kl_estimate(x, ref, kind, mask), (logps,))


@pytest.mark.parametrize("kind", sorted(KL_ESTIMATORS))
def test_masked_positions_poison_nothing(kind: str) -> None:
    logps = torch.tensor([[-1.0, NAN, -INF, -2.0]], requires_grad=True)
    ref = torch.tensor([[-1.5, -1.0, -INF, NAN]])
    mask = torch.tensor([[True, False, False, False]])
    estimate = kl_estimate(logps, ref, kind, mask)
    estimate.sum().backward()
    assert (estimate[~mask] == 0).all() and estimate.isfinite().all()
    assert logps.grad is not None and (logps.grad[~mask] == 0).all() and logps.grad.isfinite().all()


def test_a_wild_token_stays_finite() -> None:
    logps = torch.tensor([[-500.0]], requires_grad=True)
    estimate = kl_estimate(logps, torch.tensor([[0.0]]), "k3")
    estimate.sum().backward()
    assert estimate.isfinite().all() and logps.grad is not None and logps.grad.isfinite().all()


def test_shapes_are_checked() -> None:
    with pytest.raises(KLError, match=r"\[1, 2\] and ref_logps \[2, 1\]"):
        kl_estimate(torch.zeros(1, 2), torch.zeros(2, 1))
