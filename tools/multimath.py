"""`multimath`: MultiMath-7B (pengshuai-rin/multimath-7b-llava-v1.5) answers questions, with a picture or not."""

from __future__ import annotations

from tools.models.llava import IMAGE_TOKEN, LlavaSettings, LlavaTool, QuestionArguments
from tools.registry import register_backend, register_tool
from tools.tool import Tool


@register_tool
class MultiMath(Tool):
    """Only a model or a service can answer."""

    name = "multimath"
    description = "Asks a mathematics model to solve a problem, step by step; it can look at an image."
    arguments = QuestionArguments
    aliases = ("multimath_server", "MultiMath")
    family = "math"
    remote = True


class MultiMathSettings(LlavaSettings):
    """Settings of MultiMath-7B."""

    model: str = "pengshuai-rin/multimath-7b-llava-v1.5"
    prompt: str = f"User: {IMAGE_TOKEN}\n{{question}}\n\nAssistant:"


@register_backend
class MultiMath7B(LlavaTool, MultiMath):
    """The released weights, converted to the llava-hf format."""

    backend = "multimath_7b"
    settings_type = MultiMathSettings
