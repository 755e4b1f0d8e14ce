"""Every grader on its labelled cases, and what holds for all of them: threads, loops, actors, pickles, any text."""

from __future__ import annotations

import asyncio
import json
import pickle
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from grader_cases import Case, choice, maths, numbers, tables, texts
from hypothesis import example, given, settings
from hypothesis import strategies as st

from envs.datasets.registry import datasets
from envs.grade import Grade, Grader
from envs.graders import DATASET_GRADERS, GradingError, get_grader, grader_for, grader_names, register_grader
from envs.graders.latex import parse_answer
from envs.plugins import PluginConfigError, UnknownPluginError
from envs.task import Task

CASES: list[Case] = [*choice.CASES, *maths.CASES, *numbers.CASES, *tables.CASES, *texts.CASES]
ALONE = ("chartqa", "judge", "by_dataset")
"""Graders with tests of their own."""
NAMES = [name for name in grader_names() if name not in ALONE]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("mode", ["strict", "robust"])
def test_labelled_cases(name: str, mode: str) -> None:
    wrong = []
    for case in CASES:
        if (case.grader, case.mode) == (name, mode):
            grade = get_grader(name, mode, **case.config)(case.answer, case.task())  # type: ignore[arg-type]
            assert 0.0 <= grade.score <= 1.0
            if grade.correct is not case.right:
                wrong.append(f"{case.label}: {grade}")
            elif case.score is not None:
                assert grade.score == pytest.approx(case.score, abs=1e-4), case.label
    assert not wrong, "\n".join(wrong)


def test_every_grader_has_sixty_cases() -> None:
    counts = Counter(case.grader for case in CASES if case.mode == "robust")
    assert {name: counts[name] for name in NAMES if counts[name] < 60} == {}
    assert {case.grader for case in CASES if case.mode == "strict"} == set(NAMES)


def grade_all(grader: Grader, cases: list[Case]) -> list[Grade]:
    return [grader(case.answer, case.task()) for case in cases]


def own_cases(name: str, mode: str) -> list[Case]:
    return [case for case in CASES if (case.grader, case.mode) == (name, mode) and not case.config]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("mode", ["strict", "robust"])
def test_threads_event_loops_and_pickles_agree(name: str, mode: str) -> None:
    grader, cases = get_grader(name, mode), own_cases(name, mode)  # type: ignore[arg-type]
    here = grade_all(grader, cases)

    async def in_loop() -> list[Grade]:
        return grade_all(grader, cases)

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(lambda case: grader(case.answer, case.task()), cases)) == here
    assert asyncio.run(in_loop()) == here
    assert grade_all(pickle.loads(pickle.dumps(grader)), cases) == here


def test_ray_tasks_and_actors_agree(ray_session: None) -> None:
    import ray

    cases = [case for name in NAMES for mode in ("strict", "robust") for case in own_cases(name, mode)]
    cases = [case for case in cases if "\ud800" not in case.answer]  # a lone surrogate does not travel
    graders: dict[Any, Grader] = {(c.grader, c.mode): get_grader(c.grader, c.mode) for c in cases}  # type: ignore[arg-type]
    rows = [((case.grader, case.mode), case.answer, case.task()) for case in cases]

    def grade(graders: dict[Any, Grader], rows: list[Any]) -> list[Grade]:
        return [graders[key](answer, task) for key, answer, task in rows]

    class Judge:
        async def grade(self, graders: dict[Any, Grader], rows: list[Any]) -> list[Grade]:
            return [graders[key](answer, task) for key, answer, task in rows]

    here = grade(graders, rows)
    assert ray.get(ray.remote(num_cpus=0)(grade).remote(graders, rows)) == here
    assert ray.get(ray.remote(num_cpus=0)(Judge).remote().grade.remote(graders, rows)) == here


FRAGMENTS = (
    r"\frac{1}{2} \sqrt { } ( ) [ ] , . - + * / ^ 1 2 33 4.5 1,000 x A B (A) $ % ° π \boxed{ \text{cm} | ! : = < \pm ∞ "
    r"e yes no and or 9^9^9 \left( \le \sin \cup unanswerable ½ ² − ５ ٣ \begin{pmatrix} is answer"
)
PIECES = st.sampled_from([*FRAGMENTS.split(), " ", "\n", "\x00", "\ud800", "The answer is "])
ANSWERS = st.one_of(st.text(max_size=80), st.lists(PIECES, max_size=40).map("".join))


@settings(max_examples=300)
@given(ANSWERS, st.sampled_from(["3", "5.25", "Paris", r"\frac{1}{2}", "[a, b]", "1-2", "(1,2)", "7:25 P.M."]))
@example("\\frac" * 60, "3")
@example("1" * 900, "3")
@example("2^" * 200 + "2", "3")
@example("[" * 900, "[a, b]")
@example("1\\frac{1" * 60, "3")
@example("\\pm 2 < 3", "3")
@example("\\pm 2 : (1, 2)", "1-2")
def test_any_text_gets_a_verdict(answer: str, gold: str) -> None:
    for name in NAMES:
        options = () if name in ("vqa", "anls", "maths", "mapqa", "exact", "float") else ("Paris", "3", "π")
        own = {"yes_no": "Yes", "integer": "3", "float": "5.25"}.get(name, gold)
        task = Task("t1", "x", "Where?", own, choices=options, metadata={"answer_index": 0} if options else {})
        for mode in ("strict", "robust"):
            grade = get_grader(name, mode)(answer, task)  # type: ignore[arg-type]
            assert 0.0 <= grade.score <= 1.0 and grade.reason


@settings(max_examples=300)
@given(ANSWERS)
def test_any_text_is_read_as_mathematics_or_not_at_all(text: str) -> None:
    answer = parse_answer(text)
    if answer is not None and text.strip():
        assert answer.kind in ("formula", "bag", "list", "tuple", "ratio", "relation")


@settings(max_examples=200)
@given(st.integers(-99, 99), st.integers(1, 99), st.integers(-99, 99))
def test_equal_fractions_are_equal_and_others_are_not(over: int, under: int, other: int) -> None:
    grader = get_grader("maths")
    task = Task("t1", "x", "", rf"\frac{{{over}}}{{{under}}}")
    for written in (f"{over}/{under}", f"{2 * over}/{2 * under}", rf"$\dfrac{{{over}}}{{{under}}}$", f"{over}:{under}"):
        assert grader(written, task).correct, written
    if other != over:
        assert not grader(f"{other}/{under}", task).correct


@pytest.mark.parametrize("name", NAMES)
def test_a_task_without_gold_is_an_error_and_not_a_verdict(name: str) -> None:
    for mode in ("strict", "robust"):
        with pytest.raises(GradingError, match="t1"):
            get_grader(name, mode)("x", Task("t1", "x", "", "", choices=("a", "b")))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "task", "message"),
    [
        ("multiple_choice", Task("t1", "x", "", "Oslo", choices=("Paris", "Rome")), "'Oslo' is none of its 2 options"),
        ("multiple_choice", Task("t1", "x", "", "E", choices=("Paris", "Rome")), "none of its 2 options"),
        ("multiple_choice", Task("t1", "x", "", "A"), "none of its 0 options"),
        ("geometry", Task("t1", "x", "", "E", choices=("1", "2")), "none of its 2 options"),
        ("mathvista", Task("t1", "x", "", "E", metadata={"question_type": "multi_choice"}), "without choices"),
        ("yes_no", Task("t1", "x", "", "maybe"), "neither yes nor no"),
        ("integer", Task("t1", "x", "", "many"), "is not a"),
        ("float", Task("t1", "x", "", "many"), "is not a number"),
    ],
)
def test_a_gold_that_the_metric_cannot_use_is_an_error(name: str, task: Task, message: str) -> None:
    for mode in ("strict", "robust"):
        with pytest.raises(GradingError, match=message):
            get_grader(name, mode)("A", task)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "config", "message"),
    [
        ("anls", {"threshold": 0}, "threshold"),
        ("anls", {"threshold": "half"}, "threshold"),
        ("vqa", {"threshold": 2}, "threshold"),
        ("float", {"precision": -1}, "precision"),
        ("float", {"precision": 1.5}, "precision"),
        ("geometry", {"tolerance": float("nan")}, "tolerance"),
        ("multiple_choice", {"index_base": 2}, "index_base"),
        ("exact", {"synonyms": "clever"}, "did you mean 'clevr'"),
        ("maths", {"tolerance": 1}, "no parameter 'tolerance'"),
    ],
)
def test_parameters_are_checked(name: str, config: dict[str, Any], message: str) -> None:
    with pytest.raises(PluginConfigError, match=message):
        get_grader(name, "robust", **config)


def same(one: Grader, two: Grader) -> bool:
    return pickle.dumps(one) == pickle.dumps(two)


def test_every_dataset_has_a_grader() -> None:
    names = (
        "chartqa figureqa geometry3k geoqa unigeo mapqa infographicvqa scienceqa vizwiz docvqa clevr aokvqa thinkvl "
        "mathvision mathv360k tabmwp ai2d plotqa clevr_math iconqa mathvista"
    )
    assert set(DATASET_GRADERS) == set(names.split())
    for name, row in DATASET_GRADERS.items():
        for mode in ("strict", "robust"):
            assert same(grader_for(name, mode), get_grader(row.grader, mode, **row.config))  # type: ignore[arg-type]
    assert set(datasets()) - {"embedded", "vlmgym"} <= set(DATASET_GRADERS)
    with pytest.raises(UnknownPluginError, match="did you mean 'chartqa'"):
        grader_for("chart_qa")
    assert same(grader_for("plotqa", "strict", tolerance=0.0), get_grader("chartqa", "strict", tolerance=0.0))


def test_mixtures_grade_each_task_as_its_dataset_is() -> None:
    mixture = pickle.loads(pickle.dumps(get_grader("by_dataset")))
    cube, year = Task("t1", "clevr", "?", "cube"), Task("t2", "chartqa", "?", "100")
    assert mixture("block", cube) == grader_for("clevr")("block", cube) and mixture("block", cube).correct
    assert mixture("103", year) == grader_for("chartqa")("103", year) and mixture("103", year).correct
    assert not get_grader("by_dataset", "strict")("block", cube).correct
    mine = Task("t3", "mine", "?", "4")
    with pytest.raises(GradingError, match="t3: no grader is known for dataset 'mine'"):
        mixture("4", mine)
    assert get_grader("by_dataset", other="integer")("four", mine).correct
    with pytest.raises(UnknownPluginError, match="did you mean 'integer'"):
        get_grader("by_dataset", other="integr")


def test_a_third_party_grader_is_one_decorated_function() -> None:
    @register_grader("shouted")
    def shouted(mode: str = "robust", mark: str = "!") -> Grader:
        def grade(answer: str, task: Task) -> Grade:
            right = answer == task.answer.upper() + mark
            return Grade(right, float(right), answer, "shouted")

        return grade

    assert get_grader("shouted")("HI!", Task("t1", "x", "", "hi")).correct
    assert get_grader("shouted", mark="?")("HI?", Task("t1", "x", "", "hi")).correct
    with pytest.raises(PluginConfigError, match="did you mean 'mark'"):
        get_grader("shouted", marc="?")


def tabmwp_tasks(folder: Path) -> list[Task]:
    problems = json.loads((folder / "tabmwp" / "problems_dev1k.json").read_text())
    return [
        Task(pid, "tabmwp", one["question"], one["answer"], choices=tuple(one["choices"] or ()), metadata=one)
        for pid, one in problems.items()
    ]


def mathvision_tasks(folder: Path) -> list[Task]:
    lines = (folder / "mathvision" / "data" / "testmini.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    return [
        Task(one["id"], "mathvision", one["question"], one["answer"], choices=tuple(one["options"])) for one in records
    ]


@pytest.mark.parametrize("read", [tabmwp_tasks, mathvision_tasks])
def test_released_answers_match_themselves_however_written_and_match_no_other(read: Any, shared_data: Path) -> None:
    tasks = read(shared_data)
    assert len(tasks) >= 120
    for task in tasks:
        strict, robust = grader_for(task.dataset, "strict"), grader_for(task.dataset)
        assert strict(task.answer, task).correct, task
        for written in (task.answer, f"The answer is {task.answer}.", rf"\boxed{{{task.answer}}}", f" {task.answer}. "):
            assert robust(written, task).correct, (written, task)
        unit = task.metadata.get("unit")
        if unit and "$" not in unit:
            assert robust(f"{task.answer} {unit}", task).correct, task
        for index, text in enumerate(task.choices):
            gold = task.choices.index(task.answer) if task.answer in task.choices else ord(task.answer) - ord("A")
            letter = chr(ord("A") + index)
            for written in (letter, f"({letter})", f"{letter}. {text}", f"({letter}) {text}"):
                same = index == gold or text == task.choices[gold]
                assert robust(written, task).correct is same, (written, task)
    golds = sorted({task.answer for task in tasks if not task.choices})
    for task in tasks:
        for gold in golds if not task.choices else ():
            strict, robust = grader_for(task.dataset, "strict"), grader_for(task.dataset)
            assert strict(gold, task).correct == robust(gold, task).correct, (gold, task.answer)
