"""What formulas such as `LengthOf(Line(A, B))` or `AreaOf(Square($))` are in symbols of a figure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import sympy
from sympy import Expr

from tools.diagram import algebra
from tools.diagram.algebra import degrees
from tools.diagram.figure import Figure
from tools.diagram.form import Call, Name, Node, Number, names, write
from tools.diagram.vocabulary import POLYGONS, QUADRILATERALS, REGULAR
from tools.errors import ToolInputError

_CORNERS = {"Triangle": 3, **dict.fromkeys(QUADRILATERALS, 4), **REGULAR}
_SAME_CIRCLE = "$"


class Measures:
    """Reads values in a figure. Formulas that follow from a measure's meaning are handed to `tell`.

    Args:
        figure: whose symbols.
        tell: takes left, right and the theorem of an equation.
    """

    def __init__(self, figure: Figure, tell: Callable[[Expr, Expr, str], None]) -> None:
        self.figure = figure
        self.tell = tell
        self.right_corner: dict[frozenset[str], str] = {}
        """Corners at which a triangle is known to be right-angled."""
        self.bases: dict[tuple[str, ...], tuple[tuple[str, str], tuple[str, str]]] = {}
        """The parallel sides of a trapezoid."""
        self.variables: dict[str, Expr] = {}

    def expression(self, node: Node) -> Expr:
        """The sympy expression of a value. Raises `ToolInputError`."""
        return algebra.expression(node, self._value)

    def polygon(self, node: Node) -> tuple[str, ...]:
        """The corners of a named or anonymous polygon."""
        if not isinstance(node, Call):
            raise ToolInputError(f"expected a shape, not {write(node)[:60]!r}")
        if node.name in ("Shaded", "Regular") and len(node.args) == 1:
            return self.polygon(node.args[0])
        corners = names(node.args)
        if len(corners) == 1 and corners[0].startswith("$"):
            if node.name not in _CORNERS:
                raise ToolInputError(f"{write(node)} does not say which shape")
            return self.figure.anonymous(_CORNERS[node.name])
        expected = _CORNERS.get(node.name, len(corners))
        if len(corners) != expected:
            raise ToolInputError(f"{write(node)[:60]} has {len(corners)} corners, not {expected}")
        return self.figure.polygon(corners)

    def centre(self, node: Node) -> str:
        """The centre of `Circle(O)`; `$` is the only circle, or a new one."""
        if not isinstance(node, Call) or node.name not in ("Circle", "Semicircle") or not node.args:
            raise ToolInputError(f"expected a circle, not {write(node)[:60]!r}")
        name = names(node.args)[0]
        if name.startswith("$"):
            name = next(iter(self.figure.circles), "") or self.figure.fresh()
        self.figure.circles.setdefault(self.figure.point(name), [])
        return name

    def line(self, node: Node) -> tuple[str, str]:
        """The two points of a line, or of a side, leg, base, hypotenuse or diagonal of a shape."""
        if isinstance(node, Call) and node.name == "Line":
            points = names(node.args)
            if len(points) != 2:
                raise ToolInputError(f"{write(node)[:60]} needs two points")
            self.figure.side(*points)
            return points[0], points[1]
        if isinstance(node, Call) and node.name in _PARTS and node.args:
            ring = self.polygon(node.args[0])
            which = int(node.args[1].value) if len(node.args) > 1 and isinstance(node.args[1], Number) else 1
            a, b = self._part(node.name, ring, max(1, which))
            self.figure.side(a, b)
            return a, b
        raise ToolInputError(f"expected a line, not {write(node)[:60]!r}")

    def angle(self, node: Node) -> Expr:
        """The measure of `Angle(A, B, C)`, `Angle(B)` or `Angle(1)`."""
        if isinstance(node, Call) and node.name == "MeasureOf" and node.args:
            return self.angle(node.args[0])
        if not isinstance(node, Call) or node.name != "Angle":
            raise ToolInputError(f"expected an angle, not {write(node)[:60]!r}")
        points = names(node.args)
        if len(points) == 3:
            return self.figure.angle(*points)
        if len(points) != 1:
            raise ToolInputError(f"{write(node)[:60]} needs one point or three")
        if points[0][0].isupper():
            return self.figure.angle(*self.figure.corner(points[0]))
        return self.figure.measure(f"∠{points[0]}", 360)

    def arc(self, node: Call) -> Expr:
        """The measure of `Arc(A, B)` (the smaller one) or `Arc(A, C, B)` (through C), in degrees."""
        points = names(node.args)
        if len(points) == 3 and points[0] in self.figure.circles:  # FormalGeo's custom: the centre first
            points = points[1:]
        if len(points) == 2:
            return self.figure.arc(points[0], points[1])
        if len(points) != 3:
            raise ToolInputError(f"{write(node)[:60]} needs two points or three")
        a, b, c = points
        return self.figure.arc(a, b) + self.figure.arc(b, c)

    def area(self, ring: Sequence[str]) -> Expr:
        """The symbol of a polygon's area."""
        key = tuple(sorted(ring))
        symbol = self.figure.measure(f"area_{''.join(ring)}", None)
        return self.figure.areas.setdefault(key, symbol)

    def _value(self, node: Name | Call) -> Expr:
        if isinstance(node, Name):
            if node.text.startswith("$"):
                raise ToolInputError(f"{node.text} is not a value")
            return self.variables.setdefault(node.text, sympy.Symbol(node.text, real=True))
        if node.name in ("Line", *_PARTS):
            return self.figure.length(*self.line(node))
        if node.name in ("Angle", "Arc"):
            return self.angle(node) if node.name == "Angle" else self.arc(node)
        if node.name in ("SumOf", "AverageOf") and node.args:
            total = sympy.Add(*map(self.expression, node.args))
            return total / len(node.args) if node.name == "AverageOf" else total
        if node.name in ("RatioOf", "ScaleFactorOf") and len(node.args) == 2:
            return self.expression(node.args[0]) / self.expression(node.args[1])
        if len(node.args) == 1 and node.name in _MEASURES:
            return _MEASURES[node.name](self, node.args[0])
        raise ToolInputError(f"not a value that is known: {write(node)[:60]!r}")

    def _length(self, of: Node) -> Expr:
        if isinstance(of, Call) and of.name == "Arc":
            centre = self._centre_of(names(of.args))
            return sympy.pi * self.figure.radius(centre) * self.arc(of) / 180
        if isinstance(of, Call) and of.name == "HeightOf":
            return self._height(of.args[0])
        return self.figure.length(*self.line(of))

    def _measure(self, of: Node) -> Expr:
        if isinstance(of, Call) and of.name == "Arc":
            return self.arc(of)
        if isinstance(of, Call) and of.name == "Sector":
            return self._sector(of)[1]
        return self.angle(of)

    def _area(self, of: Node) -> Expr:
        if isinstance(of, Call) and of.name == "Shaded" and len(of.args) == 1:
            return self._area(of.args[0])
        if isinstance(of, Call) and of.name in ("Circle", "Semicircle"):
            return sympy.pi * self.figure.radius(self.centre(of)) ** 2 / (2 if of.name == "Semicircle" else 1)
        if isinstance(of, Call) and of.name == "Sector":
            radius, angle = self._sector(of)
            return sympy.pi * radius**2 * angle / 360
        return self.area(self.polygon(of))

    def _perimeter(self, of: Node) -> Expr:
        if isinstance(of, Call) and of.name == "Circle":
            return 2 * sympy.pi * self.figure.radius(self.centre(of))
        if isinstance(of, Call) and of.name == "Semicircle":
            return (sympy.pi + 2) * self.figure.radius(self.centre(of))
        ring = self.polygon(of)
        return sympy.Add(*(self.figure.length(a, b) for a, b in zip(ring, ring[1:] + ring[:1], strict=True)))

    def _sector(self, node: Call) -> tuple[Expr, Expr]:
        """Radius and central angle of `Sector(O, A, B)`."""
        points = names(node.args)
        if len(points) == 1:
            return self.figure.radius(self.centre(Call("Circle", node.args))), self.figure.measure("∠sector", 360)
        if len(points) != 3:
            raise ToolInputError(f"{write(node)[:60]} needs the centre and two points")
        centre, a, b = points
        self.figure.on_circle(a, centre)
        self.figure.on_circle(b, centre)
        return self.figure.radius(centre), self.figure.arc(a, b)

    def _height(self, of: Node) -> Expr:
        ring = self.polygon(of)
        height = self.figure.measure(f"height_{''.join(ring)}", None)
        base = self.figure.length(*self._part("BaseOf", ring, 1))
        area = self.area(ring)
        if len(ring) == 3:
            self.tell(area, base * height / 2, "area of a triangle")
        elif isinstance(of, Call) and of.name == "Trapezoid":
            other = self.figure.length(*self._part("BaseOf", ring, 2))
            self.tell(area, (base + other) * height / 2, "area of a trapezoid")
        else:
            self.tell(area, base * height, "area of a parallelogram")
        return height

    def _part(self, kind: str, ring: tuple[str, ...], which: int) -> tuple[str, str]:
        count = len(ring)
        if kind == "DiagonalOf" and count == 4:
            return (ring[0], ring[2]) if which == 1 else (ring[1], ring[3])
        if count == 3 and kind in ("LegOf", "HypotenuseOf"):
            corner = self.right_corner.get(frozenset(ring), ring[1])
            others = [name for name in ring if name != corner]
            if kind == "HypotenuseOf":
                return others[0], others[1]
            return corner, others[(which - 1) % 2]
        if count == 3 and kind == "BaseOf":
            return ring[1], ring[2]
        if count == 4 and kind in ("BaseOf", "LegOf"):
            first, second = self.bases.get(ring, ((ring[0], ring[1]), (ring[3], ring[2])))
            if kind == "BaseOf":
                return first if which == 1 else second
            return (first[0], second[0]) if which == 1 else (first[1], second[1])
        index = (which - 1) % count
        return ring[index], ring[(index + 1) % count]

    def _centre_of(self, points: Sequence[str]) -> str:
        for centre, on in self.figure.circles.items():
            if set(points) <= set(on):
                return centre
        if len(self.figure.circles) == 1:
            return next(iter(self.figure.circles))
        raise ToolInputError(f"no circle goes through {', '.join(points)}")

    def _trigonometric(self, function: Callable[[Expr], Expr], of: Node) -> Expr:
        is_angle = isinstance(of, Call) and of.name in ("Angle", "MeasureOf")
        return function(degrees(self.angle(of) if is_angle else self.expression(of)))


_PARTS = ("SideOf", "LegOf", "HypotenuseOf", "BaseOf", "DiagonalOf", "EdgeOf")
_MEASURES: dict[str, Callable[[Measures, Node], Expr]] = {
    "LengthOf": Measures._length,
    "MeasureOf": Measures._measure,
    "AreaOf": Measures._area,
    "PerimeterOf": Measures._perimeter,
    "HeightOf": Measures._height,
    "CircumferenceOf": Measures._perimeter,
    "RadiusOf": lambda m, of: m.figure.radius(m.centre(of)),
    "DiameterOf": lambda m, of: 2 * m.figure.radius(m.centre(of)),
    "HalfOf": lambda m, of: m.expression(of) / 2,
    "SquareOf": lambda m, of: m.expression(of) ** 2,
    "SqrtOf": lambda m, of: sympy.sqrt(m.expression(of)),
    "SinOf": lambda m, of: m._trigonometric(sympy.sin, of),
    "CosOf": lambda m, of: m._trigonometric(sympy.cos, of),
    "TanOf": lambda m, of: m._trigonometric(sympy.tan, of),
}
SHAPES = (*POLYGONS, "Circle", "Semicircle", "Line", "Angle", "Arc", "Sector", "Point")
"""Names that only say that something is there."""
