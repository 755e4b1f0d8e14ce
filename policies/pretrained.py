"""A model folder or hub id into configuration, tokenizer and model, with errors that name it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from torch import nn
from transformers import AutoConfig, AutoModelForImageTextToText, AutoTokenizer, GenerationConfig

from policies.chat import FAMILIES, UnsupportedModelError
from policies.image_encoder import ImageEncoder
from policies.vlm_config import VLMConfig, VLMConfigError


def load_config(source: str, settings: VLMConfig) -> Any:
    """The model's configuration.

    Raises:
        UnsupportedModelError: it cannot be read, or belongs to no supported family.
    """
    with _reading(source, "configuration"):
        config = AutoConfig.from_pretrained(source, trust_remote_code=settings.trust_remote_code)
    if config.model_type not in FAMILIES:
        raise UnsupportedModelError(
            f"{source}: model_type {config.model_type!r} is no supported image-text-to-text model; "
            f"supported are {', '.join(FAMILIES)}"
        )
    return config


def load_tokenizer(source: str, settings: VLMConfig) -> Any:
    """The model's tokenizer. Raises `UnsupportedModelError` when it cannot be read."""
    with _reading(source, "tokenizer"):
        return AutoTokenizer.from_pretrained(source, trust_remote_code=settings.trust_remote_code)


def load_image_encoder(source: str, config: Any, settings: VLMConfig) -> ImageEncoder:
    """The model's image processor. Raises `UnsupportedModelError` when it cannot be read."""
    with _reading(source, "image processor"):
        return ImageEncoder(source, config, **settings.image_processor)


def load_model(source: str, config: Any, settings: VLMConfig) -> nn.Module:
    """The model with released or random weights, frozen parts and LoRA adapters as the settings say, in eval mode.

    Raises:
        UnsupportedModelError: the weights cannot be read, are incomplete, or are those of another configuration.
        VLMConfigError: `lora` does not fit `peft.LoraConfig` or this model.
    """
    options: dict[str, Any] = {
        "dtype": getattr(torch, settings.dtype),
        "attn_implementation": settings.attn_implementation,
    }
    with _reading(source, "weights"):
        if settings.random_init_seed is not None:
            with torch.random.fork_rng():
                torch.manual_seed(settings.random_init_seed)
                model = AutoModelForImageTextToText.from_config(config, **options)
        else:
            model = _released(source, config, settings, options)
    # Released folders bring penalties (Qwen2.5-VL: `repetition_penalty` 1.05) that would bend the sampling
    # distribution away from the one that is recorded and learned from; end tokens are given at each call.
    model.generation_config = GenerationConfig()
    for name, parameter in model.named_parameters():
        if any(re.search(pattern, name) for pattern in settings.freeze):
            parameter.requires_grad_(False)
    if settings.lora is not None:
        model = _with_adapters(model, settings.lora)
    if settings.gradient_checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
        model.enable_input_require_grads()
    return model.train(settings.gradient_checkpointing)  # transformers checkpoints in training mode only


def _released(source: str, config: Any, settings: VLMConfig, options: dict[str, Any]) -> Any:
    model, report = AutoModelForImageTextToText.from_pretrained(
        source,
        config=config,
        trust_remote_code=settings.trust_remote_code,
        output_loading_info=True,
        ignore_mismatched_sizes=True,  # reported below; transformers would go on with random weights for missing ones
        **options,
    )
    unfit = sorted({*report["missing_keys"], *(key[0] for key in report["mismatched_keys"])})
    if unfit:
        raise ValueError(f"{len(unfit)} of them are missing or of another shape, for example {unfit[0]!r}")
    return model


def _with_adapters(model: Any, lora: dict[str, Any]) -> Any:
    from peft import LoraConfig, get_peft_model

    try:
        return get_peft_model(model, LoraConfig(**lora))
    except (TypeError, ValueError) as error:
        raise VLMConfigError(f"vlm_config: lora: {error}") from error


@contextmanager
def _reading(source: str, what: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, TypeError, KeyError, SafetensorError, StrictDataclassError) as error:
        raise UnsupportedModelError(f"{source}: {what} cannot be loaded: {error}") from error
