"""From a problem's text to tokens: shapes, lines, angles, values, and the words that relate them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tools.diagram.form import Call, Name, Node, parse
from tools.diagram.vocabulary import REGULAR, shape
from tools.errors import ToolInputError

MAX_TEXT = 4000
"""Characters of a problem."""


@dataclass(frozen=True, slots=True)
class Token:
    """One token.

    Attributes:
        code: one letter that says what it is; see `CODES`.
        node: the shape, line, angle or value.
        word: the word, in lower case, for those that relate.
    """

    code: str
    node: Node | None = None
    word: str = ""


CODES = {
    "S": "a polygon",
    "C": "a circle or sector",
    "L": "a line, two letters",
    "A": "an angle",
    "R": "an arc",
    "P": "a point",
    "G": "three letters or more: a shape that the text goes on to name",
    "V": "a value",
    "M": "a measure or part: area, side, radius",
    "F": "find",
    "=": "equals, is",
    "|": "parallel",
    "T": "perpendicular",
    "c": "congruent",
    "s": "similar",
    "b": "bisects, bisector",
    "m": "midpoint",
    "t": "tangent",
    "i": "intersects at",
    "o": "on",
    "n": "inscribed in",
    "u": "circumscribed about",
    "r": "right angle",
    "k": "isosceles, equilateral",
    "p": "supplementary, complementary",
    "x": "twice, half",
    "l": "a straight line",
    "y": "respectively",
    "z": "less, more, times: a difference that no rule reads",
    "f": "of",
    "w": "with, has",
    "&": "and, comma",
    "a": "at",
    ".": "the end of a sentence",
    "_": "any other word",
}

_KINDS = r"triangle|quadrilateral|parallelogram|rectangle|square|rhombus|trapezoid|trapezium|kite|polygon|" + "|".join(
    kind.lower() for kind in REGULAR
)
_TERM = (
    r"(?:(?:\d+(?:\.\d+)?\s*)?(?:\\d?frac\{[^{}]+\}\{[^{}]+\}|\\sqrt\{[^{}]+\}|√\d+|√\([^()]*\)|\\pi\b|π"
    r"|(?<![A-Za-z])[a-z](?![A-Za-z']))|\d+(?:\.\d+)?(?:\s*/\s*\d+)?)"
)
_TOKEN = re.compile(
    rf"""
    (?P<shape>(?P<adjective>(?:(?:right-angled|right|isosceles|equilateral|regular|scalene|acute|obtuse)\s+)*)
        (?P<kind>△|▱|\b(?:{_KINDS})s?\b)\s*(?P<corners>[A-Z]{{3,12}}\b)?)
  | (?P<circle>(?:⊙|\b(?:semi-?circle|circle|sector)\b)\s*(?P<centre>(?:[A-Z]{{3}}|[A-Z])\b(?![a-z' ]*\bis\ an?\b))?)
  | (?P<arc>(?:⌒|\barcs?\b)\s*(?P<arcends>[A-Z]{{2,3}})\b)
  | (?P<straight>\bstraight\s+line\b)
  | (?P<respectively>\brespectively\b)
  | (?P<right>\bright\s+angles?\b|\bright-angled\b)
  | (?P<angle>(?:∠|\bangles?\b)\s*(?P<anglename>[A-Z]{{3}}\b|[A-Z]\b|\d+\b))
  | (?P<find>\b(?:find|determine|calculate|compute|evaluate|solve\s+for|what\s+(?:is|are)|what's
        |how\s+(?:long|large|big|wide|many\s+degrees)(?:\s+is|\s+are)?)\b)
  | (?P<equals>=|\bis\s+equal\s+to\b|\bare\s+equal\s+to\b|\bequals?\b|\bmeasures\b|\bis\b|\bare\b)
  | (?P<parallel>[∥‖⫽]|\|\||\bparallel\b)
  | (?P<perpendicular>[⊥⟂]|\bperpendicular\b)
  | (?P<congruent>≅|≌|\bcongruent\b)
  | (?P<similar>∼|~|\bsimilar\b)
  | (?P<bisects>\bbisects?\b|\bbisector\b)
  | (?P<midpoint>\bmid-?points?\b)
  | (?P<tangent>\btangents?\b)
  | (?P<intersect>\b(?:intersects?|meets?|cross(?:es)?)\b)
  | (?P<inscribed>\binscribed\s+in\b)
  | (?P<circumscribed>\bcircumscribe[sd](?:\s+(?:about|around))?\b)
  | (?P<special>\b(?:isosceles|equilateral)\b)
  | (?P<pair>\bsupplementary\b|\bcomplementary\b)
  | (?P<times>\btwice\b|\bhalf(?:\s+of)?\b|\b(?:three|four|five|six)\s+times\b|\bdouble\b)
  | (?P<difference>\b(?:less|more|greater|longer|shorter|larger|smaller|times|not)\b)
  | (?P<measure>\b(?:(?:central|inscribed)\s+angle|areas?|perimeter|circumference|radi(?:us|i)|diameters?
        |hypotenuse|legs?
        |sides?(?:\s+lengths?)?|edges?|bases?|heights?|altitudes?|medians?|diagonals?|lengths?|widths?|sizes?|measures?
        |midsegment|degree\s+measure|chords?)\b)
  | (?P<on>\b(?:lies?\s+on|on)\b)
  | (?P<of>\bof\b)
  | (?P<with>\b(?:with|has|have|whose|where)\b)
  | (?P<at>\bat\b)
  | (?P<and>,|;|\band\b)
  | (?P<point>\bpoints?\s+(?P<pointname>[A-Z])\b)
  | (?P<group>\b[A-Z]{{3,12}}\b)
  | (?P<line>\b[A-Z]{{2}}\b)
  | (?P<letter>\b[A-Z]\b)
  | (?P<function>\b(?:sin|cos|tan)\s*\(?(?:(?:∠|angle)\s*[A-Z]+|[a-zA-Z])\)?(?![a-zA-Z]))
  | (?P<value>-?\s*{_TERM}(?:\s*[-+*/]\s*{_TERM})*)
  | (?P<end>[.?!:])
  | (?P<word>[A-Za-z][A-Za-z'-]*)
    """,
    re.VERBOSE,
)
_PLAIN = {
    "parallel": "|", "perpendicular": "T", "congruent": "c", "similar": "s", "bisects": "b", "midpoint": "m",
    "tangent": "t", "intersect": "i", "inscribed": "n", "circumscribed": "u", "right": "r", "special": "k", "pair": "p",
    "times": "x", "straight": "l", "respectively": "y", "difference": "z",
    "on": "o", "of": "f", "with": "w", "at": "a", "and": "&", "end": ".", "find": "F", "equals": "=",
}  # fmt: skip
_UNITS = "cm|mm|km|m|in|ft|inch(?:es)?|feet|foot|(?:centi)?met(?:er|re)s?|units?|yards?|miles?"
_SYMBOLS = (
    (r"\\(?:overline|overleftrightarrow|overrightarrow|text|mathrm|mathbf|rm)\s*\{([^{}]*)\}", r" \1 "),
    (r"\\(?:widehat|overset\{\\frown\})\s*\{([^{}]*)\}", r" arc \1 "),
    (r"\\(?:m?angle)\b", " ∠ "),
    (r"\\(?:triangle|Delta)\b", " △ "),
    (r"\\odot\b", " ⊙ "),
    (r"\\parallel\b", " ∥ "),
    (r"\\(?:perp|bot)\b", " ⊥ "),
    (r"\\cong\b", " ≅ "),
    (r"\\sim\b", " ∼ "),
    (r"\\(?:cdot|times)\b", "*"),
    (r"\\(?:theta|varphi|phi|alpha|beta)\b", lambda match: match[0].replace("var", "")[1]),
    (r"\^\{?\\circ\}?|°|\\degree|\bdegrees?\b(?!\s+measure)", " "),
    (rf"(?<=\d)\s*(?:~|\\,|\\ )*\s*(?:{_UNITS})(?:\^\{{?2\}}?|²)?(?![A-Za-z])(?:\s+squared)?", " "),
    (r"\bsquare\s+(?:units?|centimet\w+|met\w+|inch\w*|feet|cm|m)\b", " "),
    (r"\bm\s*(?=∠|arc\b|⌒)", " "),
    (r"\b(?:center|centre)d?\s+(?:at\s+)?(?:point\s+)?(?=[A-Z]\b)", " CENTRE "),
    (r"\b(?:circle|⊙)\s+(?:with|whose|and|having)?\s*(?:is\s+)?CENTRE\s+", "circle "),
    (r"\bCENTRE\b", " "),
    (r"<image\d*>|~|\\[,;! ]|\\(?:left|right|quad)\b", " "),
    (r"(?<![A-Za-z])([A-Z])(?:\s+(?=[A-Z](?![A-Za-z])))", r"\1"),
    (r"\$", " "),
)  # fmt: skip
_CAPITAL = re.compile(r"\b[A-Z](?=[a-z])")
_ARTICLE = re.compile(r"\b(?:[Aa]n?|the)\s+(?=[a-z]{2,})(?!(?:is|lies|and|on|are|to|if|in|when|equals|or|so|such)\b)")


def tokens(text: str) -> list[Token]:
    """The tokens of a problem. Raises `ToolInputError` when it is too long."""
    if len(text) > MAX_TEXT:
        raise ToolInputError(f"the text is longer than {MAX_TEXT} characters")
    text = _CAPITAL.sub(lambda match: match[0].lower(), text)
    text = _ARTICLE.sub("", text)
    for pattern, replacement in _SYMBOLS:
        text = re.sub(pattern, replacement, text)
    return [token for match in _TOKEN.finditer(text) if (token := _token(match)) is not None]


def _token(match: re.Match[str]) -> Token | None:
    kind, text = match.lastgroup or "", match[0]
    kind = next(name for name in _ORDER if match[name] is not None)
    if kind == "shape":
        return _shape_token(match)
    if kind == "circle":
        name = "Sector" if "sector" in text.lower() else "Semicircle" if "semi" in text.lower() else "Circle"
        return Token("C", shape(name, list(match["centre"] or "$")))
    if kind == "arc":
        return Token("R", shape("Arc", list(match["arcends"])))
    if kind == "angle":
        name = match["anglename"]
        return Token("A", shape("Angle", list(name) if name.isalpha() else [name]))
    if kind == "line":
        return Token("L", shape("Line", list(text))) if text[0] != text[1] else Token("_", word=text)
    if kind == "group":
        return Token("G", shape("Polygon", list(text)))
    if kind in ("point", "letter"):
        return Token("P", Name(match["pointname"] or text))
    if kind == "function":
        return _function(text)
    if kind == "value":
        return _value(text)
    if kind == "measure":
        return Token("M", word=" ".join(text.lower().split()))
    return Token(_PLAIN.get(kind, "_"), word=text.lower())


_ORDER = (
    "shape",
    "circle",
    "arc",
    "angle",
    "group",
    "line",
    "point",
    "letter",
    "function",
    "value",
    "measure",
    *_PLAIN,
    "word",
)


def _shape_token(match: re.Match[str]) -> Token:
    kind = match["kind"].lower().removesuffix("s")
    kind = {"rhombu": "rhombus", "trapezium": "trapezoid", "△": "triangle", "▱": "parallelogram"}.get(kind, kind)
    corners = list(match["corners"] or "$")
    plural = match["kind"].endswith("s") and kind != "rhombus"
    if corners == ["$"] and (plural or kind in ("quadrilateral", "polygon")):
        return Token("_", word=match["kind"].lower())  # it does not say which
    node: Node = shape(kind.capitalize(), corners)
    adjectives = match["adjective"].lower().replace("right-angled", "right").split()
    return Token("S", node, " ".join(adjectives))


def _function(text: str) -> Token:
    """`sin A`, `cos(x)`"""
    found = re.fullmatch(r"(sin|cos|tan)[\s(]*(?:∠|angle)?\s*([A-Z]+|[a-z])\)?", text)
    if found is None:
        return Token("_", word=text)
    inner: Node = Name(found[2]) if found[2].islower() else shape("Angle", list(found[2]))
    return Token("V", Call(f"{found[1].capitalize()}Of", (inner,)))


def _value(text: str) -> Token:
    try:
        return Token("V", parse(text))
    except ToolInputError:
        return Token("_", word=text)
