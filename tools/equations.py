"""Equations that a policy wrote, solved: one or several, linear or polynomial, in up to five unknowns."""

from __future__ import annotations

import re
from collections.abc import Sequence

import sympy
from sympy import Expr, Symbol

from tools.diagram.algebra import decimal, expression, shown
from tools.diagram.form import Call, Name, parse, write
from tools.errors import ToolInputError

MAX_EQUATIONS = 6
MAX_SOLUTIONS = 12
"""Also the largest product of the degrees of a system (Bezout's bound on its solutions)."""

_EQUALS = re.compile(r"(?<![<>=!])=(?!=)")
_SPLIT = re.compile(r"[;\n]|,(?![^(]*\))|\band\b")


def is_equation(text: str) -> bool:
    """Whether `text` holds an equals sign with something on both sides."""
    sides = _EQUALS.split(text)
    return len(sides) > 1 and all(side.strip() for side in sides[:2])


def solve_equations(text: str, unknowns: Sequence[str] = ()) -> list[dict[str, Expr]]:
    """All real solutions of equations, in ascending order.

    Args:
        text: equations, separated by semicolons, commas or `and`.
        unknowns: what to solve for; nothing: every name that occurs.

    Returns:
        Per solution, the value of each unknown.

    Raises:
        ToolInputError: not equations of polynomials, no or infinitely many solutions, or too many of them.
    """
    parts = [part.strip() for part in _SPLIT.split(text) if part.strip()]
    if len(parts) > MAX_EQUATIONS:
        raise ToolInputError(f"more than {MAX_EQUATIONS} equations")
    found: dict[str, Symbol] = {}
    zeros = [_zero(part, found) for part in parts]
    wanted = [found[name] for name in unknowns if name in found] if unknowns else list(found.values())
    if missing := [name for name in unknowns if name not in found]:
        raise ToolInputError(f"the equations have no {missing[0]!r}: their unknowns are {', '.join(sorted(found))}")
    if not wanted:
        raise ToolInputError("the equations have no unknown")
    if others := sorted(set(found) - {str(symbol) for symbol in wanted}):
        raise ToolInputError(f"the values of {', '.join(others)} are not given: name them as unknowns too")
    if len(wanted) > MAX_EQUATIONS - 1:
        raise ToolInputError(f"more than {MAX_EQUATIONS - 1} unknowns")
    solutions = [row for row in _solve([zero for zero, _ in zeros], wanted) if _defined(row, zeros)]
    if not solutions:
        raise ToolInputError("the equations have no real solution")
    return [{str(symbol): solution[symbol] for symbol in wanted} for solution in solutions]


def solutions_text(solutions: Sequence[dict[str, Expr]]) -> str:
    """`x = 2, y = 3 or x = -1, y = 0`."""
    return " or ".join(", ".join(f"{name} = {shown(value)}" for name, value in row.items()) for row in solutions)


def solutions_data(solutions: Sequence[dict[str, Expr]]) -> list[dict[str, str]]:
    """Decimals by unknown, one entry per solution."""
    return [{name: decimal(value) for name, value in row.items()} for row in solutions]


def _zero(part: str, found: dict[str, Symbol]) -> tuple[Expr, Expr]:
    """One equation as an expression that must be zero, and a denominator that must not be."""
    sides = _EQUALS.split(part)
    if len(sides) != 2:
        raise ToolInputError(f"expected an equation with one equals sign, not {part[:60]!r}")

    def value(node: Name | Call) -> Expr:
        if isinstance(node, Call):
            raise ToolInputError(f"{write(node)[:40]!r} is not a number")
        return found.setdefault(node.text, sympy.Symbol(node.text, real=True))

    left, right = (expression(parse(side), value) for side in sides)
    numerator, denominator = sympy.fraction(sympy.together(left - right))
    numerator = sympy.expand(numerator)
    if not numerator.is_polynomial(*found.values()):
        raise ToolInputError(f"only equations of polynomials can be solved, not {part[:60]!r}")
    return numerator, denominator


def _defined(row: dict[Symbol, Expr], zeros: list[tuple[Expr, Expr]]) -> bool:
    return all(abs(denominator.xreplace(row).evalf(30)) > 1e-12 for _, denominator in zeros)


def _solve(zeros: list[Expr], wanted: list[Symbol]) -> list[dict[Symbol, Expr]]:
    zeros = [zero for zero in zeros if zero != 0]
    _finite(bool(zeros))
    if any(not zero.free_symbols for zero in zeros):
        return []
    polynomials = [sympy.Poly(zero, *wanted) for zero in zeros]
    if all(polynomial.total_degree() == 1 for polynomial in polynomials):
        (solution,) = sympy.linsolve(zeros, wanted) or [None]
        if solution is None:
            return []
        _finite(not any(value.free_symbols for value in solution))
        return [dict(zip(wanted, solution, strict=True))]
    if len(wanted) == 1:
        shared = sympy.Poly(0, *wanted)
        for polynomial in polynomials:
            shared = sympy.gcd(shared, polynomial)
        return [{wanted[0]: root} for root in _real_roots(shared)] if shared.degree() > 0 else []
    _finite(len(zeros) >= len(wanted))
    if sympy.prod(polynomial.total_degree() for polynomial in polynomials) > MAX_SOLUTIONS:
        raise ToolInputError("the system is too large: solve it by hand down to one unknown")
    try:
        solutions = sympy.solve_poly_system(zeros, *wanted) or []
    except NotImplementedError as error:  # sympy's word for a solution that is not a finite set
        raise ToolInputError("the equations have infinitely many solutions") from error
    rows = [dict(zip(wanted, map(sympy.sympify, row), strict=True)) for row in solutions]
    real = [row for row in rows if all(abs(sympy.im(value.evalf(30))) < 1e-20 for value in row.values())]
    return sorted(real, key=lambda row: [float(sympy.re(value.evalf(30))) for value in row.values()])


def _real_roots(polynomial: sympy.Poly) -> list[Expr]:
    """Distinct real roots in ascending order: exact up to degree two, else of 30 digits unless rational."""
    if polynomial.degree() <= 2:
        found = list(sympy.roots(polynomial))
    elif polynomial.domain in (sympy.ZZ, sympy.QQ):
        found = [root if root.is_Rational else root.evalf(30) for root in dict.fromkeys(sympy.real_roots(polynomial))]
    else:
        found = [sympy.re(root) for root in polynomial.nroots(n=30, maxsteps=200) if abs(sympy.im(root)) < 1e-20]
    return sorted((root for root in found if root.is_real), key=lambda root: float(root.evalf(30)))


def _finite(holds: bool) -> None:
    if not holds:
        raise ToolInputError("the equations have infinitely many solutions")
