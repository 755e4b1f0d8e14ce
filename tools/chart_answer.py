"""`chart_answer`: a model's answer to a question about a chart."""

from __future__ import annotations

from pydantic import AliasChoices, Field

from tools.registry import register_tool
from tools.tool import ImageArguments, Tool


class ChartAnswerArguments(ImageArguments):
    """Arguments of `chart_answer`."""

    question: str = Field(
        min_length=1,
        max_length=2000,
        validation_alias=AliasChoices("question", "prompt", "query"),
        description="the question, in full",
    )


@register_tool
class ChartAnswer(Tool):
    """Needs a model that was trained on charts: none is embedded. Data: `{"answer": text}`."""

    name = "chart_answer"
    description = "Asks a chart model a question about a chart and returns its answer, which may be wrong."
    arguments = ChartAnswerArguments
    aliases = ("QAAnalysis", "ChartMoE.answer", "chartmoe")
    family = "chart"
    remote = True
