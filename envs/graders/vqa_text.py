"""Answer processing of the VQA evaluation (Antol et al. 2015): punctuation, articles, number words, contractions."""

from __future__ import annotations

import re

_CONTRACTIONS = (
    "ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't haven't he'd "
    "he'd've he's how'd how'll how's isn't it'd it'd've it'll ma'am mightn't mightn't've might've mustn't must've "
    "needn't not've o'clock oughtn't 'ow's'at shan't she'd've should've shouldn't shouldn't've somebody'd've "
    "somebody'll somebody's someone'd someone'd've someone'll someone's something'd something'd've something'll "
    "that's there'd there'd've there're there's they'd they'd've they'll they're they've 'twas wasn't we'd've we've "
    "weren't what'll what're what's what've when's where'd where's where've who'd who'd've who'll who's who've "
    "why'll why're why's won't would've wouldn't wouldn't've y'all y'all'll y'all'd've you'd you'd've you'll you're "
    "you've"
)
_NUMBERS = "zero one two three four five six seven eight nine ten"


def _misspellings() -> dict[str, str]:
    """Each contraction with one of its apostrophes forgotten; the table turns one word around."""
    table = {"somebody'd": "somebodyd"}
    for word in _CONTRACTIONS.split():
        for place in (match.start() for match in re.finditer("'", word)):
            table[word[:place] + word[place + 1 :]] = word
    return table


CONTRACTIONS = _misspellings()
NUMBER_WORDS = {word: str(number) for number, word in enumerate(_NUMBERS.split())}
NUMBER_WORDS["none"] = "0"
ARTICLES = ("a", "an", "the")
_PUNCTUATION = ';/[]"{}()=+\\_-><@`,?!'
_COMMA_IN_NUMBER = re.compile(r"\d,\d")
_PERIOD = re.compile(r"\.(?!\d)")
_MAX_PERIODS = 32
"""The published code passes a flag where `re.sub` takes a count, so only so many periods go."""


def without_punctuation(text: str) -> str:
    """A sign beside a blank (or any sign, where a comma splits a number) goes; elsewhere it becomes a blank."""
    number = _COMMA_IN_NUMBER.search(text) is not None
    result = text
    for sign in _PUNCTUATION:
        if sign in result:
            alone = number or f"{sign} " in text or f" {sign}" in text
            result = result.replace(sign, "" if alone else " ")
    return _PERIOD.sub("", result, count=_MAX_PERIODS)


def without_articles(text: str) -> str:
    """Lower case, digits for number words up to ten, no articles, apostrophes put back."""
    words = (NUMBER_WORDS.get(word, word) for word in text.lower().split())
    return " ".join(CONTRACTIONS.get(word, word) for word in words if word not in ARTICLES)


def processed(text: str) -> str:
    """All of it."""
    return without_articles(without_punctuation(one_line(text)))


def one_line(text: str) -> str:
    """Line breaks and tabs as blanks, none at the ends."""
    return text.replace("\n", " ").replace("\t", " ").strip()
