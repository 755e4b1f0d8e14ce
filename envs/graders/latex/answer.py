"""What an answer is: a formula, several values, a tuple, an interval, a union, a ratio, an equation, an inequality."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from envs.graders.latex.lexer import NotMathsError, Token, tokens_of
from envs.graders.latex.parser import Tree, parse_formula
from envs.graders.latex.value import names_in

_OPEN, _CLOSE = {"(", "[", "{", r"\{"}, {")", "]", "}", r"\}"}
_SEPARATORS = {",", ";", "or", "and"}
_RELATIONS = {"=", "lt", "gt", "le", "ge", "ne", "in"}
_MIRROR = {"lt": "gt", "gt": "lt", "le": "ge", "ge": "le"}
_INFINITY: Tree = ("infty",)
_MINUS_INFINITY: Tree = ("-", ("number", 0, 0), _INFINITY)
_UNIT_WORDS = {"cm", "mm", "km", "ft", "in", "kg", "ml", "mi", "yd", "lb", "oz", "min", "sec", "hr", "deg"}
MAX_PARTS = 40

Kind = Literal["formula", "bag", "list", "tuple", "ratio", "relation"]


@dataclass(frozen=True, slots=True)
class Answer:
    """Attributes:
    kind: `formula`; `bag` (a set, the values of ±, a union: no order); `list` (values in a row without brackets);
        `tuple` (a point or an interval, `mark` has its brackets); `ratio` (`a:b`); `relation` (`mark` is its sign).
    parts: of all kinds but `formula`.
    tree: of a `formula`.
    mark: brackets or relation.
    unit: words after the value, of a `formula`.
    """

    kind: Kind
    parts: tuple[Answer, ...] = ()
    tree: Tree = ()
    mark: str = ""
    unit: str = ""


@lru_cache(maxsize=1 << 13)
def parse_answer(text: str) -> Answer | None:
    """Reads a whole answer; None when it is no mathematics. Cached: policies repeat themselves."""
    try:
        return _answer(tokens_of(text))
    except NotMathsError:
        return None


def _answer(tokens: list[Token]) -> Answer:
    while tokens and tokens[-1].text in (",", ";"):
        tokens = tokens[:-1]
    if not tokens:
        raise NotMathsError("empty")
    parts = _split(tokens, lambda token: token.kind in _SEPARATORS)
    if len(parts) == 1:
        return _one(tokens)
    unordered = any(token.kind in ("or", "and") for token in tokens)
    answers = tuple(_one(part) for part in parts if part or not unordered)  # `a, b, and c` has an empty part
    named = all(answer.kind == "relation" and answer.mark == "=" for answer in answers)
    return Answer("bag" if unordered or named else "list", answers)


def _one(tokens: list[Token]) -> Answer:
    if not tokens:
        raise NotMathsError("an empty part")
    parts = _split(tokens, lambda token: token.kind == "cup")
    if len(parts) > 1:
        return Answer("bag", tuple(_one(part) for part in parts))
    parts = _split(tokens, lambda token: token.kind in _RELATIONS)
    if len(parts) > 1:
        return _relation(parts, _top(tokens, _RELATIONS))
    if tokens[0].kind in _OPEN and tokens[-1].kind in _CLOSE and _matching(tokens) == len(tokens) - 1:
        inside = _split(tokens[1:-1], lambda token: token.kind in (",", ";"))
        if tokens[0].kind in (r"\{", "{") and (len(inside) > 1 or tokens[0].kind == r"\{"):
            return Answer("bag", tuple(_one(part) for part in inside))
        if len(inside) > 1:
            return Answer("tuple", tuple(_one(part) for part in inside), mark=tokens[0].kind + tokens[-1].kind)
    parts = _split(tokens, lambda token: token.kind == ":")
    if len(parts) > 1:
        return Answer("ratio", tuple(_side(part) for part in parts))
    return _formula(tokens)


def _side(tokens: list[Token]) -> Answer:
    """One number of a ratio."""
    answer = _formula(tokens)
    if answer.kind != "formula":
        raise NotMathsError("± in a ratio")
    return answer


def _formula(tokens: list[Token]) -> Answer:
    tokens, unit = _unit(tokens)
    tree = parse_formula(tokens)
    if _has(tree, ("pm", "mp")):
        return Answer(
            "bag", (Answer("formula", tree=tree, mark="+"), Answer("formula", tree=tree, mark="-")), unit=unit
        )
    return Answer("formula", tree=tree, unit=unit)


def _has(tree: Tree, kinds: tuple[str, ...]) -> bool:
    return tree[0] in kinds or any(_has(part, kinds) for part in tree[1:] if isinstance(part, tuple))


def _unit(tokens: list[Token]) -> tuple[list[Token], str]:
    """Splits words in upright type, or known units, off the end, with their power: `5 \\text{ cm}^2`."""
    at, power = len(tokens), ""
    if at > 2 and tokens[at - 2].kind == "^" and tokens[at - 1].text in ("2", "3"):
        at, power = at - 2, tokens[at - 1].text
    elif at > 4 and tokens[at - 4].kind == "^" and tokens[at - 2].text in ("2", "3") and tokens[at - 1].kind == "}":
        at, power = at - 4, tokens[at - 2].text
    end = at
    while at and tokens[at - 1].kind == "text":
        at -= 1
    words = [token.text for token in tokens[at:end]]
    if not words and at > 2 and tokens[at - 1].kind == tokens[at - 2].kind == "name":
        letters = tokens[at - 2].text + tokens[at - 1].text
        if letters in _UNIT_WORDS and tokens[at - 3].kind not in ("name", "_", "{"):
            at, words = at - 2, [letters]
    return (tokens[:at], " ".join(words) + power) if words and at else (tokens, "")


def _relation(parts: list[list[Token]], signs: list[str]) -> Answer:
    """`x = 5`, `x \\in (1, 2)`, `x > 3` and `1 < x \\le 2` (both as intervals), `2x + 3y = 6`."""
    if signs == ["in"]:
        return _one(parts[1])
    if signs == ["="]:
        if not parts[0] or all(token.kind == "text" for token in parts[0]):
            return _one(parts[1])
        return Answer("relation", (_one(parts[0]), _one(parts[1])), mark="=")
    sides = [_formula(part) for part in parts]
    if any(side.kind != "formula" for side in sides):
        raise NotMathsError("± in a relation")
    single = [answer.tree[0] == "name" for answer in sides]
    constant = [not names_in(answer.tree) for answer in sides]
    if len(sides) == 2 and single[0] and constant[1] and signs[0] in _MIRROR:
        return _ray(sides[1], signs[0])
    if len(sides) == 2 and single[1] and constant[0] and signs[0] in _MIRROR:
        return _ray(sides[0], _MIRROR[signs[0]])
    if len(sides) == 3 and single[1] and constant[0] and constant[2]:
        if set(signs) <= {"lt", "le"}:
            return _interval(sides[0], sides[2], signs[0] == "le", signs[1] == "le")
        if set(signs) <= {"gt", "ge"}:
            return _interval(sides[2], sides[0], signs[1] == "ge", signs[0] == "ge")
    if len(sides) == 2:
        return Answer("relation", tuple(sides), mark=signs[0])
    raise NotMathsError("a chain of relations")


def _ray(bound: Answer, sign: str) -> Answer:
    infinity = Answer("formula", tree=_INFINITY if sign in ("gt", "ge") else _MINUS_INFINITY)
    if sign in ("gt", "ge"):
        return _interval(bound, infinity, sign == "ge", False)
    return _interval(infinity, bound, False, sign == "le")


def _interval(low: Answer, high: Answer, low_closed: bool, high_closed: bool) -> Answer:
    return Answer("tuple", (low, high), mark=("[" if low_closed else "(") + ("]" if high_closed else ")"))


def _top(tokens: list[Token], kinds: set[str]) -> list[str]:
    """Tokens of these kinds outside brackets, in order."""
    found, depth = [], 0
    for token in tokens:
        depth += (token.kind in _OPEN) - (token.kind in _CLOSE)
        if depth == 0 and token.kind in kinds:
            found.append(token.kind)
    return found


def _split(tokens: list[Token], separates: Callable[[Token], bool]) -> list[list[Token]]:
    """Parts between separators outside brackets."""
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        depth += (token.kind in _OPEN) - (token.kind in _CLOSE)
        if depth == 0 and separates(token):
            parts.append([])
        else:
            parts[-1].append(token)
    if len(parts) > MAX_PARTS:
        raise NotMathsError("too many parts")
    return parts


def _matching(tokens: list[Token]) -> int:
    """Place of the bracket that closes the first token's; `(` and `]` match, since intervals may be half open."""
    depth = 0
    for at, token in enumerate(tokens):
        depth += (token.kind in _OPEN) - (token.kind in _CLOSE)
        if depth == 0:
            return at
    return -1
