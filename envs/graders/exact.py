"""Exact match: the answer is the gold, as written (`strict`) or but for typography, number words and units."""

from __future__ import annotations

from functools import partial

from envs.grade import Grader, Mode
from envs.graders.numbers import parse_quantity
from envs.graders.registry import register_grader
from envs.graders.rule import STRICT_MAX_LENGTH, RuleGrader, Verdict, verdict
from envs.graders.text import extract, fold, yes_no
from envs.graders.units import compatible
from envs.plugins import PluginConfigError, nearest
from envs.task import Task

_CLEVR = {
    **dict.fromkeys(("ball", "balls", "spheres", "globe"), "sphere"),
    **dict.fromkeys(("block", "blocks", "cubes", "box", "square"), "cube"),
    **dict.fromkeys(("cylinders",), "cylinder"),
    **dict.fromkeys(("shiny", "metallic"), "metal"),
    **dict.fromkeys(("matte",), "rubber"),
    **dict.fromkeys(("big",), "large"),
    **dict.fromkeys(("tiny",), "small"),
    "grey": "gray",
}
SYNONYMS = {"": {}, "clevr": _CLEVR}
"""Words that a data set's question language treats as the same (CLEVR: Johnson et al. 2017, its metadata)."""


@register_grader("exact")
def exact(mode: Mode = "robust", synonyms: str = "") -> Grader:
    """The exact-match grader.

    Args:
        mode: `strict`: equal strings. `robust`: equal after extraction, with numbers compared as numbers.
        synonyms: name of a table in `SYNONYMS`; not used by `strict`.

    Raises:
        PluginConfigError: no such table.
    """
    if synonyms not in SYNONYMS:
        raise PluginConfigError(f"grader 'exact' has no synonyms {synonyms!r}; {nearest(synonyms, SYNONYMS)}")
    if mode == "strict":
        return RuleGrader(equal_strings, max_length=STRICT_MAX_LENGTH)
    return RuleGrader(partial(exact_judge, synonyms=synonyms))


def equal_strings(answer: str, gold: str, task: Task) -> Verdict:
    """Equal, character for character."""
    return verdict(answer == gold, answer, "exact text")


def exact_judge(answer: str, gold: str, task: Task, synonyms: str = "") -> Verdict:
    """Equal after extraction; `two cubes` is `2`, `5 cm` is `5` but not `5 m`, `Yes, it is` is `yes`."""
    given, target = extract(answer), extract(gold)
    if given is None:
        return verdict(False, answer, "several answers")
    folded, wanted = fold(given), fold(target if target is not None else gold)
    if not folded:
        return verdict(False, "", "empty answer")
    if folded == wanted:
        return verdict(True, given, "exact text")
    if wanted in ("yes", "no", "true", "false"):
        return verdict(yes_no(folded) == yes_no(wanted), given, "yes or no")
    table = SYNONYMS[synonyms]
    if table and table.get(folded, folded) == table.get(wanted, wanted):
        return verdict(True, given, "synonym")
    number, quantity = parse_quantity(given), parse_quantity(target or gold)
    if quantity is None or (quantity.unit and not any(c.isdigit() for c in gold)):
        return verdict(False, given, "different text")
    if number is None:
        return verdict(False, given, "not one number")
    if not compatible(number, quantity) or (number.percent != quantity.percent and (number.unit or quantity.unit)):
        return verdict(False, given, "different unit")
    return verdict(number.value == quantity.value, given, "number, exact")
