"""`Groups`: sampled episodes by task, and which of them can be learned from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from ray.rllib.env.multi_agent_episode import MultiAgentEpisode

from vista_rllib.connectors import JOB, RECORD, TRANSCRIPTS


@dataclass(slots=True)
class Groups:
    """Attributes:
    learn: group id to its episodes without a fault; at least two each.
    faulted: group id to the kind of fault that left fewer than two episodes.
    flat: ids of groups whose rewards are all equal, left out if asked for.
    """

    learn: dict[int, list[MultiAgentEpisode]] = field(default_factory=dict)
    faulted: dict[int, str] = field(default_factory=dict)
    flat: list[int] = field(default_factory=list)

    @property
    def num_dropped(self) -> int:
        """Groups that are not learned from."""
        return len(self.faulted) + len(self.flat)

    @property
    def why_dropped(self) -> str:
        """For messages."""
        return f"{len(self.faulted)} groups lost to faults, {len(self.flat)} without any difference in reward"

    def episodes(self) -> list[MultiAgentEpisode]:
        """All episodes to learn from, group by group."""
        return [episode for group in self.learn.values() for episode in group]

    def shards(self, num: int) -> list[list[MultiAgentEpisode]]:
        """Whole groups dealt to `num` learners, balanced by tokens."""
        shards: list[list[MultiAgentEpisode]] = [[] for _ in range(num)]
        load = [0] * num
        for group in sorted(self.learn.values(), key=_tokens, reverse=True):
            lightest = min(range(num), key=load.__getitem__)
            shards[lightest] += group
            load[lightest] += _tokens(group)
        return shards


def sort_groups(episodes: Sequence[MultiAgentEpisode], trained: Sequence[str], drop_flat: bool) -> Groups:
    """Sorts episodes into groups.

    Args:
        episodes: all episodes of an iteration.
        trained: module ids that learn.
        drop_flat: leave out groups in which no trained agent's return differs.
    """
    members: dict[int, list[MultiAgentEpisode]] = defaultdict(list)
    for episode in episodes:
        members[episode.custom_data[JOB].group_id].append(episode)
    groups = Groups()
    for group_id, group in members.items():
        usable = [episode for episode in group if episode.custom_data[RECORD].fault is None]
        if len(usable) < 2:
            groups.faulted[group_id] = next(
                (e.custom_data[RECORD].fault.kind for e in group if e.custom_data[RECORD].fault), "missing"
            )
        elif drop_flat and not _varies(usable, trained):
            groups.flat.append(group_id)
        else:
            groups.learn[group_id] = usable
    return groups


def _varies(episodes: Sequence[MultiAgentEpisode], trained: Sequence[str]) -> bool:
    returns: dict[str, set[float]] = defaultdict(set)
    for episode in episodes:
        for agent_id, agent in episode.agent_episodes.items():
            if episode.module_for(agent_id) in trained:
                returns[agent_id].add(round(float(agent.get_return()), 9))
    return any(len(values) > 1 for values in returns.values())


def _tokens(group: Sequence[MultiAgentEpisode]) -> int:
    return sum(len(t) for episode in group for t in episode.custom_data[TRANSCRIPTS].values())
