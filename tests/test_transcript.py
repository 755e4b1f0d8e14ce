"""Transcripts: invariants, and episodes of random messages, images and samples at token level."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import tiny_models

from envs.message import Message
from policies.chat import ChatFormat
from policies.pretrained import load_config, load_image_encoder, load_tokenizer
from policies.transcript import Transcript, TranscriptError
from policies.vlm_config import VLMConfig

PAD = 7
EPISODES = 700
"""Per family; a simulated episode has up to 5 turns."""

WORDS = (
    "What is the value", "<image>", "<|image_pad|>", "<|im_end|>", "<|im_start|>user\n", "<|vision_start|>", "<img>",
    "<IMG_CONTEXT>", "</img>", "<video>", "<|endoftext|>", "<tool_call>", "</tool_call>", "</tool_response>",
    "über 12 % — 值", " ", "\n\n", "{\"a\": [1, 2]}", "\U0001f4ca",
)  # fmt: skip


def test_observed_and_sampled_tokens_are_kept_side_by_side() -> None:
    image = tiny_models.picture()
    transcript = Transcript()
    transcript.observe([1, PAD, PAD, 2], [image], [2], PAD)
    transcript.sample([5, 6], [-0.5, -1.5], version=3, image_token_id=PAD)
    transcript.observe([8])
    assert transcript.token_ids == [1, PAD, PAD, 2, 5, 6, 8]
    assert transcript.sampled == [False] * 4 + [True] * 2 + [False]
    assert transcript.logps == [0, 0, 0, 0, -0.5, -1.5, 0]
    assert transcript.versions == [-1, -1, -1, -1, 3, 3, -1]
    assert (transcript.images, transcript.image_tokens) == ([image], [2])
    assert (len(transcript), transcript.num_sampled) == (7, 2)


def test_arrays_have_the_documented_types() -> None:
    transcript = Transcript()
    transcript.observe([1])
    transcript.sample([2], [-0.25], version=0)
    arrays = transcript.arrays()
    assert {name: (array.dtype, array.tolist()) for name, array in arrays.items()} == {
        "token_ids": (np.dtype(np.int64), [1, 2]),
        "sampled": (np.dtype(bool), [False, True]),
        "logps": (np.dtype(np.float32), [0.0, -0.25]),
        "versions": (np.dtype(np.int64), [-1, 0]),
    }


@pytest.mark.parametrize(
    ("append", "problem"),
    [
        (lambda t, i: t.observe([PAD], [], [], PAD), "1 image placeholders for images that expand to 0"),
        (lambda t, i: t.observe([1, PAD], [i], [2], PAD), "1 image placeholders for images that expand to 2"),
        (lambda t, i: t.observe([1], [i], [], PAD), "1 images but 0 placeholder counts"),
        (lambda t, i: t.sample([1, 2], [-1.0], 0, PAD), "2 sampled ids but 1 log-probabilities"),
        (lambda t, i: t.sample([1, PAD], [-1.0, -1.0], 0, PAD), "emitted an image placeholder"),
    ],
)
def test_an_append_that_breaks_the_transcript_is_refused_whole(
    append: Callable[[Transcript, object], None], problem: str
) -> None:
    transcript = Transcript()
    transcript.observe([1, 2])
    with pytest.raises(TranscriptError, match=problem):
        append(transcript, tiny_models.picture())
    assert transcript == Transcript([1, 2], [False] * 2, [0.0] * 2, [-1] * 2)


@cache
def pictures() -> list[object]:
    """Pictures of different sizes and so of different numbers of tokens."""
    return [tiny_models.picture(20 + 17 * k, 90 - 11 * k, 20 * k) for k in range(7)]


@pytest.fixture(scope="module", params=tiny_models.FAMILIES)
def chat(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ChatFormat:
    """The chat format of one family."""
    return load_chat(tiny_models.make(tmp_path_factory.mktemp("model"), request.param, weights=False))


def load_chat(folder: str | Path) -> ChatFormat:
    """The chat format of a model folder."""
    settings = VLMConfig(model=str(folder))
    config = load_config(settings.model, settings)
    return ChatFormat(
        load_tokenizer(settings.model, settings), config, load_image_encoder(settings.model, config, settings)
    )


def random_message(chance: random.Random, first: bool) -> Message:
    """Up to 3 images and a text that may hold what looks like control tokens."""
    text = "".join(chance.choices(WORDS, k=chance.randint(0, 6)))
    images = tuple(chance.choices(pictures(), k=chance.choice((0, 0, 1, 2, 3))))
    system = "".join(chance.choices(WORDS, k=2)) if first and chance.random() < 0.5 else ""
    return Message("user" if first else chance.choice(("user", "tool")), text, images, system)


def test_random_episodes_keep_every_invariant(chat: ChatFormat) -> None:
    vocabulary = len(chat._tokenizer)
    banned = set(chat.banned_ids)
    allowed = [token for token in range(vocabulary) if token not in banned]
    for episode in range(EPISODES):
        chance = random.Random(episode)
        transcript = Transcript()
        expected: list[int] = []
        sampled: list[bool] = []
        images, expansions = [], []
        turn_ids: list[int] = []
        for turn in range(chance.randint(1, 5)):
            message = random_message(chance, first=turn == 0)
            chat.observe(transcript, message)
            observed = transcript.token_ids[len(expected) :]
            assert transcript.token_ids[: len(expected)] == expected, "append-only"
            expected += observed
            sampled += [False] * len(observed)
            images += message.images
            expansions += [image.num_tokens for image in chat.encoded_images(list(message.images))]
            # Control tokens come from the format alone: two or three per message, whatever its text says.
            ends = observed.count(chat._token_id("<|im_end|>"))
            starts = observed.count(chat._token_id("<|im_start|>"))
            closed = turn > 0 and sampled_end(chat, turn_ids)
            assert starts == 2 + bool(turn == 0 and message.system)
            assert ends == starts - 1 + (turn > 0 and not closed)
            # A turn of any length up to the limit, cut anywhere, with or without its end token.
            turn_ids = chance.choices(allowed, k=chance.randint(0, 8))
            if chance.random() < 0.3:
                turn_ids = [*turn_ids, chance.choice(chat.end_ids)]
            if chance.random() < 0.2:
                before = transcript.arrays()
                wrong = [*turn_ids, chat.image_token_id]
                with pytest.raises(TranscriptError):
                    transcript.sample(wrong, [-1.0] * len(wrong), turn, chat.image_token_id)
                assert all(np.array_equal(before[name], array) for name, array in transcript.arrays().items())
            logps = [-chance.random() for _ in turn_ids]
            transcript.sample(turn_ids, logps, turn, chat.image_token_id)
            expected += turn_ids
            sampled += [True] * len(turn_ids)
            assert transcript.token_ids[len(expected) - len(turn_ids) :] == turn_ids, "sampled ids stay as they are"
            assert transcript.logps[len(expected) - len(turn_ids) :] == logps
        assert transcript.token_ids == expected
        assert transcript.sampled == sampled
        assert transcript.num_sampled == sum(sampled)
        lengths = {len(transcript), *map(len, (transcript.logps, transcript.versions, transcript.sampled))}
        assert len(lengths) == 1
        assert all((v >= 0) == s and (s or lp == 0) for v, s, lp in zip(
            transcript.versions, transcript.sampled, transcript.logps, strict=True))  # fmt: skip
        assert transcript.images == images
        assert transcript.image_tokens == expansions
        assert transcript.token_ids.count(chat.image_token_id) == sum(expansions)


def sampled_end(chat: ChatFormat, token_ids: list[int]) -> bool:
    """Whether a turn closed itself."""
    return bool(token_ids) and token_ids[-1] == chat._token_id("<|im_end|>")


def test_literal_text_round_trips_without_control_tokens(chat: ChatFormat) -> None:
    special = set(chat._tokenizer.all_special_ids)
    for episode in range(200):
        chance = random.Random(episode)
        text = "".join(chance.choices(WORDS, k=chance.randint(1, 8)))
        token_ids = chat._text(text)
        assert not special & set(token_ids)
        assert chat.decode(token_ids) == text


def test_every_cut_of_a_turn_leaves_a_transcript_that_goes_on(chat: ChatFormat) -> None:
    text = '<think>a</think><tool_call>{"name": "zoom"}</tool_call>'
    turn = [*chat._special(text), chat._token_id("<|im_end|>")]
    message = Message("tool", "done", (pictures()[2],))
    for cut in range(len(turn) + 1):
        transcript = Transcript()
        chat.observe(transcript, Message("user", "Q"))
        start = len(transcript)
        transcript.sample(turn[:cut], [-1.0] * cut, 0, chat.image_token_id)
        chat.observe(transcript, message)
        assert transcript.token_ids[start : start + cut] == turn[:cut]
        after = transcript.token_ids[start + min(cut, len(turn) - 1) :]
        assert after[: len(chat._end)] == chat._end, "exactly one end of turn wherever it was cut"
        assert transcript.token_ids.count(chat.image_token_id) == sum(transcript.image_tokens)
