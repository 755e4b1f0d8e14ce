"""Which tables become charts, of which type, in which split; and endless variations of the training ones."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import random
from collections.abc import Iterator
from functools import lru_cache

from envs.datasets.embedded_charts import CHARACTER
from envs.datasets.embedded_spec import MAX_LABEL, ChartSpec, Kind, decimals_for, printed
from envs.datasets.embedded_tables import Table, public_tables

QUOTAS = {"train": 340, "val": 40, "test": 120}
"""Charts of each split."""
SEED = 4
"""Draws chart types and splits; this one gives every split about the same mix of types."""
MAX_SHARED_CELLS = 1 / 3
"""Two tables that share a larger part of the smaller one's (label, number) cells go to the same split."""
_PLOT_WIDTH = 425.0
"""Pixels between the sides of an upright plot without numbers on its axis."""


@lru_cache(maxsize=1)
def published_specs() -> dict[str, tuple[ChartSpec, ...]]:
    """The charts of the embedded set by split. No table, nor one that shares a third of its cells, is in two splits."""
    rng = random.Random(SEED)
    tables = sorted(public_tables(), key=lambda table: hashlib.sha256(repr(table).encode()).digest())
    specs = [spec for table in tables if (spec := to_spec(table, rng))]
    specs.sort(key=lambda spec: spec.kind != "pie" and len(spec.series) == 1)  # the rarer ones first: all are used
    chosen: dict[str, list[ChartSpec]] = {split: [] for split in QUOTAS}
    for spec in specs:
        room = {split: quota - len(chosen[split]) for split, quota in QUOTAS.items() if quota > len(chosen[split])}
        if not room:
            break
        near = {split for split, taken in chosen.items() if any(shares_cells(spec, one) for one in taken)}
        split = rng.choices(list(room), list(room.values()))[0] if not near else near.pop()
        if not near and split in room and spec.cells not in {other.cells for other in chosen[split]}:
            chosen[split].append(spec)
    return {split: tuple(rng.sample(taken, len(taken))) for split, taken in chosen.items()}


def shares_cells(a: ChartSpec, b: ChartSpec) -> bool:
    """Whether more than `MAX_SHARED_CELLS` of the smaller table is in the other one."""
    return len(a.cells & b.cells) > MAX_SHARED_CELLS * min(len(a.cells), len(b.cells))


def to_spec(table: Table, rng: random.Random) -> ChartSpec | None:
    """Rounds a table and picks a chart type it is readable in; None when its numbers are too alike or nothing fits."""
    decimals = decimals_for(v for column in table.values for v in column)
    columns = [[printed(v, decimals) for v in column] for column in table.values]
    rows = [i for i in range(len(table.labels)) if all(column[i] > 0 for column in columns)]
    labels = tuple({"University Farm": "Univ. Farm"}.get(table.labels[i], table.labels[i]) for i in rows)
    if (
        max(map(max, columns)) > 9999
        or len(rows) < 3
        or len(set(labels)) < len(labels)
        or max(map(len, labels)) > MAX_LABEL
    ):
        return None
    values = tuple(tuple(column[i] for i in rows) for column in columns)
    for column in values:
        if len(set(column)) < max(3, 0.7 * len(column)) or float(max(column) - min(column)) < 0.02 * float(max(column)):
            return None
    spec = ChartSpec(
        kind="v_bar",
        title=table.title,
        measure=table.measure,
        category=table.category,
        labels=labels,
        series=table.series,
        values=values,
        decimals=decimals,
        source=table.source,
        style=rng.randrange(1 << 30),
    )
    kinds = _kinds(spec, table.share)
    if not kinds:
        return None
    kind = rng.choices(list(kinds), list(kinds.values()))[0]
    spaced = sorted(values[0])
    apart = min(float(b - a) for a, b in itertools.pairwise(spaced)) > 0.06 * float(spaced[-1])
    labelled = not (kind in ("v_bar", "h_bar") and len(values) == 1 and apart and rng.random() < 0.15)
    return dataclasses.replace(spec, kind=kind, labelled=labelled)


def _kinds(spec: ChartSpec, share: bool) -> dict[Kind, float]:
    """Chart types that the table is readable in, with weights that give the set's proportions."""
    single = len(spec.series) == 1
    number = max(len(spec.text(v)) for column in spec.values for v in column)
    slot = _PLOT_WIDTH / len(spec.labels)
    upright = max(max(map(len, spec.labels)), number * len(spec.series)) * CHARACTER + 8 <= slot
    total = sum(map(float, spec.values[0]))
    slices = single and share and len(spec.labels) <= 6 and float(min(spec.values[0])) >= 0.05 * total
    if slices:
        return {"pie": 0.9, "h_bar": 0.1}
    if not spec.temporal:
        return {"h_bar": 0.42, "v_bar": 0.58} if upright else {"h_bar": 1.0}
    apart = single or min(map(max, spec.values)) < max(map(min, spec.values))
    if not upright:
        return {}
    return {"v_bar": 0.63, "line": 0.37} if apart else {"v_bar": 1.0}


def sample_tables(seed: int, n: int) -> Iterator[ChartSpec]:
    """`n` new charts made from training tables only: rows of one or two tables of a kind, numbers redrawn.

    No result shares more than `MAX_SHARED_CELLS` with a held-out table.
    """
    rng = random.Random(seed)
    splits = published_specs()
    train = splits["train"]
    held_out = splits["val"] + splits["test"]
    made = 0
    while made < n:
        spec = _vary(rng.choice(train), train, rng)
        if spec is not None and not any(shares_cells(spec, other) for other in held_out):
            made += 1
            yield spec


def _vary(base: ChartSpec, train: tuple[ChartSpec, ...], rng: random.Random) -> ChartSpec | None:
    labels = list(base.labels)
    if not base.temporal:  # points in time keep their order and company
        others = [spec for spec in train if spec.category == base.category]
        labels = list(dict.fromkeys([*labels, *rng.choice(others).labels]))
        labels = rng.sample(labels, rng.randint(3, min(7, len(labels))))
    elif len(labels) > 4:
        start = rng.randrange(len(labels) - 3)
        labels = labels[start : rng.randint(start + 3, len(labels))]
    columns = []
    for column in base.values:
        drawn = [float(rng.choice(column)) * rng.lognormvariate(0.0, 0.25) for _ in labels]
        columns.append(tuple(drawn))
    whole = base.decimals == 0
    table = Table(
        source=base.source,
        title=base.title,
        measure=base.measure,
        category=base.category,
        labels=tuple(labels),
        series=base.series,
        values=tuple(tuple(float(round(v)) if whole else v for v in column) for column in columns),
        share=base.kind == "pie" or (not base.temporal and len(base.series) == 1 and rng.random() < 0.15),
    )
    return to_spec(table, rng)
