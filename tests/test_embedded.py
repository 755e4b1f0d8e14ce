"""The embedded set: tables apart between splits, answers right, drawings reproducible, layout readable."""

from __future__ import annotations

import collections
import csv
import json
import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from envs.datasets.convert import convert
from envs.datasets.embedded import build_release, questions_for, render, sample_tables
from envs.datasets.embedded_charts import HEIGHT, WIDTH, draw
from envs.datasets.embedded_spec import MAX_LABEL, ChartSpec, decimals_for
from envs.datasets.embedded_specs import QUOTAS, published_specs, shares_cells
from envs.datasets.embedded_tables import public_tables
from envs.datasets.store import TaskSet, open_task_set
from tools.image import Image

ALL = [(split, spec) for split, specs in published_specs().items() for spec in specs]


def answer(program: list[str], columns: list[str], rows: list[list[str]]) -> str:
    """The gold answer, computed from the table alone by another route than the set's own code."""
    operation, series, *operands = program
    column = columns.index(series)
    number = {row[0]: Decimal(row[column]) for row in rows}
    printed = {row[0]: row[column] for row in rows}
    ranked = sorted(number.values())

    def row_of(value: Decimal) -> str:
        (name,) = [name for name, other in number.items() if other == value]  # a tie would be ambiguous
        return name

    def yes(truth: bool) -> str:
        return "Yes" if truth else "No"

    x = operands[0] if operands else ""
    y = operands[1] if len(operands) > 1 else ""
    return {
        "value": lambda: printed[x],
        "max": lambda: row_of(ranked[-1]),
        "min": lambda: row_of(ranked[0]),
        "second_max": lambda: row_of(ranked[-2]),
        "higher": lambda: x if number[x] > number[y] else y,
        "lower": lambda: x if number[x] < number[y] else y,
        "rows": lambda: str(len(rows)),
        "above": lambda: str(len([v for v in number.values() if v > Decimal(x)])),
        "below": lambda: str(len([v for v in number.values() if v < Decimal(x)])),
        "difference": lambda: str(number[x] - number[y]),
        "range": lambda: str(ranked[-1] - ranked[0]),
        "is_above": lambda: yes(number[x] > Decimal(y)),
        "is_higher": lambda: yes(number[x] > number[y]),
        "is_lower": lambda: yes(number[x] < number[y]),
    }[operation]()


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few charts of each split in the released layout."""
    folder = tmp_path_factory.mktemp("embedded")
    build_release(folder, limit=6)
    return folder


def test_sizes_and_mix() -> None:
    counts = collections.Counter(split for split, _ in ALL)
    assert counts == QUOTAS and counts["train"] >= 320 and counts["test"] >= 110 and counts["val"] >= 40
    for split in ("train", "test"):
        specs = published_specs()[split]
        kinds = collections.Counter(spec.kind for spec in specs)
        for kind, low, high in (("v_bar", 0.4, 0.5), ("h_bar", 0.15, 0.25), ("line", 0.15, 0.25), ("pie", 0.1, 0.2)):
            assert low <= kinds[kind] / len(specs) <= high, (split, kind)  # type: ignore[index]
        assert 0.1 <= sum(len(spec.series) == 2 for spec in specs) / len(specs) <= 0.2


def test_no_table_is_in_two_splits() -> None:
    tables = collections.defaultdict(set)
    for split, spec in ALL:
        tables[spec.cells].add(split)
    assert all(len(splits) == 1 for splits in tables.values())
    for split, spec in ALL:
        if split != "train":
            assert not any(shares_cells(spec, other) for side, other in ALL if side != split)


def test_charts_are_small_and_readable() -> None:
    for _, spec in ALL:
        assert 3 <= len(spec.labels) <= 8 and len(set(spec.labels)) == len(spec.labels)
        assert max(map(len, spec.labels)) <= MAX_LABEL
        for column in spec.values:
            assert all(value > 0 and len(spec.text(value).replace(".", "").lstrip("0")) <= 4 for value in column)
    assert sum(spec.labelled for _, spec in ALL) >= 0.95 * len(ALL)


def test_tables_come_from_real_numbers() -> None:
    tables = {(table.title, table.labels): table for table in public_tables()}
    mean = tables["Average miles per gallon by origin", ("Europe", "Japan", "USA")].values[0]
    assert mean == pytest.approx((27.891, 30.451, 20.084), abs=1e-3)
    iowa = next(
        table for (title, _), table in tables.items() if title.startswith("Electricity in Iowa by source, 2001")
    )
    assert dict(zip(iowa.labels, iowa.values[0], strict=True))["Fossil fuels"] == 35.361


@pytest.mark.parametrize(
    ("values", "decimals"),
    [([3.0, 120.0], 0), ([0.123, 9.9], 2), ([1.5, 10.2], 1), ([1.5, 999.2], 1), ([1.5, 1000.2], 0), ([0.5], 2)],
)
def test_decimals(values: list[float], decimals: int) -> None:
    assert decimals_for(values) == decimals


def test_questions_are_right_varied_and_balanced() -> None:
    kinds: collections.Counter[str] = collections.Counter()
    yes: collections.Counter[str] = collections.Counter()
    for _, spec in ALL:
        questions = questions_for(spec, random.Random(spec.style))
        table = spec.table
        assert 2 <= len(questions) <= 5
        for question in questions:
            columns, rows = table["columns"], table["rows"]
            assert question.label == answer(list(question.program), columns, rows), (question, rows)
            named = [operand for operand in question.program[2:] if operand in spec.labels]
            assert all(name in question.query for name in named), "rows are named exactly as printed"
            assert "{" not in question.query and question.query.endswith("?")
            if len(spec.series) > 1 and question.program[0] != "rows":
                assert question.program[1] in question.query
            kinds[question.kind] += 1
            if question.kind == "yes_no":
                yes[question.label] += 1
    total = sum(kinds.values())
    assert total >= 4 * len(ALL)
    for kind, share in (("retrieve", 0.4), ("compare", 0.17), ("count", 0.1), ("difference", 0.15), ("yes_no", 0.18)):
        assert abs(kinds[kind] / total - share) < 0.04, (kind, kinds[kind] / total)
    assert 0.44 <= yes["Yes"] / sum(yes.values()) <= 0.56


def test_release_has_the_layout_and_right_answers(release: Path) -> None:
    for split in ("train", "val", "test"):
        folder = release / split
        assert json.loads((folder / f"{split}_human.json").read_text()) == []
        records = json.loads((folder / f"{split}_augmented.json").read_text("utf-8"))
        assert len({record["imgname"] for record in records}) == 6
        for record in records:
            stem = Path(record["imgname"]).stem
            with (folder / "tables" / f"{stem}.csv").open(encoding="utf-8") as file:
                columns, *rows = csv.reader(file)
            assert record["label"] == answer(record["program"], columns, rows)
            annotation = json.loads((folder / "annotations" / f"{stem}.json").read_text("utf-8"))
            check_annotation(annotation, columns, rows)


def check_annotation(annotation: dict[str, Any], columns: list[str], rows: list[list[str]]) -> None:
    """Boxes lie inside the picture and the numbers are those of the table."""
    if annotation["type"] == "pie":
        assert [(model["name"], model["value"]) for model in annotation["models"]] == [
            (name, float(value)) for name, value in rows
        ]
        boxes = [model["bbox"] for model in annotation["models"]]
    else:
        assert [model["name"] for model in annotation["models"]] == columns[1:]
        for k, model in enumerate(annotation["models"], 1):
            assert model["y"] == [float(row[k]) for row in rows] and model["x"] == [row[0] for row in rows]
        boxes = [box for model in annotation["models"] for box in model["bboxes"]]
    for box in boxes:
        assert box["x"] >= 0 and box["x"] + box["w"] <= WIDTH and box["y"] >= 0 and box["y"] + box["h"] <= HEIGHT


def test_bars_lie_where_the_annotation_says() -> None:
    for kind in ("v_bar", "h_bar"):
        spec = next(spec for _, spec in ALL if spec.kind == kind and len(spec.series) == 1)
        drawing = draw(spec)
        picture = Image.from_bytes(drawing.png).pil()
        (model,) = drawing.models
        color = tuple(int(model["color"][i : i + 2], 16) for i in (1, 3, 5))
        for box in model["bboxes"]:
            middle = (int(box["x"] + box["w"] / 2), int(box["y"] + box["h"] / 2))
            assert picture.getpixel(middle) == color


def test_drawing_is_deterministic(release: Path, tmp_path: Path) -> None:
    build_release(tmp_path, limit=2)
    files = sorted(file.relative_to(tmp_path) for file in tmp_path.rglob("*.png"))
    assert len(files) == 6
    for file in files:
        assert (tmp_path / file).read_bytes() == (release / file).read_bytes()
    spec = published_specs()["train"][0]
    assert Image.from_bytes(render(spec)).size == (WIDTH, HEIGHT)


def test_adapter_reads_it(tmp_path: Path) -> None:
    calls: list[tuple[str, int, int | None]] = []
    report = convert("embedded", None, tmp_path / "set", limit=5, on_progress=lambda *call: calls.append(call))
    assert report.tasks == {"train": 5, "val": 5, "test": 5} and not report.skipped
    assert ("drawing charts", 15, 15) in calls
    task = TaskSet.open(tmp_path / "set", "test")[0]
    assert task.id == "embedded-test-augmented-0" and task.dataset == "chartqa" and task.split == "test"
    table = task.metadata["table"]
    assert task.answer == answer(task.metadata["program"], table["columns"], table["rows"])
    assert task.metadata["question_kind"] in ("retrieve", "compare", "count", "difference", "yes_no")
    assert task.metadata["chart_type"] in ("v_bar", "h_bar", "line", "pie")


def test_opened_by_name_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISTA_CACHE", str(tmp_path))
    small = {split: specs[:1] for split, specs in published_specs().items()}
    monkeypatch.setattr("envs.datasets.embedded.published_specs", lambda: small)
    first = open_task_set("embedded", "train")
    assert len(first) >= 2 and first.path.parent == tmp_path / "datasets"
    monkeypatch.setattr("envs.datasets.embedded.published_specs", lambda: pytest.fail("drawn twice"))
    assert open_task_set("embedded", "train").ids == first.ids


def test_sampled_tables_are_new_and_keep_off_held_out_ones() -> None:
    specs: list[ChartSpec] = list(sample_tables(7, 60))
    assert [spec.table for spec in specs[:20]] == [spec.table for spec in sample_tables(7, 20)]
    assert len({spec.cells for spec in specs}) == 60
    held_out = [spec for split, spec in ALL if split != "train"]
    assert not any(shares_cells(spec, other) for spec in specs for other in held_out)
    train_labels = {label for split, spec in ALL if split == "train" for label in spec.labels}
    for spec in specs:
        assert set(spec.labels) <= train_labels
        for question in questions_for(spec, random.Random(1), 6):
            assert question.label == answer(list(question.program), spec.table["columns"], spec.table["rows"])
