"""FormalGeo's CDL and Inter-GPS's logic forms say the same things: each can be turned into the other.

CDL writes `Equal(LengthOfLine(AB),5)` where logic forms write `Equals(LengthOf(Line(A, B)), 5)`. Logic forms are what
the solver reads. Names of predicates: FormalGeo's GDL `GFS-Basic` and Inter-GPS's geometry language.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

from tools.diagram.form import Call, Name, Node, Number, Operation, names
from tools.errors import ToolInputError

QUADRILATERALS = ("Quadrilateral", "Parallelogram", "Rhombus", "Rectangle", "Square", "Trapezoid", "Kite")
REGULAR = {"Pentagon": 5, "Hexagon": 6, "Heptagon": 7, "Octagon": 8, "Nonagon": 9, "Decagon": 10, "Dodecagon": 12}
POLYGONS = ("Triangle", *QUADRILATERALS, *REGULAR, "Polygon")

_MEASURES = {  # CDL name: (logic form, shape)
    "LengthOfLine": ("LengthOf", "Line"),
    "MeasureOfAngle": ("MeasureOf", "Angle"),
    "MeasureOfArc": ("MeasureOf", "Arc"),
    "LengthOfArc": ("LengthOf", "Arc"),
    "RadiusOfCircle": ("RadiusOf", "Circle"),
    "DiameterOfCircle": ("DiameterOf", "Circle"),
    "PerimeterOfCircle": ("CircumferenceOf", "Circle"),
    "AreaOfCircle": ("AreaOf", "Circle"),
    "AreaOfSector": ("AreaOf", "Sector"),
    "PerimeterOfTriangle": ("PerimeterOf", "Triangle"),
    "PerimeterOfQuadrilateral": ("PerimeterOf", "Quadrilateral"),
    "AreaOfTriangle": ("AreaOf", "Triangle"),
    "AreaOfQuadrilateral": ("AreaOf", "Quadrilateral"),
    "HeightOfTriangle": ("HeightOf", "Triangle"),
    "HeightOfQuadrilateral": ("HeightOf", "Quadrilateral"),
}
_RELATIONS = {  # CDL name: (logic form, shapes of its arguments)
    "ParallelBetweenLine": ("Parallel", ("Line", "Line")),
    "PerpendicularBetweenLine": ("Perpendicular", ("Line", "Line")),
    "CongruentBetweenTriangle": ("Congruent", ("Triangle", "Triangle")),
    "SimilarBetweenTriangle": ("Similar", ("Triangle", "Triangle")),
    "MirrorCongruentBetweenTriangle": ("Congruent", ("Triangle", "Triangle")),
    "MirrorSimilarBetweenTriangle": ("Similar", ("Triangle", "Triangle")),
    "IsMidpointOfLine": ("IsMidpointOf", ("Point", "Line")),
    "IsBisectorOfAngle": ("BisectsAngle", ("Line", "Angle")),
    "IsDiameterOfCircle": ("IsDiameterOf", ("Line", "Circle")),
    "IsTangentOfCircle": ("Tangent", ("Line", "Circle")),
    "IsCentroidOfTriangle": ("IsCentroidOf", ("Point", "Triangle")),
    "IsIncenterOfTriangle": ("IsIncenterOf", ("Point", "Triangle")),
    "IsCircumcenterOfTriangle": ("IsCircumcenterOf", ("Point", "Triangle")),
    "IsMedianOfTriangle": ("IsMedianOf", ("Line", "Triangle")),
    "IsAltitudeOfTriangle": ("IsAltitudeOf", ("Line", "Triangle")),
    "IsMidsegmentOfTriangle": ("IsMidsegmentOf", ("Line", "Triangle")),
    "IsMidsegmentOfQuadrilateral": ("IsMedianOf", ("Line", "Quadrilateral")),
    "IsPerpendicularBisectorOfLine": ("IsPerpendicularBisectorOf", ("Line", "Line")),
    "IsPointOnCircle": ("PointLiesOnCircle", ("Point", "Circle")),
}
_KINDS = {"RightTriangle": "Right", "IsoscelesTriangle": "Isosceles", "EquilateralTriangle": "Equilateral"}
_OPERATIONS = {"Add": "+", "Sub": "-", "Mul": "*", "Div": "/", "Pow": "^"}
_LETTERS = re.compile(r"[A-Z]'*")
_LOGIC_MEASURES = {value: key for key, value in _MEASURES.items()}
_LOGIC_RELATIONS: dict[tuple[str, tuple[str, ...]], str] = {
    (form, shapes): name for name, (form, shapes) in reversed(_RELATIONS.items()) if not name.startswith("Mirror")
}


def to_logic(node: Node) -> list[Node]:
    """The logic forms of one formula of either language.

    Raises:
        ToolInputError: a predicate has the wrong arguments.
    """
    if not isinstance(node, Call):
        return [node]
    name, args = node.name, node.args
    if name.startswith("Mirror") and len(args) == 2:  # the second triangle is told the other way round
        a, b, c = _corners(args[1])
        return to_logic(Call(name.removeprefix("Mirror"), (args[0], Name(a + c + b))))
    if name in _RELATIONS:
        form, shapes = _RELATIONS[name]
        if len(args) != len(shapes):
            raise ToolInputError(f"{name} takes {len(shapes)} arguments")
        return [Call(form, tuple(_shape(kind, arg) for kind, arg in zip(shapes, args, strict=True)))]
    if name in _KINDS:
        corners = _points(args)
        found: list[Node] = [Call(_KINDS[name], (shape("Triangle", corners),))]
        if len(corners) == 3 and name == "RightTriangle":
            found.append(equals(measure(corners), Number(_RIGHT)))
        if len(corners) == 3 and name == "IsoscelesTriangle":
            found.append(equals(length(corners[0], corners[1]), length(corners[0], corners[2])))
        return found
    if name == "IsoscelesTrapezoid":
        return [Call("Isosceles", (shape("Trapezoid", _points(args)),))]
    if name == "Trapezoid" and len(args) == 1 and len(corners := _points(args)) == 4:  # CDL's legs are AB and CD
        a, b, c, d = corners
        return [shape("Trapezoid", corners), Call("Parallel", (shape("Line", (a, d)), shape("Line", (b, c))))]
    if name == "IsCentreOfCircle" and args:
        return [shape("Circle", _points(args[-1:]))]
    if name == "Shape":
        return _outline([_points([arg]) for arg in args])
    if name == "Collinear":
        points = _points(args)
        return [
            Call("PointLiesOnLine", (Name(points[j]), shape("Line", (points[i], points[k]))))
            for i in range(len(points))
            for j in range(i + 1, len(points))
            for k in range(j + 1, len(points))
        ]
    if name == "Cocircular":
        centre, *on = _points(args)
        return [Call("Cocircular", (shape("Circle", [centre]), *map(Name, on)))]
    if name in ("Value", "Find"):
        return [Call("Find", tuple(_inner(arg) for arg in args))]
    if name in ("Equal", "Equals"):
        return [Call("Equals", tuple(_inner(arg) for arg in args))]
    return [_inner(node)]


def to_cdl(node: Node) -> Node:
    """The CDL of one logic form; what CDL has no word for stays as it is."""
    if isinstance(node, Operation):
        return Operation(node.sign, to_cdl(node.left), to_cdl(node.right))
    if not isinstance(node, Call):
        return node
    name, args = node.name, node.args
    kinds = tuple(arg.name if isinstance(arg, Call) else "Point" for arg in args)
    plain = tuple("Quadrilateral" if kind in QUADRILATERALS else kind for kind in kinds)
    if len(args) == 1 and (name, plain[0]) in _LOGIC_MEASURES:
        return Call(_LOGIC_MEASURES[name, plain[0]], (_joined(args[0]),))
    if (name, plain) in _LOGIC_RELATIONS:
        return Call(_LOGIC_RELATIONS[name, plain], tuple(map(_joined, args)))
    if len(args) == 1 and kinds == ("Triangle",) and name in _KINDS.values():
        return Call(f"{name}Triangle", (_joined(args[0]),))
    if name == "Isosceles" and kinds == ("Trapezoid",):
        return Call("IsoscelesTrapezoid", (_joined(args[0]),))
    if name == "PointLiesOnLine" and len(args) == 2 and isinstance(args[1], Call) and len(args[1].args) == 2:
        a, b = names(args[1].args)
        return Call("Collinear", (Name(a + names(args[:1])[0] + b),))
    if name in POLYGONS or name in ("Line", "Angle", "Arc", "Circle", "Sector"):
        return _joined_call(node)
    renamed = {"Equals": "Equal", "Find": "Value", "SinOf": "Sin", "CosOf": "Cos", "TanOf": "Tan"}.get(name, name)
    return Call(renamed, tuple(map(to_cdl, args)))


def shape(kind: str, points: Sequence[str]) -> Call:
    """`Line(A, B)` and the like."""
    return Call(kind, tuple(map(Name, points)))


def length(a: str, b: str) -> Call:
    """`LengthOf(Line(A, B))`."""
    return Call("LengthOf", (shape("Line", (a, b)),))


def measure(points: Sequence[str]) -> Call:
    """`MeasureOf(Angle(A, B, C))`."""
    return Call("MeasureOf", (shape("Angle", points),))


def equals(left: Node, right: Node) -> Call:
    """`Equals(left, right)`."""
    return Call("Equals", (left, right))


def _inner(node: Node) -> Node:
    """Measures and sums inside a formula; letters run together become separate points."""
    if isinstance(node, Operation):
        return Operation(node.sign, _inner(node.left), _inner(node.right))
    if not isinstance(node, Call):
        return node
    if node.name in _MEASURES:
        form, kind = _MEASURES[node.name]
        return Call(form, (_shape(kind, *node.args),))
    if node.name in _OPERATIONS and len(node.args) >= 2:
        total = _inner(node.args[0])
        for arg in node.args[1:]:
            total = Operation(_OPERATIONS[node.name], total, _inner(arg))
        return total
    if node.name in POLYGONS or node.name in ("Line", "Angle", "Arc", "Circle", "Sector"):
        return _shape(node.name, *node.args)
    return Call(node.name, tuple(map(_inner, node.args)))


def _shape(kind: str, *args: Node) -> Node:
    if len(args) == 1 and isinstance(args[0], Call):  # Circle(Circle(O)) and such: already a shape
        return _inner(args[0])
    if any(isinstance(arg, Call | Operation) for arg in args):
        return Call(kind, tuple(map(_inner, args)))
    points = _points(args)
    if kind == "Arc" and len(points) == 3 and len(args) == 1:  # CDL names the centre first
        points = points[1:]
    if kind == "Point" and len(points) == 1:
        return Name(points[0])
    return shape(kind, points)


def _points(args: Sequence[Node]) -> list[str]:
    """The points of arguments: `AB` is two of them, `$` and labels such as `1` stay."""
    found: list[str] = []
    for text in names(args):
        letters = _LETTERS.findall(text)
        found += letters if "".join(letters) == text else [text]
    return found


def _corners(node: Node) -> list[str]:
    """The corners of a triangle."""
    found = _points([node])
    if len(found) != 3:
        raise ToolInputError(f"a triangle has three corners, not {len(found)}")
    return found


def _joined(node: Node) -> Node:
    return _joined_call(node).args[0] if isinstance(node, Call) and node.args else node


def _joined_call(node: Call) -> Call:
    if any(isinstance(arg, Call | Operation) for arg in node.args):
        return node
    return Call(node.name, (Name("".join(names(node.args))),))


def _outline(sides: list[list[str]]) -> list[Node]:
    """`Shape(AB,BC,CA)` is a triangle; a chain that does not close is its lines and the angle between them."""
    lines: list[Node] = [shape("Line", side) for side in sides if len(side) == 2]
    if len(lines) < len(sides):
        return lines  # arcs are told by `Cocircular`
    chained = all(one[1] == other[0] for one, other in pairwise(sides))
    if len(sides) >= 3 and chained and sides[-1][1] == sides[0][0]:
        return [shape("Triangle" if len(sides) == 3 else "Polygon", [side[0] for side in sides])]
    return lines


_RIGHT = Fraction(90)
