"""Solves a problem in logic forms or CDL: the value of its goal, and the theorems on the way to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sympy import Expr

from tools.diagram.algebra import decimal, shown
from tools.diagram.facts import Facts
from tools.diagram.figure import Figure
from tools.diagram.form import Call, Node, Operation, parse, write
from tools.diagram.system import ContradictionError, Fact, System
from tools.diagram.theorems import known_theorems, static_theorems
from tools.diagram.vocabulary import to_logic
from tools.errors import ToolInputError

MAX_STATEMENTS = 80
MAX_CASES = 8
"""Combinations of possible values that are followed."""
MAX_ROUNDS = 12
"""Rounds of theorems in one case."""


@dataclass(frozen=True, slots=True)
class Solution:
    """The answer to a problem.

    Attributes:
        goal: what was asked for, as a logic form.
        value: the answer; a number.
        steps: the equations used, in order, each with its theorem.
        unread: statements that were not understood and not used.
    """

    goal: str
    value: Expr
    steps: tuple[Fact, ...]
    unread: tuple[str, ...] = ()

    @property
    def exact(self) -> str:
        """The value, exact where that is short, else as a decimal."""
        text = shown(self.value)
        return text.split(" (")[0]

    @property
    def number(self) -> float:
        """The value as a number."""
        return float(decimal(self.value))


def solve(
    statements: Sequence[str], goal: str = "", positions: Mapping[str, tuple[float, float]] | None = None
) -> Solution:
    """Solves a problem.

    Args:
        statements: logic forms or CDL, one formula each.
        goal: what is asked for; empty: the `Find` or `Value` among the statements.
        positions: where the points are drawn, if that is known.

    Raises:
        ToolInputError: a formula cannot be read, the conditions contradict each other, several values fit, or the
            known theorems do not lead to the goal.
    """
    if len(statements) > MAX_STATEMENTS:
        raise ToolInputError(f"more than {MAX_STATEMENTS} statements")
    nodes = [form for text in statements for form in to_logic(parse(text))]
    if goal:
        node = parse(goal)
        asked = isinstance(node, Call) and node.name in ("Find", "Value")
        nodes = [other for other in nodes if not (isinstance(other, Call) and other.name == "Find")]
        nodes += to_logic(node if asked else Call("Find", (node,)))
    figure = Figure(positions=dict(positions or {}))
    system = System(limits=figure.limits)
    facts = Facts(figure, system)
    try:
        facts.read(nodes)
        if not facts.goals:
            raise ToolInputError("nothing is asked for: add Find(...) or a goal")
        wanted = _wanted(facts, facts.goals[0])
        static_theorems(facts)
        values = _search(facts, system, wanted)
    except ContradictionError as error:
        raise ToolInputError("the conditions contradict each other") from error
    unread = tuple(write(node) for node in facts.unread)
    if not values:
        note = f" ({', '.join(unread)} not understood)" if unread else ""
        raise ToolInputError(f"cannot be solved: the conditions do not lead to {write(facts.goals[0])}{note}")
    if len(values) > 1:
        raise ToolInputError(f"several values fit: {' or '.join(shown(value) for value, _ in values)}")
    value, steps = values[0]
    return Solution(write(facts.goals[0]), value, steps, unread)


def _wanted(facts: Facts, goal: Node) -> Expr:
    """The goal as an expression. A goal such as `Equals(a, b)` asks for the difference, which must be zero."""
    if isinstance(goal, Call) and goal.name in ("Equals", "Equal") and len(goal.args) == 2:
        goal = Operation("-", *goal.args)
    return facts.measures.expression(goal)


def _search(facts: Facts, system: System, wanted: Expr) -> list[tuple[Expr, tuple[Fact, ...]]]:
    """The values that the goal can have, each with its steps."""
    values: list[tuple[Expr, tuple[Fact, ...]]] = []
    waiting, followed = [system], 0
    while waiting:
        current = waiting.pop(0)
        followed += 1
        facts.system = current
        try:
            found = _follow(facts, current, wanted)
        except ContradictionError:
            if current is system and not waiting:
                raise
            continue
        if found is not None:
            value, sources = found
            if not any(abs(float(value - other)) < 1e-9 for other, _ in values):
                values.append((value, _steps(current.facts, sources)))
            continue
        cases = current.cases()
        if not cases:
            return []
        for root in cases[0][1]:
            if followed + len(waiting) >= MAX_CASES:
                return []
            branch = current.copy()
            try:
                branch.assume(cases[0], root)
            except ContradictionError:
                continue
            waiting.append(branch)
    return values


def _follow(facts: Facts, system: System, wanted: Expr) -> tuple[Expr, frozenset[int]] | None:
    for _ in range(MAX_ROUNDS):
        found = system.value(wanted)
        if found is not None:
            return found
        system.propagate()
        found = system.value(wanted)
        if found is not None:
            return found
        if not known_theorems(facts) and not (not system.cases() and system.eliminate()):
            break
    system.propagate()
    return system.value(wanted)


def _steps(facts: Sequence[Fact], sources: frozenset[int]) -> tuple[Fact, ...]:
    """The facts behind a value, without the given ones, in the order in which they were found."""
    needed, waiting = set(sources), list(sources)
    while waiting:
        for source in facts[waiting.pop()].sources - needed:
            needed.add(source)
            waiting.append(source)
    steps = [facts[index] for index in sorted(needed)]
    return tuple({step.text: step for step in steps if step.theorem != "given"}.values())
