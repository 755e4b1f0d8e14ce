"""The shape of vista-tiny: Qwen2.5-VL, scaled down to a few million parameters."""

from __future__ import annotations

from transformers import (
    GenerationConfig,
    PreTrainedTokenizerBase,
    Qwen2_5_VLConfig,
)
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

PATCH = 14
MERGE = 2
MAX_IMAGE_TOKENS = 16
"""One image token stands for (PATCH * MERGE)^2 pixels: a chart becomes at most 4 x 4 of them."""
CONTEXT = 2048
HEAD_DIM = 32
"""The smallest head size that vLLM's attention kernels take on a CPU."""

CHAT_TEMPLATE = """\
{%- for message in messages -%}
{%- set role = 'user' if message.role == 'tool' else message.role -%}
{{- '<|im_start|>' + role + '\\n' -}}
{%- if message.role == 'tool' -%}{{- '<tool_response>\\n' -}}{%- endif -%}
{%- if message.content is string -%}
{{- message.content -}}
{%- else -%}
{%- for part in message.content -%}
{%- if part.type == 'image' -%}
{{- '<|vision_start|><|image_pad|><|vision_end|>' -}}
{%- elif part.type == 'text' -%}
{{- part.text -}}
{%- endif -%}
{%- endfor -%}
{%- endif -%}
{%- if message.role == 'tool' -%}{{- '\\n</tool_response>' -}}{%- endif -%}
{{- '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}
"""


def model_config(
    tokenizer: PreTrainedTokenizerBase, hidden: int = 128, layers: int = 5, intermediate: int = 256
) -> Qwen2_5_VLConfig:
    """The model's configuration for `tokenizer`'s vocabulary.

    Args:
        tokenizer: names the special tokens and fixes the vocabulary size.
        hidden: width of the language model, a multiple of `HEAD_DIM`.
        layers: depth of the language model.
        intermediate: width of its feed-forward blocks.
    """
    token = tokenizer.convert_tokens_to_ids
    heads = hidden // HEAD_DIM
    return Qwen2_5_VLConfig(
        architectures=["Qwen2_5_VLForConditionalGeneration"],
        dtype="bfloat16",
        tie_word_embeddings=True,
        image_token_id=token("<|image_pad|>"),
        video_token_id=token("<|video_pad|>"),
        vision_start_token_id=token("<|vision_start|>"),
        vision_end_token_id=token("<|vision_end|>"),
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": hidden,
            "intermediate_size": intermediate,
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "num_key_value_heads": heads,
            "max_position_embeddings": CONTEXT,
            "rms_norm_eps": 1e-6,
            "bos_token_id": None,
            "eos_token_id": token("<|im_end|>"),
            "pad_token_id": token("<|endoftext|>"),
            "tie_word_embeddings": True,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1000000.0, "mrope_section": [4, 6, 6]},
        },
        vision_config={
            "depth": 2,
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_heads": 2,
            "patch_size": PATCH,
            "spatial_merge_size": MERGE,
            "temporal_patch_size": 2,
            "window_size": 2 * PATCH * MERGE,
            "out_hidden_size": hidden,
            "fullatt_block_indexes": [1],
        },
    )


def image_processor() -> Qwen2VLImageProcessorPil:
    """Shrinks a chart to at most `MAX_IMAGE_TOKENS` image tokens."""
    side = PATCH * MERGE
    return Qwen2VLImageProcessorPil(
        size={"shortest_edge": 4 * side * side, "longest_edge": MAX_IMAGE_TOKENS * side * side},
        patch_size=PATCH,
        merge_size=MERGE,
        temporal_patch_size=2,
    )


def generation_config(tokenizer: PreTrainedTokenizerBase) -> GenerationConfig:
    """Plain sampling at temperature 1 until the end of the turn."""
    return GenerationConfig(
        do_sample=True,
        temperature=1.0,
        top_k=0,
        top_p=1.0,
        eos_token_id=tokenizer.convert_tokens_to_ids("<|im_end|>"),
        pad_token_id=tokenizer.convert_tokens_to_ids("<|endoftext|>"),
    )
