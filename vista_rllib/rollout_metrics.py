"""Metrics of sampled episodes, as they appear at the top level of a training result."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from ray.rllib.env.multi_agent_episode import MultiAgentEpisode

from envs.episode_record import EpisodeRecord
from vista_rllib.connectors import RECORD, TRANSCRIPTS


def rollout_metrics(episodes: Sequence[MultiAgentEpisode]) -> dict[str, float]:
    """Means over episodes without a fault, and counts over all.

    `reward_mean`, `accuracy`, `tool_calls_per_episode`, `turns_per_episode`, `attempts_per_episode`,
    `model_errors_per_episode`, `response_tokens` (sampled by the VLM per episode), `truncated` (share that hit
    a limit), `reward/PART` per reward term, `fault_count`, `fault_count/KIND`, and of every tool that was called (in
    faulted episodes too) `tools/NAME/calls`, `tools/NAME/seconds` in all, `tools/NAME/failed` with an error or a fault.
    """
    records = [episode.custom_data[RECORD] for episode in episodes]
    faults = Counter(record.fault.kind for record in records if record.fault is not None)
    metrics: dict[str, float] = {"fault_count": faults.total()}
    metrics |= {f"fault_count/{kind}": count for kind, count in faults.items()}
    metrics |= _tool_metrics(records)
    clean = [episode for episode in episodes if episode.custom_data[RECORD].fault is None]
    if not clean:
        return metrics
    records = [episode.custom_data[RECORD] for episode in clean]

    def mean(values: Sequence[float]) -> float:
        return sum(values) / len(values)

    metrics |= {
        "reward_mean": mean([record.reward for record in records]),
        "accuracy": mean([record.correct for record in records]),
        "truncated": mean([record.end != "answered" for record in records]),
        "response_tokens": mean(
            [t.num_sampled for e in clean for agent, t in e.custom_data[TRANSCRIPTS].items() if agent == "vlm"] or [0]
        ),
    }
    for name in ("turns", "tool_calls", "attempts", "model_errors"):
        metrics[f"{name}_per_episode"] = mean([record.extras[name] for record in records])
    for part in sorted({part for record in records for part in record.reward_parts}):
        metrics[f"reward/{part}"] = mean([record.reward_parts.get(part, 0.0) for record in records])
    return metrics


def _tool_metrics(records: Sequence[EpisodeRecord]) -> dict[str, float]:
    metrics: dict[str, float] = defaultdict(float)
    for record in records:
        for step in record.steps:
            if step.call is not None and step.result is not None:
                prefix = f"tools/{step.call.name}"
                metrics[f"{prefix}/calls"] += 1
                metrics[f"{prefix}/seconds"] += step.result.wall_s
                metrics[f"{prefix}/failed"] += step.result.error is not None
    return dict(metrics)
