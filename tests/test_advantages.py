"""Advantages: worked by hand, and properties over random groups."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vista_rllib.advantages import ADVANTAGES, AdvantageError, dr_grpo, grpo, register_advantage, rloo
from vista_rllib.registry import RegistryError

# Group 7: rewards 1, 0, 0, 1 (mean 1/2, sample variance 1/3). Group 3: rewards 3, 1 (mean 2, sample variance 2).
REWARDS = torch.tensor([1.0, 3.0, 0.0, 0.0, 1.0, 1.0], dtype=torch.float64)
GROUPS = torch.tensor([7, 3, 7, 7, 3, 7])

batches = st.lists(
    st.tuples(st.sampled_from([-3.0, -1.0, 0.0, 0.1, 0.3, 1.0]), st.integers(0, 4)), min_size=1, max_size=30
)


def test_grpo_by_hand() -> None:
    a, b = 0.5 * 3**0.5, 0.5**0.5  # 1/2 / sqrt(1/3); 1 / sqrt(2)
    expected = torch.tensor([a, b, -a, -a, -b, a], dtype=torch.float64)
    torch.testing.assert_close(grpo(REWARDS, GROUPS, eps=0.0), expected)
    # eps is added to the standard deviation: 1 / (sqrt(2) + 1)
    assert grpo(REWARDS, GROUPS, eps=1.0)[1].item() == pytest.approx(2**0.5 - 1)


def test_dr_grpo_and_rloo_by_hand() -> None:
    torch.testing.assert_close(dr_grpo(REWARDS, GROUPS).tolist(), [0.5, 1.0, -0.5, -0.5, -1.0, 0.5])
    # Others of row 0: (0 + 0 + 1) / 3 = 1/3; of row 2: (1 + 0 + 1) / 3 = 2/3; of row 1: 1.
    expected = torch.tensor([2 / 3, 2.0, -2 / 3, -2 / 3, -2.0, 2 / 3], dtype=torch.float64)
    torch.testing.assert_close(rloo(REWARDS, GROUPS), expected)
    assert ADVANTAGES["none"] is ADVANTAGES["dr_grpo"]


@pytest.mark.parametrize("name", sorted(ADVANTAGES))
@given(batch=batches)
def test_properties(name: str, batch: list[tuple[float, int]]) -> None:
    rewards = torch.tensor([reward for reward, _ in batch])
    groups = torch.tensor([group for _, group in batch])
    advantages = ADVANTAGES[name](rewards, groups)
    assert advantages.shape == rewards.shape and advantages.dtype == rewards.dtype
    assert advantages.isfinite().all()
    for group in groups.unique():
        members = groups == group
        assert advantages[members].sum().item() == pytest.approx(0.0, abs=1e-4)
        if rewards[members].unique().numel() == 1:  # one episode, or all equal: exactly nothing to learn
            assert (advantages[members] == 0).all()
        else:  # better reward, better advantage
            assert advantages[members].argmax() == rewards[members].argmax()
    order = torch.randperm(len(batch))
    torch.testing.assert_close(ADVANTAGES[name](rewards[order], groups[order]), advantages[order])


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_reward_that_is_not_finite_names_its_row(value: float) -> None:
    with pytest.raises(AdvantageError, match=rf"row 1 \(group 9\) is {value}.*2 rows"):
        grpo(torch.tensor([0.0, value, value]), torch.tensor([9, 9, 9]))


@pytest.mark.parametrize(
    ("rewards", "groups"),
    [
        (torch.zeros(3), torch.zeros(2)),
        (torch.zeros(2, 2), torch.zeros(2, 2)),
        (torch.zeros(2, dtype=torch.int64), torch.zeros(2)),
    ],
)
def test_shapes_are_checked(rewards: torch.Tensor, groups: torch.Tensor) -> None:
    with pytest.raises(AdvantageError, match="expected floating rewards"):
        dr_grpo(rewards, groups.long())


def test_registry() -> None:
    with pytest.raises(
        RegistryError, match=r"unknown advantage 'rlo' \(did you mean 'rloo'\?\): expected one of dr_grpo"
    ):
        ADVANTAGES["rlo"]
    with pytest.raises(RegistryError, match=r"'grpo' is already registered by vista_rllib\.advantages\.grpo"):
        register_advantage("grpo")(dr_grpo)
    assert register_advantage("grpo")(grpo) is grpo  # the same again: a notebook cell run twice
    assert ADVANTAGES.resolve(rloo) is rloo and ADVANTAGES.resolve("rloo") is rloo
    assert "rloo" in ADVANTAGES and "gae" not in ADVANTAGES
