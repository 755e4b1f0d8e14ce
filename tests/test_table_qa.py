"""Questions and tables worked by hand, the embedded set's own questions, and how dates and labels are matched."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs.datasets.embedded_questions import questions_for
from envs.datasets.embedded_specs import published_specs
from envs.graders.chartqa import chartqa
from envs.task import Task
from policies.table_qa import Table, answer_from_table, candidates, parse_number, parse_table, table_from_words
from policies.table_qa.match import date_key, find_labels, is_date, tokens

CITIES = Table(
    "",
    ("City", "Score"),
    (("Seattle, WA", "67.72"), ("Austin, TX", "63.26"), ("Irvine, CA", "59.57"), ("Others", "90")),
)
YEARS = Table("", ("Year", "Value"), (("2017", "21.6"), ("2018", "26"), ("2019", "34.2"), ("2020", "49.8")))
PERIODS = Table("", ("Period", "Value"), (("Jun 2014 - Jun 2015", "23"), ("Jun 2015 - Jun 2016", "19.5")))
QUARTERS = Table("", ("Quarter", "Value"), (("Q1 '13", "12.87"), ("Q2 '13", "13.46"), ("Q3 '13", "14.28")))
SEXES = Table("", ("Year", "Male", "Female"), (("2018", "11.3", "11.2"), ("2019", "11.7", "11.6")))
ETHNICITIES = Table("", ("", "2018", "2019"), (("White", "50%", "48.4%"), ("Asian", "43%", "45%")))


@pytest.mark.parametrize(
    ("table", "question", "answer"),
    [
        (CITIES, "What was Seattle's score out of 100 in 2018?", "67.72"),
        (CITIES, "Which city is the leader?", "Seattle, WA"),
        (CITIES, "What city has the second highest score?", "Austin, TX"),
        (CITIES, "Which city scored lowest?", "Irvine, CA"),
        (CITIES, "Which city scored 63.3 points?", "Austin, TX"),
        (CITIES, "How many cities are shown in the chart?", "4"),
        (CITIES, "How many cities have a score above 60?", "3"),
        (CITIES, "What is the difference between Austin and Irvine?", "3.69"),
        (CITIES, "What is the sum of Austin and Irvine?", "122.83"),
        (CITIES, "What is the ratio of Others to Seattle?", "1.329001772"),
        (CITIES, "Is the score of Austin more than that of Seattle?", "No"),
        (CITIES, "Is Irvine lower than Seattle in score?", "Yes"),
        (CITIES, "Is the score of Irvine above 50?", "Yes"),
        (CITIES, "Which has the higher score, Irvine or Austin?", "Austin, TX"),
        (YEARS, "What was the spending in 2018?", "26"),
        (YEARS, "How much did the company spend in the previous year?", "34.2"),
        (YEARS, "How much did the company spend?", "49.8"),
        (YEARS, "In which year did it spend 26 million dollars?", "2018"),
        (YEARS, "What year had the lowest spending?", "2017"),
        (YEARS, "Since when has the spending been increasing?", "2017"),
        (YEARS, "What year is the market forecast for?", "2020"),
        (YEARS, "What was the average spending of all years?", "32.9"),
        (YEARS, "What was the highest spending?", "49.8"),
        (YEARS, "How much did spending increase from 2018 to 2020?", "23.8"),
        (YEARS, "Is the spending in 2017 higher than in 2019?", "No"),
        (PERIODS, "How much was Jeff Kinney's earnings from June 2015 to June 2016?", "19.5"),
        (QUARTERS, "How many members were there in the second quarter of 2013?", "13.46"),
        (SEXES, "What was Niger's female population in 2018?", "11.2"),
        (SEXES, "What was the male population in 2019?", "11.7"),
        (ETHNICITIES, "What ethnicity were 48.4% of the employees in 2019?", "White"),
        (ETHNICITIES, "What percentage of employees were Asian in 2018?", "43%"),
    ],
)
def test_worked_examples(table: Table, question: str, answer: str) -> None:
    assert answer_from_table(question, table).answer == answer


def test_a_loss_is_given_without_its_sign() -> None:
    table = Table("", ("Year", "Change"), (("2020", "-3"),))
    assert answer_from_table("By what percentage did sales decline in 2020?", table).answer == "3"
    assert answer_from_table("What was the growth in 2020?", table).answer == "-3"


def test_evidence_is_quoted_as_it_stands() -> None:
    answer = answer_from_table("What was Seattle's score?", CITIES)
    assert (answer.kind, answer.evidence, answer.rationale) == (
        "retrieve", (("Seattle, WA", "67.72"),), "Seattle, WA | 67.72",
    )  # fmt: skip
    extreme = answer_from_table("What year had the lowest spending?", YEARS)
    assert extreme.rationale == "2017 | 21.6, 2018 | 26, 2019 | 34.2, 2020 | 49.8: lowest 2017"
    gap = answer_from_table("What is the difference between 2018 and 2017?", YEARS)
    assert (gap.rationale, gap.expression, gap.answer) == ("2018 | 26, 2017 | 21.6", "26 - 21.6", "4.4")
    count = answer_from_table("How many cities are shown in the chart?", CITIES)
    assert count.rationale == "1 Seattle, WA, 2 Austin, TX, 3 Irvine, CA, 4 Others"


def test_candidates_differ() -> None:
    for question in ("What was the spending in 2018?", "Is 2018 higher than 2019?", "Which year is the highest?"):
        answers = [answer.answer for answer in candidates(question, YEARS)]
        assert len(answers) > 1 and len(set(answers)) == len(answers)
    assert candidates("What?", {"columns": ["a", "b"], "rows": []}) == []
    assert answer_from_table("What?", {"columns": [], "rows": []}).kind == "none"


def test_every_question_of_the_embedded_set_is_understood() -> None:
    """With the printed table given, every templated question is answered rightly."""
    grade, rng = chartqa(), random.Random(1)
    wrong, total = [], 0
    for specs in published_specs().values():
        for spec in specs[:40:2]:
            for question in questions_for(spec, rng):
                total += 1
                answer = answer_from_table(question.query, {"title": spec.title, **spec.table}).answer or ""
                if not grade(answer, Task("t", "chartqa", question.query, question.label)).correct:
                    wrong.append((question.query, question.label, answer))
    assert total > 100
    assert len(wrong) <= 0.01 * total, wrong


def test_parse_table() -> None:
    table = parse_table("Title: Spending | by year\nYear | A | B\n2017 | 1\n2018 | 2 | 3\n")
    assert table is not None
    assert (table.title, table.columns) == ("Spending | by year", ("Year", "A", "B"))
    assert table.rows == (("2017", "1", ""), ("2018", "2", "3"))
    assert parse_table("Error E4: no chart") is None and parse_table("") is None


def test_years_run_together_are_given_back_to_their_rows() -> None:
    rows = [["", "1"], ["2004 2005", "2"], ["2006", "3"], ["2007*", "4"]]
    assert Table.from_data({"columns": ["Year", "Value"], "rows": rows[:3]}).labels == ("2004", "2005", "2006")
    missing = [["2017", "1"], ["", "2"], ["2019", "3"], ["", "4"]]
    assert Table.from_data({"columns": ["", ""], "rows": missing}).labels == ("2017", "2018", "2019", "2020")
    named = [["", "1"], ["France", "2"]]
    assert Table.from_data({"columns": ["", ""], "rows": named}).labels == ("", "France")


@pytest.mark.parametrize(
    ("cell", "value"),
    [("4,608,848", 4608848), ("-3%", -3), ("−3", -3), ("$1.2 million", 1.2e6), (".5", 0.5), ("2020*", 2020)],
)
def test_parse_number(cell: str, value: float) -> None:
    assert parse_number(cell) == pytest.approx(value)


@pytest.mark.parametrize("cell", ["", "n/a", "12 km", "1.2.3", "May 5", "--1"])
def test_not_a_number(cell: str) -> None:
    assert parse_number(cell) is None


def test_dates() -> None:
    assert tokens("the second quarter of 2013") == ["the", "q2", "of", "2013"] == tokens("The Q2 of '13")
    assert tokens("the 2019/20 season")[1] == tokens("2019-2020")[0] == tokens("19/20")[0] == "2019/20"
    assert tokens("June 2015") == tokens("Jun. '15")
    assert all(map(is_date, ("2019*", "Q1 2013", "Jun '15", "Jun 2015 - Jun 2016", "2019/20", "Apr 8, 2020")))
    assert not any(map(is_date, ("Seattle", "12", "Mayfair 2019 Ltd", "")))
    assert sorted(("Mar 2020", "2019", "Jan 2020"), key=date_key) == ["2019", "Jan 2020", "Mar 2020"]


@pytest.mark.parametrize(
    ("question", "labels", "found"),
    [
        ("revenue in Asia, the Pacific and the Middle East", ["Asia", "Asia Pacific & Middle East"], [1]),
        ("exports of the U.S. and the United Kingdom", ["UK", "United States", "France"], [1, 0]),
        ("How many airports are in Idaho?", ["IN", "ID"], []),
        ("airports of IN and of ID", ["IN", "ID"], [0, 1]),
        ("share of Latin America", ["LatinAmerica", "Europe"], [0]),
        ("the female population", ["Male", "Female"], [1]),
        ("temperature at 16:00", ["12:00", "16:00"], [1]),
        ("close value on Jun 12 and Jun 8", ["Jun 8", "Jun 12", "Jul 12"], [1, 0]),
    ],
)
def test_find_labels(question: str, labels: list[str], found: list[int]) -> None:
    matches = [match for match in find_labels(question, labels) if match.coverage >= 0.85]
    assert sorted(match.index for match in matches) == sorted(found)
    assert [match.index for match in sorted(matches, key=lambda match: match.position)] == found or len(found) < 2


def test_table_from_words() -> None:
    text = "Seattle [10, 10, 60, 20]\n67.7 [200, 11, 230, 19]\nAustin [10, 40, 60, 50]\n63 [190, 41, 220, 50]\nnoise"
    table = table_from_words(text)
    assert table is not None and table.rows == (("Seattle", "67.7"), ("Austin", "63"))
    assert table_from_words("No text found.") is None


@given(st.text(max_size=80), st.lists(st.lists(st.text(max_size=12), min_size=1, max_size=4), max_size=6))
def test_anything_can_be_asked_about_anything(question: str, rows: list[list[str]]) -> None:
    for answer in candidates(question, {"columns": ["label", "value"], "rows": rows}):
        assert answer.answer
