"""What the statements of a problem mean: first everything that shapes the figure, then the equations."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import partial

import sympy

from tools.diagram.figure import Figure
from tools.diagram.form import Call, Name, Node, Number, names, write
from tools.diagram.measures import SHAPES
from tools.diagram.shapes import RIGHT, Ring, Shapes
from tools.diagram.system import System
from tools.diagram.vocabulary import POLYGONS
from tools.errors import ToolInputError


class Facts(Shapes):
    """Reads statements into a figure and a system of equations.

    Attributes:
        congruent, similar: pairs of triangles, corner by corner.
        goals: what is asked for.
        unread: statements that mean nothing to the solver.
    """

    def __init__(self, figure: Figure, system: System) -> None:
        super().__init__(figure, system)
        self.congruent: list[tuple[Ring, Ring]] = []
        self.similar: list[tuple[Ring, Ring]] = []
        self.goals: list[Node] = []
        self.unread: list[Node] = []

    def read(self, statements: Sequence[Node]) -> None:
        """Takes in all statements. Raises `ToolInputError` naming the one that cannot be read."""
        for statement in statements:
            self._right_corner(statement)
        for statement in sorted(statements, key=_order):
            self._structure(statement)
        # What a formula names is drawn before rays are compared: the second reading finds all points there.
        for node in [*self.goals, *(s for s in statements if isinstance(s, Call) and s.name == "Equals")]:
            self._draw(node)
        self._orient()
        self.figure.close()
        for run in self._later:
            run()

    def _structure(self, node: Node) -> None:
        if not isinstance(node, Call):
            raise ToolInputError(f"expected a statement such as Equals(...), not {write(node)[:60]!r}")
        handler = _HANDLERS.get(node.name)
        if node.name == "Find":
            self.goals += node.args
        elif node.name == "Equals" and len(node.args) == 2:
            left, right = node.args
            self._later.append(lambda: self.tell(self.measures.expression(left), self.measures.expression(right)))
        elif node.name in SHAPES:
            self._shape(node)
        elif handler is not None:
            try:
                bound = inspect.signature(handler).bind(self, *node.args)
            except TypeError as error:
                raise ToolInputError(f"wrong number of arguments: {write(node)[:60]}") from error
            handler(*bound.args)
        else:
            self.unread.append(node)

    def _right_corner(self, node: Node) -> None:
        """Notes where a triangle is said to have its right angle, for its legs and hypotenuse."""
        match node:
            case Call("Equals", (Call("MeasureOf", (Call("Angle", points),)), Number(value))) if value == 90:
                corner = names(points)
                if len(corner) == 3:
                    self.measures.right_corner[frozenset(corner)] = corner[1]
            case Call("Perpendicular", (Call("Line", first), Call("Line", second))):
                shared = set(names(first)) & set(names(second))
                if len(shared) == 1:
                    self.measures.right_corner[frozenset(names(first) + names(second))] = shared.pop()

    def _draw(self, node: Node) -> None:
        """Draws the shapes that a formula names."""
        if isinstance(node, Call):
            if node.name in SHAPES:
                self._shape(node)
            if node.name == "AreaOf" and isinstance(node.args[0], Call) and node.args[0].name in POLYGONS:
                self.measures.area(self.measures.polygon(node.args[0]))
            for arg in node.args:
                self._draw(arg)
        elif not isinstance(node, Name):
            for side in (getattr(node, "left", None), getattr(node, "right", None)):
                if side is not None:
                    self._draw(side)

    def _shape(self, node: Call) -> None:
        points = names(node.args) if all(isinstance(arg, Name) for arg in node.args) else []
        if node.name == "Line" and len(points) == 2:
            self.figure.side(*points)
        elif node.name == "Angle" and len(points) == 3:
            self.figure.side(points[0], points[1])
            self.figure.side(points[1], points[2])
        elif node.name in ("Circle", "Semicircle") and points:
            self.measures.centre(node)
        elif node.name == "Sector" and len(points) == 3:
            self.figure.on_circle(points[1], points[0])
            self.figure.on_circle(points[2], points[0])
            self.figure.side(points[0], points[1])
            self.figure.side(points[0], points[2])
        elif node.name == "Arc" and len(self.figure.circles) == 1:
            for point in points:
                self.figure.on_circle(point, next(iter(self.figure.circles)))
        elif node.name in POLYGONS and (len(points) > 2 or node.name not in ("Quadrilateral", "Polygon")):
            ring = self.measures.polygon(node)
            if node.name in _KINDS:
                _KINDS[node.name](self, ring)

    def _orient(self) -> None:
        """Corrects the direction of parallel sides, and finds where diagonals are drawn to cross."""
        for ring in list(self.figure.polygons):
            if len(ring) == 4:
                for p in list(self.figure.points):
                    if p not in ring and self._drawn_on(p, ring[0], ring[2]) and self._drawn_on(p, ring[1], ring[3]):
                        self.figure.on_line(p, ring[0], ring[2])
                        self.figure.on_line(p, ring[1], ring[3])
        for index, (a, b, c, d) in enumerate(self.figure.parallels):
            if self._reversed(a, b, c, d):
                self.figure.parallels[index] = (a, b, d, c)

    def _drawn_on(self, p: str, a: str, b: str) -> bool:
        """Whether a point is drawn on the middle part of a line, within 3 % of its length."""
        places = self.figure.positions
        if not all(name in places for name in (p, a, b)):
            return False
        (px, py), (ax, ay), (bx, by) = (places[name] for name in (p, a, b))
        dx, dy = bx - ax, by - ay
        square = dx * dx + dy * dy or 1.0
        along, off = ((px - ax) * dx + (py - ay) * dy) / square, abs((px - ax) * dy - (py - ay) * dx) / square
        return 0.1 < along < 0.9 and off < 0.03

    def _reversed(self, a: str, b: str, c: str, d: str) -> bool:
        places = self.figure.positions
        if all(name in places for name in (a, b, c, d)):
            (ax, ay), (bx, by), (cx, cy), (dx, dy) = (places[name] for name in (a, b, c, d))
            return (bx - ax) * (dx - cx) + (by - ay) * (dy - cy) < 0
        for ring in self.figure.polygons:
            if len(ring) == 4 and {a, b, c, d} == set(ring):
                index = ring.index(a)
                step = 1 if ring[(index + 1) % 4] == b else -1
                return ring[(index + 2 * step) % 4] == c
        crossing = {p for x, p, y in self.figure.between if {x, y} == {a, c}}
        return bool(crossing & {p for x, p, y in self.figure.between if {x, y} == {b, d}})

    def on_line(self, point: Node, line: Node) -> None:
        """`PointLiesOnLine(P, Line(A, B))`"""
        self.figure.on_line(names([_bare(point)])[0], *self.measures.line(line))

    def on_circle(self, point: Node, circle: Node) -> None:
        """`PointLiesOnCircle(P, Circle(O))`"""
        self.figure.on_circle(names([_bare(point)])[0], self.measures.centre(circle))

    def cocircular(self, circle: Node, *points: Node) -> None:
        """`Cocircular(Circle(O), A, B, C)`: points in order around a circle."""
        on = tuple(names(points))
        for point in on:
            self.figure.on_circle(point, self.measures.centre(circle))
        if len(on) > 3:
            self.figure.cyclic.append(on)

    def are_parallel(self, first: Node, second: Node) -> None:
        """`Parallel(Line(A, B), Line(C, D))`"""
        if all(isinstance(node, Call) and len(node.args) == 2 for node in (first, second)):
            self.parallel(*self.measures.line(first), *self.measures.line(second))

    def perpendicular(self, first: Node, second: Node) -> None:
        """`Perpendicular(Line(A, B), Line(C, D))`"""
        (a, b), (c, d) = self.measures.line(first), self.measures.line(second)

        def equations() -> None:
            common = set(self.figure.on_segment(a, b)) & set(self.figure.on_segment(c, d))
            for v in sorted(common)[:1]:
                for p in (a, b):
                    for q in (c, d):
                        if v not in (p, q):
                            self.tell(self.figure.angle(p, v, q), RIGHT, "perpendicular lines")

        self._later.append(equations)

    def intersect(self, *nodes: Node) -> None:
        """`IntersectAt(Line(A, B), Line(C, D), Point(E))`"""
        *lines, point = nodes
        for line in lines:
            a, b = self.measures.line(line)
            self.figure.on_line(names([_bare(point)])[0], a, b)

    def midpoint(self, point: Node, line: Node) -> None:
        """`IsMidpointOf(Point(M), Line(A, B))`"""
        m, (a, b) = names([_bare(point)])[0], self.measures.line(line)
        self.figure.on_line(m, a, b)
        self._later.append(lambda: self.tell(self.figure.length(a, m), self.figure.length(m, b), "midpoint"))

    def bisects(self, line: Node, angle: Node) -> None:
        """`BisectsAngle(Line(B, D), Angle(A, B, C))`"""
        ends = self.measures.line(line)
        points = names(angle.args) if isinstance(angle, Call) else []
        a, v, c = points if len(points) == 3 else self.figure.corner(points[0])
        d = ends[1] if ends[0] == v else ends[0]

        def equations() -> None:
            self.tell(self.figure.angle(a, v, d), self.figure.angle(d, v, c), "angle bisector")
            whole = self.figure.angle(a, v, c)
            self.tell(whole, 2 * self.figure.angle(a, v, d), "angle bisector")
            if self.figure.is_between(a, d, c):
                length = self.figure.length
                self.tell(length(a, d) * length(v, c), length(d, c) * length(v, a), "angle bisector theorem")

        self._later.append(equations)

    def cevian(self, kind: str, line: Node, shape: Node) -> None:
        """Medians, altitudes and bisectors of a triangle; the median of a trapezoid joins the midpoints of its legs."""
        ring, (p, q) = self.measures.polygon(shape), self.measures.line(line)
        if len(ring) == 4:
            self._later.append(lambda: self._trapezoid_median(p, q, ring))
            return
        if p not in ring:
            p, q = q, p
        a, b = (name for name in ring if name != p)
        if kind == "altitude":
            self.figure.on_line(q, a, b)
            self._later.append(lambda: self.tell(self.figure.angle(p, q, a), RIGHT, "altitude"))
        elif kind == "median":
            self.midpoint(Name(q), Call("Line", (Name(a), Name(b))))
        else:
            self.figure.on_line(q, a, b)
            self.bisects(line, Call("Angle", (Name(a), Name(p), Name(b))))

    def _trapezoid_median(self, p: str, q: str, ring: Ring) -> None:
        """It joins the midpoints of two sides, and is half as long as the other two together."""
        length = self.figure.length
        a, b, c, d = ring
        if not any(self.figure.is_between(x, end, y) for x, y in ((a, b), (c, d)) for end in (p, q)):
            (a, d), (b, c) = self.measures.bases.get(ring, ((a, b), (d, c)))
        self.tell(2 * length(p, q), length(a, d) + length(b, c), "midsegment of a trapezoid")
        for x, y in ((a, b), (c, d)):
            for end in (p, q):
                if self.figure.is_between(x, end, y):
                    self.tell(length(x, end), length(end, y), "midsegment of a trapezoid")

    def midsegment(self, line: Node, shape: Node) -> None:
        """`IsMidsegmentOf(Line(M, N), Triangle(A, B, C))`: M on AB and N on AC, parallel to BC."""
        (m, n), (a, b, c) = self.measures.line(line), self.measures.polygon(shape)[:3]
        self.midpoint(Name(m), Call("Line", (Name(a), Name(b))))
        self.midpoint(Name(n), Call("Line", (Name(a), Name(c))))
        self.parallel(m, n, b, c)

    def centroid(self, point: Node, shape: Node) -> None:
        """The medians' point divides each 2 : 1."""
        g, ring = names([_bare(point)])[0], self.measures.polygon(shape)
        for p, q, middle in list(self.figure.between):
            for top, foot in ((p, middle), (q, middle), (p, q), (q, p)):
                if g != top and top in ring and g != foot and {g} <= set(self.figure.on_segment(top, foot)):
                    self._later.append(partial(self._third, top, g, foot))

    def _third(self, top: str, g: str, foot: str) -> None:
        self.tell(self.figure.length(top, g), 2 * self.figure.length(g, foot), "centroid")

    def incenter(self, point: Node, shape: Node) -> None:
        """The bisectors' point."""
        p, (a, b, c) = names([_bare(point)])[0], self.measures.polygon(shape)[:3]
        for x, v, y in ((b, a, c), (a, b, c), (a, c, b)):
            self.figure.side(v, p)
            self.bisects(Call("Line", (Name(v), Name(p))), Call("Angle", (Name(x), Name(v), Name(y))))

    def circumcenter(self, point: Node, shape: Node) -> None:
        """All corners lie on the circle around the point."""
        for corner in self.measures.polygon(shape):
            self.figure.on_circle(corner, names([_bare(point)])[0])

    def inscribed(self, inner: Node, outer: Node) -> None:
        """`InscribedIn(Triangle(A, B, C), Circle(O))`, or a circle in a polygon."""
        if isinstance(inner, Call) and inner.name == "Circle":
            self.circumscribed(outer, inner)
            return
        ring, centre = self.measures.polygon(inner), self.measures.centre(outer)
        for corner in ring:
            self.figure.on_circle(corner, centre)
        if len(ring) > 3:
            self.figure.cyclic.append(ring)
        if isinstance(inner, Call) and inner.name in ("Square", "Rectangle"):
            self.figure.on_line(centre, ring[0], ring[2])
            self.figure.on_line(centre, ring[1], ring[3])

    def circumscribed(self, outer: Node, inner: Node) -> None:
        """`CircumscribedTo(Triangle(A, B, C), Circle(O))`: the circle touches all sides."""
        if isinstance(outer, Call) and outer.name == "Circle":
            self.inscribed(inner, outer)
            return
        ring, centre = self.measures.polygon(outer), self.measures.centre(inner)

        def equations() -> None:
            total = sympy.Add(*(self.figure.length(a, b) for a, b in zip(ring, ring[1:] + ring[:1], strict=True)))
            self.tell(
                self.measures.area(ring), total * self.figure.radius(centre) / 2, "area from the inscribed circle"
            )

        self.measures.area(ring)
        self._later.append(equations)

    def tangent(self, line: Node, circle: Node) -> None:
        """`Tangent(Line(P, A), Circle(O))` touches at the end that lies on the circle."""
        ends, centre = self.measures.line(line), self.measures.centre(circle)
        on = [p for p in ends if p in self.figure.circles[centre]]
        if len(on) != 1:  # the point outside comes first by FormalGeo's custom
            self.figure.on_circle(ends[1], centre)
            on = [ends[1]]
        touching = on[0]
        outside = ends[0] if touching == ends[1] else ends[1]
        self.figure.side(touching, centre)
        self._later.append(
            lambda: self.tell(
                self.figure.angle(outside, touching, centre), RIGHT, "a tangent is perpendicular to the radius"
            )
        )

    def diameter(self, line: Node, circle: Node) -> None:
        """`IsDiameterOf(Line(A, B), Circle(O))`"""
        (a, b), centre = self.measures.line(line), self.measures.centre(circle)
        self.figure.on_circle(a, centre)
        self.figure.on_circle(b, centre)
        self.figure.on_line(centre, a, b)

    def chord(self, line: Node, circle: Node) -> None:
        """Both ends lie on the circle."""
        for end in self.measures.line(line):
            self.figure.on_circle(end, self.measures.centre(circle))

    def radius(self, line: Node, circle: Node) -> None:
        """One end is the centre, the other lies on the circle."""
        a, b = self.measures.line(line)
        centre = self.measures.centre(circle)
        self.figure.on_circle(a if b == centre else b, centre)

    def related(self, pairs: str, first: Node, second: Node) -> None:
        """Congruent or similar triangles, corner by corner."""
        one, other = self.measures.polygon(first), self.measures.polygon(second)
        if len(one) != len(other):
            raise ToolInputError(f"{write(first)[:40]} and {write(second)[:40]} have different numbers of corners")
        getattr(self, pairs).append((one, other))

    def kind(self, name: str, shape: Node) -> None:
        """`Isosceles`, `Equilateral`, `Right`, `Regular` of a polygon."""
        ring = self.measures.polygon(shape)
        if isinstance(shape, Call) and shape.name not in ("Polygon",):
            self._shape(shape)
        if name == "Right" and len(ring) == 3:
            anonymous = isinstance(shape, Call) and names(shape.args)[0].startswith("$")
            if anonymous or frozenset(ring) in self.measures.right_corner:
                corner = self.measures.right_corner.setdefault(frozenset(ring), ring[1])
                a, b = (p for p in ring if p != corner)
                self._later.append(lambda: self.tell(self.figure.angle(a, corner, b), RIGHT, "right triangle"))
        elif name == "Isosceles":
            self.isosceles(ring)
        else:
            self.regular(ring)


def _bare(node: Node) -> Node:
    """`Point(A)` is A."""
    return node.args[0] if isinstance(node, Call) and node.name == "Point" and node.args else node


def _order(node: Node) -> int:
    """Statements that others lean on come first."""
    name = node.name if isinstance(node, Call) else ""
    early = ("Parallel", "PointLiesOnLine", "Cocircular", "PointLiesOnCircle", "IsDiameterOf", "IntersectAt")
    return 0 if name in early else 1 if name in SHAPES else 2


_KINDS: dict[str, Callable[[Facts, Ring], None]] = {
    "Parallelogram": Facts.parallelogram,
    "Rectangle": Facts.rectangle,
    "Rhombus": Facts.rhombus,
    "Square": Facts.square,
    "Kite": Facts.kite,
    "Trapezoid": Facts.trapezoid,
}
_HANDLERS: dict[str, Callable[..., None]] = {
    "PointLiesOnLine": Facts.on_line,
    "PointLiesOnCircle": Facts.on_circle,
    "Cocircular": Facts.cocircular,
    "Parallel": Facts.are_parallel,
    "Perpendicular": Facts.perpendicular,
    "IntersectAt": Facts.intersect,
    "IsMidpointOf": Facts.midpoint,
    "BisectsAngle": Facts.bisects,
    "IsMedianOf": lambda f, line, shape: f.cevian("median", line, shape),
    "IsAltitudeOf": lambda f, line, shape: f.cevian("altitude", line, shape),
    "IsBisectorOf": lambda f, line, shape: f.cevian("bisector", line, shape),
    "IsMidsegmentOf": Facts.midsegment,
    "IsCentroidOf": Facts.centroid,
    "IsIncenterOf": Facts.incenter,
    "IsCircumcenterOf": Facts.circumcenter,
    "InscribedIn": Facts.inscribed,
    "CircumscribedTo": Facts.circumscribed,
    "Tangent": Facts.tangent,
    "IsDiameterOf": Facts.diameter,
    "IsChordOf": Facts.chord,
    "IsRadiusOf": Facts.radius,
    "Congruent": lambda f, first, second: f.related("congruent", first, second),
    "Similar": lambda f, first, second: f.related("similar", first, second),
    "Isosceles": lambda f, shape: f.kind("Isosceles", shape),
    "Equilateral": lambda f, shape: f.kind("Equilateral", shape),
    "Regular": lambda f, shape: f.kind("Regular", shape),
    "Right": lambda f, shape: f.kind("Right", shape),
}
