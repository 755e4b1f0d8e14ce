"""What the policy reads first."""

from __future__ import annotations

import json

import pytest
from episodes import TOOLS, make_env, task

from envs.prompts import system_prompt, user_prompt
from tools.registry import get_tool, registered_tools

ALL = [get_tool(name) for name in registered_tools()]


def test_compact_is_short_and_names_every_argument():
    tools = [get_tool("chart_to_table"), get_tool("calculator")]
    text = system_prompt("compact", tools)
    assert len(text.split()) < 60
    lines = text.splitlines()
    assert len(lines) == 3
    for tool, line in zip(tools, lines, strict=False):
        arguments = ", ".join(tool.schema()["parameters"]["properties"])
        assert line.startswith(f"{tool.name}({arguments}): ")
    assert all(tag in lines[-1] for tag in ("<think>", "<tool_call>", "<answer>"))


def test_full_holds_the_rules_and_every_schema():
    text = system_prompt("full", ALL)
    assert "Call a tool before you answer" in text and "Call exactly one tool in a turn" in text
    schemas = [json.loads(line) for line in text.splitlines() if line.startswith('{"name": "')]
    assert [schema["name"] for schema in schemas] == [tool.name for tool in ALL]
    for schema, tool in zip(schemas, ALL, strict=True):
        assert set(schema["parameters"]["properties"]) == set(tool.schema()["parameters"].get("properties", {}))


@pytest.mark.parametrize("style", ["compact", "full"])
def test_without_tools_no_tool_is_mentioned(style):
    text = system_prompt(style, [])
    assert "tool" not in text and "<answer>" in text


@pytest.mark.parametrize("style", ["compact", "full"])
def test_prompts_are_the_same_in_every_env(style):
    first, second = (make_env(prompt=style, tools=TOOLS).reset()[0]["vlm"] for _ in range(2))
    assert first == second and first.system


def test_the_question_is_never_a_template():
    nasty = "{{ 7 * 7 }} {% raw %} <image> <b>&amp;</b>"
    assert user_prompt("compact", nasty) == nasty
    assert nasty in user_prompt("full", nasty) and nasty in user_prompt("compact", nasty, ("a", "b"))


def test_user_prompts():
    assert user_prompt("compact", "Which?", ("x", "y")) == "Which?\nChoices: (A) x (B) y"
    assert user_prompt("full", "How many?", task_type="chart").splitlines() == [
        "Please answer the following chart question.",
        "Question: How many?",
        "Output format: a number or a short label as it is written in the chart; Yes or No for a yes/no question, "
        "inside <answer> and </answer>.",
    ]
    unknown = make_env([task(task_type="astrology")], prompt="full").reset()[0]["vlm"].text
    assert "astrology question" in unknown and "Output format: one word" in unknown
