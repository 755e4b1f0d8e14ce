"""Answer text as models write it, reduced to the answer: wrappers, LaTeX, prefixes and typography removed."""

from __future__ import annotations

import re

_TYPOGRAPHY = str.maketrans(
    {
        **{full: chr(full - 0xFEE0) for full in range(0xFF01, 0xFF5F)},  # full-width forms
        **dict.fromkeys(map(ord, "\u00a0\u2002\u2003\u2007\u2009\u200a\u202f\u3000"), " "),
        **dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe63"), "-"),
        **dict.fromkeys(map(ord, "\u2018\u2019\u02bc"), "'"),
        **dict.fromkeys(map(ord, "\u201c\u201d\u201e"), '"'),
        **dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff"), None),
        ord("\u2044"): "/",
        **{
            ord(sign): f" {over}"
            for sign, over in zip(
                "½⅓⅔¼¾⅕⅖⅗⅘⅛⅜⅝⅞",
                ["1/2", "1/3", "2/3", "1/4", "3/4", "1/5", "2/5", "3/5", "4/5", "1/8", "3/8", "5/8", "7/8"],
                strict=True,
            )
        },
    }
)
"""One-to-one only: NFKC would turn 5² into 52 and 1½ into 11/2."""

_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_WRAPPER = re.compile(r"\\(?:text|textbf|textit|textrm|mathrm|mathbf|mathit|mathsf|operatorname|left|right)\b\s*")
_FRACTION = re.compile(r"\\[dtc]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}")
_SPACING = re.compile(r"\\[,;:! ]|\\q?quad\b|~")
_MATHS = re.compile(r"^(?:\\\(|\\\[|\$\$?)(.*?)(?:\\\)|\\\]|\$\$?)$", re.DOTALL)
_PREFIX = re.compile(
    r"(?:(?:so|thus|therefore|hence)\b[\s,]*)?"
    r"(?:(?:the|my)\s+)?(?:(?:final|correct|right)\s+)?answer\s*(?:is|was|would\s+be|:|=)[\s:]*(?:that\s+)?"
    r"|(?:so|thus|therefore|hence)\s*,\s*|it\s+is\s+|it's\s+",
    re.IGNORECASE,
)
_YES_NO = re.compile(r"(yes|no|true|false)\b(?=$|\s*[,.;:!-])", re.IGNORECASE)
_WORD = re.compile(r"[a-z]+")
_YES = {"yes": "yes", "true": "yes", "no": "no", "false": "no"}
_TIGHT = re.compile(r"\s*([/:-])\s*")
_TIGHT_SIGN = re.compile(r"[/:-]")
_LEADING = " \t\r\n\f\v\"'`*"
_TRAILING = _LEADING + ".,;:!"


def typography(text: str) -> str:
    """Full-width forms, odd blanks, dashes, quotes and fractions as ASCII writes them; other characters stay."""
    return text if text.isascii() else text.translate(_TYPOGRAPHY)


def boxed(text: str) -> set[str]:
    """What is inside `\\boxed{...}`, without repetitions; a box that is not closed is none."""
    found: set[str] = set()
    opening = _BOX.search(text)
    while opening is not None:
        depth, end = 1, 0
        for brace in _BRACE.finditer(text, opening.end()):
            depth += (brace[0] == "{") - (brace[0] == "}")
            if depth == 0:
                end = brace.start()
                break
        if not end:
            break
        found.add(text[opening.end() : end].strip())
        opening = _BOX.search(text, end)
    return found


def latex_to_text(text: str) -> str | None:
    """Plain text of a LaTeX answer; None when it boxes two different answers."""
    boxes = boxed(text)
    if len(boxes) > 1:
        return None
    if boxes:
        text = boxes.pop()
    text = _FRACTION.sub(r" \1/\2", _WRAPPER.sub("", text))
    text = text.replace(r"\times", "×").replace(r"\cdot", "×").replace(r"^\circ", "°").replace(r"\circ", "°")
    text = text.replace(r"\%", "%").replace(r"\approx", "≈").replace("{,}", ",").replace(r"\&", "&")
    text = _SPACING.sub(" ", text)
    match = _MATHS.match(text.strip())
    if match and match[1]:
        text = match[1]
    return text.replace(r"\$", "$").replace("{", "").replace("}", "")


def extract(text: str) -> str | None:
    """The answer without typography, LaTeX, quotes, markdown, final punctuation and `The answer is`.

    Case is kept (5 M is not 5 m). None when several different answers are boxed.
    """
    text = typography(text)
    if "\\" in text or "{" in text:
        plain = latex_to_text(text)
        if plain is None:
            return None
        text = plain
    text = text.lstrip(_LEADING).rstrip(_TRAILING)
    if len(text) > 2 and text[0] == "$" == text[-1]:
        text = text[1:-1]
    return without_prefix(text)


def without_prefix(text: str) -> str:
    """The text without `The answer is` and the like before it."""
    if text[:1].isalpha() and (match := _PREFIX.match(text)):
        return text[match.end() :].lstrip(_LEADING)
    return text


def fold(text: str) -> str:
    """Extracted text for comparison: case, runs of blanks, blanks around `/ : -` and a leading article dropped."""
    words = text.casefold().split()
    if len(words) > 1 and words[0] in ("the", "a", "an"):
        words = words[1:]
    text = " ".join(words)
    return _TIGHT.sub(r"\1", text) if _TIGHT_SIGN.search(text) else text


def yes_no(folded: str) -> str | None:
    """The `yes` or `no` (or `true`, `false`) that a folded answer opens with, unless the rest says the opposite."""
    match = _YES_NO.match(folded)
    if match is None:
        return None
    said = _YES[match[1]]
    return None if any(_YES.get(word, said) != said for word in _WORD.findall(folded, match.end())) else said
