"""A rule grammar for the text of geometry problems: text to logic forms.

The text becomes a row of tokens, each with a one-letter code (`tools.diagram.words`). Measures (`area of triangle ABC`)
are joined into quantities first; then each rule is a pattern over the codes, so `L=?\\|_*L` is "AB is parallel to CD".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import pairwise

from tools.diagram.form import Call, Name, Node, Number, Operation, write
from tools.diagram.vocabulary import equals, shape
from tools.diagram.words import Token, tokens

_PARTS = {
    "hypotenuse": "HypotenuseOf", "leg": "LegOf", "side": "SideOf", "side length": "SideOf", "edge": "SideOf",
    "base": "BaseOf", "diagonal": "DiagonalOf", "length": "SideOf",
}  # fmt: skip
_MEASURES = {
    "area": "AreaOf", "perimeter": "PerimeterOf", "circumference": "CircumferenceOf", "radius": "RadiusOf",
    "diameter": "DiameterOf", "height": "HeightOf", "altitude": "HeightOf", "central angle": "MeasureOf",
}  # fmt: skip
_ROUND = ("radius", "diameter", "circumference", "central angle")
_FACTORS = {
    "twice": Fraction(2), "double": Fraction(2), "half": Fraction(1, 2), "three times": Fraction(3),
    "four times": Fraction(4), "five times": Fraction(5), "six times": Fraction(6),
}  # fmt: skip
_OTHER_AREAS = ("shaded", "grey", "gray", "remaining", "total", "white", "black", "surface")
_SIZES = ("length", "size", "measure")
_LINES = ("diameter", "radius", "chord", "altitude", "height", "median", "midsegment")
_RIGHT = Number(Fraction(90))


def logic_forms(text: str) -> list[Node]:
    """What a problem's text says, in order of mention; what is asked for is in `Find(...)`. Nothing is made up: words
    that no rule knows are passed over."""
    row = tokens(text)
    row = _quantities(row)
    codes = "".join(token.code for token in row)
    found: list[tuple[int, int, Node]] = []
    for order, (pattern, build) in enumerate(_RULES):
        for match in pattern.finditer(codes):
            part = row[match.start() : match.end()]
            for node in build(part, row[: match.start()]):
                found.append((match.start(), order, node))
    goals = _goals(row, codes)
    conditions = [node for _, _, node in sorted(found, key=lambda item: item[:2])]
    named = {node.name for node in conditions if isinstance(node, Call) and len(node.args) > 2}
    seen: dict[str, Node] = {write(node): node for node in conditions}
    for name in named:  # "ABCD is a rectangle" says `Rectangle($)` too
        seen.pop(f"{name}($)", None)
    return [*seen.values(), *(Call("Find", (goal,)) for goal in goals)]


def _quantities(row: Sequence[Token]) -> list[Token]:
    """Joins measures with what they measure: code Q, or N for several parts of one shape."""
    out: list[Token] = []
    context: Token | None = None
    round_context: Token | None = None
    index = 0
    while index < len(row):
        token = row[index]
        if token.code == "S":
            context = token
        elif token.code == "C":
            round_context = token
        if token.code != "M":
            out.append(token)
            index += 1
            continue
        if _word(token) == "length" and [other.code for other in out[-2:]] in (["N", "f"], ["Q", "f"]):
            index += 1  # "legs of length 3 and 4"
            continue
        if _word(token) in _SIZES and re.match("f_?M", "".join(other.code for other in row[index + 1 : index + 4])):
            index += 2  # "the length of the hypotenuse" is the hypotenuse
            continue
        if _word(token) in _LINES and (_is_named(out) or (index + 1 < len(row) and row[index + 1].code == "L")):
            out.append(token)  # "AD is an altitude", "diameter AB"
            index += 1
            continue
        following, used = _owner(row, index + 1)
        ahead = "".join(other.code for other in row[index + 1 : index + 3])
        if following is None and ((ahead[:1] == "f" and ahead != "fM") or (out and out[-1].word in _OTHER_AREAS)):
            out.append(token)  # of something that is not known
            index += 1
            continue
        owner = following or (round_context if _word(token) in _ROUND else context) or round_context
        joined = _measured(token, owner, following is not None)
        if joined is not None and joined.code == "Q" and out and out[-1].word == "other" and _word(token) in _PARTS:
            joined = Token("Q", _second(joined.node))
        if joined is None and following is None:
            out.append(token)
            index += 1
            continue
        out.append(joined or token)
        if joined is None or following is None:
            index += 1
        else:
            if following.code in "SC":
                out.insert(len(out) - 1, following)
                context = following if following.code == "S" else context
                round_context = following if following.code == "C" else round_context
            index = used
    return _products(out)


def _is_named(out: Sequence[Token]) -> bool:
    """Whether the text says of a line what it is: `AD is ...`."""
    spoken = [token.code for token in out if token.code != "_"]
    return spoken[-2:] == ["L", "="]


def _second(node: Node | None) -> Node:
    """`the other leg` after one leg."""
    assert isinstance(node, Call)
    part = node.args[0]
    assert isinstance(part, Call)
    return Call(node.name, (Call(part.name, (part.args[0], Number(Fraction(2)))),))


def _owner(row: Sequence[Token], index: int) -> tuple[Token | None, int]:
    """The shape behind `of`, and where the text goes on."""
    if index < len(row) and row[index].code == "f":
        ahead = index + 1
        while ahead < len(row) and ahead <= index + 4 and row[ahead].code == "_":
            ahead += 1
        if ahead < len(row) and row[ahead].code in "SCLARM":
            if row[ahead].code == "M":
                inner, used = _owner(row, ahead + 1)
                if inner is None:
                    return None, index
                joined = _measured(row[ahead], inner, True)
                return (joined, used) if joined is not None else (None, index)
            return row[ahead], ahead + 1
    if index < len(row) and row[index].code in "RLA":
        return row[index], index + 1
    return None, index


def _word(token: Token) -> str:
    word = token.word
    special = {
        "radii": "radius",
        "side lengths": "side length",
        "sides lengths": "side length",
        "degree measure": "measure",
    }
    return special.get(word, word if word in ("radius",) else word.removesuffix("s"))


def _measured(token: Token, owner: Token | None, direct: bool) -> Token | None:
    word = _word(token)
    plural = token.word != word and token.word.endswith("s")
    if owner is None or owner.node is None:
        return None
    if owner.code == "Q":
        return owner if word in ("length", "size", "measure") else None
    if owner.code in "LAR" and direct:
        if word in (
            "length",
            "side",
            "side length",
            "size",
            "measure",
            "diagonal",
            "chord",
            "base",
            "leg",
            "hypotenuse",
        ):
            return Token("Q", _measure(owner, word))
        if word in ("radius", "diameter", "altitude", "median", "height", "midsegment"):
            return None
    if word == "width" and owner.code == "S":
        return Token("Q", Call("LengthOf", (Call("SideOf", (owner.node, Number(Fraction(2)))),)))
    if word in _PARTS and owner.code == "S":
        parts = [
            Call("LengthOf", (Call(_PARTS[word], (owner.node,) + ((Number(Fraction(k)),) if k > 1 else ())),))
            for k in (1, 2, 3)
        ]
        return Token("N", Call("Parts", tuple(parts))) if plural else Token("Q", parts[0])
    if word in _MEASURES and owner.code in "SC":
        node = owner.node
        if word in _ROUND and owner.code == "S":
            return None
        if isinstance(node, Call) and node.name == "Sector" and word in ("radius", "diameter"):
            node = Call("Circle", node.args[:1])
        return Token("Q", Call(_MEASURES[word], (node,)))
    return None


def _measure(token: Token, word: str = "") -> Node:
    """The quantity that a line, angle or arc stands for."""
    assert token.node is not None
    if token.code == "L":
        return Call("LengthOf", (token.node,))
    if token.code == "R":
        return Call("LengthOf" if word == "length" else "MeasureOf", (token.node,))
    if token.code == "A":
        return Call("MeasureOf", (token.node,))
    return token.node


def _products(row: list[Token]) -> list[Token]:
    """`2 CD`, `twice angle B`."""
    out: list[Token] = []
    for token in row:
        if out and token.code in "LAQR" and out[-1].code == "x":
            factor = _FACTORS[out.pop().word.replace(" of", "")]
            token = Token("Q", Operation("*", Number(factor), _measure(token)))
        elif out and token.code in "LAQR" and out[-1].code == "V" and len(out) > 1 and out[-2].code == "=":
            value = out.pop().node
            assert value is not None
            token = Token("Q", Operation("*", value, _measure(token)))
        out.append(token)
    return out


def _goals(row: Sequence[Token], codes: str) -> list[Node]:
    goals: list[Node] = []
    for match in re.finditer(r"F([^.F=]*)", codes):
        part = row[match.start(1) : match.end(1)]
        values = [token for token in part if token.code in "QLAR" or _is_variable(token) or _is_function(token)]
        if len(values) > 1 and any(token.word == "ratio" for token in part):
            return [Call("RatioOf", (_measure(values[0]), _measure(values[1])))]
        goals += [_measure(token) for token in values[:1]]
    if not goals:  # "..., then angle BAD is equal to"
        end = re.search(r"([QLAR])=_*[.]?$", codes)
        if end:
            goals = [_measure(row[end.start()])]
    return goals


def _is_variable(token: Token) -> bool:
    return token.code == "V" and isinstance(token.node, Name)


def _is_function(token: Token) -> bool:
    return token.code == "V" and isinstance(token.node, Call)


def _chain(part: Sequence[Token], before: Sequence[Token]) -> list[Node]:
    """`AB = BC = 5`"""
    if before and before[-1].code == "F":
        return []
    values = [token for token in part if token.code in "QLARV"]
    alike = [(one, other) for one, other in pairwise(values) if {one.code, other.code} != {"L", "A"}]
    return [equals(_measure(one), _measure(other)) for one, other in alike]


def _respectively(part: Sequence[Token], before: Sequence[Token]) -> list[Node]:
    """`AB and CD are 5 and 7 respectively`"""
    quantities = [_measure(token) for token in part if token.code in "QLAR"]
    values = [token.node for token in part if token.code == "V" and token.node is not None]
    if len(quantities) != len(values):
        return []
    return [equals(quantity, value) for quantity, value in zip(quantities, values, strict=True)]


def _straight(part: Sequence[Token], before: Sequence[Token]) -> list[Node]:
    """`QSR is a straight line`"""
    node = part[0].node
    assert isinstance(node, Call)
    if len(node.args) != 3:
        return []
    a, p, b = node.args
    return [Call("PointLiesOnLine", (p, Call("Line", (a, b))))]


def _listed(part: Sequence[Token], before: Sequence[Token]) -> list[Node]:
    """`legs of length 3 and 4`, `sides 3, 4 and 5`"""
    parts = part[0].node
    values = [token.node for token in part if token.code == "V" and token.node is not None]
    assert isinstance(parts, Call)
    return [equals(quantity, value) for quantity, value in zip(parts.args, values, strict=False)]


def _polygon(part: Sequence[Token], before: Sequence[Token]) -> list[Node]:
    node = part[0].node
    assert isinstance(node, Call)
    anonymous = isinstance(node.args[0], Name) and node.args[0].text == "$"
    forms: list[Node] = [] if anonymous and node.name in ("Triangle", "Quadrilateral", "Polygon") else [node]
    for adjective in part[0].word.split():
        if adjective in ("right", "isosceles", "equilateral", "regular"):
            forms.append(Call(adjective.capitalize(), (node,)))
    return forms


def _named(part: Sequence[Token], before: Sequence[Token]) -> list[Node]:
    """`ABCD is a parallelogram`"""
    first, second = part[0].node, part[-1].node
    assert isinstance(first, Call) and isinstance(second, Call)
    whole = Call(second.name, first.args)
    kinds = [word for word in part[-1].word.split() if word in ("right", "isosceles", "equilateral", "regular")]
    return [whole, *(Call(kind.capitalize(), (whole,)) for kind in kinds)]


def _last(before: Sequence[Token], codes: str, skip: int = 0) -> Node | None:
    """The shape mentioned last."""
    return next((token.node for token in reversed(before) if token.code in codes), None)


def _pair(name: str, codes: str) -> Callable[[Sequence[Token], Sequence[Token]], list[Node]]:
    """A relation between the first two shapes of a match."""

    def build(part: Sequence[Token], before: Sequence[Token]) -> list[Node]:
        shapes = [token.node for token in part if token.code in codes and token.node is not None]
        return [Call(name, (shapes[0], shapes[1]))]

    return build


def _with_context(name: str, context: str) -> Callable[[Sequence[Token], Sequence[Token]], list[Node]]:
    """A relation of a line to a shape that is named in the match or was named before it."""

    def build(part: Sequence[Token], before: Sequence[Token]) -> list[Node]:
        whole = _last(part, context) or _last(before, context)
        if whole is None and context == "C":
            whole = shape("Circle", ["$"])
        lines = [token.node for token in part if token.code == "L" and token.node is not None]
        return [Call(name, (line, whole)) for line in lines] if whole is not None else []

    return build


def _part_line(part: Sequence[Token], before: Sequence[Token]) -> list[Node]:
    """`AD is an altitude of triangle ABC`, `diameter AB`"""
    word = _word(next(token for token in part if token.code == "M"))
    names = {
        "altitude": "IsAltitudeOf",
        "height": "IsAltitudeOf",
        "median": "IsMedianOf",
        "midsegment": "IsMidsegmentOf",
    }
    if word in names:
        return _with_context(names[word], "S")(part, before)
    round_names = {"diameter": "IsDiameterOf", "radius": "IsRadiusOf", "chord": "IsChordOf"}
    return _with_context(round_names[word], "C")(part, before) if word in round_names else []


def _midpoint(part: Sequence[Token], before: Sequence[Token]) -> list[Node]:
    points = [token.node for token in part if token.code == "P"]
    lines = [token.node for token in part if token.code == "L"]
    return [
        Call("IsMidpointOf", (Call("Point", (point,)), line))
        for point, line in zip(points, lines, strict=False)
        if point is not None and line is not None
    ]


def _on(part: Sequence[Token], before: Sequence[Token]) -> list[Node]:
    """`D is on AB`, `A, B and C lie on circle O`"""
    target = part[-1]
    name = "PointLiesOnLine" if target.code == "L" else "PointLiesOnCircle"
    points = [token.node for token in part if token.code == "P" and token.node is not None]
    return [Call(name, (point, target.node)) for point in points if target.node is not None]


def _meet(part: Sequence[Token], before: Sequence[Token]) -> list[Node]:
    lines = [token.node for token in part if token.code == "L" and token.node is not None]
    point = part[-1].node
    assert point is not None
    return [Call("IntersectAt", (lines[0], lines[1], Call("Point", (point,))))]


def _bisects(part: Sequence[Token], before: Sequence[Token]) -> list[Node]:
    angle = next(token.node for token in part if token.code == "A")
    line = next(token.node for token in part if token.code == "L")
    return [Call("BisectsAngle", (line, angle))] if line is not None and angle is not None else []


def _right_angle(part: Sequence[Token], before: Sequence[Token]) -> list[Node]:
    """`angle C is a right angle`, `right-angled at C`"""
    angle = next((token.node for token in part if token.code == "A"), None)
    point = next((token.node for token in part if token.code == "P"), None)
    whole = _last(before, "S")
    if angle is None and point is not None and isinstance(whole, Call) and point in whole.args and len(whole.args) == 3:
        a, b = (name for name in whole.args if name != point)
        angle = Call("Angle", (a, point, b))
    elif angle is None and point is not None:
        angle = Call("Angle", (point,))
    return [equals(Call("MeasureOf", (angle,)), _RIGHT)] if angle is not None else []


def _sum_to(part: Sequence[Token], before: Sequence[Token]) -> list[Node]:
    angles = [Call("MeasureOf", (token.node,)) for token in part if token.code == "A" and token.node is not None]
    total = Fraction(180) if part[-1].word == "supplementary" else Fraction(90)
    return [equals(Operation("+", angles[0], angles[1]), Number(total))]


def _special(part: Sequence[Token], before: Sequence[Token]) -> list[Node]:
    node = part[0].node
    return [Call(part[-1].word.capitalize(), (node,))] if node is not None else []


_Rule = tuple[str, Callable[[Sequence[Token], Sequence[Token]], list[Node]]]
_PATTERNS: tuple[_Rule, ...] = (
    (r"[GS]=_*S", _named),
    (r"S", _polygon),
    (r"C", lambda part, before: [part[0].node] if part[0].node is not None and write(part[0].node)[-2] != "$" else []),
    (r"[QLAR](?:=_*[QLARV])+(?![QLARxm])(?!_*z)(?![^.]*y)", _chain),
    (r"[QLAR](?:&+[QLAR])+=_*V(?:&+V)+_*y", _respectively),
    (r"[QLAR]_*f?_*(?<=[QLARf_])(?<!L)(?<!A)V(?!_*z)", _chain),
    (r"G=_*l", _straight),
    (r"N_*[=fw]?_*Q?_*V(?:&+V)+", _listed),
    (r"L(?:&L)?=?_*\|_*L", _pair("Parallel", "L")),
    (r"L&L=_*\|(?!_*L)", _pair("Parallel", "L")),
    (r"L=?_*T_*L", _pair("Perpendicular", "L")),
    (r"L&L=_*T(?!_*L)", _pair("Perpendicular", "L")),
    (r"S=?_*c_*S", _pair("Congruent", "S")),
    (r"S=?_*s_*S", _pair("Similar", "S")),
    (r"S&S=_*c(?!_*S)", _pair("Congruent", "S")),
    (r"S&S=_*s(?!_*S)", _pair("Similar", "S")),
    (r"L=?_*bf?_*A", _bisects),
    (r"P(?:&P)*=?_*m_*f_*L(?:&L)*", _midpoint),
    (r"m_*P_*f_*L", _midpoint),
    (r"L=?_*t_*C(?:_*a_*P)?", _with_context("Tangent", "C")),
    (r"L=_*M(?:f_*[SC])?", _part_line),
    (r"ML(?:&L(?![=V]))*", _part_line),
    (r"P(?:&+P)*_*=?_*o_*M?[LC]", _on),
    (r"L&_*L_*i_*a_*P", _meet),
    (r"A=_*r", _right_angle),
    (r"r_*a_*P", _right_angle),
    (r"A&A=_*p", _sum_to),
    (r"S=_*k", _special),
    (r"S=?_*n_*C", _pair("InscribedIn", "SC")),
    (r"C=?_*n_*S", _pair("InscribedIn", "SC")),
    (r"S=?_*u_*C", _pair("CircumscribedTo", "SC")),
)
_RULES = tuple((re.compile(pattern), build) for pattern, build in _PATTERNS)
