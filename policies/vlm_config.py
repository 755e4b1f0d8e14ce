"""`VLMConfig`: settings of a VLM policy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from tools.errors import VistaError


class VLMConfigError(VistaError):
    """A setting of the VLM policy is unknown or has a wrong value."""


class VLMConfig(BaseModel):
    """Settings of `VLMModule`; a tuned example writes them as a plain dict."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    model: str = "vista-tiny"
    """Model folder, hub id, or `vista-tiny` for the one that ships."""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    attn_implementation: str = "sdpa"
    """transformers' attention implementation: `sdpa`, `flash_attention_2`, `eager`."""
    trust_remote_code: bool = False
    """Run Python code that comes with the model. Off: a model is data."""
    random_init_seed: int | None = None
    """Random weights from this seed instead of the released ones (tests)."""
    image_processor: dict[str, Any] = Field(default_factory=dict)
    """Overrides of the image processor, for example `{"max_pixels": 501760}`."""
    system: str = ""
    """System prompt of an agent whose observations carry none (trainable tool agents)."""

    max_length: int = Field(2048, ge=16)
    """Room of the whole transcript in tokens, observations and image placeholders included."""
    max_new_tokens: int = Field(128, ge=1)
    """Sampled tokens per turn at most."""
    temperature: float = Field(1.0, ge=0)
    """Of rollouts; 0 is greedy. Evaluation is greedy whatever this says."""
    top_p: float = Field(1.0, gt=0, le=1)

    lora: dict[str, Any] | None = None
    """Arguments of `peft.LoraConfig` (`r`, `lora_alpha`, `target_modules`, ...); None trains the weights themselves."""
    freeze: tuple[str, ...] = ()
    """Regular expressions of parameter names that stay as they are, for example `("visual",)`."""
    gradient_checkpointing: bool = False
    value_head: bool = False
    """A linear value head over the last hidden state (PPO)."""
    logits_chunk: int = Field(4096, ge=1)
    """Tokens whose logits are held at once when learning."""

    @field_validator("freeze")
    @classmethod
    def _compile(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{pattern!r} is no regular expression: {error}") from error
        return patterns

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> VLMConfig:
        """Validates a plain dict.

        Raises:
            VLMConfigError: naming each unknown key or wrong value and what was expected.
        """
        try:
            return cls(**settings)
        except ValidationError as error:
            problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
            raise VLMConfigError(f"vlm_config: {problems}") from error
