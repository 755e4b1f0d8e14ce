"""`Stats`: what a log says about the policy that wrote it."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from envs.question_type import question_type
from vista_rllib.trajectories.reader import iter_trajectories
from vista_rllib.trajectories.tool_stats import ToolStats

COLUMNS = [
    "episode_id", "question", "metadata", "group_id", "iteration", "turns", "calls", "reward", "reward_parts",
    "grade", "faults", "end", "wall_s",
]  # fmt: skip
"""What statistics need: no messages, no tokens."""


@dataclass(slots=True)
class Stats:
    """Counts and sums over a log. Episodes voided by a fault are counted in `faults` and `tools`, and in nothing else.

    Attributes:
        episodes: without a fault.
        voided: with a fault.
        correct: right at the end.
        answered: gave an answer that was graded.
        calls: tool calls by tool name.
        errors: model errors of turns and calls, by code.
        faults: by kind.
        ends: episodes by why they ended.
        turns: VLM turns.
        tokens: sampled tokens; 0 for scripted policies.
        groups: distinct group ids.
        iterations: distinct iterations.
        reward: sum.
        wall_s: sum of seconds.
        parts: sum of each reward part.
        kinds: (right, all) by question kind: the task's `kind` metadata, or else what the wording says.
        cached: calls served from the cache.
        tools: what each tool was asked, how long it took and what failed.
    """

    episodes: int = 0
    voided: int = 0
    correct: int = 0
    answered: int = 0
    calls: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    turns: int = 0
    tokens: int = 0
    groups: set[str] = field(default_factory=set)
    iterations: set[int] = field(default_factory=set)
    reward: float = 0.0
    wall_s: float = 0.0
    parts: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    kinds: dict[str, tuple[int, int]] = field(default_factory=dict)
    cached: int = 0
    tools: dict[str, ToolStats] = field(default_factory=lambda: defaultdict(ToolStats))

    def add(self, row: dict[str, Any]) -> None:
        """Counts one row of the log."""
        self.groups.add(row["group_id"])
        self.iterations.add(row["iteration"])
        for call in row["calls"]:
            self.tools[call["name"]].add(call)
        if row["faults"]:
            self.voided += 1
            self.faults.update(fault["kind"] for fault in row["faults"])
            return
        right = row["grade"] is not None and row["grade"]["correct"]
        self.episodes += 1
        self.correct += right
        self.answered += row["grade"] is not None
        self.ends[row["end"] or "?"] += 1
        self.reward += row["reward"]
        self.wall_s += row["wall_s"]
        for name, value in row["reward_parts"].items():
            self.parts[name] += value
        for turn in row["turns"]:
            self.turns += 1
            self.tokens += turn["num_tokens"]
            if turn["error_code"]:
                self.errors[turn["error_code"]] += 1
        called = {call["turn"]: call for call in row["calls"]}
        for index, call in called.items():
            self.calls[call["name"]] += 1
            self.cached += bool(call["cached"])
            if call["error_code"] and not row["turns"][index]["error_code"]:
                self.errors[call["error_code"]] += 1
        kind = kind_of(row["metadata"], row["question"])
        hits, total = self.kinds.get(kind, (0, 0))
        self.kinds[kind] = (hits + right, total + 1)

    def summary(self) -> dict[str, float]:
        """Means per episode (0 for an empty log)."""
        count = max(self.episodes, 1)
        return {
            "episodes": self.episodes,
            "voided by a fault": self.voided,
            "groups": len(self.groups),
            "iterations": len(self.iterations),
            "accuracy": self.correct / count,
            "answered": self.answered / count,
            "reward": self.reward / count,
            "tool calls per episode": self.calls.total() / count,
            "turns per episode": self.turns / count,
            "tokens per episode": self.tokens / count,
            "seconds per episode": self.wall_s / count,
        }


def kind_of(metadata: str, question: str) -> str:
    """The question's kind: `kind` in the task's metadata, or else `envs.question_type`."""
    extras = json.loads(metadata) if metadata else {}
    kind = extras.get("kind") if isinstance(extras, dict) else None
    return kind if isinstance(kind, str) else question_type(question)


def gather(rows: Iterable[dict[str, Any]]) -> Stats:
    """Statistics of rows that have `COLUMNS`."""
    stats = Stats()
    for row in rows:
        stats.add(row)
    return stats


def log_stats(path: str | Path) -> Stats:
    """Statistics of the log at `path`. Raises `TrajectoryLogError` when there is none."""
    return gather(iter_trajectories(path, COLUMNS))
