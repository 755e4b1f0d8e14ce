"""FormalGeo's own solver (the package `formalgeo`, version 0.0.6) behind `symbolic_solve`.

The package brings the search, not the geometry: predicates and theorems (the GDL) come with its data sets, as
`gdl/predicate_GDL.json` and `gdl/theorem_GDL.json`.
Its problems must be CDL with a construction (`Shape`, `Collinear`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import import_module  # it is no dependency: users install it when they want it
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pydantic import Field

from tools.diagram.form import Call, parse, write
from tools.errors import ToolInputError
from tools.registry import register_backend
from tools.symbolic_solve import SymbolicSolve, SymbolicSolveArguments
from tools.tool import ToolCall, ToolResult, ToolSettings, run_each

CONSTRUCTION = ("Shape", "Collinear", "Cocircular")
"""Predicates of the construction CDL."""
_NO_ANSWER = "-1"
"""The package wants the answer of a problem; no length, angle or area is this."""
_DOWNLOAD = "python -c \"from formalgeo.data import download_dataset; download_dataset('formalgeo7k_v2', 'DIR')\""


class FormalGeoSettings(ToolSettings):
    """Settings of FormalGeo's solver."""

    gdl: str = "formalgeo7k_v2/gdl"
    """Folder with `predicate_GDL.json` and `theorem_GDL.json`."""
    max_depth: int = Field(15, ge=1)
    """Theorems in a row."""
    max_steps: int = Field(300, ge=1)
    """Theorems tried in one problem."""


@register_backend
class FormalGeo(SymbolicSolve):
    """Forward search, breadth first."""

    backend = "formalgeo"
    shared = True
    settings_type = FormalGeoSettings
    settings: FormalGeoSettings

    @classmethod
    def unavailable(cls, settings: ToolSettings) -> str | None:
        """The package and the folder of predicates and theorems."""
        assert isinstance(settings, FormalGeoSettings)
        if find_spec("formalgeo") is None:
            return "needs formalgeo: pip install formalgeo==0.0.6"
        if not all((Path(settings.gdl) / f"{part}_GDL.json").is_file() for part in ("predicate", "theorem")):
            return f"{settings.gdl}: no predicate_GDL.json and theorem_GDL.json; {_DOWNLOAD}, then set gdl"
        return None

    def __init__(self, settings: FormalGeoSettings | None = None) -> None:
        """Reads predicates and theorems."""
        super().__init__(settings)
        predicates, theorems = (
            json.loads((Path(self.settings.gdl) / f"{part}_GDL.json").read_text(encoding="utf-8"))
            for part in ("predicate", "theorem")
        )
        names = [name.split("(")[0] for name in theorems]
        self._searcher: Any = import_module("formalgeo.solver").ForwardSearcher(
            predicates, theorems, "bfs", self.settings.max_depth, 1, {name: (1, 1) for name in names}
        )

    def run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        """The goal's value, and the theorems that gave it."""
        return run_each(self._search, calls)

    def _search(self, call: ToolCall) -> ToolResult:
        arguments = SymbolicSolveArguments.model_validate(dict(call.arguments))
        problem = problem_cdl(arguments.forms, arguments.goal)
        searcher = self._searcher
        searcher.init_search(problem)
        state = searcher.problem
        state.check_goal()
        for _ in range(self.settings.max_steps):
            if state.goal.solved_answer is not None or not searcher.stack:
                break
            place, selection = searcher.stack.pop(0)
            if searcher.apply_and_check_goal(selection) is None or len(place) >= self.settings.max_depth:
                continue
            searcher.add_selections(place, searcher.get_theorem_selection())
        answer = state.goal.solved_answer
        if answer is None:
            raise ToolInputError(f"cannot be solved: no theorem leads to {problem['goal_cdl']}")
        state.goal.solved = True  # the package compares with a known answer, which we do not have
        used = import_module("formalgeo.tools").get_used_pid_and_theorem
        theorems = [f"{name}({''.join(points or ())})" for name, _, points in used(state)[1]]
        lines = [f"{problem['goal_cdl']} = {answer}", *(f"{i}. {name}" for i, name in enumerate(theorems, 1))]
        steps = [{"equation": "", "theorem": str(name)} for name in theorems]
        data = {
            "goal": problem["goal_cdl"],
            "value": str(answer),
            "number": float(answer),
            "steps": steps,
            "unread": [],
        }
        return ToolResult("\n".join(lines), data=data)


def problem_cdl(forms: Sequence[str], goal: str = "") -> dict[str, Any]:
    """Formulas as the package's `problem_CDL`.

    Raises:
        ToolInputError: a formula cannot be read, there is no construction, or nothing is asked for.
    """
    nodes = [parse(form) for form in forms]
    if goal:
        node = parse(goal)
        nodes.append(node if isinstance(node, Call) and node.name in ("Value", "Find") else Call("Value", (node,)))
    parts: dict[str, list[str]] = {"construction_cdl": [], "text_cdl": [], "goal": []}
    for node in nodes:
        name = node.name if isinstance(node, Call) else ""
        part = "construction_cdl" if name in CONSTRUCTION else "goal" if name in ("Value", "Find") else "text_cdl"
        parts[part].append(write(node, ",").replace("Find(", "Value(", 1) if part == "goal" else write(node, ","))
    if not parts["construction_cdl"]:
        raise ToolInputError("FormalGeo needs a construction: Shape(AB,BC,CA), Collinear(ADB) or Cocircular(O,ABC)")
    if not parts["goal"]:
        raise ToolInputError("nothing is asked for: add Value(...) or a goal")
    return {
        "problem_id": 0,
        "construction_cdl": parts["construction_cdl"],
        "text_cdl": parts["text_cdl"],
        "image_cdl": [],
        "goal_cdl": parts["goal"][-1],
        "problem_answer": _NO_ANSWER,
    }
