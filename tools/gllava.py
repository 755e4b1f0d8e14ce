"""`gllava`: G-LLaVA (renjiepi/G-LLaVA-7B, -13B) answers questions about geometry diagrams."""

from __future__ import annotations

from tools.models.llava import LlavaSettings, LlavaTool, QuestionArguments
from tools.registry import register_backend, register_tool
from tools.tool import Tool


@register_tool
class GLlava(Tool):
    """Only a model or a service can answer."""

    name = "gllava"
    description = "Asks a geometry model about a diagram; it answers in words."
    arguments = QuestionArguments
    aliases = ("g_llava", "G-LLaVA", "GLLaVA")
    family = "math"
    remote = True


class GLlavaSettings(LlavaSettings):
    """Settings of G-LLaVA."""

    model: str = "renjiepi/G-LLaVA-7B"


@register_backend
class GLlavaModel(LlavaTool, GLlava):
    """The released weights, converted to the llava-hf format."""

    backend = "g_llava"
    settings_type = GLlavaSettings
