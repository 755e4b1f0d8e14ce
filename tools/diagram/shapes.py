"""`Shapes`: what quadrilaterals, regular polygons and isosceles shapes say about their sides and angles."""

from __future__ import annotations

from collections.abc import Callable

import sympy
from sympy import Expr

from tools.diagram.figure import Figure
from tools.diagram.measures import Measures
from tools.diagram.system import System

RIGHT = sympy.Integer(90)
Ring = tuple[str, ...]
"""Corners in order."""


class Shapes:
    """Equations of shapes. They are told once the figure is closed: `later` holds them until then."""

    def __init__(self, figure: Figure, system: System) -> None:
        self.figure = figure
        self.system = system
        self.measures = Measures(figure, lambda left, right, theorem: self.tell(left, right, theorem))
        self._later: list[Callable[[], None]] = []

    def tell(self, left: Expr, right: Expr, theorem: str = "given") -> None:
        """Adds an equation."""
        self.system.add(left, right, theorem)

    def parallel(self, a: str, b: str, c: str, d: str) -> None:
        """From a to b is the direction from c to d."""
        self.figure.side(a, b)
        self.figure.side(c, d)
        self.figure.parallels.append((a, b, c, d))

    def parallelogram(self, ring: Ring) -> None:
        """Opposite sides and angles are equal; diagonals halve each other."""
        a, b, c, d = ring
        self.parallel(a, b, d, c)
        self.parallel(a, d, b, c)

        def equations() -> None:
            length, angle = self.figure.length, self.figure.angle
            self.tell(length(a, b), length(d, c), "opposite sides of a parallelogram")
            self.tell(length(a, d), length(b, c), "opposite sides of a parallelogram")
            self.tell(angle(d, a, b), angle(b, c, d), "opposite angles of a parallelogram")
            self.tell(angle(a, b, c), angle(c, d, a), "opposite angles of a parallelogram")
            self.tell(angle(d, a, b) + angle(a, b, c), sympy.Integer(180), "consecutive angles of a parallelogram")
            for p in self.figure.points:
                if self.figure.is_between(a, p, c) and self.figure.is_between(b, p, d):
                    self.tell(length(a, p), length(p, c), "diagonals of a parallelogram bisect each other")
                    self.tell(length(b, p), length(p, d), "diagonals of a parallelogram bisect each other")

        self._later.append(equations)

    def rectangle(self, ring: Ring) -> None:
        """A parallelogram with right angles and equal diagonals."""
        self.parallelogram(ring)
        a, b, c, d = ring
        self.figure.side(a, c)
        self.figure.side(b, d)

        def equations() -> None:
            for corner in ((d, a, b), (a, b, c), (b, c, d), (c, d, a)):
                self.tell(self.figure.angle(*corner), RIGHT, "angles of a rectangle")
            self.tell(self.figure.length(a, c), self.figure.length(b, d), "diagonals of a rectangle")

        self._later.append(equations)

    def rhombus(self, ring: Ring) -> None:
        """A parallelogram with equal sides; its diagonals cross at right angles and halve its angles."""
        self.parallelogram(ring)
        a, b, c, d = ring
        if not any(self.figure.is_between(a, p, c) and self.figure.is_between(b, p, d) for p in self.figure.points):
            crossing = self.crossing(a, c, b, d)
            self.figure.on_line(crossing, a, c)
            self.figure.on_line(crossing, b, d)

        def equations() -> None:
            length, angle = self.figure.length, self.figure.angle
            self.tell(length(a, b), length(b, c), "sides of a rhombus")
            for p in self.figure.points:
                if self.figure.is_between(a, p, c) and self.figure.is_between(b, p, d):
                    self.tell(angle(a, p, b), RIGHT, "diagonals of a rhombus are perpendicular")
            for v, before, after, across in ((a, d, b, c), (b, a, c, d)):
                self.tell(angle(before, v, across), angle(across, v, after), "diagonal of a rhombus bisects its angle")
            self.area(ring, length(a, c) * length(b, d) / 2, "area of a rhombus")

        self._later.append(equations)

    def square(self, ring: Ring) -> None:
        """A rectangle that is a rhombus."""
        self.rectangle(ring)
        a, b, c, d = ring

        def equations() -> None:
            self.tell(self.figure.length(a, b), self.figure.length(b, c), "sides of a square")
            for v, before, across, after in ((a, d, c, b), (b, a, d, c), (c, b, a, d), (d, c, b, a)):
                self.tell(self.figure.angle(before, v, across), sympy.Integer(45), "diagonal of a square")
                self.tell(self.figure.angle(across, v, after), sympy.Integer(45), "diagonal of a square")

        self._later.append(equations)

    def kite(self, ring: Ring) -> None:
        """Kite ABCD has AB = AD and CB = CD; its diagonals are perpendicular."""
        a, b, c, d = ring

        def equations() -> None:
            length = self.figure.length
            self.tell(length(a, b), length(a, d), "sides of a kite")
            self.tell(length(c, b), length(c, d), "sides of a kite")
            self.tell(self.figure.angle(a, b, c), self.figure.angle(a, d, c), "angles of a kite")
            for p in self.figure.points:
                if self.figure.is_between(a, p, c) and self.figure.is_between(b, p, d):
                    self.tell(self.figure.angle(a, p, b), RIGHT, "diagonals of a kite are perpendicular")
            if self.figure.drawn(a, c) and self.figure.drawn(b, d):
                self.area(ring, length(a, c) * length(b, d) / 2, "area of a kite")

        self._later.append(equations)

    def trapezoid(self, ring: Ring) -> None:
        """Its bases are the sides that a `Parallel` names, or that are drawn so."""
        a, b, c, d = ring
        if any({x, y} in ({a, d}, {b, c}) for x, y, *_ in self.figure.parallels) or self._flatter(a, d, b, c):
            self.measures.bases[ring] = ((a, d), (b, c))
        else:
            self.measures.bases[ring] = ((a, b), (d, c))

    def _flatter(self, a: str, d: str, b: str, c: str) -> bool:
        """Whether ad and bc look more parallel than ab and dc where positions are known; then they are."""
        places = self.figure.positions
        if not all(name in places for name in (a, b, c, d)):
            return False

        def skew(p: str, q: str, r: str, s: str) -> float:
            (px, py), (qx, qy), (rx, ry), (sx, sy) = (places[name] for name in (p, q, r, s))
            return abs((qx - px) * (sy - ry) - (qy - py) * (sx - rx))

        flat = skew(a, d, b, c) < skew(a, b, d, c)
        self.parallel(*((a, d, b, c) if flat else (a, b, d, c)))
        return flat

    def area(self, ring: Ring, value: Expr, theorem: str) -> None:
        """Tells a polygon's area, if anyone asks for it."""
        key = tuple(sorted(ring))
        if key in self.figure.areas:
            self.tell(self.figure.areas[key], value, theorem)

    def crossing(self, a: str, b: str, c: str, d: str) -> str:
        """The known point of two lines, or a new one."""
        common = set(self.figure.on_segment(a, b)) & set(self.figure.on_segment(c, d))
        return min(common) if common else self.figure.fresh()

    def isosceles(self, ring: Ring) -> None:
        """Equal legs: of triangle ABC, AB and AC unless other sides are known to be equal."""

        def equations() -> None:
            length = self.figure.length
            if len(ring) == 4:
                first, second = self.measures.bases.get(ring, ((ring[0], ring[1]), (ring[3], ring[2])))
                self.tell(length(first[0], second[0]), length(first[1], second[1]), "legs of an isosceles trapezoid")
                angle = self.figure.angle
                self.tell(
                    angle(second[0], first[0], first[1]),
                    angle(second[1], first[1], first[0]),
                    "base angles of an isosceles trapezoid",
                )
                return
            a, b, c = ring
            if not any(
                self.system.equal(length(*p), length(*q)) is not None for p, q in (((a, b), (b, c)), ((a, c), (b, c)))
            ):
                self.tell(length(a, b), length(a, c), "isosceles triangle")

        self._later.append(equations)

    def regular(self, ring: Ring) -> None:
        """Equal sides and equal angles."""
        count = len(ring)
        theorem = "equilateral triangle" if count == 3 else "regular polygon"

        def equations() -> None:
            first = self.figure.length(ring[0], ring[1])
            for index in range(count):
                before, corner, after = ring[index - 1], ring[index], ring[(index + 1) % count]
                self.tell(self.figure.length(corner, after), first, theorem)
                inner = sympy.Rational((count - 2) * 180, count)
                self.tell(self.figure.angle(before, corner, after), inner, theorem)
            if count > 4:
                self.area(ring, count * first**2 / (4 * sympy.tan(sympy.pi / count)), "area of a regular polygon")

        self._later.append(equations)
