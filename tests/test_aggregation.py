"""Token weights: worked by hand; cutting into micro-batches changes no gradient."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vista_rllib.aggregation import AGGREGATIONS, AggregationError, register_aggregation, token_weights
from vista_rllib.losses import LossInputs, token_loss
from vista_rllib.minibatch import pack_microbatches

MASK = torch.tensor([[1, 1, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0]], dtype=torch.bool)
PER_TOKEN = torch.tensor([[3.0, 6.0, 9.0, 99.0], [99.0, 2.0, 99.0, 99.0], [99.0] * 4])


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("token-mean", (3 + 6 + 9 + 2) / 4),
        ("sequence-mean", (6 + 2) / 2),  # the empty row is no sequence
        ("fixed-length", (3 + 6 + 9 + 2) / (2 * 10)),
    ],
)
def test_by_hand(mode: str, expected: float) -> None:
    weights = token_weights(MASK, mode, length=10)
    assert weights.dtype == torch.float32 and (weights[~MASK] == 0).all()
    assert (PER_TOKEN * weights).sum().item() == pytest.approx(expected)


@pytest.mark.parametrize("mode", sorted(AGGREGATIONS))
@given(seed=st.integers(0, 2**16), budget=st.integers(1, 60))
def test_micro_batches_add_up_to_the_minibatch(mode: str, seed: int, budget: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, 9, (7,), generator=generator)
    mask = (torch.arange(8) < lengths[:, None]) & (torch.rand(7, 8, generator=generator) < 0.8)
    mask[0, 0] = True
    rand = [torch.rand(7, 8, generator=generator, dtype=torch.float64) for _ in range(4)]
    parameter = rand[0].requires_grad_()

    def loss(rows: list[int], weights: torch.Tensor) -> torch.Tensor:
        width = int(lengths[rows].max())  # each micro-batch is padded to its own longest row
        cut = [tensor[rows, :width] for tensor in (parameter, *rand[1:], mask, weights)]
        per_token, _ = token_loss("grpo", LossInputs(cut[0], cut[1], cut[2] - 0.5, cut[4], cut[3]), kl_coeff=0.1)
        return (per_token * cut[5]).sum()

    weights = token_weights(mask, mode, length=8).double()
    (whole,) = torch.autograd.grad(loss(list(range(7)), weights), parameter)
    parts = torch.zeros_like(whole)
    for rows in pack_microbatches(lengths.tolist(), budget):
        parts += torch.autograd.grad(loss(rows, weights), parameter)[0]
    torch.testing.assert_close(parts, whole, rtol=0, atol=1e-14)


def test_bad_input() -> None:
    with pytest.raises(AggregationError, match=r"\[3, 4\] has no token"):
        token_weights(torch.zeros_like(MASK))
    with pytest.raises(AggregationError, match="needs a positive length in tokens, got None"):
        token_weights(MASK, "fixed-length")
    with pytest.raises(AggregationError, match=r"bool mask \[B, T\], got torch.float32 \[3, 4\]"):
        token_weights(MASK.float())


def test_a_users_own_function() -> None:
    def total(mask: torch.Tensor, length: int | None) -> torch.Tensor:
        return torch.ones(mask.shape)

    assert (PER_TOKEN * token_weights(MASK, total)).sum().item() == 20.0
    assert register_aggregation("token-mean")(AGGREGATIONS["token-mean"]) is AGGREGATIONS["token-mean"]
