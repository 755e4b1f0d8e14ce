"""Formulas as trees: `Equals(LengthOf(Line(A, B)), 2x+3)` and `Equal(LengthOfLine(AB),Add(x,1))` share one grammar.

    formula  = sum
    sum      = product {("+" | "-") product}
    product  = power {["*" | "/"] power}            a missing sign is a product: 2x, 3(x+1)
    power    = atom ["^" ["-"] power]
    atom     = number | name | name "(" [sum {"," sum}] ")" | "(" sum ")" | "-" power | \\frac{sum}{sum} | \\sqrt{sum}

A name with a bracket behind it is a call when it starts with a capital and has two letters or more (`Line(`), so that
`x(x+1)` stays a product.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from tools.errors import ToolInputError

MAX_LENGTH = 4000
"""Characters of one formula."""
MAX_DEPTH = 24
"""Nested brackets and operations."""
MAX_OPERATIONS = 100
"""Signs in one formula: a chain of sums is a deep tree too."""
MAX_DIGITS = 40
"""Characters of one number."""

_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?|\.\d+)"
    r"|(?P<name>[A-Za-z][A-Za-z_0-9]*'*|\$\d*)"
    r"|(?P<command>\\[A-Za-z]+)"
    r"|(?P<sign>\*\*|[-+*/^(),{}]))"
)
_CALL = re.compile(r"[A-Z][A-Za-z]+")
_REPLACED = str.maketrans({"−": "-", "–": "-", "×": "*", "·": "*", "÷": "/", "°": " ", "∘": " ", "′": "'", "√": "\\"})
_COMMANDS = {"\\cdot": "*", "\\times": "*", "\\div": "/", "\\pi": "pi", "\\theta": "theta", "\\left": "", "\\right": ""}


@dataclass(frozen=True, slots=True)
class Name:
    """A point, a variable, or a label."""

    text: str


@dataclass(frozen=True, slots=True)
class Number:
    """A number, exact."""

    value: Fraction


@dataclass(frozen=True, slots=True)
class Operation:
    """`left sign right`; the sign is one of + - * / ^. A negative value is 0 - value."""

    sign: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Call:
    """A predicate, a shape or a function, and what it is about."""

    name: str
    args: tuple[Node, ...] = ()


Node: TypeAlias = Name | Number | Operation | Call


def parse(text: str) -> Node:
    """The tree of a formula.

    Raises:
        ToolInputError: it is not one; the message names the place.
    """
    if len(text) > MAX_LENGTH:
        raise ToolInputError(f"a formula is longer than {MAX_LENGTH} characters")
    reader = _Reader(text)
    node = reader.sum(0)
    if reader.peek():
        raise reader.error(f"{reader.peek()!r} is not expected")
    return node


def split(text: str) -> list[str]:
    """The formulas in a text: one a line, or separated by semicolons, or by commas outside all brackets."""
    parts, depth, start = [], 0, 0
    for position, char in enumerate(text):
        depth += (char in "([{") - (char in ")]}")
        if char in ";\n" or (char == "," and depth <= 0):
            parts.append(text[start:position])
            start = position + 1
    parts.append(text[start:])
    return [part.strip() for part in parts if part.strip()]


def write(node: Node, separator: str = ", ") -> str:
    """The formula of a tree, with the fewest brackets."""
    match node:
        case Name(text):
            return text
        case Number(value):
            return written(value)
        case Call(name, args):
            return f"{name}({separator.join(write(arg, separator) for arg in args)})"
        case Operation("-", Number(value), right) if value == 0:
            return f"-{_operand(right, 2, separator)}"
        case Operation(sign, left, right):
            level = _LEVELS[sign]
            return f"{_operand(left, level, separator)}{sign}{_operand(right, level + (sign in '-/^'), separator)}"
    raise AssertionError(node)


def written(value: Fraction) -> str:
    """A number as it is written: a decimal where that is exact and short, else a fraction."""
    if value.denominator == 1:
        return str(value.numerator)
    decimal = f"{float(value):.10g}"
    return decimal if "e" not in decimal and Fraction(decimal) == value else f"{value.numerator}/{value.denominator}"


def names(nodes: Sequence[Node]) -> list[str]:
    """The texts of arguments that must all be names. Raises `ToolInputError` on anything else."""
    for node in nodes:
        if not isinstance(node, Name | Number):
            raise ToolInputError(f"expected a point, not {write(node)[:60]!r}")
    return [write(node) for node in nodes]


_LEVELS = {"+": 1, "-": 1, "*": 2, "/": 2, "^": 3}


def _operand(node: Node, level: int, separator: str) -> str:
    text = write(node, separator)
    bare = not isinstance(node, Operation) or _LEVELS[node.sign] >= level
    return text if bare and not (isinstance(node, Number) and "/" in text and level > 1) else f"({text})"


class _Reader:
    """Walks over the tokens of one formula."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = _tokens(text)
        self.position = 0
        if sum(token in "+-*/^" for token in self.tokens) + text.count("(") > MAX_OPERATIONS:
            raise ToolInputError(f"a formula has more than {MAX_OPERATIONS} operations")

    def peek(self) -> str:
        """The next token, empty at the end."""
        return self.tokens[self.position] if self.position < len(self.tokens) else ""

    def take(self, expected: str = "") -> str:
        """The next token, which must be `expected` when that is given."""
        token = self.peek()
        if not token or (expected and token != expected):
            raise self.error(f"expected {expected!r}" if expected else "the end is missing")
        self.position += 1
        return token

    def error(self, what: str) -> ToolInputError:
        """The error to raise at the current token."""
        return ToolInputError(
            f"cannot read {self.text[:80]!r}: {what} at {''.join(self.tokens[self.position :])[:20]!r}"
        )

    def sum(self, depth: int) -> Node:
        """sum = product {("+" | "-") product}"""
        if depth > MAX_DEPTH:
            raise ToolInputError(f"a formula is nested more than {MAX_DEPTH} deep")
        node = self.product(depth)
        while self.peek() in ("+", "-"):
            node = Operation(self.take(), node, self.product(depth))
        return node

    def product(self, depth: int) -> Node:
        """product = power {["*" | "/"] power}"""
        node = self.power(depth)
        factors = 0
        while token := self.peek():
            factors += 1
            if factors > MAX_OPERATIONS:
                raise ToolInputError(f"a formula has more than {MAX_OPERATIONS} operations")
            if token in ("*", "/"):
                node = Operation(self.take(), node, self.power(depth))
            elif token == "(" or token[0] == "\\" or token[0].isalnum():
                node = Operation("*", node, self.power(depth))
            else:
                break
        return node

    def power(self, depth: int) -> Node:
        """power = atom ["^" ["-"] power]"""
        if depth > MAX_DEPTH:
            raise ToolInputError(f"a formula is nested more than {MAX_DEPTH} deep")
        node = self.atom(depth)
        if self.peek() == "^":
            self.take()
            if self.peek() == "{":
                return Operation("^", node, self.group(depth, "{", "}"))
            return Operation("^", node, self.power(depth + 1))
        return node

    def atom(self, depth: int) -> Node:
        """A number, a name, a call, a group, a negative value, or a LaTeX fraction or root."""
        token = self.take()
        if token == "-":
            return Operation("-", Number(Fraction(0)), self.power(depth + 1))
        if token == "+":
            return self.power(depth + 1)
        if token in ("(", "{"):
            self.position -= 1
            return self.group(depth, token, ")" if token == "(" else "}")
        if token[0].isdigit() or token[0] == ".":
            if len(token) > MAX_DIGITS:
                raise ToolInputError(f"a number has more than {MAX_DIGITS} digits")
            return Number(Fraction(token))
        if token in ("\\frac", "\\dfrac", "\\tfrac"):
            return Operation("/", self.group(depth, "{", "}"), self.group(depth, "{", "}"))
        if token in ("\\sqrt", "\\"):
            inner = self.group(depth, "{", "}") if self.peek() == "{" else self.atom(depth + 1)
            return Call("Sqrt", (inner,))
        if token[0] == "\\" or not (token[0].isalpha() or token[0] == "$"):
            self.position -= 1
            raise self.error(f"{token!r} is not expected")
        if self.peek() == "(" and (_CALL.fullmatch(token) or token in _FUNCTIONS):
            return Call(_FUNCTIONS.get(token, token), self.arguments(depth))
        return Name(token)

    def group(self, depth: int, opening: str, closing: str) -> Node:
        """A formula in brackets."""
        self.take(opening)
        node = self.sum(depth + 1)
        self.take(closing)
        return node

    def arguments(self, depth: int) -> tuple[Node, ...]:
        """What stands in a call's brackets."""
        self.take("(")
        found: list[Node] = []
        while self.peek() != ")":
            if found:
                self.take(",")
            found.append(self.sum(depth + 1))
        self.take(")")
        return tuple(found)


_FUNCTIONS = {"sqrt": "Sqrt", "sin": "Sin", "cos": "Cos", "tan": "Tan"}


def _tokens(text: str) -> list[str]:
    text = text.translate(_REPLACED).replace("^\\circ", " ").replace("^{\\circ}", " ").replace("\\circ", " ")
    found, position = [], 0
    text = text.rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            if text[position] == "\\":  # a bare root sign
                found.append("\\")
                position += 1
                continue
            raise ToolInputError(f"cannot read {text[:80]!r}: {text[position:].strip()[:1]!r} is not expected")
        token = match[match.lastgroup or 0]
        token = _COMMANDS.get(token, token)
        if token:
            found.append("^" if token == "**" else token)
        position = match.end()
    return found
