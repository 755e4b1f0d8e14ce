"""`Cues`: what the words of a question say about how it is to be answered."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from policies.table_qa.match import spell_out

Aim = Literal["value", "label", "label_or_value", "yes_no", "count", "difference", "ratio", "sum", "average", "share"]
"""What is asked for. `label_or_value`: a label, unless the question names a row (`the largest width for Setosa`)."""

_LARGE = (
    r"highest|largest|biggest|greatest|most|leading|leader|top|best|main|longest|maximum|busiest|oldest|richest|major"
    r"|deadliest|favou?rite|dominant|fastest|strongest|tallest|staple|famous|popular"
)
_SMALL = r"lowest|smallest|least|fewest|minimum|worst|shortest|cheapest|slowest|weakest|poorest"
_OF_TWO = re.compile(r"\b(?:(?P<large>higher|larger|bigger|greater|more)|(?P<small>lower|smaller|less|fewer))\b")
_EXTREME = re.compile(rf"\b(?:(?P<large>{_LARGE})|(?P<small>{_SMALL}))\b(?! recent)")
_NOT_EXTREME = re.compile(r"\bat (?:least|most)\b|\bmost recent(?:ly)?\b|\bmore than one\b|\bmost of\b|\bleading \d+\b")
_RANKS = {"second": 2, "2nd": 2, "third": 3, "3rd": 3, "fourth": 4, "4th": 4, "fifth": 5, "5th": 5}
_RANK = re.compile(rf"\b({'|'.join(_RANKS)})\b(?! quarter| half| semester| week| party| hand)")
_FIRST = re.compile(r"\b(?:ranks?|ranked|came(?: in)?|placed) first\b|\bnumber one\b")
_LAST = re.compile(r"\b(?:ranks?|ranked|came(?: in)?|placed) last\b")

_YES_NO = re.compile(r"(?:is|are|was|were|does|do|did|has|have|had|can|could|will|would)\b")
_ASKED = re.compile(r"\b(who|whom|whose|where|which|what|how)\b")
_SHOWN = re.compile(r"\bwhat (?:\w+ )+(?:(?:is|are|was|were) shown|does the (?:chart|graph) show) (?:for|in)\b")
_WHAT_IS = re.compile(r"\bwhat (?:is|was|were|are|will be) (?:the )?(?P<rest>.*)")
_WHAT_NOUN = re.compile(r"\bwhat (?P<noun>\w+)")
_VALUE_NOUNS = frozenset(
    re.findall(
        r"\w+",
        "percentage percent share number value amount rate price revenue total average score proportion population "
        "size sales income gdp profit volume cost ratio median mean sum level portion count age index debt gap "
        "difference temperature growth figure unemployment expenditure spending turnover production",
    )
)
_CHART = r"(?:chart|graph|figure|plot|diagram|pie|table|picture)"
_COUNT = re.compile(
    r"\bhow many (?:\w+ ){1,4}?(?:are|is|were|was|does|do|did) (?:\w+ )?(?:shown|there|displayed|listed|in|the)\b"
    rf".*\b{_CHART}\b|\bnumber of (?:\w+ ){{1,4}}(?:in|on|of) the {_CHART}\b"
    r"|\bhow many (?:different )?(?:bars?|colou?rs?|lines?|segments?|slices?|sections?|categories|legends?)\b"
)
_LIMIT = re.compile(
    r"\b(?:(?P<above>above|greater than|higher than|larger than|more than|over|exceed(?:s|ed|ing)?|at least)"
    r"|(?P<below>below|less than|lower than|smaller than|under|fewer than|at most)) "
    r"[$€£]?(?P<limit>\d[\d,]*(?:\.\d+)?)(?:\s?%| percent)?(?P<after>[^?]*)"
)
_DIFFERENCE = re.compile(
    r"\bdifference\b|\bgap\b"
    r"|\bhow (?:much|many) (?:\w+ )?(?:higher|more|larger|greater|bigger|lower|less|smaller|fewer)\b"
    r"|\bby how much\b|\bhow far apart\b|\bexceed(?:s|ed)?\b"
)
_CHANGE = re.compile(r"\b(?:increase|decrease|change|grow|rise|drop|fall|decline)[ds]?\b")
_RATIO = re.compile(
    r"\bratio (?:of|between)\b|\bhow many times (?:as|more)\b|\btimes (?:larger|higher|more|greater|bigger)\b"
)
_SUM = re.compile(r"\bsum\b|\bcombined\b|\btogether\b|\btotal of\b|\badd(?:ed|ing)? up\b|\btaken together\b")
_AVERAGE = re.compile(
    r"\b(?:average|mean)\b.*\b(?:among|across|over|of (?:all|the (?:two|three|four|five|six)|both))\b|\baverage of\b"
)
_SHARE = re.compile(r"\b(?:percentage|percent|share|proportion|fraction) of the (?:total|sum|whole)\b")
_LESS = re.compile(r"\b(?:lower|smaller|less|fewer|below|under)\b")
_MAGNITUDE = re.compile(
    r"\b(?:decreas|declin|depreciat|drop|fell|fall|lost|loss|deficit|shrink|shrank|shrunk|contract(?:ed|ion)|reduc)\w*"
)
_PREVIOUS = re.compile(
    r"\b(?:previous|preceding|prior) (?:fiscal |financial )?(?:year|quarter|month)"
    r"|\b(?:year|quarter|month) (?:earlier|before)\b"
)
_WHEN = re.compile(r"\b(?:when|(?:what|which) (?:year|month|quarter|date))\b")
_BEGIN = re.compile(r"\bsince when\b|\bbegin\b|\bbegan\b|\bstart(?:ed)?\b|\bshow an upward\b")
_SCALES = {"thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12}
_NUMBER = re.compile(r"(?<![\w.])(\d[\d,]*(?:\.\d+)?)(?:\s?(%|percent|thousand|million|billion|trillion))?")
_NOT_NUMBER = re.compile(
    r"\bper \d[\d,]*(?: thousand| million)?|\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]* \d{1,2}\b"
)
"""`per 100 thousand`, and days of a month."""


@dataclass(frozen=True, slots=True)
class Cues:
    """Attributes:
    aim: what is asked for.
    rank: place from the large end (1, 2, ...), from the small end (-1, -2, ...), 0 when no extreme is asked for.
    limit: (`above` or `below`, number as written) of a comparison with a constant.
    numbers: other numbers in the question, as (value, scaled value), years excluded.
    when: a point in time is asked for.
    begin: the beginning of the time shown is asked for.
    previous: the period before the latest one is meant.
    less: the smaller side of a comparison is meant.
    magnitude: a loss is meant, whose number is given without its sign.
    change: a change between two points in time may be meant.
    """

    aim: Aim
    rank: int = 0
    limit: tuple[Literal["above", "below"], str] | None = None
    numbers: tuple[tuple[float, float], ...] = ()
    when: bool = False
    begin: bool = False
    previous: bool = False
    less: bool = False
    magnitude: bool = False
    change: bool = False


def read_cues(question: str) -> Cues:
    """Reads a question's cues."""
    text = " ".join(question.lower().replace("’", "'").split())
    limit = _limit(text)
    when = bool(_WHEN.search(text))
    rank = _rank(text)
    return Cues(
        aim=_aim(text, rank, limit is not None, when),
        rank=rank,
        limit=limit,
        numbers=_numbers(text),
        when=when,
        begin=bool(_BEGIN.search(text)),
        previous=bool(_PREVIOUS.search(text)),
        less=bool(_LESS.search(text)),
        magnitude=bool(_MAGNITUDE.search(text)),
        change=bool(_CHANGE.search(text)),
    )


def _aim(text: str, rank: int, has_limit: bool, when: bool) -> Aim:
    if _YES_NO.match(text):
        return "yes_no"
    if _COUNT.search(text) or (has_limit and re.search(r"\bhow many\b", text) and not _DIFFERENCE.search(text)):
        return "count"
    if rank and re.match(r"(?:who|which|where)\b", text):
        return "label"
    for aim, cue in _COMPUTED.items():
        if cue.search(text):
            return aim
    if _SHOWN.search(text):
        return "value"
    asked = _ASKED.search(text)
    if when or (asked and asked[1] in ("who", "whom", "whose", "where", "which")):
        return "label"
    if asked and asked[1] == "how":
        return "value"
    if match := _WHAT_IS.search(text):
        head = match["rest"].split(" of ")[0] if not match["rest"].startswith("name of") else "name"
        words = re.findall(r"\w+", re.split(r" (?:in|for|with|by|on|at|among|according|from|as|to|that) ", head)[0])
        named = head == "name" or words[:1] == ["ranked"]
        if named:
            return "label"
        return "label_or_value" if rank and not _VALUE_NOUNS & set(words) else "value"
    if match := _WHAT_NOUN.search(text):
        return "value" if match["noun"] in _VALUE_NOUNS else "label"
    return "value"


_COMPUTED: dict[Aim, re.Pattern[str]] = {
    "difference": _DIFFERENCE,
    "ratio": _RATIO,
    "share": _SHARE,
    "average": _AVERAGE,
    "sum": _SUM,
}


def _rank(text: str) -> int:
    text = _NOT_EXTREME.sub(" ", text)
    place = _RANKS[match[1]] if (match := _RANK.search(text)) else 1
    if _LAST.search(text):
        return -1
    extreme = _EXTREME.search(text)
    if extreme:
        return -place if extreme["small"] else place
    if re.search(r"\bor\b|\bbetween\b", text) and (comparative := _OF_TWO.search(text)):
        return -1 if comparative["small"] else 1
    if _FIRST.search(text) or place > 1:
        return place
    return 0


def _limit(text: str) -> tuple[Literal["above", "below"], str] | None:
    match = _LIMIT.search(text)
    return None if match is None else ("above" if match["above"] else "below", match["limit"].replace(",", ""))


def _numbers(text: str) -> tuple[tuple[float, float], ...]:
    found = []
    for match in _NUMBER.finditer(_NOT_NUMBER.sub(" ", spell_out(text))):
        digits = match[1].rstrip(",").replace(",", "")
        scale = _SCALES.get(match[2] or "", 1.0)
        if match[2] or not re.fullmatch(r"(?:19|20)\d\d", digits):
            found.append((float(digits), float(digits) * scale))
    return tuple(found)
