"""Feedback levels: what each says, and what each is allowed to know."""

from __future__ import annotations

import inspect

import pytest
from episodes import task

from envs import reflection
from envs.question_type import QUESTION_TYPES, question_type
from envs.reflection import FeedbackError, feedback, feedback_levels, register_feedback


def test_the_named_levels():
    assert feedback_levels() == ["format", "gold_direction", "hint", "verdict"]
    with pytest.raises(FeedbackError, match="did you mean 'verdict'"):
        feedback("verdikt", task(), "4", 1)


def test_verdict_says_only_that_it_was_wrong():
    assert feedback("verdict", task(), "4", 2) == "That answer is wrong. You have 2 attempts left."
    assert feedback("verdict", task(), "4", 1) == "That answer is wrong. You have 1 attempt left."


@pytest.mark.parametrize("level", ["verdict", "format", "hint"])
def test_levels_without_gold_say_the_same_for_every_gold(level):
    golds = [{"answer": "3"}, {"answer": "400"}, {"answer": "Yes"}, {"answer": "x", "answers": ("x", "y")}]
    for given in ("4", "four bars", "No", "$5 million", "a, b"):
        assert len({feedback(level, task(**gold), given, 1) for gold in golds}) == 1


def test_only_gold_levels_get_the_task():
    for name, function in reflection._levels.items():
        assert not name.startswith("gold_") and list(inspect.signature(function).parameters) == ["attempt"]
    assert not {"answer", "gold"} & {f for f in reflection.Attempt.__dataclass_fields__ if f != "answer"}
    with pytest.raises(FeedbackError, match="gold_"):
        register_feedback("direction", from_gold=True)
    with pytest.raises(FeedbackError, match="gold_"):
        register_feedback("gold_hint")


@pytest.mark.parametrize(
    ("question", "answer", "choices", "said"),
    [
        ("How many bars are there?", "several", (), "asks for one number"),
        ("How many bars are there?", "4 bars", (), "Leave the unit out"),
        ("How many bars are there?", "4", (), "Its form is fine"),
        ("Is blue the highest?", "blue", (), "Yes or No"),
        ("Is blue the highest?", "No", (), "Its form is fine"),
        ("Which country leads?", "Norway, Sweden", (), "one answer only"),
        ("Which country leads?", "Norway or Sweden", (), "one answer only"),
        ("Which two countries lead?", "Norway, Sweden", (), "Its form is fine"),
        ("Which country leads?", "In the chart the tallest bar by far belongs to the country called Norway", (),
         "without a sentence"),
        ("What is the value?", "1,200", (), "Its form is fine"),
        ("Which angle?", "40 degrees", ("30", "40"), "one of the choices"),
        ("Which angle?", "(B)", ("30", "40"), "Its form is fine"),
    ],
)  # fmt: skip
def test_format_names_what_is_odd(question, answer, choices, said):
    told = feedback("format", task(question=question, choices=choices), answer, 1)
    assert told.startswith("That answer is wrong.") and said in told


def test_hint_depends_on_the_question_type():
    told = {kind: reflection._HINTS[kind] for kind in QUESTION_TYPES}
    assert len(set(told.values())) == len(QUESTION_TYPES)
    assert told["counting"] in feedback("hint", task(), "4", 1)


@pytest.mark.parametrize(
    ("gold", "answer", "said"),
    [
        ({"answer": "3"}, "4", "too high"),
        ({"answer": "3"}, "2.5", "too low"),
        ({"answer": "1,200"}, "$1.1 thousand", "too low"),
        ({"answer": "Norway"}, "4", None),
        ({"answer": "3"}, "Norway", None),
        ({"answer": "3", "answers": ("3", "5")}, "4", None),
        ({"answer": "3", "answers": ("3", "5")}, "6", "too high"),
    ],
)
def test_gold_direction(gold, answer, said):
    told = feedback("gold_direction", task(**gold), answer, 1)
    assert (said in told) if said else told == "That answer is wrong. You have 1 attempt left."


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("How many bars are shown?", "counting"),
        ("What is the sum of all bars?", "summation"),
        ("What is the average of the blue bars?", "average"),
        ("What percentage of people said no?", "percentage"),
        ("What is the difference between 2010 and 2011?", "difference"),
        ("How many more people chose A?", "difference"),
        ("What is the ratio of blue to red?", "ratio"),
        ("Which is larger, A or B?", "comparison"),
        ("Which year has the highest value?", "minmax"),
        ("In which years did sales increase?", "trend"),
        ("How much was spent on food?", "numerical"),
        ("Which country is green?", "retrieval"),
        ("Is the value of A more than B?", "yes_no"),
        ("Name the colour.", "other"),
    ],
)
def test_question_types(question, kind):
    assert question_type(question) == kind
