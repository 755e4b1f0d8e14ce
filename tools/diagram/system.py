"""`System`: equations between lengths, angles and variables, each with the theorem that it comes from.

Linear equations are kept solved for one symbol each (Gauss-Jordan), so every symbol is a sum of free ones. A nonlinear
equation is used once only one free symbol is left in it, or once what is left is linear. Work is counted, not timed:
the same problem always ends the same way.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import pairwise

import sympy
from sympy import Expr, Symbol

from tools.diagram.algebra import shown
from tools.errors import ToolInputError

MAX_WORK = 3000
"""Equations, substitutions and solutions in one problem, all cases together."""
MAX_DEGREE = 4
DIGITS = 30
"""Significant digits of what is not kept exact."""
_TINY = 1e-12
_NOISE = 1e-18
_DEGREES = re.compile(r"\b(sin|cos|tan)\(pi\*([^()/*]+)/180\)")
_SAMPLES = 240


class ContradictionError(Exception):
    """The equations cannot all hold. Never leaves this package."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One equation as it is told.

    Attributes:
        left, right: the equation's sides.
        theorem: what it follows from; `given` for the problem's own.
        sources: indices of the facts that it was derived from.
    """

    left: Expr
    right: Expr
    theorem: str
    sources: frozenset[int] = frozenset()

    @property
    def text(self) -> str:
        """The equation as a model reads it."""
        return f"{_text(self.left)} = {_text(self.right)}"


@dataclass(frozen=True, slots=True)
class Row:
    """What a symbol equals: a sum of free symbols and a constant."""

    terms: dict[Symbol, Expr]
    constant: Expr
    sources: frozenset[int]

    def expr(self) -> Expr:
        """As a sympy expression."""
        return sympy.Add(*(factor * symbol for symbol, factor in self.terms.items()), self.constant)


@dataclass(frozen=True, slots=True)
class Curve:
    """A nonlinear equation `zero == 0`."""

    zero: Expr
    fact: int
    inner: Expr
    """The sum of the angles whose sines or cosines occur."""
    angle: Expr | None = None
    """In a law of cosines: the angle between the two sides."""


@dataclass
class Budget:
    """Work left, shared by all cases of one problem."""

    left: int = MAX_WORK

    def spend(self, amount: int = 1) -> None:
        """Raises `ToolInputError` when nothing is left."""
        self.left -= amount
        if self.left < 0:
            raise ToolInputError("cannot be solved: the search was given up (too many equations)")


@dataclass
class System:
    """See the module.

    Attributes:
        limits: by symbol that stands for a measure, its largest value (None: any). Other symbols may be negative.
    """

    limits: dict[Symbol, int | None] = field(default_factory=dict)
    facts: list[Fact] = field(default_factory=list)
    rows: dict[Symbol, Row] = field(default_factory=dict)
    curves: list[Curve] = field(default_factory=list)
    budget: Budget = field(default_factory=Budget)
    _known: set[Expr] = field(default_factory=set)
    _tried: dict[Expr, frozenset[Symbol]] = field(default_factory=dict)
    _roots: dict[Expr, tuple[Symbol, list[Expr], frozenset[int], Curve]] = field(default_factory=dict)

    def copy(self) -> System:
        """An independent copy; the budget stays shared."""
        copied = replace(self, facts=list(self.facts), rows=dict(self.rows), curves=list(self.curves))
        copied._known, copied._tried, copied._roots = set(self._known), dict(self._tried), dict(self._roots)
        return copied

    def add(
        self, left: Expr, right: Expr, theorem: str, sources: Iterable[int] = (), angle: Expr | None = None
    ) -> bool:
        """Adds `left == right`; returns whether it was new. Raises `ContradictionError`."""
        left, right = sympy.sympify(left), sympy.sympify(right)
        zero = sympy.expand(left - right)
        if zero in self._known or -zero in self._known:
            return False
        self._known.add(zero)
        self.budget.spend()
        if zero.is_zero:
            return False
        self.facts.append(Fact(left, right, theorem, frozenset(sources)))
        index = len(self.facts) - 1
        linear = _linear(zero)
        if linear is None:
            angles = zero.atoms(sympy.sin, sympy.cos, sympy.tan)
            inner = sympy.Add(*{symbol for function in angles for symbol in function.free_symbols})
            self.curves.append(Curve(zero, index, inner, angle))
        else:
            self._insert(*linear, frozenset({index}))
        return True

    def reduced(self, expr: Expr) -> tuple[Expr, frozenset[int]]:
        """`expr` in free symbols only, and the facts that were used."""
        rows = {symbol: self.rows[symbol] for symbol in expr.free_symbols if symbol in self.rows}
        sources = frozenset().union(*(row.sources for row in rows.values()))
        return _tidy(expr.xreplace({symbol: row.expr() for symbol, row in rows.items()})), sources

    def value(self, expr: Expr) -> tuple[Expr, frozenset[int]] | None:
        """The number that `expr` is, and the facts it follows from; None while it depends on free symbols."""
        if self._free(expr):
            return None
        return self.reduced(expr)

    def equal(self, left: Expr, right: Expr) -> frozenset[int] | None:
        """The facts from which `left == right` follows, None when it does not."""
        if left == right:
            return frozenset()
        if self._free(left) != self._free(right):
            return None
        difference, sources = self.reduced(left - right)
        return sources if not difference.free_symbols and _is_zero(difference) else None

    def propagate(self) -> None:
        """Uses every nonlinear equation that can be used, until none can. Raises `ContradictionError`.

        It does not stop at the first value that is asked for: what contradicts it would go unseen.
        """
        progress = True
        while progress:
            progress = False
            for curve in list(self.curves):
                free = self._free(curve.zero)
                if len(free) > 3 or self._tried.get(curve.zero) == free:
                    continue
                if len(free) > 1 and ((len(free) > 2 and curve.angle is not None) or self._free(curve.inner)):
                    continue  # it cannot become linear yet
                progress |= self._use(curve, free)

    def cases(self) -> list[tuple[Symbol, list[Expr], frozenset[int], Curve]]:
        """Unknowns with more than one possible value, the fewest first."""
        open_ = [case for zero, case in self._roots.items() if case[0] not in self.rows and zero in self._tried]
        return sorted(open_, key=lambda case: len(case[1]))

    def assume(self, case: tuple[Symbol, list[Expr], frozenset[int], Curve], root: Expr) -> None:
        """Takes one of the possible values of a case."""
        symbol, _, sources, curve = case
        self.add(symbol, root, self.facts[curve.fact].theorem, sources)

    def eliminate(self) -> bool:
        """Looks for two nonlinear equations in the same two free symbols and solves them; whether values were found."""
        pairs: dict[frozenset[Symbol], list[tuple[Expr, frozenset[int], Curve]]] = {}
        for curve in self.curves:
            free = self._free(curve.zero)
            if len(free) == 2:
                self.budget.spend()
                zero, sources = self.reduced(curve.zero)
                zero = sympy.numer(sympy.together(zero))
                if zero.is_polynomial(*free) and sympy.Poly(zero, *free).total_degree() <= 2:
                    pairs.setdefault(free, []).append((zero, sources | {curve.fact}, curve))
        for free, found in pairs.items():
            first, second = sorted(free, key=str)
            for index, (zero, sources, curve) in enumerate(found[:6]):
                for other, more, _ in found[index + 1 : 6]:
                    self.budget.spend(10)
                    for symbol, gone in ((first, second), (second, first)):
                        resultant = sympy.resultant(zero, other, gone)
                        if not resultant.free_symbols:
                            continue
                        roots = self._admissible(symbol, _roots(_tidy(sympy.expand(resultant)), symbol, None))
                        if 0 < len(roots) <= 4:
                            if len(roots) == 1:
                                return self.add(symbol, roots[0], self.facts[curve.fact].theorem, sources | more)
                            self._roots[zero] = (symbol, roots, sources | more, curve)
                            self._tried[zero] = free
                            return True
        return False

    def _free(self, expr: Expr) -> frozenset[Symbol]:
        found: set[Symbol] = set()
        for symbol in expr.free_symbols:
            row = self.rows.get(symbol)
            found.update((symbol,) if row is None else row.terms)
        return frozenset(found)

    def _use(self, curve: Curve, free: frozenset[Symbol]) -> bool:
        """Uses one equation; returns whether anything new is known."""
        self.budget.spend()
        self._tried[curve.zero] = free
        zero, sources = self.reduced(curve.zero)
        zero = self._without_factors(zero)
        if not free:
            self.curves.remove(curve)
            if not _is_zero(zero, 1e-7):
                raise ContradictionError
            return False
        if not zero.free_symbols:  # it holds whatever the free symbols are
            if not _is_zero(zero, 1e-7):
                raise ContradictionError
            return False
        sources = sources | {curve.fact}
        linear = _linear(zero) if not zero.has(sympy.sin, sympy.cos, sympy.tan) else None
        if linear is not None:
            self.curves.remove(curve)
            terms, constant = linear
            if not terms and not _is_zero(constant, 1e-7):
                raise ContradictionError
            if len(terms) == 1:
                ((symbol, factor),) = terms.items()
                return self._learn(symbol, _tidy(-constant / factor), curve, sources)
            return self.add(zero, sympy.S.Zero, self._theorem(curve), sources) if terms else False
        if len(free) > 1:
            return False
        (symbol,) = free
        self.budget.spend(3)
        roots = self._admissible(symbol, _roots(zero, symbol, self.limits.get(symbol, 360)))
        if not roots:
            raise ContradictionError
        if len(roots) == 1:
            self.curves.remove(curve)
            return self._learn(symbol, roots[0], curve, sources)
        self._roots[curve.zero] = (symbol, roots, sources, curve)
        return False

    def _without_factors(self, zero: Expr) -> Expr:
        """Divides by what is positive and a factor of every term."""
        terms = sympy.Add.make_args(zero)
        for symbol in zero.free_symbols & self.limits.keys():
            power = min(term.as_powers_dict().get(symbol, 0) for term in terms)
            if power > 0:
                terms = [term / symbol**power for term in terms]
        return sympy.Add(*terms)

    def _learn(self, symbol: Symbol, value: Expr, curve: Curve, sources: frozenset[int]) -> bool:
        return self.add(symbol, value, self._theorem(curve), sources)

    def _theorem(self, curve: Curve) -> str:
        if curve.angle is not None:
            known = self.value(curve.angle)
            if known is not None and _is_zero(known[0] - 90):
                return "Pythagorean theorem"
        return self.facts[curve.fact].theorem

    def _admissible(self, symbol: Symbol, roots: list[Expr]) -> list[Expr]:
        """The roots with which all measures that depend on `symbol` alone are positive and within their limits."""
        checks: list[tuple[float, float, int | None]] = []  # factor, constant, limit
        if symbol in self.limits:
            checks.append((1.0, 0.0, self.limits[symbol]))
        for other, row in self.rows.items():
            if other in self.limits and row.terms.keys() == {symbol}:
                checks.append((float(row.terms[symbol]), float(row.constant), self.limits[other]))
        kept = []
        for root in roots:
            values = [(factor * float(root) + constant, limit) for factor, constant, limit in checks]
            if all(value > 1e-9 and (limit is None or value <= limit + 1e-9) for value, limit in values):
                kept.append(root)
        return kept

    def _insert(self, terms: dict[Symbol, Expr], constant: Expr, sources: frozenset[int]) -> None:
        """Brings `sum(terms) + constant == 0` into the rows."""
        total: dict[Symbol, Expr] = {}
        for symbol, factor in terms.items():
            row = self.rows.get(symbol)
            if row is None:
                total[symbol] = total.get(symbol, sympy.S.Zero) + factor
                continue
            sources |= row.sources
            constant += factor * row.constant
            for inner, weight in row.terms.items():
                total[inner] = total.get(inner, sympy.S.Zero) + factor * weight
        total = {symbol: factor for symbol, factor in total.items() if not _is_zero(factor)}
        constant = _tidy(constant)
        if not total:
            if not _is_zero(constant, 1e-7):
                raise ContradictionError
            return
        pivot = max(total, key=lambda symbol: (symbol in self.limits, str(symbol)))
        factor = total.pop(pivot)
        row = Row({symbol: -weight / factor for symbol, weight in total.items()}, _tidy(-constant / factor), sources)
        self.rows[pivot] = row
        self._check(pivot, row)
        for other, old in list(self.rows.items()):
            if pivot in old.terms:
                merged = {symbol: weight for symbol, weight in old.terms.items() if symbol != pivot}
                share = old.terms[pivot]
                for symbol, weight in row.terms.items():
                    merged[symbol] = merged.get(symbol, sympy.S.Zero) + share * weight
                merged = {symbol: weight for symbol, weight in merged.items() if not _is_zero(weight)}
                constant = _tidy(old.constant + share * row.constant)
                self.rows[other] = Row(merged, constant, old.sources | sources)
                self._check(other, self.rows[other])

    def _check(self, symbol: Symbol, row: Row) -> None:
        if symbol in self.limits and not row.terms:
            value, limit = float(row.constant), self.limits[symbol]
            if value < 1e-9 or (limit is not None and value > limit + 1e-9):
                raise ContradictionError


def _linear(zero: Expr) -> tuple[dict[Symbol, Expr], Expr] | None:
    """Factors by symbol and the constant, None when `zero` is not linear."""
    terms: dict[Symbol, Expr] = {}
    constant = sympy.S.Zero
    for part in sympy.Add.make_args(sympy.expand(zero)):
        factor, rest = part.as_independent(*part.free_symbols) if part.free_symbols else (part, sympy.S.One)
        if rest == 1:
            constant += factor
        elif rest.is_Symbol:
            terms[rest] = terms.get(rest, sympy.S.Zero) + factor
        else:
            return None
    return {symbol: factor for symbol, factor in terms.items() if not _is_zero(factor)}, constant


def _tidy(expr: Expr) -> Expr:
    """Expanded; numbers that are not short and exact become floats."""
    for function in expr.atoms(sympy.sin, sympy.cos, sympy.tan):
        if not function.free_symbols:
            expr = expr.xreplace({function: function.evalf(DIGITS)})
    expr = sympy.expand(expr)
    if not expr.free_symbols:
        if expr.is_Float and abs(expr - sympy.Integer(round(float(expr) * 12)) / 12) < 1e-20:
            return sympy.Rational(round(float(expr) * 12), 12)
        if not expr.is_Rational and (expr.count_ops() > 24 or (expr.has(sympy.Float) and not expr.is_Float)):
            return expr.evalf(DIGITS)
        return expr if expr.is_Rational or expr.has(sympy.Float) else sympy.radsimp(sympy.sqrtdenest(expr))
    if not expr.has(sympy.Float):
        return expr
    # What rounding leaves of zero is no term.
    return sympy.Add(*(part for part in sympy.Add.make_args(expr) if abs(part.as_coeff_Mul()[0]) > _NOISE))


def _is_zero(value: Expr, tolerance: float = _TINY) -> bool:
    return value.is_zero if value.is_Rational else abs(value.evalf(20)) < tolerance


def _roots(zero: Expr, symbol: Symbol, limit: int | None) -> list[Expr]:
    """The real roots of an expression in one symbol; of a trigonometric one those between 0 and `limit`."""
    zero = sympy.numer(sympy.together(zero))
    if zero.is_polynomial(symbol):
        polynomial = sympy.Poly(zero, symbol)
        if polynomial.degree() > MAX_DEGREE:
            return []
        if polynomial.degree() <= 2 and not zero.has(sympy.Float):
            found = [_tidy(root) for root in sympy.roots(polynomial)]
        else:
            found = [
                _tidy(sympy.re(root))
                for root in polynomial.nroots(n=DIGITS, maxsteps=200)
                if abs(sympy.im(root)) < 1e-12
            ]
        return sorted((root for root in dict.fromkeys(found) if root.is_real), key=float)
    function = sympy.lambdify(symbol, zero, "math")
    top = float(limit or 360)
    grid = [top * (index + 0.5) / _SAMPLES for index in range(_SAMPLES)]
    try:
        values = [float(function(place)) for place in grid]
    except (ValueError, TypeError, ZeroDivisionError, OverflowError):  # not a real number everywhere
        return []
    found = []
    for (low, first), (high, second) in pairwise(zip(grid, values, strict=True)):
        if first * second <= 0:
            root = sympy.nsolve(zero, symbol, (low, high), solver="anderson", prec=DIGITS, verify=False)
            found.append(_tidy(root))
    return list(dict.fromkeys(found))


def _text(expr: Expr) -> str:
    """An expression as it is told: degrees are understood in sines and cosines."""
    text = str(expr) if expr.free_symbols else shown(expr)
    return _DEGREES.sub(r"\1(\2)", text.replace("**", "^"))
