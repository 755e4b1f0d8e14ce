"""`Request`: what a policy module gets for one agent that must act now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from ray.rllib.core.columns import Columns

from envs.message import Message
from policies.transcript import Transcript
from tools.tool import ToolCall


@dataclass(slots=True)
class Request:
    """One agent of one episode, waiting for its action.

    Attributes:
        episode_id: the episode.
        agent_id: `vlm` or a tool's name.
        observation: what the agent observes now.
        history: the agent's earlier (observation, action) pairs in this episode, oldest first.
        transcript: the agent's tokens so far; the module appends to it. Unused by modules without tokens.
        seed: seed of this action; the same seed, weights and transcript sample the same tokens in any batch.
    """

    episode_id: str
    agent_id: str
    observation: Message | ToolCall
    history: tuple[tuple[Any, Any], ...] = ()
    transcript: Transcript = field(default_factory=Transcript)
    seed: int = 0


def object_array(items: Iterable[Any]) -> np.ndarray:
    """A one-dimensional object array of `items`, shape [len(items)]: RLlib's connectors and batches pass it untouched.

    `np.array(items, dtype=object)` would instead broadcast sequences of equal length into two dimensions.
    """
    items = list(items)
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array


def requests_of(batch: Mapping[str, Any]) -> list[Request]:
    """The requests of a module's forward batch, in row order: `batch[Columns.OBS]` holds one object per row."""
    return list(batch[Columns.OBS])
