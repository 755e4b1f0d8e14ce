"""What the policy reads first: the system prompt, rendered once per env, and the question.

`full` states what the paper's prompt states (arXiv 2511.19773, fig. 9): tools first, reason before and after, one call
a turn, each tool's JSON schema, the output format of the task type. `compact` says the same in a few dozen words for
models with a short context. Neither holds anything that changes from run to run (no date, no id), so that transcripts
and prefix caches stay valid.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Literal, get_args

import jinja2

from tools.tool import Tool

PromptStyle = Literal["compact", "full"]
PROMPT_STYLES: tuple[PromptStyle, ...] = get_args(PromptStyle)

_OUTPUT_FORMATS = {
    "chart": "a number or a short label as it is written in the chart; Yes or No for a yes/no question",
    "geometry": "the number alone, or the letter of the right choice",
    "geospatial": "the name, number or list as it is written on the map or infographic",
    "science": "the letter of the right choice, or a short phrase",
    "document": "the exact words of the document",
    "spatial": "one word or one number",
    "mathematics": "the number or expression alone, or the letter of the right choice",
    "general": "one word or a short phrase, or the letter of the right choice",
}
"""By `Task.task_type`. An unknown type gets `general`."""

_TEMPLATES = {
    "compact": """\
{% for tool in tools -%}
{{ tool.name }}({{ tool.parameters.properties | join(", ") }}): {{ tool.description | first_clause }}
{% endfor -%}
{% if tools -%}
Turn: <think>...</think> then <tool_call>{"name": ..., "arguments": {...}}</tool_call> or <answer>...</answer>
{%- else -%}
Reply: <think>...</think><answer>...</answer>
{%- endif %}""",
    "full": """\
You answer questions about images by reasoning step by step{% if tools %} and by using tools{% endif %}.
{% if tools %}
# Tools
Each line is one tool with the JSON schema of its arguments. Images are numbered from 0 in the order you see them.
{% for tool in tools -%}
{{ tool | json }}
{% endfor %}
# Rules
1. Call a tool before you answer; do not answer without the result of at least one tool.
2. Think inside <think> and </think> before every tool call, and again about every tool result.
3. Call exactly one tool in a turn, then stop and wait for its result.
4. Answer as soon as the results are enough.

# Format
To call a tool:
<think>why this tool</think><tool_call>{"name": "<tool>", "arguments": {"<argument>": <value>}}</tool_call>
To answer:
<think>what the results show</think><answer>the answer alone</answer>
{%- else %}
# Format
Think inside <think> and </think>, then answer:
<think>your reasoning</think><answer>the answer alone</answer>
{%- endif %}""",
    "user": """\
{% if style == "full" -%}
Please answer the following {{ task_type }} question.
Question: {{ question }}
{%- else -%}
{{ question }}
{%- endif %}
{%- if choices %}
Choices:{% for choice in choices %} ({{ loop.index0 | letter }}) {{ choice }}{% endfor %}
{%- endif %}
{%- if style == "full" %}
Output format: {{ output_format }}, inside <answer> and </answer>.
{%- endif %}""",
}

_environment = jinja2.Environment(  # the text goes to a model, never into HTML: nothing is escaped
    loader=jinja2.DictLoader(_TEMPLATES), undefined=jinja2.StrictUndefined, autoescape=False
)
_environment.filters |= {
    "json": lambda value: json.dumps(value, ensure_ascii=False),
    "first_clause": lambda text: re.split(r"\.\s|\.$|[;:(]", text, maxsplit=1)[0].strip(),
    "letter": lambda index: chr(ord("A") + index),
}


def system_prompt(style: PromptStyle, tools: Sequence[type[Tool]]) -> str:
    """The system prompt for these tools, in their order; without tools it does not mention any."""
    schemas = [tool.schema() for tool in tools]
    for schema in schemas:
        schema["parameters"] = _lean(schema["parameters"])
    return _environment.get_template(style).render(tools=schemas).strip()


def _lean(schema: dict[str, Any]) -> dict[str, Any]:
    """A JSON schema without what pydantic repeats: titles, and that other arguments are refused."""
    lean = {key: value for key, value in schema.items() if key not in ("title", "additionalProperties")}
    lean["properties"] = {
        name: {k: v for k, v in field.items() if k != "title"} for name, field in lean["properties"].items()
    }
    return lean


def user_prompt(style: PromptStyle, question: str, choices: Sequence[str] = (), task_type: str = "general") -> str:
    """The question as the policy reads it, with its choices, and in `full` with the output format of its type."""
    if style == "compact" and not choices:
        return question
    return _environment.get_template("user").render(
        style=style,
        question=question,
        choices=choices,
        task_type=task_type,
        output_format=_OUTPUT_FORMATS.get(task_type, _OUTPUT_FORMATS["general"]),
    )
