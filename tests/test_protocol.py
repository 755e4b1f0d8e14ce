"""The text protocol: what counts as a call, an answer, an error, and the paper's form."""

from __future__ import annotations

import json
from typing import Literal

import pytest
from episodes import answer, call
from hypothesis import given
from hypothesis import strategies as st

from envs.protocol import ParsedAnswer, ParsedCall, call_names, parse_turn, well_formed
from tools.calculator import Calculator
from tools.errors import ErrorCode, ModelError
from tools.tool import Arguments, Tool
from tools.zoom import Zoom


class PlotArguments(Arguments):
    kind: Literal["bar", "line"]
    limit: int = 3


class Plot(Tool):
    """Not registered: only its name, aliases and arguments matter here."""

    name = "plot"
    description = "Reads a plot."
    aliases = ("chartmoe", "ChartMoE")
    arguments = PlotArguments

    def run(self, calls):
        raise AssertionError("never run")


TOOLS = call_names([Plot, Zoom, Calculator])
BARS = ParsedCall("plot", {"kind": "bar"})


def block(body: object) -> str:
    return f"<tool_call>{body if isinstance(body, str) else json.dumps(body)}</tool_call>"


@pytest.mark.parametrize(
    "body",
    [
        {"name": "plot", "arguments": {"kind": "bar"}},
        {"tool": "plot", "arguments": {"kind": "bar"}},
        {"name": "plot", "parameters": {"kind": "bar"}},
        {"tool": "plot", "parameters": {"kind": "bar"}},
        {"name": "plot", "kind": "bar"},
        {"tool": "plot", "kind": "bar"},
        {"tool": "chartmoe", "kind": "bar"},
        {"name": "ChartMoE", "arguments": {"kind": "bar"}},
        '\n {"kind": "bar", "tool": "plot"}\n',
    ],
)
def test_every_spelling_of_a_call(body):
    assert parse_turn(f"<think>hm</think> {block(body)}", TOOLS) == BARS


def test_arguments_may_be_left_out_or_null():
    class Free(Plot):
        arguments = Arguments

    tools = call_names([Free])
    for body in ({"name": "plot"}, {"name": "plot", "arguments": None}, {"name": "plot", "arguments": {}}):
        assert parse_turn(block(body), tools) == ParsedCall("plot", {})


def test_own_name_wins_over_another_tools_alias():
    class Other(Plot):
        name = "chartmoe"
        aliases = ()

    assert call_names([Other, Plot])["chartmoe"] is Other
    assert call_names([Plot, Other])["chartmoe"] is Other


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("<answer>3</answer>", "3"),
        ("<think>a</think>\n<answer>\n 3 \n</answer>\n", "3"),
        ("So: <answer>Yes, <b>no</b></answer> done", "Yes, <b>no</b>"),
        ("<think>I could say <answer>4</answer> or <tool_call>{}</tool_call></think><answer>3</answer>", "3"),
        ("<think><think></think><answer>3</answer>", "3"),
        ("<answer>3</answer><think>late</think>", "3"),
    ],
)
def test_answers(text, found):
    assert parse_turn(text, TOOLS) == ParsedAnswer(found)


def test_nothing_inside_think_counts():
    for inside in (answer("4"), block({"name": "plot", "kind": "bar"}), "<answer>4</answer>"):
        error = parse_turn(f"<think>{inside.replace('<think>t</think>', '')}</think>", TOOLS)
        assert isinstance(error, ModelError) and error.code is ErrorCode.OUTPUT_FORMAT


GOOD = block({"name": "plot", "kind": "bar"})


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        # E1: no valid call
        (block("{kind: bar}"), "E1", "not valid JSON"),
        (block("{'name': 'plot'}"), "E1", "not valid JSON"),
        (block(""), "E1", "not valid JSON"),
        (block('{"name": "plot", "limit": NaN}'), "E1", "not valid JSON"),
        (block('{"name": "plot", "kind": "\\ud800"}'), "E1", "not valid JSON"),
        (block("[" * 100_000), "E1", "not valid JSON"),
        (block([{"name": "plot", "kind": "bar"}]), "E1", "one JSON object"),
        (block('"plot"'), "E1", "one JSON object"),
        (block({"kind": "bar"}), "E1", "name its tool"),
        (block({"name": "", "kind": "bar"}), "E1", "name its tool"),
        (block({"name": {"plot": 1}}), "E1", "name its tool"),
        (block({"name": "plott", "kind": "bar"}), "E1", "did you mean plot?"),
        (block({"name": "segment", "kind": "bar"}), "E1", "Tools: plot, zoom, calculator"),
        (block({"name": "plot", "arguments": ["bar"]}), "E1", "must be a JSON object"),
        (block({"name": "plot", "arguments": '{"kind": "bar"}'}), "E1", "must be a JSON object"),
        (GOOD + GOOD, "E1", "only one <tool_call>"),
        # E2: argument names
        (block({"name": "plot", "kind": "bar", "colour": 1}), "E2", 'unknown argument "colour"'),
        (block({"name": "plot", "arguments": {}}), "E2", 'missing argument "kind"'),
        (block({"name": "plot", "limit": "x"}), "E2", "its arguments are: kind, limit"),
        (block({"name": "plot", "arguments": {"kind": "bar"}, "limit": 2}), "E2", 'put it inside'),
        # E3: argument values
        (block({"name": "plot", "kind": "pie"}), "E3", 'argument "kind"'),
        (block({"name": "plot", "kind": "bar", "limit": "many"}), "E3", 'argument "limit"'),
        (block({"name": "plot", "kind": None}), "E3", 'argument "kind"'),
        (block({"name": "zoom", "bbox_2d": [1, 2, 3]}), "E3", "bbox_2d"),
        (block({"name": "zoom", "bbox_2d": [1, 2, 3, "left"]}), "E3", "bbox_2d.3"),
        (block({"name": "zoom", "bbox_2d": [0, 0, 1, 1], "image": -1}), "E3", "image"),
        # E5: the form of the turn
        ("", "E5", "no action"),
        ("the answer is 3", "E5", "no action"),
        ("<think>hm</think>", "E5", "no action"),
        (GOOD + "<answer>3</answer>", "E5", "not both"),
        ("<answer>3</answer><answer>3</answer>", "E5", "only one <answer>"),
        ("<answer>  </answer>", "E5", "is empty"),
        ("<answer>3", "E5", "</answer>"),
        ("<think>hm <answer>3</answer>", "E5", "</think>"),
        ("hm</think><answer>3</answer>", "E5", "closes nothing"),
        ("3</answer>", "E5", "closes nothing"),
        ("<answer>3<answer>4</answer>", "E5", "inside <answer>"),
        ("<answer><think>x</think>3</answer>", "E5", "inside <answer>"),
        ('<tool_call>{"name": "plot"}', "E5", "</tool_call>"),
        ("<ANSWER>3</ANSWER>", "E5", "no action"),
    ],
)  # fmt: skip
def test_malformed_turns_are_typed_and_say_what_to_do(text, code, says):
    error = parse_turn(text, TOOLS)
    assert isinstance(error, ModelError), error
    assert (error.code, says in error.message) == (code, True), error
    assert len(error.message) < 250


def test_cut_off_turns():
    for text in ("<think>on and on", "<answer>3", "<think>x</think> and so", '<tool_call>{"name": "pl'):
        error = parse_turn(text, TOOLS, "length")
        assert isinstance(error, ModelError) and error.code is ErrorCode.OUTPUT_FORMAT and "cut off" in error.message
    assert parse_turn(answer("3"), TOOLS, "length") == ParsedAnswer("3")  # complete all the same


def test_without_tools():
    assert "no tools" in parse_turn(GOOD, {}).message
    assert "<tool_call>" not in parse_turn("", {}).message


def test_the_arguments_stay_as_written():
    parsed = parse_turn(block({"name": "plot", "kind": "bar", "limit": "7"}), TOOLS)
    assert parsed == ParsedCall("plot", {"kind": "bar", "limit": "7"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (answer(), True),
        (call(), True),
        ("  <think>a\nb</think>\n\n<answer>3</answer>\n", True),
        ("<think></think><answer>3</answer>", True),
        ("<think>x</think><tool_call>not json</tool_call>", True),
        ("<think>see <answer> there</think><answer>3</answer>", True),
        ("<answer>3</answer>", False),
        ("<answer>3</answer><think>x</think>", False),
        ("<think>x</think>so <answer>3</answer>", False),
        ("so <think>x</think><answer>3</answer>", False),
        ("<think>x</think><answer>3</answer>.", False),
        ("<think>x</think><think>y</think><answer>3</answer>", False),
        ("<think>x</think><answer>3</answer><answer>3</answer>", False),
        ("<think>x</think><tool_call>{}</tool_call><answer>3</answer>", False),
        ("<think>x</think>", False),
        ("<think>x<answer>3</answer>", False),
        ("x</think><answer>3</answer>", False),
        ("", False),
    ],
)
def test_the_papers_form(text, expected):
    assert well_formed(text) is expected


_PIECES = st.lists(
    st.one_of(
        st.sampled_from(["<think>", "</think>", "<tool_call>", "</tool_call>", "<answer>", "</answer>", GOOD[11:-12]]),
        st.text(max_size=8),
    ),
    max_size=12,
).map("".join)


@given(_PIECES)
def test_any_text_gives_exactly_one_outcome(text):
    parsed = parse_turn(text, TOOLS)
    assert isinstance(parsed, ParsedCall | ParsedAnswer | ModelError)
    if well_formed(text) and isinstance(parsed, ModelError):
        assert parsed.code is not ErrorCode.OUTPUT_FORMAT or "is empty" in parsed.message


_KEYS = ["name", "tool", "arguments", "kind", "x"]
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_KEYS), inner),
    max_leaves=8,
)  # fmt: skip


@given(_JSON)
def test_any_json_gives_exactly_one_outcome(value):
    parsed = parse_turn(block(value), TOOLS)
    assert isinstance(parsed, ParsedCall | ModelError)


@given(st.text(max_size=40).filter(lambda text: "<" not in text and text.strip()))
def test_any_plain_answer_comes_back_stripped(text):
    assert parse_turn(answer(text), TOOLS) == ParsedAnswer(text.strip())
    assert well_formed(answer(text))
