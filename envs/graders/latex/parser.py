"""Formulas: tokens into a tree. Grammar of school mathematics with implicit products; depth and size are bounded.

A tree is a tuple whose first element names the operation: `("number", Fraction, decimals)`, `("name", "x")`,
`("+", a, b)`, `("^", a, b)`, `("sin", a)`, `("pm", a, b)` ...
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, TypeAlias

from envs.graders.latex.lexer import NotMathsError, Token

MAX_DEPTH = 24
MAX_DIGITS = 60
"""Digits of one number."""

Tree: TypeAlias = tuple[Any, ...]

_CLOSING = {"(": ")", "[": "]", "{": "}", r"\{": r"\}"}
_END = Token("end", "")
_STARTS = frozenset({"number", "name", "function", "(", "[", "{", "infty"})
"""Tokens that may begin a factor of an implicit product. `|` may not: it would also close an absolute value."""
_TWO_ARGUMENTS = ("frac", "binom")
_FRACTION = ("{", "number", "}", "{", "number", "}")
ZERO: Tree = ("number", Fraction(0), 0)


def parse_formula(tokens: list[Token]) -> Tree:
    """The tree of a whole formula. Raises `NotMathsError` when the tokens are not one."""
    parser = _Parser(tokens)
    tree = parser.sum()
    if parser.here.kind != "end":
        raise NotMathsError(f"unexpected {parser.here.text!r}")
    return tree


def number(text: str) -> Tree:
    """The tree of a number as written, with its count of decimals."""
    mantissa, _, exponent = text.lower().partition("e")
    if len(mantissa) > MAX_DIGITS or len(exponent) > 4:
        raise NotMathsError("a number of too many digits")
    if abs(int(exponent or 0)) > 300:
        raise NotMathsError("a number beyond all bounds")
    return ("number", Fraction(mantissa) * Fraction(10) ** int(exponent or 0), len(mantissa.partition(".")[2]))


class _Parser:
    """Recursive descent over the tokens."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = list(tokens)
        self._at = 0
        self._depth = 0

    @property
    def here(self) -> Token:
        return self._tokens[self._at] if self._at < len(self._tokens) else _END

    def _ahead(self, steps: int) -> Token:
        at = self._at + steps
        return self._tokens[at] if at < len(self._tokens) else _END

    def _take(self) -> Token:
        token = self.here
        self._at += 1
        return token

    def _expect(self, kind: str) -> None:
        if self._take().kind != kind:
            raise NotMathsError(f"expected {kind}")

    def _enter(self) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise NotMathsError("nested too deeply")

    def sum(self) -> Tree:
        """Terms joined by + - ±."""
        self._enter()
        if self.here.kind in ("pm", "mp"):
            tree: Tree = (self._take().kind, ZERO, self._product())
        else:
            tree = self._product()
        while self.here.kind in ("+", "-", "pm", "mp"):
            sign = self._take().kind
            tree = (sign, tree, self._product())
        self._depth -= 1
        return tree

    def _product(self) -> Tree:
        tree = self._signed()
        while True:
            if self.here.kind in ("*", "/"):
                tree = (self._take().kind, tree, self._signed())
            elif self.here.kind in _STARTS:
                if self.here.kind == "number" and self._ahead(-1).kind == "number":
                    raise NotMathsError("two numbers in a row")
                tree = ("*", tree, self._power())
            else:
                return tree

    def _mixed(self) -> Tree | None:
        """`1 1/2` and `1\\frac{1}{2}`: a whole number and a fraction, added."""
        if self.here.kind != "number" or "." in self.here.text:
            return None
        kinds = tuple(token.kind for token in self._tokens[self._at + 1 : self._at + 8])
        if kinds[:3] == ("number", "/", "number"):
            whole, over = number(self._take().text), number(self._take().text)
            self._take()
            return ("+", whole, ("/", over, number(self._take().text)))
        if self._ahead(1) == ("function", "frac") and (kinds[1:] == _FRACTION or kinds[1:2] == ("number",)):
            return ("+", number(self._take().text), self._primary())
        return None

    def _signed(self) -> Tree:
        if self.here.kind not in ("-", "+"):
            return self._mixed() or self._power()
        self._enter()
        sign = self._take().kind
        tree = self._signed()
        self._depth -= 1
        return tree if sign == "+" else ("-", ZERO, tree)

    def _power(self) -> Tree:
        tree = self._postfix(self._primary())
        if self.here.kind == "^":
            self._take()
            return self._postfix(("^", tree, self._exponent()))
        return tree

    def _exponent(self) -> Tree:
        self._enter()
        negative = self.here.kind == "-"
        if negative:
            self._take()
        tree = self._power()
        self._depth -= 1
        return ("-", ZERO, tree) if negative else tree

    def _postfix(self, tree: Tree) -> Tree:
        while self.here.kind in ("!", "%", "degree"):
            tree = (self._take().kind, tree)
        return tree

    def _primary(self) -> Tree:
        token = self._take()
        if token.kind == "number":
            return number(token.text)
        if token.kind == "name":
            return ("name", token.text + self._subscript())
        if token.kind == "infty":
            return ("infty",)
        if token.kind in ("(", "[", "{"):
            tree = self.sum()
            self._expect(_CLOSING[token.kind])
            return tree
        if token.kind == "|":
            tree = self.sum()
            self._expect("|")
            return ("abs", tree)
        if token.kind == "function":
            self._enter()
            tree = self._function(token.text)
            self._depth -= 1
            return tree
        raise NotMathsError(f"unexpected {token.text!r}")

    def _subscript(self) -> str:
        if self.here.kind != "_":
            return ""
        self._take()
        if self.here.kind != "{":
            return "_" + self._take().text
        self._take()
        parts = []
        while self.here.kind not in ("}", "end"):
            parts.append(self._take().text)
        self._expect("}")
        return "_" + "".join(parts)

    def _function(self, name: str) -> Tree:
        if name == "pi":
            return ("pi",)
        if name in _TWO_ARGUMENTS:
            first = self._argument()
            return ("/" if name == "frac" else name, first, self._argument())
        if name == "sqrt":
            root: Tree = ("number", Fraction(2), 0)
            if self.here.kind == "[":
                root = self._primary()
            return ("root", self._primary(), root)
        base: Tree | None = None
        if name == "log" and self.here.kind == "_":
            self._take()
            base = self._primary()
        exponent: Tree | None = None
        if self.here.kind == "^":
            self._take()
            exponent = self._exponent()
        if self.here.kind in ("(", "{", "["):
            argument = self._postfix(self._primary())
        else:
            argument = self._power()
            while self.here.kind in ("number", "name") or self.here == ("function", "pi"):
                argument = ("*", argument, self._power())
        tree: Tree = (name, argument) if base is None else ("log", argument, base)
        return tree if exponent is None else ("^", tree, exponent)

    def _argument(self) -> Tree:
        """One argument of `\\frac`: a group, or a single digit or letter as LaTeX reads `\\frac12`."""
        if self.here.kind == "number" and len(self.here.text) > 1:
            token = self.here
            self._tokens[self._at] = Token("number", token.text[1:])
            return number(token.text[0])
        return self._primary()
