"""RLlib connector pieces: episodes into requests, module outputs into actions, episodes into training rows."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from ray.rllib.connectors.connector_v2 import ConnectorV2
from ray.rllib.core.columns import Columns
from ray.rllib.env.multi_agent_episode import MultiAgentEpisode

from policies.request import Request, object_array
from policies.transcript import Transcript
from vista_rllib.advantages import ADVANTAGES
from vista_rllib.train_row import TrainRow

TRANSCRIPTS = "transcripts"
"""Key of `episode.custom_data`: agent id to `Transcript`."""
RECORD = "record"
"""Key of `episode.custom_data`: the `EpisodeRecord`."""
JOB = "job"
"""Key of `episode.custom_data`: the `RolloutJob` that the episode runs."""
ROWS = "rows"
"""Column of the train batch: one `TrainRow` per transcript."""


class EpisodesToRequests(ConnectorV2):
    """Env-to-module: one `Request` under `Columns.OBS` for every agent that must act, by module id.

    `shared_data["acting"]` maps each module id to the (episode, agent id) of every row.
    """

    def __call__(
        self,
        *,
        rl_module: Any,
        batch: dict[str, Any],
        episodes: list[MultiAgentEpisode],
        explore: bool | None = None,
        shared_data: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        acting: dict[str, list[tuple[MultiAgentEpisode, str]]] = {}
        requests: dict[str, list[Request]] = {}
        for episode in episodes:
            for agent_id in episode.get_agents_to_act():
                module_id = episode.module_for(agent_id)
                acting.setdefault(module_id, []).append((episode, agent_id))
                requests.setdefault(module_id, []).append(_request(episode, agent_id))
        for module_id, rows in requests.items():
            batch.setdefault(module_id, {})[Columns.OBS] = object_array(rows)
        if shared_data is not None:
            shared_data["acting"] = acting
        return batch


def _request(episode: MultiAgentEpisode, agent_id: str) -> Request:
    agent = episode.agent_episodes[agent_id]
    observations, actions = agent.observations.data, agent.actions.data
    transcripts = episode.custom_data.setdefault(TRANSCRIPTS, {})
    job = episode.custom_data.get(JOB)
    return Request(
        episode_id=episode.id_,
        agent_id=agent_id,
        observation=observations[-1],
        history=tuple(zip(observations[:-1], actions, strict=True)),
        transcript=transcripts.setdefault(agent_id, Transcript()),
        seed=_action_seed(job.seed if job is not None else zlib.crc32(episode.id_.encode()), agent_id, len(actions)),
    )


def _action_seed(episode_seed: int, agent_id: str, turn: int) -> int:
    """A seed for one action: reproducible, and independent across episodes, agents and turns."""
    sequence = np.random.SeedSequence([episode_seed, zlib.crc32(agent_id.encode()), turn])
    return int(sequence.generate_state(1, np.uint64)[0])


class OutputsToActions(ConnectorV2):
    """Module-to-env: `{module id: {Columns.ACTIONS: [rows]}}` into one dict of agent actions per episode id.

    The result has `Columns.ACTIONS` (stored in the episode) and may get `Columns.ACTIONS_FOR_ENV` from a later piece.
    """

    def __call__(
        self,
        *,
        rl_module: Any,
        batch: dict[str, Any],
        episodes: list[MultiAgentEpisode],
        explore: bool | None = None,
        shared_data: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        acting = (shared_data or {})["acting"]
        actions: dict[str, dict[str, Any]] = {}
        for module_id, outputs in batch.items():
            for (episode, agent_id), action in zip(acting[module_id], outputs[Columns.ACTIONS], strict=True):
                actions.setdefault(episode.id_, {})[agent_id] = action
        return {Columns.ACTIONS: actions}


class EpisodesToTrainRows(ConnectorV2):
    """Learner: every trained agent's transcript into a `TrainRow` with its group-relative advantage.

    Episodes with a fault are left out here, before the statistics of their group are computed. Whole episodes come in,
    so an advantage never sees half a group (`LearnerGroup.update(episodes=...)` would cut episodes between learners).
    """

    def __init__(
        self,
        *args: Any,
        advantage: str,
        trained: Callable[[str], bool],
        drop_zero_variance: bool = False,
        **kwargs: Any,
    ) -> None:
        """Args:
        advantage: registered advantage estimator.
        trained: whether a module id is trained.
        drop_zero_variance: leave out groups whose rewards are all equal.
        """
        super().__init__(*args, **kwargs)
        self._advantage = ADVANTAGES.resolve(advantage)
        self._trained = trained
        self._drop_zero_variance = drop_zero_variance

    def __call__(
        self,
        *,
        rl_module: Any,
        batch: dict[str, Any],
        episodes: list[MultiAgentEpisode],
        **kwargs: Any,
    ) -> dict[str, Any]:
        rows: dict[str, list[TrainRow]] = {}
        for episode in episodes:
            if episode.custom_data[RECORD].fault is not None:
                continue
            for agent_id, transcript in episode.custom_data[TRANSCRIPTS].items():
                module_id = episode.module_for(agent_id)
                if self._trained(module_id) and transcript.num_sampled:
                    reward = float(episode.agent_episodes[agent_id].get_return())
                    group = episode.custom_data[JOB].group_id
                    rows.setdefault(module_id, []).append(
                        TrainRow.from_transcript(transcript, group, reward, episode.id_)
                    )
        for module_id, module_rows in rows.items():
            kept = self._with_advantages(module_rows)
            if kept:
                batch[module_id] = {ROWS: object_array(kept)}
        return batch

    def _with_advantages(self, rows: Sequence[TrainRow]) -> list[TrainRow]:
        rewards = torch.tensor([row.reward for row in rows], dtype=torch.float64)
        groups = torch.tensor([row.group_id for row in rows], dtype=torch.int64)
        advantages = self._advantage(rewards, groups).tolist()
        for row, advantage in zip(rows, advantages, strict=True):
            row.advantage = advantage
        if not self._drop_zero_variance:
            return list(rows)
        varied = {row.group_id for row in rows if row.advantage != 0.0}
        return [row for row in rows if row.group_id in varied]
