"""The tokenizer of vista-tiny: a small byte-level BPE whose words look the same wherever they stand.

A model of a few million parameters finds a table cell by matching tokens, so one label must be one token sequence, be
it in a question, at the start of a table row or after a comma. Hence capitalised words and digits never swallow the
space before them, separators such as " | " and ", " keep both their spaces, and every digit stands alone.
"""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

SPECIAL_TOKENS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
"""ChatML and vision tokens of the Qwen2.5-VL processor; decoding may skip them."""

PROTOCOL_TAGS = (
    "<think>",
    "</think>",
    "<tool_call>",
    "</tool_call>",
    "<answer>",
    "</answer>",
    "<tool_response>",
    "</tool_response>",
)
"""Tags of the episode protocol: one token each, and part of the decoded text."""

_WORDS = Regex(
    "|".join(
        (
            r" \| ",  # between table cells
            r" [-+*/<>=] ",  # a binary operator of an expression
            r"[,:;?.] ",  # punctuation in prose and lists
            r"\p{N}",  # a digit
            r" ?\p{Ll}+(?:_\p{Ll}+)*",  # prose, tool names
            r"\p{Lu}\p{L}*",  # a capitalised word
            r"\p{L}+",  # letters of other scripts
            r'[{}\[\]":, ]*["{}\[\]][{}\[\]":, ]*',  # JSON between names and values
            r"\n",
            r" ",
            r"[^\s\p{L}\p{N}]",  # any other sign
            r"\s",
        )
    )
)


def train_tokenizer(texts: Iterable[str], vocab_size: int) -> PreTrainedTokenizerFast:
    """Learns the merges from `texts`.

    Args:
        texts: prompts, questions, tables and answers of the training side.
        vocab_size: entries in all, special tokens and tags included.
    """
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(_WORDS, behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - len(PROTOCOL_TAGS),
        special_tokens=[AddedToken(token, special=True, normalized=False) for token in SPECIAL_TOKENS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        min_frequency=2,
        show_progress=False,
    )
    backend.train_from_iterator(texts, trainer)
    backend.add_tokens([AddedToken(tag, special=False, normalized=False) for tag in PROTOCOL_TAGS])
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        extra_special_tokens=[token for token in SPECIAL_TOKENS if token not in ("<|im_end|>", "<|endoftext|>")],
        clean_up_tokenization_spaces=False,
        model_max_length=4096,
        padding_side="left",
    )
