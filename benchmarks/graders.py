"""How fast do the graders grade?

Run `python benchmarks/graders.py [--seconds 2] [--lmms-eval FOLDER]`. Charts and options are answered by a group of
eight each, as in training, in the ways that models write answers; tasks come again only when the caches forgot them.
Time is the process's own CPU time on one core. With the folder of an unpacked lmms-eval, those of its scorers whose
files import nothing else grade the same answers. They do what our `strict` does, not what `robust` does.
"""

from __future__ import annotations

import importlib.util
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from envs.graders import get_grader
from envs.task import Task

TARGETS = {"chartqa": 200_000, "multiple_choice": 200_000, "maths": 2_000}
"""Gradings per second that the project asks for."""
SAMPLES = 40_000
GROUP = 8
"""Answers to each task."""
_NAMES = "Germany France Spain Italy Poland Norway Sweden Finland Austria Greece Ireland Portugal Hungary Romania"
_WORDS = _NAMES.split()

Sample = tuple[str, Task]


def chart_samples(rng: random.Random) -> list[Sample]:
    """Numbers right, nearly right and wrong, some with signs, separators and units; names."""
    samples = []
    for at in range(SAMPLES // GROUP):
        gold = f"{rng.uniform(0, 5000):.{rng.choice([0, 1, 2])}f}" if at % 3 else rng.choice(_WORDS)
        task = Task(str(at), "chartqa", "What is the value?", gold)
        for _ in range(GROUP):
            if at % 3 == 0:
                samples.append((rng.choice(_WORDS), task))
                continue
            near = f"{float(gold) * rng.uniform(0.9, 1.1):.1f}"
            spelt = [gold, gold, gold, near, near, f"{near}%", f"{float(near):,.1f}", f"The answer is {near}."]
            samples.append((rng.choice(spelt), task))
    return samples


def choice_samples(rng: random.Random) -> list[Sample]:
    """Letters in most spellings, and texts, over many sets of options."""
    samples = []
    for at in range(SAMPLES // GROUP):
        choices = tuple(rng.sample(_WORDS, 4)) if at % 2 else tuple(str(n) for n in rng.sample(range(100), 4))
        task = Task(str(at), "scienceqa", "Which?", rng.choice(choices), choices=choices)
        for _ in range(GROUP):
            place = rng.randrange(4)
            letter, text = "ABCD"[place], choices[place]
            spelt = [letter, letter, f"({letter})", f"{letter}.", f"The answer is {letter}.", text, f"{letter}. {text}"]
            samples.append((rng.choice(spelt), task))
    return samples


def maths_samples(rng: random.Random) -> list[Sample]:
    """Fractions, roots, intervals, polynomials, equal and unequal."""
    samples = []
    for at in range(SAMPLES // 4):
        a, b, c = rng.randint(1, 999), rng.randint(2, 999), rng.randint(1, 99)
        gold, written = rng.choice(
            [
                (rf"\frac{{{a}}}{{{b}}}", f"{a * c}/{b * c}"),
                (rf"{c}\sqrt{{{a}}}", rf"\sqrt{{{a * c * c}}}"),
                (rf"(-\infty, \frac{{{a}}}{{{b}}}]", rf"x \le \frac{{{a}}}{{{b + at % 2}}}"),
                (rf"{a}x^2 + {b}x", rf"x({a}x + {b})"),
                (rf"\{{{a}, {b}\}}", f"{b}, {a}"),
                (rf"\frac{{{a}\pi}}{{{b}}}", rf"\boxed{{{a / b:.3f}\pi}}"),
            ]
        )
        samples.append((written, Task(str(at), "mathvision", "How much?", gold)))
    return samples


def text_samples(rng: random.Random) -> list[Sample]:
    """Several words with a few letters wrong, and ten annotators' answers."""
    samples = []
    for at in range(SAMPLES // 2):
        words = " ".join(rng.sample(_WORDS, 3)) + f" {at}"
        golds = tuple(rng.choice([words, words.lower(), rng.choice(_WORDS)]) for _ in range(10))
        written = words if at % 2 else words.replace("a", "e")
        samples.append((written, Task(str(at), "docvqa", "Where?", golds[0], answers=golds)))
    return samples


def speed(grade: Callable[[str, Task], Any], samples: list[Sample], seconds: float) -> float:
    """Gradings per second of CPU time; the samples again when they run out."""
    done, start = 0, time.process_time()
    while (spent := time.process_time() - start) < seconds:
        for answer, task in samples[done % len(samples) :][:1000]:
            grade(answer, task)
            done += 1
    return done / spent


def load(file: Path) -> Any:
    """A module from its file, without the package around it (which needs far more than a scorer)."""
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None:
        raise typer.BadParameter(f"{file} is no module", param_hint="--lmms-eval")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def lmms_eval(folder: Path) -> dict[str, Callable[[str, Task], Any]]:
    """lmms-eval's scorers by our name of the metric, where their files need nothing else."""
    tasks = folder / "lmms_eval" / "tasks"
    relaxed = load(tasks / "chartqa" / "utils.py").relaxed_correctness
    science = load(tasks / "scienceqa" / "utils.py").sqa_process_results
    processor = load(tasks / "_task_utils" / "vqa_eval_metric.py").EvalAIAnswerProcessor()

    def choice(answer: str, task: Task) -> Any:
        return science({"choices": task.choices, "answer": task.choices.index(task.answer)}, [answer])

    def consensus(answer: str, task: Task) -> float:
        given, golds = processor(answer), [processor(gold) for gold in task.answers]
        counts = [sum(golds[j] == given for j in range(len(golds)) if j != i) for i in range(len(golds))]
        return sum(min(1, count / 3) for count in counts) / len(golds)

    return {
        "chartqa": lambda answer, task: relaxed(answer, task.answer),
        "multiple_choice": choice,
        "vqa": consensus,
    }


def main(
    seconds: Annotated[float, typer.Option(help="CPU seconds for each figure.")] = 2.0,
    lmms: Annotated[Path | None, typer.Option("--lmms-eval", help="Folder of an unpacked lmms-eval.")] = None,
) -> None:
    """Prints gradings per second by grader and mode."""
    rng = random.Random(5)
    sets = {
        "chartqa": chart_samples(rng),
        "multiple_choice": choice_samples(rng),
        "maths": maths_samples(rng),
        "anls": text_samples(rng),
        "vqa": text_samples(rng),
    }
    others = lmms_eval(lmms) if lmms is not None else {}
    table = Table("grader", "robust/s", "strict/s", "target", "lmms-eval/s", title="Gradings per second, one core")
    for name, samples in sets.items():
        robust, strict = (speed(get_grader(name, mode), samples, seconds) for mode in ("robust", "strict"))  # type: ignore[arg-type]
        target = TARGETS.get(name)
        other = f"{speed(others[name], samples, seconds):,.0f}" if name in others else ""
        table.add_row(name, f"{robust:,.0f}", f"{strict:,.0f}", f"{target:,}" if target else "", other)
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
