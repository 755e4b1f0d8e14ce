"""The turn sampler on logits that are given, against the probabilities that they stand for."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from scipy import stats

from policies.sampling import TurnEnd, TurnSampler, tempered_logps

PROBABILITIES = torch.tensor([0.05, 0.4, 0.0, 0.25, 0.2, 0.1])
NONE = torch.tensor([], dtype=torch.long)


def draw(
    logits: torch.Tensor,
    seeds: Sequence[int],
    steps: int = 1,
    temperature: float = 1.0,
    top_p: float = 1.0,
    banned: Sequence[int] = (),
    greedy: bool = False,
) -> tuple[torch.Tensor, torch.Tensor]:
    """([B, steps], [B, steps]) chosen ids and recorded log-probabilities; every row and step sees the same logits."""
    banned_ids = torch.tensor(banned, dtype=torch.long)
    sampler = TurnSampler(seeds, steps, temperature, top_p, banned_ids, greedy)
    scores = logits.expand(len(seeds), -1)
    history = torch.zeros(len(seeds), 1, dtype=torch.long)
    choices = []
    for _ in range(steps):
        processed = sampler(history, scores)
        assert (processed > -torch.inf).sum(-1).eq(1).all(), "one token is left per row"
        choices.append(processed.argmax(-1))
    return torch.stack(choices, 1), torch.stack(sampler.logps, 1)


def fits(choices: torch.Tensor, probabilities: torch.Tensor) -> bool:
    """Whether the frequencies are those of the probabilities (chi-square test; seeds are fixed, so is the outcome)."""
    counts = torch.bincount(choices.flatten(), minlength=len(probabilities)).double()
    possible = probabilities > 0
    if counts[~possible].any():
        return False
    expected = probabilities[possible].double()
    return stats.chisquare(counts[possible], expected / expected.sum() * counts.sum()).pvalue > 1e-3


def test_tokens_come_with_their_probabilities() -> None:
    choices, _ = draw(PROBABILITIES.log(), range(100), steps=100)
    assert fits(choices, PROBABILITIES)
    assert not fits(choices, torch.tensor([0.05, 0.38, 0.0, 0.27, 0.2, 0.1]))


def test_rows_and_steps_are_independent() -> None:
    choices, _ = draw(torch.zeros(2), range(4000), steps=2)
    assert fits(choices[:, 0] * 2 + choices[:, 1], torch.full((4,), 0.25))
    assert fits(choices[:-1, 0] * 2 + choices[1:, 0], torch.full((4,), 0.25))


def test_temperature_sharpens() -> None:
    choices, logps = draw(PROBABILITIES.log(), range(100), steps=50, temperature=0.5)
    squared = PROBABILITIES**2 / (PROBABILITIES**2).sum()
    assert fits(choices, squared)
    torch.testing.assert_close(logps, squared.log()[choices])


@pytest.mark.parametrize(("top_p", "kept"), [(0.39, [1]), (0.41, [1, 3]), (0.84, [1, 3, 4]), (1e-9, [1])])
def test_top_p_keeps_the_smallest_set_that_reaches_it(top_p: float, kept: list[int]) -> None:
    choices, logps = draw(PROBABILITIES.double().log(), range(60), steps=50, top_p=top_p)
    cut = torch.zeros_like(PROBABILITIES)
    cut[kept] = PROBABILITIES[kept] / PROBABILITIES[kept].sum()
    assert choices.unique().tolist() == sorted(kept)
    assert len(kept) == 1 or fits(choices, cut)
    torch.testing.assert_close(logps, PROBABILITIES.log()[choices], msg="recorded under the uncut distribution")


@pytest.mark.parametrize("options", [{"temperature": 0.0}, {"greedy": True}, {"greedy": True, "temperature": 0.7}])
def test_greedy_takes_the_most_probable(options: dict[str, float]) -> None:
    choices, logps = draw(PROBABILITIES.log(), range(20), steps=3, **options)
    assert (choices == 1).all()
    expected = tempered_logps(PROBABILITIES.log(), options.get("temperature", 1.0), NONE)[1]
    torch.testing.assert_close(logps, expected.expand_as(logps))


def test_banned_tokens_are_never_drawn_however_probable() -> None:
    logits = torch.tensor([0.0, 9.0, 1.0, 8.0])
    choices, logps = draw(logits, range(100), steps=50, banned=[1, 3])
    rest = torch.softmax(torch.tensor([0.0, 1.0]), 0)
    assert fits(choices, torch.tensor([rest[0], 0.0, rest[1], 0.0]))
    torch.testing.assert_close(logps.exp(), torch.where(choices == 0, rest[0], rest[1]))
    greedy, _ = draw(logits, [0], banned=[1, 3], greedy=True)
    assert greedy.tolist() == [[2]]


def test_recorded_log_probabilities_are_the_log_softmax() -> None:
    logits = torch.randn(500, generator=torch.Generator().manual_seed(0)) * 3
    choices, logps = draw(logits, range(30), steps=20)
    torch.testing.assert_close(logps, torch.log_softmax(logits, -1)[choices])


def test_a_row_does_not_depend_on_its_neighbours() -> None:
    logits = torch.randn(50, generator=torch.Generator().manual_seed(1))
    together, _ = draw(logits, [5, 6, 7, 5], steps=30)
    for row, seed in enumerate([5, 6, 7, 5]):
        alone, _ = draw(logits, [seed], steps=30)
        assert alone[0].tolist() == together[row].tolist()
    assert together[0].tolist() != together[1].tolist()


def test_half_precision_logits_are_taken_in_float32() -> None:
    assert tempered_logps(torch.zeros(3, dtype=torch.bfloat16), 1.0, NONE).dtype == torch.float32


def test_a_row_ends_where_its_turn_is_complete_and_stays_ended() -> None:
    end = TurnEnd(prompt_length=2, num_rows=3, end_ids=[9], complete=lambda token_ids: token_ids[-2:] == [4, 5])
    rows = torch.tensor([[9, 9, 1, 9, 9, 9], [4, 5, 4, 5, 0, 0], [0, 0, 1, 1, 1, 1]])
    done = [end(rows[:, :length], None).tolist() for length in range(3, 7)]
    assert done == [[False] * 3, [True, True, False], [True, True, False], [True, True, False]]
    assert end.lengths == [2, 2, 0]


def test_what_the_prompt_ends_with_ends_no_turn() -> None:
    end = TurnEnd(prompt_length=2, num_rows=1, end_ids=[9], complete=lambda token_ids: token_ids[-2:] == [4, 5])
    assert not end(torch.tensor([[9, 4, 5]]), None).any()


def test_long_turns_count_all_their_tokens() -> None:
    end = TurnEnd(prompt_length=1, num_rows=1, end_ids=[9], complete=lambda token_ids: False)
    assert end(torch.tensor([[0] + [1] * 40 + [9]]), None).tolist() == [True]
    assert end.lengths == [41]
