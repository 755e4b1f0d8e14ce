"""Whether two quantities measure the same thing: units under their many names, currencies, percent signs."""

from __future__ import annotations

import re

from envs.graders.numbers import Quantity

_NAMES = {
    "°": "° deg degree degrees",
    "°c": "°c celsius",
    "°f": "°f fahrenheit",
    "mm": "mm millimeter millimetre",
    "cm": "cm centimeter centimetre",
    "m": "m meter metre",
    "km": "km kilometer kilometre",
    "in": "in inch inche inches",
    "ft": "ft foot feet",
    "yd": "yd yard",
    "mi": "mi mile",
    "g": "g gram gramme",
    "kg": "kg kilogram kilogramme kilo",
    "lb": "lb pound",
    "oz": "oz ounce",
    "l": "l liter litre",
    "ml": "ml milliliter millilitre",
    "s": "s sec second",
    "min": "min minute",
    "h": "h hr hour",
    "$": "$ dollar usd",
    "¢": "¢ cent",
}
_ALIASES = {alias: name for name, aliases in _NAMES.items() for alias in aliases.split()}
_UNIT_WORDS = {"square", "cubic", "unit", "units"}
_DEGREES = re.compile(r"(?:°|degrees?|deg)\s*(c|f|celsius?|fahrenheit)$")
_SQUARE = {"sq ": "2", "square ": "2", "cubic ": "3", "cu ": "3"}
_POWERS = str.maketrans({"²": "2", "³": "3", "^": None, "{": None, "}": None, "(": None, ")": None})


def is_unit_word(word: str) -> bool:
    """Whether a word of several letters can only be (part of) a unit, so that formulas may end with it."""
    plain = word.casefold()
    return len(plain) > 2 and (plain in _UNIT_WORDS or plain in _ALIASES or plain.removesuffix("s") in _ALIASES)


def unit_name(unit: str) -> str:
    """One name for all spellings of a unit: `square centimeters`, `cm²`, `sq. cm` are `cm2`. Unknown ones as given."""
    text = unit.casefold().translate(_POWERS).replace(".", "").strip()
    if match := _DEGREES.match(text):
        return "°" + match[1][0]
    power = ""
    for word, exponent in _SQUARE.items():
        if text.startswith(word):
            text, power = text[len(word) :], exponent
    if text[-1:] in ("2", "3") and not power:
        text, power = text[:-1].rstrip(), text[-1]
    name = _ALIASES.get(text) or _ALIASES.get(text.removesuffix("s")) or text.removesuffix("s")
    return name + power


def compatible(number: Quantity, target: Quantity) -> bool:
    """Whether neither contradicts the other: a unit or currency that only one of them has is no contradiction."""
    if number.unit and target.unit and number.unit != target.unit and unit_name(number.unit) != unit_name(target.unit):
        return False
    return not (number.currency and target.currency and number.currency != target.currency)
