"""How many geometry problems do `symbolic_parse` and `symbolic_solve` read and solve?

Two kinds of data in their released layouts: a FormalGeo data set (`problems/N.json` with text, CDL and answer), and
MATH-Vision (`data/testmini.jsonl`), of which the questions on lengths, angles and areas are taken. No picture is read:
what only the picture shows is in FormalGeo's CDL, and nowhere in MATH-Vision.

    python benchmarks/geometry.py --formalgeo formalgeo7k_v2 --mathvision ../shared/data/mathvision
"""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import sympy
import typer
from rich.console import Console
from rich.table import Table

from tools.diagram.form import write
from tools.diagram.solver import solve
from tools.diagram.text import logic_forms
from tools.diagram.vocabulary import to_logic
from tools.errors import ToolInputError

CLOSE = 1e-4
"""Relative difference of a right answer."""


def right(value: float, gold: str) -> bool:
    """Whether a value is the answer that the data set gives."""
    try:
        expected = float(sympy.N(sympy.sympify(gold.strip("$ ").replace("^{\\circ}", ""), rational=True)))
    except (sympy.SympifyError, TypeError, ValueError, AttributeError):
        return False
    return abs(value - expected) <= CLOSE * max(1.0, abs(expected))


def outcome(forms: list[str], gold: str, goal: str = "") -> str:
    """`right`, `wrong`, or the kind of error."""
    try:
        return "right" if right(solve(forms, goal).number, gold) else "wrong"
    except ToolInputError as error:
        message = str(error)
        known = ("cannot be solved", "nothing is asked for", "contradict", "several values", "not clear")
        return next((kind for kind in known if kind in message), message[:60])


def formalgeo(folder: Path, limit: int) -> dict[str, Counter[str]]:
    """Outcomes on FormalGeo's problems: from the CDL, and from the English text with the construction alone."""
    counts: dict[str, Counter[str]] = {"CDL": Counter(), "text": Counter(), "text + construction CDL": Counter()}
    files = sorted((folder / "problems").glob("*.json"), key=lambda path: int(path.stem))[:limit]
    for path in files:
        problem = json.loads(path.read_text(encoding="utf-8"))
        gold = str(problem["problem_answer"])
        cdl = [*problem["construction_cdl"], *problem["text_cdl"], *problem["image_cdl"]]
        read = [write(form) for form in logic_forms(problem["problem_text_en"])]
        results = {
            "CDL": outcome(list(dict.fromkeys(cdl)), gold, problem["goal_cdl"]),
            "text": outcome(read, gold),
            "text + construction CDL": outcome([*problem["construction_cdl"], *read], gold),
        }
        for kind, result in results.items():
            counts[kind][result] += 1
    return counts


def mathvision(folder: Path) -> Counter[str]:
    """Outcomes on MATH-Vision's questions on lengths, angles and areas, from the text alone."""
    counts: Counter[str] = Counter()
    for line in (folder / "data" / "testmini.jsonl").read_text(encoding="utf-8").splitlines():
        row: dict[str, Any] = json.loads(line)
        if not str(row["subject"]).startswith("metric geometry"):
            continue
        gold = str(row["answer"])
        if row["options"] and gold in "ABCDE":
            gold = str(row["options"]["ABCDE".index(gold)])
        forms = [write(form) for node in logic_forms(row["question"]) for form in to_logic(node)]
        counts[outcome(forms, gold) if forms else "nothing read"] += 1
    return counts


def main(
    formalgeo_folder: Annotated[Path | None, typer.Option("--formalgeo")] = None,
    mathvision_folder: Annotated[Path | None, typer.Option("--mathvision")] = None,
    limit: Annotated[int, typer.Option(help="FormalGeo problems, in order")] = 200,
) -> None:
    """Prints the outcomes by data set."""
    table = Table("data", "problems", "right", "wrong", "others")
    start = time.perf_counter()
    rows: dict[str, Counter[str]] = {}
    if formalgeo_folder is not None:
        rows.update({f"FormalGeo, {kind}": counts for kind, counts in formalgeo(formalgeo_folder, limit).items()})
    if mathvision_folder is not None:
        rows["MATH-Vision, text"] = mathvision(mathvision_folder)
    for name, counts in rows.items():
        others = ", ".join(f"{kind}: {n}" for kind, n in counts.most_common() if kind not in ("right", "wrong"))
        table.add_row(name, str(counts.total()), str(counts["right"]), str(counts["wrong"]), others)
    console = Console()
    console.print(table)
    console.print(f"{time.perf_counter() - start:.1f} s")


if __name__ == "__main__":
    typer.run(main)
