"""The embedded set: a ChartQA-like task set for machines without data, drawn from public tables, the same everywhere.

`build_release` writes it in ChartQA's released layout, so that the ChartQA adapter reads it like any other release.
`sample_tables`, `questions_for` and `render` make endless further training charts for a warm start.
"""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Callable
from pathlib import Path

from envs.datasets.embedded_charts import HEIGHT, WIDTH, draw, render
from envs.datasets.embedded_questions import Question, questions_for
from envs.datasets.embedded_spec import ChartSpec
from envs.datasets.embedded_specs import published_specs, sample_tables

__all__ = ["ChartSpec", "Question", "build_release", "questions_for", "render", "sample_tables"]


def build_release(folder: Path, limit: int | None = None, on_chart: Callable[[int, int], None] | None = None) -> None:
    """Draws every chart and writes `{train,val,test}/{png,tables,annotations}/` and the question files.

    Args:
        folder: where to write; created.
        limit: only that many charts of each split.
        on_chart: called with (charts done, charts in all) after each chart.
    """
    specs = {split: charts[:limit] for split, charts in published_specs().items()}
    total, done = sum(map(len, specs.values())), 0
    for split, charts in specs.items():
        for name in ("png", "tables", "annotations"):
            (folder / split / name).mkdir(parents=True, exist_ok=True)
        records = []
        for n, spec in enumerate(charts):
            records += _write_chart(folder / split, f"{spec.source}_{n:03d}", spec)
            done += 1
            if on_chart:
                on_chart(done, total)
        _write_json(folder / split / f"{split}_human.json", [])
        _write_json(folder / split / f"{split}_augmented.json", records)


def _write_chart(folder: Path, stem: str, spec: ChartSpec) -> list[dict[str, object]]:
    drawing = draw(spec)
    (folder / "png" / f"{stem}.png").write_bytes(drawing.png)
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows([spec.table["columns"], *spec.table["rows"]])
    (folder / "tables" / f"{stem}.csv").write_text(table.getvalue(), "utf-8")
    info = {"title": {"text": spec.title}, "figure_info": {"bbox": {"x": 0, "y": 0, "w": WIDTH, "h": HEIGHT}}}
    annotation = {"models": drawing.models, "type": spec.kind, "general_figure_info": info}
    _write_json(folder / "annotations" / f"{stem}.json", annotation)
    return [
        {
            "imgname": f"{stem}.png",
            "query": question.query,
            "label": question.label,
            "question_kind": question.kind,
            "program": list(question.program),
            "labelled": spec.labelled,
        }
        for question in questions_for(spec, random.Random(spec.style))
    ]


def _write_json(file: Path, content: object) -> None:
    file.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")
