"""`Number`: a value as charts print it (`1 512.3`, `12,500`, `$3.4`, `45%`, `-0.2`), cleaned."""

from __future__ import annotations

import re
from dataclasses import dataclass

_CONFUSED = str.maketrans({"O": "0", "o": "0", "l": "1", "I": "1", "|": "1", "−": "-", "–": "-", "—": "-", "，": ","})
_PATTERN = re.compile(
    r"(?P<before>[$€£¥]?)\s*(?P<sign>[-+]?)\s*(?P<currency>[$€£¥]?)\s*"
    r"(?P<digits>\d[\d\s,.']*|\.\d+)\s*(?P<after>%|[kKmMbB]n?|€|£)?\s*[*]*"
)
FOREIGN = re.compile(r"[\u2e80-\u9fff\uac00-\ud7af]")
"""CJK characters: never part of a number, but what an OCR engine makes of marks beside one."""
_THOUSANDS = re.compile(r"\d{1,3}(?:[\s,']\s?\d{3})+")
_SCALES = {"k": 1e3, "m": 1e6, "b": 1e9}


@dataclass(frozen=True, slots=True)
class Number:
    """A printed value.

    Attributes:
        text: digits, at most one decimal point and a leading minus: `-1512.3`.
        value: the same as a float, times 1000 for `K`, a million for `M`, a billion for `B`.
        unit: `%`, a currency sign, `K`, `M`, `B`, or empty.
    """

    text: str
    value: float
    unit: str = ""


def parse_number(text: str) -> Number | None:
    """The number that `text` is, None when it is anything else (a year range, a label with digits in it)."""
    candidate = FOREIGN.sub("", text).strip().strip("()")
    if not candidate or not any(c.isdigit() for c in candidate):
        return None
    match = _PATTERN.fullmatch(candidate.translate(_CONFUSED) if _mostly_digits(candidate) else candidate)
    if match is None:
        return None
    digits = _clean(match["digits"].strip())
    if digits is None:
        return None
    after = match["after"] or ""
    scale = _SCALES.get(after[:1].lower(), 1.0)
    unit = after[:1].upper() if scale != 1.0 else after or match["before"] or match["currency"]
    sign = "-" if match["sign"] == "-" else ""
    return Number(sign + digits, float(sign + digits) * scale, unit)


def _mostly_digits(text: str) -> bool:
    return 2 * sum(c.isdigit() for c in text) >= sum(not c.isspace() for c in text)


def _clean(digits: str) -> str | None:
    """Digits without separators; a comma is a decimal comma unless groups of three follow it."""
    if digits.endswith((".", ",", "'")):
        digits = digits[:-1].rstrip()
    whole, dot, fraction = digits.rpartition(".")
    if not dot:
        whole, fraction = digits, ""
        head, comma, tail = digits.rpartition(",")
        if comma and len(tail) != 3 and "," not in head:
            whole, fraction = head, tail
    fraction = re.sub(r"\s", "", fraction)
    if not re.fullmatch(r"\d*", fraction) or (dot and not fraction):
        return None
    if "." in whole:
        return None
    if re.search(r"[\s,']", whole) and not _THOUSANDS.fullmatch(whole):
        whole_joined = re.sub(r"[\s,']", "", whole)
        if "," in whole:  # `1,23,456`: separators in unusual places
            whole = whole_joined
        else:
            return None
    whole = re.sub(r"[\s,']", "", whole)
    return f"{whole or '0'}.{fraction}" if fraction else whole or None


def format_value(value: float, resolution: float) -> str:
    """`value` with no more decimals than a measurement of that resolution (same unit) supports."""
    decimals = 0
    while decimals < 6 and resolution < 0.5 * 10.0**-decimals:
        decimals += 1
    text = f"{value:.{decimals}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text
