"""Importance weights: worked by hand, masks, detachment."""

from __future__ import annotations

import pytest
import torch

from vista_rllib.importance import ImportanceError, max_ratio_deviation, truncated_importance_weights

NAN = float("nan")
TRAIN = torch.tensor([[0.4, 0.9, 0.1, NAN]]).log()
ROLLOUT = torch.tensor([[0.8, 0.1, 0.1, 0.5]]).log()
MASK = torch.tensor([[True, True, True, False]])


def test_by_hand() -> None:
    train = TRAIN.clone().requires_grad_()
    weights = truncated_importance_weights(train, ROLLOUT, MASK, cap=2.0)
    torch.testing.assert_close(weights, torch.tensor([[0.5, 2.0, 1.0, 0.0]]))  # 0.9 / 0.1 = 9 is truncated
    assert not weights.requires_grad


def test_max_ratio_deviation() -> None:
    assert max_ratio_deviation(TRAIN, ROLLOUT, MASK).item() == pytest.approx(8.0, rel=1e-5)
    assert max_ratio_deviation(TRAIN, ROLLOUT, torch.tensor([[True, False, True, False]])).item() == pytest.approx(0.5)
    assert max_ratio_deviation(TRAIN, ROLLOUT, torch.zeros(1, 4, dtype=torch.bool)).item() == 0.0
    empty = torch.zeros(0, 4)
    assert max_ratio_deviation(empty, empty, empty.bool()).item() == 0.0


def test_bad_input() -> None:
    with pytest.raises(ImportanceError, match="cap is 0"):
        truncated_importance_weights(TRAIN, ROLLOUT, MASK, cap=0)
    with pytest.raises(ImportanceError, match="shapes differ"):
        truncated_importance_weights(TRAIN, ROLLOUT[:, :3], MASK)
