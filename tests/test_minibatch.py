"""Cutting rows: every row exactly once, groups whole, budgets kept."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vista_rllib.minibatch import MinibatchError, pack_microbatches, split_minibatches

row_lengths = st.lists(st.integers(1, 500), max_size=60)


@given(lengths=row_lengths, budget=st.integers(1, 2000))
def test_micro_batches_keep_the_budget(lengths: list[int], budget: int) -> None:
    packed = pack_microbatches(lengths, budget)
    assert sorted(row for rows in packed for row in rows) == list(range(len(lengths)))
    for rows in packed:
        padded = len(rows) * max(lengths[row] for row in rows)
        assert padded <= budget or len(rows) == 1
    shortest_first = [lengths[row] for rows in reversed(packed) for row in reversed(rows)]
    assert shortest_first == sorted(lengths)  # similar lengths lie together


def test_micro_batches_by_hand() -> None:
    assert pack_microbatches([10, 50, 200, 12, 49], 100) == [[2], [1, 4], [3, 0]]


@given(
    rows=st.lists(st.tuples(st.integers(1, 500), st.integers(-3, 9)), max_size=60),
    num=st.integers(1, 8),
    seed=st.integers(0, 9),
)
def test_minibatches_hold_whole_groups(rows: list[tuple[int, int]], num: int, seed: int) -> None:
    lengths, groups = [length for length, _ in rows], [group for _, group in rows]
    cut = split_minibatches(lengths, groups, num, np.random.default_rng(seed))
    assert sorted(row for part in cut for row in part) == list(range(len(rows)))
    assert len(cut) == min(num, len(set(groups)))
    sets = [{groups[row] for row in part} for part in cut]
    assert Counter(group for part in sets for group in part) == Counter(set(groups))  # each group in one minibatch
    if sets:
        assert max(map(len, sets)) - min(map(len, sets)) <= 1 and min(map(len, sets)) >= 1
    assert cut == split_minibatches(lengths, groups, num, np.random.default_rng(seed))


def test_minibatches_are_shuffled_and_balanced() -> None:
    rng = np.random.default_rng(0)
    lengths, groups = [1, 1, 100, 100, 1, 1, 100, 100], [0, 0, 1, 1, 2, 2, 3, 3]
    cuts = [split_minibatches(lengths, groups, 2, rng) for _ in range(30)]
    assert len({str(cut) for cut in cuts}) > 2
    alone = split_minibatches([5, 9, 8, 4], [0, 1, 2, 3], 2, np.random.default_rng(1))
    assert {sum([5, 9, 8, 4][row] for row in part) for part in alone} <= {12, 13, 14}


def test_bad_input() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(MinibatchError, match="2 lengths but 1 group ids"):
        split_minibatches([1, 2], [0], 1, rng)
    with pytest.raises(MinibatchError, match="num_minibatches is 0"):
        split_minibatches([1], [0], 0, rng)
    with pytest.raises(MinibatchError, match="row 1 has 0 tokens"):
        pack_microbatches([3, 0], 10)
    with pytest.raises(MinibatchError, match="token_budget is 0"):
        pack_microbatches([3], 0)
