"""`Ledger`: which tasks were handed out, finished and trained on; kept by the driver, saved in the checkpoint."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tools.errors import VistaError
from vista_rllib.ledger_log import LedgerEntry, LedgerLog

MAX_REPLICAS = 1024
"""Seeds set apart for each group, so that no replica of one group shares a seed with another group's."""

STATE_VERSION = 1


class LedgerError(VistaError):
    """A group in the wrong state, or a checkpoint of another data set."""


@dataclass(frozen=True, slots=True)
class Job:
    """One group to sample: some number of episodes (replicas) of one task.

    Attributes:
        task_id: the task.
        group_id: `epoch * number of tasks + position in the epoch's permutation`: unique in the run.
        epoch: pass over the tasks, from 0.
        seed: seed of the first replica, in [0, 2^62).
    """

    task_id: str
    group_id: int
    epoch: int
    seed: int

    def replica_seed(self, replica: int) -> int:
        """Seed of episode `replica` of this group: `seed + replica`.

        Raises:
            LedgerError: `replica` is not in [0, MAX_REPLICAS).
        """
        if not 0 <= replica < MAX_REPLICAS:
            raise LedgerError(f"replica {replica} of group {self.group_id}: expected 0 to {MAX_REPLICAS - 1}")
        return self.seed + replica


class Ledger:
    """Hands out tasks in a seeded permutation per epoch and keeps account of them.

    A group is handed out, then finished (its episodes are sampled), then trained on or skipped. `train` is the one
    point where groups are consumed for good: it writes the log, and a checkpoint made after it holds exactly what the
    log holds. Groups that were handed out, finished or skipped but not yet committed by `train` when a state was saved
    are handed out again, with the same seeds, after it is restored.

    Args:
        task_ids: unique, in the data set's order.
        seed: of the permutations and of the groups' seeds.
        fingerprint: identifies the data set; a state of another one is refused.
        log: audit log that `train` appends to and `set_state` cuts back; None for no log.

    Raises:
        LedgerError: no tasks, or an id twice.
    """

    def __init__(
        self, task_ids: Sequence[str], seed: int = 0, fingerprint: str = "", log: LedgerLog | None = None
    ) -> None:
        if not task_ids:
            raise LedgerError("a ledger needs at least one task")
        twice = [task_id for task_id, count in Counter(task_ids).items() if count > 1]
        if twice:
            raise LedgerError(
                f"task ids are not unique: {twice[0]!r}" + f" and {len(twice) - 1} more" * (len(twice) > 1)
            )
        self._task_ids = tuple(task_ids)
        digest = hashlib.sha256("\0".join(task_ids).encode()).hexdigest()[:16]
        self._seed = seed
        self._identity = {"fingerprint": fingerprint, "seed": seed, "tasks": f"{len(task_ids)} ids, sha256 {digest}"}
        self._first_seed = int(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0])
        self._permutation: tuple[int, np.ndarray] | None = None  # of the epoch asked for last
        self._log = log
        self._next = 0
        self._again: list[int] = []  # left open by a restored state, to be handed out first
        self._handed_out: set[int] = set()
        self._finished: set[int] = set()
        self._to_skip: dict[int, str] = {}  # skipped since the last `train`
        self._trained = 0
        self._skipped: Counter[str] = Counter()
        self._iteration = 0

    @property
    def iteration(self) -> int:
        """The iteration of the last `train`, 0 before the first."""
        return self._iteration

    def job(self, group_id: int) -> Job:
        """The job of a group, whatever its state: a pure function of the ledger's seed and tasks."""
        epoch, position = divmod(group_id, len(self._task_ids))
        if self._permutation is None or self._permutation[0] != epoch:
            order = np.random.default_rng((self._seed, epoch)).permutation(len(self._task_ids))
            self._permutation = (epoch, order)
        task_id = self._task_ids[self._permutation[1][position]]
        return Job(task_id, group_id, epoch, (self._first_seed + group_id * MAX_REPLICAS) % 2**62)

    def next_groups(self, n: int) -> list[Job]:
        """Hands out `n` groups: first those that a restored state left open, then the permutation, epoch after epoch.

        Raises:
            LedgerError: `n` is below 1.
        """
        if n < 1:
            raise LedgerError(f"asked for {n} groups, expected at least 1")
        again = self._again[:n]
        del self._again[:n]
        fresh = range(self._next, self._next + n - len(again))
        self._next = fresh.stop
        self._handed_out.update((*again, *fresh))
        return [self.job(group_id) for group_id in (*again, *fresh)]

    def finish(self, group_id: int) -> None:
        """The group's episodes are sampled.

        Raises:
            LedgerError: the group is not handed out.
        """
        self._require((group_id,), self._handed_out, "handed out")
        self._handed_out.remove(group_id)
        self._finished.add(group_id)

    def skip(self, group_id: int, reason: str) -> None:
        """The group is not trained on, for `reason` (`zero_variance`): it is consumed by the next `train`.

        Raises:
            LedgerError: the group is neither handed out nor finished.
        """
        self._require((group_id,), self._handed_out | self._finished, "handed out or finished")
        self._handed_out.discard(group_id)
        self._finished.discard(group_id)
        self._to_skip[group_id] = reason

    def fault(self, group_id: int, reason: str) -> None:
        """Our faults (`reason`: their kind) left too few episodes of the group to learn from: it is skipped."""
        self.skip(group_id, f"fault:{reason}")

    def train(self, group_ids: Iterable[int], iteration: int) -> None:
        """The groups were trained on in `iteration`; those skipped since the last call are consumed with them.

        Call it once per iteration, after the update and before a checkpoint, with no groups if all were skipped.

        Raises:
            LedgerError: a group is not finished, or `iteration` does not grow. Nothing has changed then.
            LedgerLogError: the log cannot be written. Nothing has changed then.
        """
        trained = list(group_ids)
        if iteration <= self._iteration:
            raise LedgerError(f"iteration {iteration} after iteration {self._iteration}: expected a later one")
        if len(set(trained)) < len(trained):
            raise LedgerError(f"iteration {iteration} trains a group twice: {sorted(trained)}")
        self._require(trained, self._finished, "finished")
        if self._log is not None:
            reasons = dict.fromkeys(trained, "") | self._to_skip
            jobs = [(self.job(group_id), reason) for group_id, reason in sorted(reasons.items())]
            self._log.append(iteration, [LedgerEntry(j.group_id, j.epoch, j.task_id, reason) for j, reason in jobs])
        self._finished.difference_update(trained)
        self._trained += len(trained)
        self._skipped.update(self._to_skip.values())
        self._to_skip.clear()
        self._iteration = iteration

    def counts(self) -> dict[str, int]:
        """Groups by state and `skipped/REASON` (trained and skipped over the whole run), `epoch` of the next group."""
        skipped = self._skipped + Counter(self._to_skip.values())
        return {
            "epoch": self._next // len(self._task_ids),
            "handed_out": len(self._handed_out),
            "finished": len(self._finished),
            "trained": self._trained,
            "skipped": skipped.total(),
            **{f"skipped/{reason}": count for reason, count in sorted(skipped.items())},
        }

    def get_state(self) -> dict[str, Any]:
        """JSON-compatible. See the class for what becomes of groups that are not consumed."""
        return {
            "version": STATE_VERSION,
            **self._identity,
            "iteration": self._iteration,
            "next": self._next,
            "open": sorted({*self._again, *self._handed_out, *self._finished, *self._to_skip}),
            "trained": self._trained,
            "skipped": dict(self._skipped),
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Goes on from a saved state; cuts the log back to its iteration.

        Raises:
            LedgerError: the state is of another data set, seed or version; names both.
            LedgerLogError: the log cannot be read or cut.
        """
        for key, own in {"version": STATE_VERSION, **self._identity}.items():
            if state.get(key) != own:
                raise LedgerError(f"the ledger's state has {key} {state.get(key)!r}, but this run has {own!r}")
        if self._log is not None:
            self._log.rewind(state["iteration"])
        self._next = state["next"]
        self._again = list(state["open"])
        self._handed_out.clear()
        self._finished.clear()
        self._to_skip.clear()
        self._trained = state["trained"]
        self._skipped = Counter(state["skipped"])
        self._iteration = state["iteration"]

    def _require(self, group_ids: Iterable[int], expected: set[int], state: str) -> None:
        for group_id in group_ids:
            if group_id not in expected:
                raise LedgerError(f"group {group_id} is {self._state_of(group_id)}, expected {state}")

    def _state_of(self, group_id: int) -> str:
        states = {"handed out": self._handed_out, "finished": self._finished, "skipped": self._to_skip}
        for state, members in states.items():
            if group_id in members:
                return state
        return "consumed" if 0 <= group_id < self._next and group_id not in self._again else "not handed out"
