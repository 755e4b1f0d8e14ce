"""`vista grade`: figures, verdicts with reasons, and bad lines by number."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from vista_rllib.cli.vista import app
from vista_rllib.grade_file import LineError, answer_in, read_line

LINES: list[Any] = [
    {"id": 1, "prediction": "14", "gold": "14"},
    {"id": 2, "prediction": "<think>13</think><answer>104</answer>", "gold": 100},
    {"id": "c", "prediction": "France", "gold": ["Germany", "FRG"]},
    {"id": "d", "prediction": "<think>Germany</think>", "gold": "Germany"},
]


def write(folder: Path, lines: list[Any], name: str = "answers.jsonl") -> Path:
    path = folder / name
    path.write_bytes(b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines))
    return path


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["grade", *(str(argument) for argument in arguments)])


def test_accuracy_and_each_verdict_with_its_reason(tmp_path: Path) -> None:
    result = run("chartqa", write(tmp_path, LINES), "--json", tmp_path / "out.json")
    assert result.exit_code == 0, result.output
    assert "chartqa, robust: accuracy 50.00% (2 of 4), mean score 0.5000" in result.output
    assert "relative error" in result.output
    report = json.loads((tmp_path / "out.json").read_text())
    assert (report["accuracy"], report["graded"], report["mode"], report["bad"]) == (0.5, 4, "robust", [])
    assert [item["correct"] for item in report["verdicts"]] == [True, True, False, False]
    assert report["verdicts"][1] == {
        "line": 2, "id": "2", "answer": "104", "gold": "100", "correct": True, "score": 1.0, "extracted": "104",
        "reason": "relative error",
    }  # fmt: skip
    assert report["verdicts"][3]["reason"] == "empty answer"


def test_bad_lines_are_named_by_number_and_left_out(tmp_path: Path) -> None:
    bad = [
        b"\xef\xbb\xbf" + json.dumps(LINES[0]).encode(),
        b"",
        b"{not json",
        b"[1, 2]",
        {"id": 5, "prediction": "x"},
        {"id": 6, "prediction": None, "gold": "x"},
        {"id": 7, "prediction": {"a": 1}, "gold": "x"},
        {"id": 1, "prediction": "x", "gold": "x"},
        {"id": 9, "prediction": "x", "gold": ""},
        {"id": 10, "prediction": "x", "gold": []},
        {"id": 11, "prediction": "x", "gold": "x", "choices": "AB"},
        b'{"id": 12, "prediction": "\xff", "gold": "x"}',
        b"[" * 100_000,
        {"id": 14, "prediction": "x", "gold": 2, "choices": ["a", "b"]},
    ]
    result = run("chartqa", write(tmp_path, bad), "--json", tmp_path / "out.json")
    assert result.exit_code == 0, result.output
    found = {item["line"]: item["error"] for item in json.loads((tmp_path / "out.json").read_text())["bad"]}
    for line, message in {
        3: "not JSON",
        4: "a JSON object is expected, not list",
        5: "'gold' is missing",
        6: "'prediction' is null",
        7: "'prediction' must be text or a number, not dict",
        8: "id '1' is that of line 1",
        9: "'gold' is empty",
        10: "'gold' is empty",
        11: "'choices' must be a list, not str",
        12: "not UTF-8",
        13: "not JSON",
        14: "'gold' is option 2 of 2",
    }.items():
        assert message in found.pop(line)
        assert f"line {line}: " in result.output
    assert found == {}
    assert "(1 of 1)" in result.output and "12 bad lines left out" in result.output


def test_golds_of_every_kind(tmp_path: Path) -> None:
    places = [{"id": 1, "prediction": "(B) no", "gold": 1, "choices": ["yes", "no"]}]
    assert "(1 of 1)" in run("scienceqa", write(tmp_path, places)).output
    lettered = [{"id": 1, "prediction": "B", "gold": "no", "choices": {"A": "yes", "B": "no"}}]
    assert "(1 of 1)" in run("ai2d", write(tmp_path, lettered), "--mode", "strict").output
    states = [{"id": 1, "prediction": "Ohio, CA", "gold": ["California", "Ohio"]}]
    assert "(1 of 1)" in run("mapqa", write(tmp_path, states)).output
    voted = [{"id": 1, "prediction": "cat", "gold": ["cat", "cat", *["dog"] * 8]}]
    assert "mean score 0.6000" in run("vizwiz", write(tmp_path, voted)).output
    said = [{"id": 1, "prediction": "no", "gold": False}]
    assert "(1 of 1)" in run("figureqa", write(tmp_path, said)).output
    typed = [{"id": 1, "prediction": "1.21", "gold": 1.2, "answer_type": "float", "precision": 1.0}]
    assert "(1 of 1)" in run("mathvista", write(tmp_path, typed), "--mode", "strict").output
    unusable = [
        {"id": 1, "prediction": "A", "gold": "Berlin", "choices": ["Paris"]},
        {"id": 2, **LINES[0], "choices": ["14"]},
    ]
    result = run("scienceqa", write(tmp_path, unusable))
    assert "line 1: task 1: gold 'Berlin' is none of its 1 options" in result.output


def test_modes_graders_and_parameters(tmp_path: Path) -> None:
    file = write(
        tmp_path, [{"id": 1, "prediction": "1,000", "gold": "1000"}, {"id": 2, "prediction": "7", "gold": "8"}]
    )
    assert "chartqa, robust: accuracy 50.00%" in run("chartqa", file).output
    assert "chartqa, strict: accuracy 0.00%" in run("chartqa", file, "--mode", "strict").output
    assert "accuracy 100.00%" in run("chartqa", file, "--set", "tolerance=0.2").output
    assert "accuracy 50.00%" in run("chartqa", file, "--grader", "integer").output
    table = run("chartqa", file, "--wrong").output
    assert " 7 " in table and "1,000" not in table
    assert "reason" not in run("chartqa", file, "--limit", "0").output
    assert "the first 1 of 2" in run("chartqa", file, "--limit", "1").output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["chart_qa"], "did you mean 'chartqa'"),
        (["chartqa", "--grader", "integr"], "did you mean 'integer'"),
        (["chartqa", "--set", "tolerence=1"], "did you mean 'tolerance'"),
        (["chartqa", "--set", "tolerance"], "is not KEY=VALUE"),
        (["chartqa", "--grader", "judge"], "needs the parameter 'url'"),
        (["chartqa", "--mode", "lax"], "lax"),
        (["chartqa", "--json", "/nowhere/at/all.json"], "is no folder"),
    ],
)
def test_bad_options(tmp_path: Path, arguments: list[str], message: str) -> None:
    file = write(tmp_path, LINES)
    result = run(arguments[0], file, *arguments[1:])
    assert result.exit_code == 2
    assert message in " ".join(result.output.replace("│", " ").split())


def test_files_that_cannot_be_graded(tmp_path: Path) -> None:
    for path, message in (
        (tmp_path / "none.jsonl", "cannot be read"),
        (tmp_path, "cannot be read"),
        (write(tmp_path, [b""], "empty.jsonl"), "nothing to grade; it is empty"),
        (write(tmp_path, [b"", b"x"]), "nothing to grade; line 2: not JSON"),
    ):
        result = run("chartqa", path)
        assert result.exit_code == 2 and message in " ".join(result.output.split())
    with pytest.raises(LineError, match="longer than"):
        read_line(b"x" * ((1 << 20) + 1), "chartqa")


@pytest.mark.parametrize(
    ("prediction", "answer"),
    [
        ("14", "14"),
        ("<answer> 14 </answer>", "14"),
        ("<think>a <answer>1</answer></think><answer>2</answer>", "2"),
        ("<think>14</think> 15", "15"),
        ("<think>14</think>", ""),
        ("<answer>14", "<answer>14"),
    ],
)
def test_the_answer_is_found_in_a_prediction(prediction: str, answer: str) -> None:
    assert answer_in(prediction) == answer
