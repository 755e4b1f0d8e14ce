"""Folders of tiny randomly initialised models in the released format of each supported family."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import PIL.Image
import PIL.ImageDraw
import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForImageTextToText,
    InternVLConfig,
    LlamaConfig,
    PretrainedConfig,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen3VLConfig,
)
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from policies.vlm import VLMModule
from tools.image import Image

FAMILIES = ("qwen2_5_vl", "qwen3_vl", "internvl")

_CHATML = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
_QWEN = ["<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]
_INTERNVL = ["<img>", "</img>", "<IMG_CONTEXT>", "<video>"]
_TEXTS = ["user assistant system What is the value of the bar? <tool_call> </tool_call> <answer> </answer>\n"] * 3

CHAT_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def tokenizer(extra: list[str], **attributes: str) -> PreTrainedTokenizerFast:
    """A byte-level BPE of about 300 entries with ChatML tokens and those of one family."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    special = [AddedToken(token, special=True, normalized=False) for token in _CHATML + extra]
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(_TEXTS, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        extra_special_tokens={"start_token": "<|im_start|>", **attributes},
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
    )


def make(folder: Path, family: str, seed: int = 0, weights: bool = True) -> str:
    """Writes configuration, tokenizer, image processor and (if wanted) random weights; returns the folder's name."""
    if family == "internvl":
        words = tokenizer(_INTERNVL, start_image_token="<img>", end_image_token="</img>",
                          context_image_token="<IMG_CONTEXT>", video_token="<video>")  # fmt: skip
        config, processor = (
            _internvl(words),
            GotOcr2ImageProcessorPil(size={"height": 28, "width": 28}, crop_to_patches=True, max_patches=4),
        )
    else:
        words = tokenizer(_QWEN, image_token="<|image_pad|>", video_token="<|video_pad|>")
        patch = 14 if family == "qwen2_5_vl" else 16
        config = _qwen2_5(words) if family == "qwen2_5_vl" else _qwen3(words)
        processor = Qwen2VLImageProcessorPil(
            size={"shortest_edge": (2 * patch) ** 2, "longest_edge": 6 * (2 * patch) ** 2},
            patch_size=patch,
            merge_size=2,
            temporal_patch_size=2,
        )
    config.save_pretrained(folder)
    if weights:
        _save_random(config, folder, seed)
    words.save_pretrained(folder)
    processor.save_pretrained(folder)
    return str(folder)


def copy(source: str, folder: Path) -> Path:
    """A copy of a model folder to be damaged."""
    return Path(shutil.copytree(source, folder))


def llama(folder: Path) -> str:
    """A folder that holds a text model's configuration."""
    LlamaConfig(vocab_size=300, hidden_size=32, num_hidden_layers=1, num_attention_heads=1).save_pretrained(folder)
    return str(folder)


def module(model: str, **settings: Any) -> VLMModule:
    """The policy module over a folder."""
    return VLMModule(inference_only=False, model_config={"model": model, "max_new_tokens": 12, **settings})


def picture(width: int = 60, height: int = 40, shade: int = 90) -> Image:
    """A picture with an edge in it; equal arguments are the same image."""
    canvas = PIL.Image.new("RGB", (width, height), (shade, 255 - shade, 30))
    PIL.ImageDraw.Draw(canvas).rectangle((2, 2, width // 2, height // 2), fill=(255 - shade, 10, shade))
    return Image.from_pil(canvas)


def _save_random(config: PretrainedConfig, folder: Path, seed: int) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = AutoModelForImageTextToText.from_config(config, dtype=torch.float32)
        for parameter in model.parameters():  # larger than the usual 0.02, so that the distributions are not flat
            if parameter.ndim == 2:
                torch.nn.init.normal_(parameter, std=0.2)
    model.save_pretrained(folder)


def _text(words: PreTrainedTokenizerFast, **fields: Any) -> dict[str, Any]:
    token = words.convert_tokens_to_ids
    return {
        "vocab_size": len(words),
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "max_position_embeddings": 4096,
        "bos_token_id": None,
        "eos_token_id": token("<|im_end|>"),
        "pad_token_id": token("<|endoftext|>"),
        **fields,
    }


def _qwen(words: PreTrainedTokenizerFast) -> dict[str, int]:
    token = words.convert_tokens_to_ids
    return {
        "image_token_id": token("<|image_pad|>"),
        "video_token_id": token("<|video_pad|>"),
        "vision_start_token_id": token("<|vision_start|>"),
        "vision_end_token_id": token("<|vision_end|>"),
    }


_VISION = {"depth": 2, "hidden_size": 32, "intermediate_size": 48, "num_heads": 1, "out_hidden_size": 64}
_MROPE = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [4, 6, 6]}


def _qwen2_5(words: PreTrainedTokenizerFast) -> PretrainedConfig:
    return Qwen2_5_VLConfig(
        tie_word_embeddings=True,
        text_config=_text(words, tie_word_embeddings=True, rope_parameters=_MROPE),
        vision_config={**_VISION, "patch_size": 14, "window_size": 56, "fullatt_block_indexes": [1]},
        **_qwen(words),
    )


def _qwen3(words: PreTrainedTokenizerFast) -> PretrainedConfig:
    return Qwen3VLConfig(
        tie_word_embeddings=False,
        text_config=_text(words, head_dim=32, rope_parameters={**_MROPE, "mrope_interleaved": True}),
        vision_config={**_VISION, "patch_size": 16, "num_position_embeddings": 64, "deepstack_visual_indexes": [0]},
        **_qwen(words),
    )


def _internvl(words: PreTrainedTokenizerFast) -> PretrainedConfig:
    return InternVLConfig(
        tie_word_embeddings=False,
        image_token_id=words.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=1,
        text_config={"model_type": "qwen2", **_text(words, tie_word_embeddings=False)},
        vision_config={
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 1,
            "intermediate_size": 48,
            "image_size": [28, 28],
            "patch_size": [14, 14],
        },
    )
