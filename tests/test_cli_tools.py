"""`vista tools`: what is listed, what a call prints, and what is said about a wrong command line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
from typer.testing import CliRunner, Result

from envs.prompts import system_prompt
from tools import registry
from tools.registry import get_tool, register_backend, register_tool
from tools.tool import Arguments, Tool, ToolCall, ToolResult, ToolSettings
from vista_rllib.cli.vista import app

EXAMPLE = Path(__file__).resolve().parents[1] / "tuned_examples" / "custom_tool.py"


class WordArguments(Arguments):
    word: str = ""


class Echo(Tool):
    name = "echo_test"
    description = "Says it again."
    family = "math"
    arguments = WordArguments
    aliases = ("again",)

    def run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        if calls[0].arguments.get("word") == "crash":
            raise OSError("boom")
        return [ToolResult(str(call.arguments["word"]), data={"images": len(call.images)}) for call in calls]


class LoudSettings(ToolSettings):
    times: int = 1


class Loud(Echo):
    backend = "loud"
    settings_type = LoudSettings
    settings: LoudSettings

    @classmethod
    def unavailable(cls, settings: ToolSettings) -> str | None:
        return None if settings == LoudSettings(times=3) else "no voice; run `shout [x3]`"

    @classmethod
    def device(cls, settings: ToolSettings) -> str:
        return "cuda"

    def run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        return [ToolResult(str(call.arguments["word"]).upper() * self.settings.times) for call in calls]


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    registry.registered_tools()
    for name in ("_tools", "_names", "_backends"):
        monkeypatch.setattr(registry, name, dict(getattr(registry, name)))
    register_tool(Echo)
    register_backend(Loud)
    yield


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture.png"
    PIL.Image.new("RGB", (80, 60), "red").save(path)
    return path


def vista(*arguments: Any) -> Result:
    return CliRunner().invoke(app, ["tools", *map(str, arguments)], env={"COLUMNS": "200"})


def test_list_says_what_runs_here_and_how_to_get_the_rest() -> None:
    result = vista("list", "--family", "math")
    assert result.exit_code == 0
    lines = [line.split("│")[1:-1] for line in result.output.splitlines() if "│" in line]
    rows = [[cell.strip() for cell in line] for line in lines]
    assert ["math", "echo_test", "embedded", "cpu", "loud"] in [["math", *row[1:]] for row in rows]
    assert ["loud", "echo_test", "no voice; run `shout [x3]`"] in rows


def test_list_as_json_and_with_tools_of_a_file() -> None:
    rows = json.loads(vista("list", "--json", "--file", EXAMPLE).output)
    tools = {row["tool"] for row in rows}
    assert tools >= {"echo_test", "zoom", "ocr", "colour_share"}
    (loud,) = (row for row in rows if row["backend"] == "loud")
    assert loud == {
        "family": "math",
        "tool": "echo_test",
        "aliases": ["again"],
        "backend": "loud",
        "available": False,
        "device": "cuda",
        "reason": "no voice; run `shout [x3]`",
    }


def test_a_call_prints_text_data_and_time(picture: Path) -> None:
    result = vista("call", "again", picture, picture, "--arg", "word=hello there")
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[:2] == ["hello there", 'data: {"images": 2}']
    assert " s, backend embedded" in result.output
    loud = vista("call", "echo_test", "--arg", "word=no", "--backend", "loud", "--set", "times=3")
    assert loud.output.startswith("NONONO\n") and "backend loud" in loud.output


def test_pictures_are_saved_where_asked(picture: Path, tmp_path: Path) -> None:
    arguments = ("call", "zoom", picture, "--arg", "bbox_2d=[0, 0, 0.5, 0.5]")
    result = vista(*arguments, "--save", tmp_path / "out.jpg")
    assert result.exit_code == 0 and "out.jpg" in result.output.replace("\n", "")
    with PIL.Image.open(tmp_path / "out.jpg") as saved:
        assert max(saved.size) > 80 and saved.format == "JPEG"
    assert "--save FILE.png keeps it" in vista(*arguments).output
    wrong = vista(*arguments, "--save", tmp_path / "none" / "out.png")
    assert wrong.exit_code == 2 and "out.png" in wrong.output.replace("\n", "")


def test_a_tool_of_the_users_own_file_can_be_called(picture: Path) -> None:
    result = vista("call", "colour_share", picture, "--arg", "colour=red", "--file", EXAMPLE)
    assert result.exit_code == 0 and result.output.startswith("100.0% of the image is red.")
    odd = vista("call", "colour_share", picture, "--arg", "colour=rde", "--file", EXAMPLE)
    assert odd.exit_code == 1 and "E4: 'rde' is no colour" in odd.output


def test_failures_are_told_and_end_with_an_exit_code(picture: Path) -> None:
    crash = vista("call", "echo_test", "--arg", "word=crash")
    assert crash.exit_code == 1 and "Fault OSError: boom" in crash.output
    outside = vista("call", "zoom", picture, "--arg", "bbox_2d=[90, 90, 99, 99]")
    assert outside.exit_code == 1 and "E4: bbox_2d" in outside.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["call", "zom"], "did you mean 'zoom'"),
        (["call", "zoom"], 'E2: zoom: missing argument "bbox_2d"'),
        (["call", "zoom", "--arg", "bbox=7"], 'E3: zoom: argument "bbox"'),
        (["call", "echo_test", "--arg", "wrd=7"], 'E2: echo_test: unknown argument "wrd"'),
        (["call", "echo_test", "--arg", "word"], "expected key=value"),
        (["call", "echo_test", "none.png", "--arg", "word=a"], "none.png: image cannot be read"),
        (["call", "echo_test", "--arg", "word=a", "--backend", "quiet"], "no backend 'quiet'"),
        (["call", "echo_test", "--arg", "word=a", "--backend", "loud"], "shout [x3]"),
        (["call", "echo_test", "--arg", "word=a", "--backend", "loud", "--set", "tims=3"], "tims"),
        (["list", "--family", "maths"], "no tool is of family 'maths'"),
        (["list", "--file", "none.py"], "none.py: no such file"),
        (["prompt", "zom"], "did you mean 'zoom'"),
        (["prompt", "--style", "long"], "expected one of compact, full"),
    ],
)
def test_wrong_command_lines_are_told(arguments: list[str], message: str) -> None:
    result = vista(*arguments)
    assert result.exit_code == 2, result.output
    assert message in result.output


@pytest.mark.parametrize("style", ["full", "compact"])
def test_the_prompt_is_the_one_of_the_env(style: Any) -> None:
    expected = system_prompt(style, [get_tool("zoom"), get_tool("calculator")])
    assert vista("prompt", "zoom", "calculator", "--style", style).output == expected + "\n"
    assert vista("prompt", "image_zoom_in_tool,calculator", "--style", style).output == expected + "\n"
    assert "echo_test" in vista("prompt", "--style", style).output
