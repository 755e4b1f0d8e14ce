"""`ChatFormat`: new messages into token ids, in the ChatML dialect of the supported model families.

Only the *new* message is ever encoded. What the policy sampled stays in the transcript as ids, so a whole
conversation is never rendered and tokenised again (the drift of verl#3960 and TRL#5144 cannot occur).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from transformers import PretrainedConfig, PreTrainedTokenizerBase

from envs.message import Message
from policies.image_encoder import EncodedImage, ImageEncoder
from policies.transcript import Transcript
from tools.errors import VistaError
from tools.image import Image
from tools.tool import ToolCall


class UnsupportedModelError(VistaError):
    """The model is no image-text model, or of a family whose chat format is not known here."""


@dataclass(frozen=True, slots=True)
class _Markup:
    """How a family writes one image: `before`, then `pad` once per placeholder token, then `after`."""

    before: str
    pad: str
    after: str
    banned: tuple[str, ...]


_QWEN = _Markup("<|vision_start|>", "<|image_pad|>", "<|vision_end|>", ("<|video_pad|>",))
_MARKUPS = {
    "qwen2_vl": _QWEN,
    "qwen2_5_vl": _QWEN,
    "qwen3_vl": _QWEN,
    "qwen3_vl_moe": _QWEN,
    "internvl": _Markup("<img>", "<IMG_CONTEXT>", "</img>\n", ("<video>",)),
}

FAMILIES = tuple(_MARKUPS)
"""`model_type` of every supported family."""

STOP_STRINGS = ("</tool_call>", "</answer>")
"""A turn ends where one of these is complete, or at an end-of-turn token."""


class ChatFormat:
    """Encodes messages for one model.

    Attributes:
        image_token_id: the placeholder that image features replace.
        banned_ids: ids that must never be sampled: vision placeholders and their brackets.
        end_ids: ids that end a turn.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, config: PretrainedConfig, encoder: ImageEncoder) -> None:
        markup = _MARKUPS.get(config.model_type)
        if markup is None:
            raise UnsupportedModelError(
                f"model_type {config.model_type!r}: no chat format; supported are {', '.join(FAMILIES)}"
            )
        self._tokenizer = tokenizer
        self._encode_image = encoder
        self._before, self._after = self._special(markup.before), self._special(markup.after)
        self.image_token_id = self._token_id(markup.pad)
        banned = (markup.before, markup.pad, markup.after.strip(), *markup.banned)
        self.banned_ids = sorted({self._token_id(token) for token in banned if token in tokenizer.get_vocab()})
        # The released generation configs of these families also stop at `<|endoftext|>`.
        ends = {"<|im_end|>", "<|endoftext|>"} & tokenizer.get_vocab().keys()
        self.end_ids = sorted({*map(self._token_id, ends), *_as_set(tokenizer.eos_token_id)})
        self._end = self._special("<|im_end|>\n")
        self._answer_header = self._special("<|im_start|>assistant\n")

    def decode(self, token_ids: list[int]) -> str:
        """Text of sampled ids, without control tokens."""
        return str(self._tokenizer.decode(token_ids, skip_special_tokens=True))

    def observe(self, transcript: Transcript, observation: Message | ToolCall, system: str = "") -> None:
        """Appends an observation, its images, and the header of the assistant's turn to the transcript.

        Args:
            transcript: the agent's transcript.
            observation: a message for the VLM agent, or the call that a trainable tool agent must serve.
            system: system prompt of an agent whose first observation carries none.
        """
        message = _call_as_message(observation) if isinstance(observation, ToolCall) else observation
        ids: list[int] = []
        if len(transcript):
            # The policy stops at `</tool_call>`: the turn's end token is ours to add unless it was sampled.
            ids += self._end[1:] if transcript.token_ids[-1] == self._end[0] else self._end
        elif system_text := (message.system or system):
            ids += self._special("<|im_start|>system\n") + self._text(system_text) + self._end
        ids += self._special("<|im_start|>user\n")
        encoded = [self._encode_image(image) for image in message.images]
        for image in encoded:
            ids += self._before + [self.image_token_id] * image.num_tokens + self._after
        if message.role == "tool":
            ids += self._special("<tool_response>\n") + self._text(message.text) + self._special("\n</tool_response>")
        else:
            ids += self._text(message.text)
        ids += self._end + self._answer_header
        transcript.observe(ids, message.images, [image.num_tokens for image in encoded], self.image_token_id)

    def encoded_images(self, images: list[Image]) -> list[EncodedImage]:
        """Model inputs of images that are already in a transcript (cached)."""
        return [self._encode_image(image) for image in images]

    def stop_checker(self) -> Callable[[list[int]], bool]:
        """A predicate on a turn's sampled ids: True when a stop string has just been completed."""
        closers = {token_id for token, token_id in self._tokenizer.get_vocab().items() if ">" in token}

        def complete(token_ids: list[int]) -> bool:
            if not token_ids or token_ids[-1] not in closers:
                return False
            # A stop string has at most 12 characters, hence at most 12 tokens.
            text = self.decode(token_ids[-12:])
            return any(stop in text for stop in STOP_STRINGS)

        return complete

    def _text(self, text: str) -> list[int]:
        """Ids of untrusted text: a literal `<|image_pad|>` in a question is text, never a control token."""
        return self._tokenizer(text, add_special_tokens=False, split_special_tokens=True).input_ids

    def _special(self, text: str) -> list[int]:
        return self._tokenizer(text, add_special_tokens=False).input_ids

    def _token_id(self, token: str) -> int:
        token_id = self._tokenizer.convert_tokens_to_ids(token)
        if not isinstance(token_id, int) or token_id == self._tokenizer.unk_token_id:
            raise UnsupportedModelError(f"the tokenizer has no token {token!r}")
        return token_id


def _as_set(token_ids: int | list[int] | None) -> set[int]:
    if token_ids is None:
        return set()
    return {token_ids} if isinstance(token_ids, int) else set(token_ids)


def _call_as_message(call: ToolCall) -> Message:
    arguments = ", ".join(f"{key}={value!r}" for key, value in sorted(call.arguments.items()))
    return Message("user", f"{call.name}({arguments})", call.images)
