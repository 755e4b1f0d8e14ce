"""Policy losses: worked by hand, gradients, masks, metrics that add up."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from vista_rllib.losses import (
    POLICY_LOSSES,
    LossError,
    LossInputs,
    combine_metrics,
    grpo,
    register_policy_loss,
    token_loss,
)

NAN, INF = float("nan"), float("inf")


def tensor(*rows: list[float]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def by_hand(**changes: Tensor) -> LossInputs:
    """Ratios 1.5, 1.5, 0.5, 0.5, 1.1 with advantages 2, -2, 2, -2, 2; the last position is masked."""
    ratios = tensor([1.5, 1.5, 0.5, 0.5, 1.1, NAN])
    fields = {
        "logps": (ratios * 0.2).log(),
        "old_logps": tensor([0.2] * 5 + [INF]).log(),
        "advantages": tensor([2.0, -2.0, 2.0, -2.0, 2.0, NAN]),
        "mask": torch.tensor([[True] * 5 + [False]]),
    }
    return LossInputs(**{**fields, **changes})


def test_clipped_surrogate_by_hand() -> None:
    loss, metrics = grpo(by_hand(), clip_low=0.2, clip_high=0.3)
    # min(3, 2.6), min(-3, -2.6), min(1, 1.6), min(-1, -1.6), min(2.2, 2.2)
    torch.testing.assert_close(loss, -tensor([2.6, -3.0, 1.0, -1.6, 2.2, 0.0]))
    assert loss[0, 5] == 0
    assert metrics["tokens"] == 5 and metrics["clip_fraction/sum"] == 2
    assert metrics["ratio_max_dev/max"].item() == pytest.approx(0.5)
    log = torch.log(tensor([1.5, 1.5, 0.5, 0.5, 1.1]))
    assert metrics["approx_kl/sum"].item() == pytest.approx((log.exp() - 1 - log).sum().item())


def test_importance_weights_multiply() -> None:
    weights = tensor([0.5, 1.0, 2.0, 0.0, 1.0, NAN])
    loss, _ = grpo(by_hand(weights=weights), clip_high=0.3)
    torch.testing.assert_close(loss, -tensor([1.3, -3.0, 2.0, 0.0, 2.2, 0.0]))


def test_on_policy_gradient_is_minus_the_advantage() -> None:
    logps = tensor([-1.0, -2.0], [-0.5, -3.0]).requires_grad_()
    advantages = tensor([1.5], [-0.5])  # [B, 1]: one per sequence
    mask = torch.tensor([[True, True], [True, False]])
    loss, metrics = grpo(LossInputs(logps, logps.detach(), advantages, mask))
    loss.sum().backward()
    torch.testing.assert_close(logps.grad, tensor([-1.5, -1.5], [0.5, 0.0]))
    assert metrics["clip_fraction/sum"] == 0 and metrics["ratio_max_dev/max"] == 0


def test_clipped_tokens_have_no_gradient() -> None:
    inputs = by_hand()
    logps = inputs.logps.clone().requires_grad_()
    loss, _ = grpo(LossInputs(logps, inputs.old_logps, inputs.advantages, inputs.mask), clip_high=0.3)
    loss.sum().backward()
    torch.testing.assert_close(logps.grad, tensor([0.0, 3.0, -1.0, 0.0, -2.2, 0.0]))  # -ratio * A where not clipped


@pytest.mark.parametrize("kind", ["k1", "k2", "k3"])
def test_gradients_of_the_whole_loss(kind: str) -> None:
    generator = torch.Generator().manual_seed(1)
    old, ref, advantages, weights = (torch.randn(4, 3, 6, generator=generator, dtype=torch.float64)).unbind()
    logps = (old + torch.randn(3, 6, generator=generator, dtype=torch.float64) * 0.3).requires_grad_()
    mask = torch.rand(3, 6, generator=generator) < 0.6

    def loss(x: Tensor) -> Tensor:
        return token_loss("grpo", LossInputs(x, old, advantages, mask, ref, weights.abs()), kl_coeff=0.3, kl_kind=kind)[
            0
        ]

    assert torch.autograd.gradcheck(loss, (logps,))
    assert (loss(logps)[~mask] == 0).all()


@pytest.mark.parametrize("poison", [NAN, INF, -INF])
def test_masked_positions_poison_nothing(poison: float) -> None:
    mask = torch.tensor([[True, False]])
    logps = torch.tensor([[-1.0, poison]], requires_grad=True)
    other = torch.tensor([[-1.2, poison]])
    loss, metrics = token_loss("grpo", LossInputs(logps, other, other, mask, other, other), kl_coeff=0.1)
    loss.sum().backward()
    assert loss[0, 1] == 0 and loss.isfinite().all()
    assert logps.grad is not None and logps.grad[0, 1] == 0 and logps.grad.isfinite().all() and logps.grad[0, 0] != 0
    assert all(torch.as_tensor(value).isfinite() for value in metrics.values())


def test_a_wild_ratio_stays_finite() -> None:
    logps = torch.tensor([[0.0]], requires_grad=True)
    loss, _ = grpo(LossInputs(logps, torch.tensor([[-300.0]]), torch.tensor([[-1.0]]), torch.tensor([[True]])))
    loss.sum().backward()
    assert loss.isfinite().all() and logps.grad is not None and logps.grad.item() == 0.0


def test_kl_penalty_by_hand() -> None:
    half, quarter = torch.tensor([[0.5]]).log(), torch.tensor([[0.25]]).log()
    inputs = LossInputs(half, half, torch.tensor([[1.0]]), torch.tensor([[True]]), ref_logps=quarter)
    loss, metrics = token_loss("grpo", inputs, kl_coeff=0.1, kl_kind="k1")
    assert loss.item() == pytest.approx(-1 + 0.1 * 0.6931472)
    assert metrics["kl/sum"].item() == pytest.approx(0.6931472)
    loss, metrics = token_loss("grpo", inputs)  # no penalty: still measured
    assert loss.item() == -1.0 and metrics["kl/sum"].item() == pytest.approx(0.5 - 1 + 0.6931472)


def test_metrics_of_micro_batches_add_up() -> None:
    generator = torch.Generator().manual_seed(2)
    old, ref, advantages, noise = torch.randn(4, 6, 5, generator=generator, dtype=torch.float64).unbind()
    mask = torch.rand(6, 5, generator=generator) < 0.7

    def metrics(rows: slice) -> dict[str, Tensor]:
        cut = [value[rows] for value in (old + noise * 0.3, old, advantages, mask, ref)]
        return token_loss("grpo", LossInputs(*cut), kl_coeff=0.1)[1]

    whole = combine_metrics([metrics(slice(0, 6))])
    assert whole.keys() == {"tokens", "clip_fraction", "approx_kl", "ratio_max_dev", "kl"}
    assert 0 < whole["clip_fraction"] < 1
    assert combine_metrics([metrics(slice(0, 1)), metrics(slice(1, 6))]) == pytest.approx(whole)


def test_combine_metrics_refuses_what_it_cannot_add() -> None:
    with pytest.raises(LossError, match="no micro-batch"):
        combine_metrics([])
    with pytest.raises(LossError, match="'loss': expected a name ending in"):
        combine_metrics([{"tokens": torch.tensor(1), "loss": torch.tensor(1.0)}])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mask": torch.ones(1, 6)}, "mask: expected bool"),
        ({"logps": torch.zeros(1, 5)}, r"logps: expected \[1, 6\] like mask, got \[1, 5\]"),
        ({"advantages": torch.zeros(6)}, "advantages: expected"),
        ({"ref_logps": torch.zeros(6, 1)}, "ref_logps: expected"),
    ],
)
def test_shapes_are_checked(change: dict[str, Tensor], message: str) -> None:
    with pytest.raises(LossError, match=message):
        by_hand(**change)


def test_options_are_checked() -> None:
    with pytest.raises(LossError, match="clip_low <= 1 and"):
        grpo(by_hand(), clip_low=1.5)
    with pytest.raises(LossError, match="but there are no ref_logps"):
        token_loss("grpo", by_hand(), kl_coeff=0.1)


def test_a_users_loss_is_one_decorated_function() -> None:
    @register_policy_loss("reinforce")
    def reinforce(inputs: LossInputs) -> tuple[Tensor, dict[str, Tensor]]:
        return -inputs.logps * inputs.advantages, {"tokens": inputs.mask.sum()}

    loss, _ = token_loss("reinforce", by_hand())
    assert loss[0, 5] == 0 and loss.isfinite().all()
    assert POLICY_LOSSES.resolve("reinforce") is reinforce
