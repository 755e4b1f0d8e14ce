"""Group-relative advantages: from the episodes' rewards to one advantage per episode. Pure functions, by name.

A group is the episodes sampled from one task. A group of one episode, and a group whose rewards are all equal, carry no
signal: their advantages are exactly 0, so they can be recognised by it.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from tools.errors import VistaError
from vista_rllib.registry import Registry

Advantage = Callable[[Tensor, Tensor], Tensor]
"""(rewards [N] floating, groups [N] int64 ids in any order) -> advantages [N], dtype and device of `rewards`."""

ADVANTAGES: Registry[Advantage] = Registry("advantage")
register_advantage = ADVANTAGES.register


class AdvantageError(VistaError):
    """Rewards and groups do not fit together, or a reward is not finite."""


@register_advantage("grpo")
def grpo(rewards: Tensor, groups: Tensor, eps: float = 1e-6) -> Tensor:
    """A_i = (r_i - mean_g) / (std_g + eps): GRPO, arXiv 2402.03300, equation 3 and section 4.1.2.

    The paper does not say which standard deviation; as in its common implementations, this is the sample standard
    deviation (divided by n - 1).
    """
    centred, index, count = _centred(rewards, groups)
    variance = _group_sum(centred.square(), index, len(count)) / (count - 1).clamp(min=1)
    return centred / (variance.sqrt() + eps)[index]


@register_advantage("dr_grpo")
@register_advantage("none")
def dr_grpo(rewards: Tensor, groups: Tensor) -> Tensor:
    """A_i = r_i - mean_g: Dr. GRPO, arXiv 2503.20783, section 3.2 (no division by the standard deviation)."""
    return _centred(rewards, groups)[0]


@register_advantage("rloo")
def rloo(rewards: Tensor, groups: Tensor) -> Tensor:
    """A_i = r_i - mean of the others in the group: RLOO, arXiv 2402.14740, section 3.

    Written as n / (n - 1) * (r_i - mean_g), which is the same and exactly 0 for equal rewards.
    """
    centred, index, count = _centred(rewards, groups)
    return centred * (count / (count - 1).clamp(min=1))[index]


def _centred(rewards: Tensor, groups: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Rewards minus their group's mean [N], each row's group index [N] int64, and the groups' sizes [G].

    Raises:
        AdvantageError: wrong shapes or dtype, or a reward that is not finite; names the row.
    """
    if rewards.ndim != 1 or rewards.shape != groups.shape or not rewards.is_floating_point():
        raise AdvantageError(
            f"expected floating rewards [N] and groups [N], got {rewards.dtype} {list(rewards.shape)} and "
            f"{list(groups.shape)}"
        )
    bad = (~rewards.isfinite()).nonzero().flatten().tolist()
    if bad:
        row = bad[0]
        raise AdvantageError(
            f"reward of row {row} (group {groups[row].item()}) is {rewards[row].item()}, expected a finite number"
            + (f"; {len(bad)} rows are not finite" if len(bad) > 1 else "")
        )
    ids, index = torch.unique(groups, return_inverse=True)
    count = _group_sum(torch.ones_like(rewards), index, len(ids))
    centred = rewards - (_group_sum(rewards, index, len(ids)) / count)[index]
    # The mean of equal numbers is not always that number in floating point, and a tiny std would blow the rest up.
    low = rewards.new_zeros(len(ids)).scatter_reduce(0, index, rewards, "amin", include_self=False)
    high = rewards.new_zeros(len(ids)).scatter_reduce(0, index, rewards, "amax", include_self=False)
    return torch.where((low == high)[index], 0.0, centred), index, count


def _group_sum(values: Tensor, index: Tensor, num_groups: int) -> Tensor:
    """Sums of `values` [N] by group [G]."""
    return values.new_zeros(num_groups).index_add(0, index, values)
