"""How a batch of episodes (rows) is cut: into minibatches (one optimiser step each) and these into micro-batches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tools.errors import VistaError


class MinibatchError(VistaError):
    """Lengths, groups or limits that make no sense."""


def split_minibatches(
    lengths: Sequence[int], groups: Sequence[int], num_minibatches: int, rng: np.random.Generator
) -> list[list[int]]:
    """Cuts rows into minibatches of whole groups, in random order.

    The numbers of groups differ by at most one between minibatches; within that, of every `num_minibatches` random
    groups the longest goes to the minibatch with the fewest tokens so far.

    Args:
        lengths: tokens of each row, [N].
        groups: group id of each row, [N].
        num_minibatches: how many to make; with fewer groups than that, one per group (never an empty one).
        rng: source of the order; the same generator state gives the same cut.

    Returns:
        Row indices, every row exactly once.

    Raises:
        MinibatchError: `lengths` and `groups` differ in number, a length is below 1, or `num_minibatches` is below 1.
    """
    if len(lengths) != len(groups):
        raise MinibatchError(f"{len(lengths)} lengths but {len(groups)} group ids")
    if num_minibatches < 1:
        raise MinibatchError(f"num_minibatches is {num_minibatches}, expected at least 1")
    _check(lengths)
    rows: dict[int, list[int]] = {}
    for row, group in enumerate(groups):
        rows.setdefault(group, []).append(row)
    members = list(rows.values())
    tokens = [sum(lengths[row] for row in group) for group in members]
    order = rng.permutation(len(members)).tolist()
    num = min(num_minibatches, len(members))
    minibatches: list[list[int]] = [[] for _ in range(num)]
    load = [0] * num
    for start in range(0, len(order), max(num, 1)):
        longest_first = sorted(order[start : start + num], key=lambda group: -tokens[group])
        lightest_first = sorted(range(num), key=load.__getitem__)
        for group, target in zip(longest_first, lightest_first, strict=False):  # the last chunk may be short
            minibatches[target] += members[group]
            load[target] += tokens[group]
    return minibatches


def pack_microbatches(lengths: Sequence[int], token_budget: int) -> list[list[int]]:
    """Packs rows of similar length so that a micro-batch padded to its longest row holds at most `token_budget` tokens.

    A single row above the budget goes alone. Longest first, so that memory peaks at once and not after minutes.

    Args:
        lengths: tokens of each row, [N].
        token_budget: limit on rows * longest row.

    Returns:
        Indices into `lengths`, every one exactly once.

    Raises:
        MinibatchError: a length or the budget is below 1.
    """
    if token_budget < 1:
        raise MinibatchError(f"token_budget is {token_budget}, expected at least 1")
    _check(lengths)
    packed: list[list[int]] = []
    for row in sorted(range(len(lengths)), key=lambda row: -lengths[row]):
        if packed and (len(packed[-1]) + 1) * lengths[packed[-1][0]] <= token_budget:
            packed[-1].append(row)
        else:
            packed.append([row])
    return packed


def _check(lengths: Sequence[int]) -> None:
    for row, length in enumerate(lengths):
        if length < 1:
            raise MinibatchError(f"row {row} has {length} tokens, expected at least 1")
