"""The ledger: permutations, states, exact resume, and simulated kills at every point."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vista_rllib.ledger import MAX_REPLICAS, Job, Ledger, LedgerError
from vista_rllib.ledger_log import LedgerEntry, LedgerLog, LedgerLogError, verify

TASKS = [f"task-{i}" for i in range(7)]


def step(ledger: Ledger, n: int) -> list[Job]:
    """One synchronous iteration: `n` groups, of which every fifth task is skipped."""
    jobs = ledger.next_groups(n)
    for job in jobs:
        if job.task_id == TASKS[4]:
            ledger.skip(job.group_id, "zero_variance")
        else:
            ledger.finish(job.group_id)
    ledger.train([job.group_id for job in jobs if job.task_id != TASKS[4]], ledger.iteration + 1)
    return jobs


def test_every_epoch_is_another_permutation_of_all_tasks() -> None:
    ledger = Ledger(TASKS, seed=3)
    jobs = [job for n in (1, 5, 8, 7) for job in ledger.next_groups(n)]
    epochs = [[job.task_id for job in jobs if job.epoch == epoch] for epoch in range(3)]
    assert all(sorted(epoch) == TASKS for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]
    assert [job.group_id for job in jobs] == list(range(21))
    again = Ledger(TASKS, seed=3)
    assert again.next_groups(21) == jobs == [again.job(i) for i in range(21)]
    assert Ledger(TASKS, seed=4).next_groups(21) != jobs


@given(seed=st.integers(0, 2**40))
def test_no_two_episodes_share_a_seed(seed: int) -> None:
    jobs = Ledger(TASKS, seed=seed).next_groups(30)
    seeds = [job.replica_seed(replica) for job in jobs for replica in (0, 1, MAX_REPLICAS - 1)]
    assert len(set(seeds)) == len(seeds) and min(seeds) >= 0 and max(seeds) < 2**63
    assert jobs[0].replica_seed(5) == jobs[0].seed + 5


def test_counts_follow_the_groups() -> None:
    ledger = Ledger(TASKS)
    a, b, c, d = (job.group_id for job in ledger.next_groups(4))
    ledger.finish(a)
    ledger.finish(b)
    ledger.skip(b, "zero_variance")
    ledger.fault(c, "ToolTimeout")
    counts = {"epoch": 0, "handed_out": 1, "finished": 1, "trained": 0, "skipped": 2}
    counts |= {"skipped/fault:ToolTimeout": 1, "skipped/zero_variance": 1}
    assert ledger.counts() == counts
    ledger.train([a], 1)
    assert ledger.counts() == counts | {"finished": 0, "trained": 1}
    assert ledger.get_state()["open"] == [d]


def test_groups_in_the_wrong_state_are_refused_by_name() -> None:
    ledger = Ledger(TASKS)
    (job,) = ledger.next_groups(1)
    with pytest.raises(LedgerError, match="group 0 is handed out, expected finished"):
        ledger.train([0], 1)
    ledger.finish(0)
    with pytest.raises(LedgerError, match="group 0 is finished, expected handed out"):
        ledger.finish(0)
    with pytest.raises(LedgerError, match="trains a group twice"):
        ledger.train([0, 0], 1)
    ledger.train([0], 1)
    with pytest.raises(LedgerError, match="group 0 is consumed, expected finished"):
        ledger.train([0], 2)
    with pytest.raises(LedgerError, match="group 9 is not handed out, expected handed out or finished"):
        ledger.skip(9, "zero_variance")
    with pytest.raises(LedgerError, match="iteration 1 after iteration 1"):
        ledger.train([], 1)
    with pytest.raises(LedgerError, match="asked for 0 groups"):
        ledger.next_groups(0)
    with pytest.raises(LedgerError, match="replica 1024 of group 0"):
        job.replica_seed(MAX_REPLICAS)


def test_bad_task_ids() -> None:
    with pytest.raises(LedgerError, match="at least one task"):
        Ledger([])
    with pytest.raises(LedgerError, match="not unique: 'b' and 1 more"):
        Ledger(["a", "b", "b", "c", "c"])


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (Ledger(TASKS, 1, "chartqa-2"), "fingerprint 'chartqa-1', but this run has 'chartqa-2'"),
        (Ledger(TASKS, 2, "chartqa-1"), "seed 1, but this run has 2"),
        (Ledger(TASKS[:-1], 1, "chartqa-1"), "tasks '7 ids, .*, but this run has '6 ids"),
    ],
)
def test_a_state_of_another_data_set_is_refused(other: Ledger, message: str) -> None:
    with pytest.raises(LedgerError, match=message):
        other.set_state(Ledger(TASKS, 1, "chartqa-1").get_state())


@given(sizes=st.lists(st.integers(1, 10), min_size=2, max_size=8), cut=st.integers(0, 7))
def test_a_resumed_run_is_the_uninterrupted_run(sizes: list[int], cut: int) -> None:
    whole = Ledger(TASKS, seed=1)
    expected = [step(whole, n) for n in sizes]
    before = Ledger(TASKS, seed=1)
    done = [step(before, n) for n in sizes[:cut]]
    resumed = Ledger(TASKS, seed=1)
    resumed.set_state(json.loads(json.dumps(before.get_state())))
    assert done + [step(resumed, n) for n in sizes[cut:]] == expected
    assert resumed.get_state() == whole.get_state() and resumed.counts() == whole.counts()


def test_open_groups_are_handed_out_again_first_with_their_seeds() -> None:
    ledger = Ledger(TASKS, seed=5)
    jobs = ledger.next_groups(5)
    for group in (0, 2, 3):
        ledger.finish(group)
    ledger.train([2], 1)
    ledger.skip(3, "zero_variance")  # not yet committed by a `train`
    resumed = Ledger(TASKS, seed=5)
    resumed.set_state(ledger.get_state())
    assert resumed.next_groups(3) == [jobs[0], jobs[1], jobs[3]]
    assert resumed.get_state()["open"] == [0, 1, 3, 4]
    assert [job.group_id for job in resumed.next_groups(2)] == [4, 5]


class Killed(Exception):
    """The simulated kill -9."""


def run_until_killed(path: Path, checkpoint: str, iterations: int, lifetime: int, rng: random.Random) -> str:
    """An asynchronous driver: groups finish in any order, a checkpoint every second iteration, killed after `lifetime`
    actions. Returns the last checkpoint that was made (empty: none).

    Raises:
        Killed: with the last checkpoint as its argument.
    """

    def act() -> None:
        nonlocal lifetime
        if (lifetime := lifetime - 1) < 0:
            raise Killed(checkpoint)

    log = LedgerLog(path)
    ledger = Ledger(TASKS, 1, "data", log)
    if checkpoint:
        ledger.set_state(json.loads(checkpoint))
    else:
        log.rewind(0)
    act()
    running: list[int] = []
    while ledger.iteration < iterations:
        ready: list[int] = []
        while len(ready) < 3:
            running += [job.group_id for job in ledger.next_groups(rng.randint(1, 4))]
            act()
            for group in rng.sample(running, rng.randint(0, len(running))):
                running.remove(group)
                if rng.random() < 0.2:
                    ledger.fault(group, "ToolTimeout")
                else:
                    ledger.finish(group)
                    ready.append(group)
                act()
        ledger.train(ready, ledger.iteration + 1)
        act()
        if ledger.iteration % 2 == 0:
            checkpoint = json.dumps(ledger.get_state())
            act()
    return json.dumps(ledger.get_state())


@settings(max_examples=60, deadline=None)
@given(lifetimes=st.lists(st.integers(0, 60), max_size=6), torn=st.booleans(), seed=st.integers(0, 2**16))
def test_no_kill_loses_or_repeats_a_task(
    tmp_path_factory: pytest.TempPathFactory, lifetimes: list[int], torn: bool, seed: int
) -> None:
    path, rng, checkpoint = tmp_path_factory.mktemp("kills") / "ledger.jsonl", random.Random(seed), ""
    for lifetime in [*lifetimes, 10**6]:
        try:
            checkpoint = run_until_killed(path, checkpoint, 8, lifetime, rng)
        except Killed as killed:
            (checkpoint,) = killed.args
            if torn and path.exists():  # killed in the middle of a write
                with path.open("ab") as file:
                    file.write(b'{"iteration": 9, "att')
    state = json.loads(checkpoint)
    report = verify(path, TASKS, state["open"])
    assert report.ok, report
    assert (report.trained, report.skipped, report.iterations) == (state["trained"], sum(state["skipped"].values()), 8)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    groups = Counter(line["group_id"] for line in lines)
    assert groups.keys() | set(state["open"]) == set(range(state["next"]))
    assert set(groups.values()) == {1} and not groups.keys() & set(state["open"])


def test_log_lines_and_report(tmp_path: Path) -> None:
    path = tmp_path / "run" / "ledger.jsonl"
    ledger = Ledger(TASKS, log=LedgerLog(path, "first"))
    for _ in range(2):
        step(ledger, 4)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["group_id"] for line in lines] == list(range(8))
    assert {line["skipped"] for line in lines if line["task_id"] == TASKS[4]} == {"zero_variance"}
    assert all(line["attempt"] == "first" for line in lines)
    state = ledger.get_state()
    step(ledger, 4)
    resumed = Ledger(TASKS, log=LedgerLog(path, "second"))
    resumed.set_state(state)
    step(resumed, 4)
    report = verify(path, TASKS)
    assert report.ok and report.attempts == ("first", "second")
    assert (report.trained + report.skipped, report.iterations, report.epochs) == (12, 3, 2)


def test_verify_names_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    log = LedgerLog(path)
    log.append(1, [LedgerEntry(0, 0, "a"), LedgerEntry(1, 0, "a"), LedgerEntry(4, 1, "x")])
    report = verify(path, ["a", "b", "c"])
    assert not report.ok
    assert report.twice == ("epoch 0: task 'a', groups [0, 1]",)
    assert report.lost == ("epoch 0: group 2", "epoch 1: group 3")
    assert report.unknown == ("x",)
    assert verify(path, ["a", "b", "c"], in_flight=[2]).lost == ("epoch 1: group 3",)


def test_damaged_and_missing_logs_are_named(tmp_path: Path) -> None:
    with pytest.raises(LedgerLogError, match=r"none\.jsonl: no such"):
        verify(tmp_path / "none.jsonl", TASKS)
    path = tmp_path / "ledger.jsonl"
    path.write_text("{}\n")
    with pytest.raises(LedgerLogError, match=r"ledger\.jsonl: line 1 is not a ledger line"):
        LedgerLog(path)
    path.write_text("]\n")
    with pytest.raises(LedgerLogError, match="line 1 is not JSON"):
        LedgerLog(path)


def test_a_full_disk_keeps_what_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ledger.jsonl"
    ledger = Ledger(TASKS, log=LedgerLog(path))
    step(ledger, 2)
    written = path.read_bytes()
    for job in ledger.next_groups(2):
        ledger.finish(job.group_id)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(LedgerLogError, match=r"ledger\.jsonl: cannot write .*No space left"):
            ledger.train([2, 3], 2)
    assert path.read_bytes().startswith(written)
    ledger.train([2, 3], 2)  # nothing had changed: the same call works once there is room
    assert verify(path, TASKS).ok and path.read_bytes().startswith(written)
