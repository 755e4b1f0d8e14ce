"""`Quantity`: a number as people write it, with its percent sign, magnitude word and unit kept apart.

The whole text must be the quantity. Digits inside other words, several numbers, or a number with a negation are not
one; a magnitude counts only as a word of its own (`5 million`, `5K`), never as a letter inside another (`5 bars`).
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple

SCALES = {
    **dict.fromkeys(("k", "K", "thousand", "thousands"), 1e3),
    **dict.fromkeys(("lakh", "lakhs"), 1e5),
    **dict.fromkeys(("M", "mn", "mln", "million", "millions"), 1e6),
    **dict.fromkeys(("crore", "crores"), 1e7),
    **dict.fromkeys(("B", "bn", "bln", "billion", "billions"), 1e9),
    **dict.fromkeys(("T", "tn", "trn", "trillion", "trillions"), 1e12),
}
"""Magnitude words. Lower-case m, b, t are metres, bits, tonnes unless a currency sign precedes the number."""
SCALE_NAMES = {1e3: "thousand", 1e5: "lakh", 1e6: "million", 1e7: "crore", 1e9: "billion", 1e12: "trillion"}
_CURRENCY_SCALES = {"m": 1e6, "b": 1e9, "t": 1e12}
_PERCENT_WORDS = {"percent", "percentage", "pct", "pp"}

_UNITS = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
_WORDS = {word: number for number, word in enumerate(f"{_UNITS} seventeen eighteen nineteen".split())}
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_WORDS |= {word: 10 * n for n, word in enumerate(_TENS, 2)}
_CONJUNCTIONS = {"or", "and", "not", "no", "nor", "but", "versus", "vs", "to", "either", "maybe", "isn't", "yes"}
_MAX_UNIT_WORDS = 5

_QUANTITY = re.compile(
    r"(?:(?:about|around|approximately|approx\.?|roughly|nearly|almost|circa|ca\.)\s+|[~≈=]\s*)?"
    r"(?:in\s+)?(?:the\s+)?(?:year\s+)?"
    r"(?P<sign>[-+]?)\s*"
    r"(?P<currency>(?:US|U\.S\.|A|C|CA|AU|HK|NZ|S)?\$|[€£¥₹₩]|(?:USD|EUR|GBP|INR|JPY|CNY|Rs\.?)\s)?\s*"
    r"(?P<inner>[-+]?)"
    r"(?:"
    r"(?:(?P<whole>[0-9]{1,3})\s+)?(?P<over>[0-9]{1,3})\s*/\s*(?P<under>[0-9]{1,3})"
    r"|(?P<number>[0-9]{1,3}(?:,[0-9]{2,3})*,[0-9]{3}(?:\.[0-9]+)?"
    r"|[0-9]{1,3}(?:(?P<group>[ '_])[0-9]{3}(?:(?P=group)[0-9]{3})*)(?:\.[0-9]+)?"
    r"|[0-9]+\.?[0-9]*|\.[0-9]+)"
    r"(?:[eE](?P<exponent>[-+]?[0-9]{1,3})(?![\w])|\s*[x×*]\s*10\s*\^\s*\(?(?P<power>[-+]?[0-9]{1,3})\)?)?"
    r")"
    r"\s*(?P<percent>%)?\s*-?"
    r"(?P<unit>[^\W\d_][^\d,;|\n]*(?:per\s[\d,]+[^\d,;|\n]*)?|°[^\d,;|\n]*|[$€£¥₹₩])?",
    re.IGNORECASE,
)
_YEAR = re.compile(r"19[0-9]{2}|20[0-9]{2}|2100")
_DIGIT = re.compile(r"[0-9]")


class Quantity(NamedTuple):
    """Attributes:
    mantissa: the number as written, before percent and magnitude.
    scale: what the magnitude word multiplies by; 1 without one.
    percent: whether a percent sign or word follows.
    unit: remaining unit words, lower case, without a plural s; empty without one.
    currency: the currency sign; empty without one.
    year: written as a bare integer from 1900 to 2100.
    """

    mantissa: float
    scale: float = 1.0
    percent: bool = False
    unit: str = ""
    currency: str = ""
    year: bool = False

    @property
    def value(self) -> float:
        """The number with its magnitude; a percentage keeps its written number (25 for 25 %)."""
        return self.mantissa * self.scale


def plain_number(text: str) -> bool:
    """Whether `text` is digits with at most a minus sign and one inner decimal point (most numbers: no regex)."""
    digits = text[1:] if text[:1] == "-" else text
    return digits.isascii() and digits[:1] != "." and digits[-1:] != "." and digits.replace(".", "", 1).isdigit()


def parse_quantity(text: str) -> Quantity | None:
    """Reads extracted text (see `text.extract`) as one quantity; None when it is anything else."""
    if _YEAR.fullmatch(text):
        return Quantity(float(text), year=True)
    if plain_number(text):
        value = float(text)
        return Quantity(value) if math.isfinite(value) else None
    if not _DIGIT.search(text):
        return _parse_words(text)
    match = _QUANTITY.fullmatch(text)
    if match is None:
        return None
    part = match.groupdict()
    if part["over"] is not None:
        if not int(part["under"]):
            return None
        mantissa = int(part["whole"] or 0) + int(part["over"]) / int(part["under"])
    else:
        digits = part["number"].replace(",", "").replace(part["group"] or ",", "")
        mantissa = float(digits + "e" + (part["exponent"] or part["power"] or "0"))
    if (part["sign"] == "-") != (part["inner"] == "-"):
        mantissa = -mantissa
    currency = (part["currency"] or "").strip().upper()
    return _finish(mantissa, part["unit"] or "", bool(part["percent"]), currency)


def _finish(mantissa: float, unit: str, percent: bool, currency: str) -> Quantity | None:
    """Splits the words after the number into magnitude, percent and unit."""
    if not math.isfinite(mantissa) or (unit and not (unit[0].isalpha() or unit[0] in "°$€£¥₹₩")):
        return None  # 10² is not 10
    scale = 1.0
    words = unit.replace("(", " ").replace(")", " ").split()
    if words:
        first = words[0].rstrip(".")
        named = SCALES.get(first) or (SCALES.get(first.lower()) if len(first) > 1 else None)
        named = named or (_CURRENCY_SCALES.get(first) if currency else None)
        if named:
            scale = named
            words = words[1:]
    folded = [word.casefold().rstrip(".") for word in words]
    if folded[:1] == ["per"] and folded[1:2] == ["cent"]:
        folded, percent = folded[2:], True
    elif folded and folded[0] in _PERCENT_WORDS:
        folded, percent = folded[1:], True
    if folded[:1] in (["points"], ["point"]) and percent:
        folded = folded[1:]
    if len(folded) > _MAX_UNIT_WORDS or any(word in _CONJUNCTIONS or word in _WORDS for word in folded):
        return None
    if not math.isfinite(mantissa * scale):
        return None
    name = " ".join(folded)
    return Quantity(mantissa, scale, percent, name if len(name) < 3 else name.removesuffix("s"), currency)


def _parse_words(text: str) -> Quantity | None:
    """`twenty-five bars`, `one hundred and five`, `three million`."""
    tokens = text.replace("-", " ").split()
    if not tokens:
        return None
    if tokens[0].lower() == "minus":
        negated = _parse_words(text[len("minus") :].lstrip()) if len(tokens) > 1 else None
        return negated and Quantity(-negated.mantissa, negated.scale, negated.percent, negated.unit)
    total, used, last = 0, 0, 0
    for token in tokens:
        word = token.lower()
        number = _WORDS.get(word)
        if number is not None:
            if used and not (last == 100 or (last >= 20 and last < 100 and 0 < number < 10)):
                return None
            total, last = total + number, number
        elif word == "hundred" and 0 < total < 10:
            total, last = total * 100, 100
        elif not (word == "and" and last == 100):
            break
        used += 1
    if not used:
        return None
    return _finish(float(total), " ".join(tokens[used:]), False, "")
