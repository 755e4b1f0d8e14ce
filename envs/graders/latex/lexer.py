"""Tokens of a mathematical answer."""

from __future__ import annotations

import re
from typing import NamedTuple

from envs.graders.text import typography
from envs.graders.units import is_unit_word

MAX_LENGTH = 400
"""Characters of an answer that is read as mathematics."""
MAX_TOKENS = 160

_UNICODE = str.maketrans(
    {
        **dict.fromkeys("×·⋅∙", "*"),
        **{power: f"^{digit}" for digit, power in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")},
        **{name[0]: rf"\{name[1:]} " for name in ("πpi", "∞infty", "±pm", "∓mp", "∪cup", "∈in", "√sqrt", "°degree")},
        **{name[0]: rf"\{name[1:]} " for name in ("≤le", "≥ge", "÷div", "αalpha", "βbeta", "γgamma", "θtheta", "φphi")},
        **{name[0]: rf"\{name[1:]} " for name in ("λlambda", "μmu", "ωomega", "≠ne", "≈approx")},
        "∛": r"\sqrt[3]",
    }
)
_THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,])")
_LAYOUT = "quad|qquad|displaystyle|textstyle|left|right|big|bigl|bigr|Big|Bigl|Bigr|limits|mathop"
_SKIPPED = rf"\s+|~|\\[,;:! ]|\\(?:{_LAYOUT})(?![A-Za-z])"
_TOKEN = re.compile(
    rf"(?P<skip>{_SKIPPED}|\\[()\[\]]|\$)"
    r"|(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+(?![\w]))?|\.\d+)"
    r"|(?P<text>\\(?:text|mathrm|textrm|textbf|mathbf|mathit|textit|mbox|operatorname|rm|bf)(?![A-Za-z])\s*\{[^{}]*\})"
    r"|\\(?P<command>[A-Za-z]+)"
    r"|(?P<word>[A-Za-z]+)"
    r"|(?P<sign>\*\*|<=|>=|\\[{}%|]|[-+*/^_=<>(){}\[\]|,:;!%])"
)
_SIGNS = {"**": "^", "<=": "le", ">=": "ge", "<": "lt", ">": "gt", r"\%": "%", r"\|": "|"}
_COMMANDS = {
    **dict.fromkeys(("cdot", "times", "ast"), "*"),
    **dict.fromkeys(("div",), "/"),
    **dict.fromkeys(("leq", "le", "leqslant"), "le"),
    **dict.fromkeys(("geq", "ge", "geqslant"), "ge"),
    **dict.fromkeys(("lt", "gt", "pm", "mp", "cup", "in", "infty", "degree"), ""),
    **dict.fromkeys(("ne", "neq"), "ne"),
    **dict.fromkeys(("approx", "equiv"), "="),
    **dict.fromkeys(("lvert", "rvert", "vert", "mid"), "|"),
    **dict.fromkeys(("lbrace",), r"\{"),
    **dict.fromkeys(("rbrace",), r"\}"),
    **dict.fromkeys(("colon",), ":"),
    "circ": "degree",
}
_FUNCTION_WORDS = "sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh log ln lg exp sqrt frac binom pi"
FUNCTIONS = {name: name for name in _FUNCTION_WORDS.split()}
FUNCTIONS |= {"tg": "tan", "ctg": "cot", "arctg": "arctan", "dfrac": "frac", "tfrac": "frac", "cfrac": "frac"}
FUNCTIONS |= {"dbinom": "binom", "tbinom": "binom", "asin": "arcsin", "acos": "arccos", "atan": "arctan"}
_LETTER_WORDS = (
    "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta kappa lambda mu nu xi rho sigma tau phi varphi "
    "chi psi omega Gamma Delta Theta Lambda Sigma Phi Psi Omega ell triangle square bullet heartsuit"
)
_LETTERS = frozenset(_LETTER_WORDS.split())
_PRODUCT_LETTERS = 3
"""A word of at most so many letters inside a formula is a product of variables; a longer one is no mathematics."""


class NotMathsError(ValueError):
    """The text is not a mathematical answer that this package reads."""


class Token(NamedTuple):
    """Attributes:
    kind: `number`, `name` (a variable), `function`, `text` (words in upright type), or the sign itself.
    text: as written: digits, the variable's name, the function's name, the words.
    """

    kind: str
    text: str


def tokens_of(text: str) -> list[Token]:
    """Splits an answer into tokens.

    Raises:
        NotMathsError: too long, or holding a sign, a command or a word that mathematics does not use.
    """
    if len(text) > MAX_LENGTH:
        raise NotMathsError("too long")
    text = typography(text).translate(_UNICODE).replace("{,}", ",").replace(r"^{\circ}", r"\degree ")
    text = text.replace(r"^\circ", r"\degree ").replace(r"\infin ", r"\infty ")
    if not any(bracket in text for bracket in "([{"):
        text = _THOUSANDS.sub(lambda match: match[0].replace(",", ""), text)
    found: list[Token] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or len(found) > MAX_TOKENS:
            raise NotMathsError("not mathematics")
        position = match.end()
        _append(found, match.lastgroup or "", match[match.lastgroup or 0])
    if all(token.kind in ("name", "text") for token in found) and len(found) != 1:
        raise NotMathsError("words")
    return found


def _append(found: list[Token], group: str, text: str) -> None:
    if group == "number":
        found.append(Token("number", text))
    elif group == "text":
        words = text[text.index("{") + 1 : -1].replace("~", " ").strip()
        found.append(Token(words, words) if words in ("or", "and") else Token("text", words))
    elif group == "sign":
        sign = _SIGNS.get(text, text)
        found.append(Token(sign, text))
    elif group == "command":
        if text in FUNCTIONS:
            found.append(Token("function", FUNCTIONS[text]))
        elif text in _COMMANDS:
            found.append(Token(_COMMANDS[text] or text, text))
        elif text in _LETTERS:
            found.append(Token("name", text))
        else:
            raise NotMathsError(f"unknown command {text}")
    elif group == "word":
        if text in FUNCTIONS or text.lower() in FUNCTIONS:
            found.append(Token("function", FUNCTIONS.get(text) or FUNCTIONS[text.lower()]))
        elif text in ("or", "and"):
            found.append(Token(text, text))
        elif is_unit_word(text):
            found.append(Token("text", text))
        elif len(text) <= _PRODUCT_LETTERS:
            found.extend(Token("name", letter) for letter in text)
        else:
            raise NotMathsError("a word")
