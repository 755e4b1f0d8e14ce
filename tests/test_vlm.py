"""`VLMModule` over tiny random models: what a rollout records is what the learner computes, and how weights travel."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import tiny_models
import torch
from ray.rllib.core.columns import Columns
from tiny_models import module, picture

from envs.message import Message, Turn
from policies.chat import UnsupportedModelError
from policies.request import Request, object_array
from policies.transcript import Transcript
from policies.vlm import VLMModule
from policies.vlm_config import VLMConfigError
from policies.weights import WeightsError
from tools.errors import Fault
from tools.image import Image
from tools.tool import ToolCall, ToolResult

LORA = {"r": 4, "target_modules": ["q_proj", "v_proj"], "init_lora_weights": False}


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A folder with random weights per family."""
    return {name: tiny_models.make(tmp_path_factory.mktemp(name), name) for name in tiny_models.FAMILIES}


@pytest.fixture(scope="session")
def qwen(folders: dict[str, str]) -> str:
    """The folder of a Qwen2.5-VL."""
    return folders["qwen2_5_vl"]


@pytest.fixture(scope="session")
def transcripts(qwen: str) -> list[Transcript]:
    """Four played episodes, shared by the tests of the learner."""
    return play(module(qwen), first_messages(4), turns=2)


def first_messages(count: int) -> list[Message]:
    """First observations of different lengths with 0-2 images of different sizes."""
    return [
        Message(
            "user",
            "What is the value? " * (1 + row % 4),
            tuple(picture(40 + 25 * k, 90 - 9 * row % 50, 30 * k) for k in range(row % 3)),
            system="Look." if row % 2 else "",
        )
        for row in range(count)
    ]


def play(
    policy: VLMModule, messages: Sequence[Message | ToolCall], turns: int = 1, greedy: bool = False, seed: int = 0
) -> list[Transcript]:
    """Transcripts of episodes played in one batch; every second reply carries an image."""
    requests = [Request(str(row), "vlm", message, seed=seed + row) for row, message in enumerate(messages)]
    for turn in range(turns):
        (policy.forward_inference if greedy else policy.forward_exploration)({Columns.OBS: requests})
        for row, request in enumerate(requests):
            shown = (picture(50, 30 + 20 * (row % 3), turn),) if (row + turn) % 2 else ()
            request.observation = Message("tool", f"result {turn} <|image_pad|>", shown)
            request.seed += 1000
    return [request.transcript for request in requests]


def act(policy: VLMModule, message: Message | ToolCall, **fields: Any) -> tuple[Any, Transcript]:
    """One action and the transcript after it."""
    request = Request("e", "vlm", message, **fields)
    return policy.forward_exploration({Columns.OBS: [request]})[Columns.ACTIONS][0], request.transcript


def batch_of(policy: VLMModule, transcripts: Sequence[Transcript]) -> dict[str, torch.Tensor]:
    """The training batch of some transcripts."""
    return policy.train_batch(
        [t.token_ids for t in transcripts], [t.sampled for t in transcripts], [t.images for t in transcripts]
    )


def recorded(transcripts: Sequence[Transcript], width: int) -> torch.Tensor:
    """Recorded log-probabilities [B, width], 0 where nothing was sampled."""
    out = torch.zeros(len(transcripts), width)
    for row, transcript in enumerate(transcripts):
        out[row, : len(transcript)] = torch.tensor(transcript.logps)
    return out


def logps(policy: VLMModule, transcripts: Sequence[Transcript]) -> torch.Tensor:
    """The learner's log-probabilities [B, T] without gradients."""
    with torch.no_grad():
        return policy.forward_train(batch_of(policy, transcripts))["logps"]


def gradients(policy: VLMModule, transcripts: Sequence[Transcript]) -> dict[str, torch.Tensor]:
    """Gradients of a function of all outputs by parameter name."""
    policy.zero_grad()
    out = policy.forward_train(batch_of(policy, transcripts))
    sum(value.square().sum() for value in out.values()).backward()
    return {name: p.grad.clone() for name, p in policy.named_parameters() if p.grad is not None}


def step(policy: VLMModule, transcripts: Sequence[Transcript], rate: float = 1e-3) -> None:
    """One step of plain gradient descent."""
    gradients(policy, transcripts)
    with torch.no_grad():
        for parameter in policy.parameters():
            if parameter.grad is not None:
                parameter -= rate * parameter.grad


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> None:
    """Asserts equal gradients up to rounding."""
    assert first.keys() == second.keys()
    for name in first:
        torch.testing.assert_close(first[name], second[name], rtol=1e-3, atol=1e-4, msg=name)


# Rollout and learner.


@pytest.mark.parametrize("family", tiny_models.FAMILIES)
@pytest.mark.parametrize("settings", [{}, {"temperature": 0.7, "top_p": 0.9}])
def test_the_learner_computes_what_the_rollout_recorded(
    folders: dict[str, str], family: str, settings: dict[str, float]
) -> None:
    policy = module(folders[family], **settings)
    transcripts = play(policy, first_messages(12), turns=3)
    assert len({len(t) for t in transcripts}) > 3 and {len(t.images) for t in transcripts} >= {1, 2, 3}
    batch = batch_of(policy, transcripts)
    with torch.no_grad():
        out = policy.forward_train(batch)
    width = max(map(len, transcripts))
    assert out["logps"].shape == batch["loss_mask"].shape == (12, width)
    assert (out["logps"] - recorded(transcripts, width)).abs().max() <= 1e-4
    assert torch.isfinite(out["entropy"]).all() and (out["entropy"][batch["loss_mask"]] > 0).all()
    assert not out["entropy"][~batch["loss_mask"]].any()
    for transcript in transcripts:
        sampled = [t for t, s in zip(transcript.token_ids, transcript.sampled, strict=True) if s]
        assert sampled and not set(sampled) & set(policy.chat.banned_ids)
        assert transcript.token_ids.count(policy.chat.image_token_id) == sum(transcript.image_tokens)


@pytest.mark.parametrize("family", tiny_models.FAMILIES)
def test_an_episode_is_the_same_alone_and_in_a_batch(folders: dict[str, str], family: str) -> None:
    policy = module(folders[family])
    messages = first_messages(5)
    together = play(policy, messages)
    for row in (0, 2, 4):
        alone = play(policy, [messages[row]], seed=row)[0]
        assert alone.token_ids == together[row].token_ids
        torch.testing.assert_close(torch.tensor(alone.logps), torch.tensor(together[row].logps), rtol=0, atol=1e-4)


@pytest.mark.parametrize("family", tiny_models.FAMILIES)
def test_each_row_sees_its_own_images_in_their_order(folders: dict[str, str], family: str) -> None:
    policy = module(folders[family])
    red, blue = picture(56, 56, 250), picture(56, 56, 5)
    first, other = play(policy, [Message("user", "Q", (red, blue)), Message("user", "Q", (blue,))])
    swapped = Transcript(**{**{f: getattr(first, f) for f in Transcript.__slots__}, "images": [blue, red]})
    whole = logps(policy, [first, other, swapped])
    torch.testing.assert_close(whole[1:2, : len(other)], logps(policy, [other]), rtol=0, atol=1e-4)
    assert (whole[0] - whole[2]).abs().max() > 1e-3


def test_text_alone_needs_no_image(qwen: str) -> None:
    policy = module(qwen)
    transcripts = play(policy, [Message("user", "a" * length) for length in (1, 30, 9)])
    torch.testing.assert_close(
        logps(policy, transcripts), recorded(transcripts, max(map(len, transcripts))), rtol=0, atol=1e-4
    )


def test_learning_between_rollouts_leaves_no_trace_in_the_model(qwen: str) -> None:
    policy = module(qwen)
    before = play(policy, first_messages(3))
    logps(policy, before[:2])
    assert [t.token_ids for t in play(policy, first_messages(3))] == [t.token_ids for t in before]


def test_the_seed_decides_and_greedy_ignores_it(qwen: str) -> None:
    policy = module(qwen)
    message = first_messages(2)[1:]
    assert play(policy, message, seed=1)[0].token_ids == play(policy, message, seed=1)[0].token_ids
    assert play(policy, message, seed=1)[0].token_ids != play(policy, message, seed=2)[0].token_ids
    greedy = [play(policy, message, greedy=True, seed=s)[0].token_ids for s in (1, 2)]
    assert greedy[0] == greedy[1] == play(module(qwen, temperature=0), message, seed=3)[0].token_ids


def test_penalties_of_the_released_folder_do_not_bend_the_samples(qwen: str, tmp_path: Path) -> None:
    folder = tiny_models.copy(qwen, tmp_path / "model")
    released = {"repetition_penalty": 1.5, "temperature": 1e-6, "do_sample": True, "max_length": 20}
    (folder / "generation_config.json").write_text(json.dumps(released))
    messages = first_messages(3)
    plain, penalised = play(module(qwen), messages), play(module(str(folder)), messages)
    assert [t.token_ids for t in plain] == [t.token_ids for t in penalised]
    assert [t.logps for t in plain] == [t.logps for t in penalised]


def test_tokens_carry_the_version_of_the_weights(qwen: str) -> None:
    policy = module(qwen)
    policy.weights_version = 7
    transcript = play(policy, first_messages(1))[0]
    assert {v for v, s in zip(transcript.versions, transcript.sampled, strict=True) if s} == {7}


def test_a_tool_agent_returns_a_tool_result(qwen: str) -> None:
    result, transcript = act(module(qwen, system="You read."), ToolCall("ocr", {"lang": "en"}, (picture(),)))
    assert isinstance(result, ToolResult) and result.text is not None
    assert transcript.num_sampled > 0 and len(transcript.images) == 1


# The end of a turn.


def test_the_turn_limit_is_exact(qwen: str) -> None:
    turn, transcript = act(module(qwen, max_new_tokens=5), Message("user", "Q"))
    assert (turn.finish_reason, turn.num_tokens, transcript.num_sampled) == ("length", 5, 5)


@pytest.mark.parametrize(
    ("room", "reason", "tokens"), [(6, "length", 5), (5, "context", 5), (3, "context", 3), (1, "context", 1),
                                   (0, "context", 0), (-4, "context", 0)]
)  # fmt: skip
def test_the_context_limit_is_exact(qwen: str, room: int, reason: str, tokens: int) -> None:
    message = Message("user", "What is the value of the bar?")
    prompt = len(act(module(qwen, max_new_tokens=1), message)[1]) - 1
    turn, transcript = act(module(qwen, max_new_tokens=5, max_length=prompt + room), message)
    assert (turn.finish_reason, turn.num_tokens, transcript.num_sampled) == (reason, tokens, tokens)
    assert len(transcript) == prompt + tokens


def test_rows_of_one_batch_reach_their_limits_apart(qwen: str) -> None:
    free = module(qwen, max_new_tokens=8)
    messages = [Message("user", "a"), Message("user", "a" * 30), Message("user", "a" * 60)]
    long = play(free, messages)
    policy = module(qwen, max_new_tokens=8, max_length=len(long[1]) - 8 + 3)
    requests = [Request(str(row), "vlm", message, seed=row) for row, message in enumerate(messages)]
    turns = policy.forward_exploration({Columns.OBS: requests})[Columns.ACTIONS]
    assert [(turn.finish_reason, turn.num_tokens) for turn in turns] == [("length", 8), ("context", 3), ("context", 0)]
    assert requests[0].transcript.token_ids == long[0].token_ids
    assert requests[1].transcript.token_ids == long[1].token_ids[:-5]


@pytest.mark.parametrize("ending", ["<|im_end|>", "</answer>"])
@pytest.mark.parametrize("limit", [14, 2])
def test_a_turn_stops_at_an_end_token_or_a_closing_tag(
    qwen: str, monkeypatch: pytest.MonkeyPatch, ending: str, limit: int
) -> None:
    policy = module(qwen, max_new_tokens=limit)
    wanted = policy.chat._special("ab" + ending)
    forced = iter(wanted)

    def script(input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        return torch.full_like(scores, -50.0).index_fill(-1, torch.tensor([next(forced, 0)]), 0.0)

    monkeypatch.setattr("policies.sampling.TurnSampler._draw", lambda self, logps: script(None, logps).argmax(-1))
    turn, transcript = act(policy, Message("user", "Q"))
    expected = wanted[:limit]
    assert transcript.token_ids[-len(expected) :] == expected
    assert turn.num_tokens == len(expected)
    assert turn.finish_reason == ("stop" if len(wanted) <= limit else "length")
    if turn.finish_reason == "stop":
        assert turn.text == "ab" + ending.replace("<|im_end|>", "")


# Learning.


def test_chunked_logits_change_nothing(qwen: str, transcripts: list[Transcript]) -> None:
    whole, chunked = module(qwen), module(qwen, logits_chunk=7)
    torch.testing.assert_close(logps(whole, transcripts), logps(chunked, transcripts))
    same(gradients(whole, transcripts), gradients(chunked, transcripts))


def test_the_gradient_reaches_every_part(qwen: str, transcripts: list[Transcript]) -> None:
    grads = gradients(module(qwen), transcripts)
    for part in ("visual", "embed_tokens", "layers.0.self_attn.q_proj", "layers.1.mlp"):
        assert any(part in name and grad.abs().sum() > 0 for name, grad in grads.items()), part


@pytest.mark.parametrize("family", tiny_models.FAMILIES)
def test_gradient_checkpointing_changes_nothing(folders: dict[str, str], family: str) -> None:
    plain = module(folders[family])
    episodes = play(plain, first_messages(3))
    checkpointed = module(folders[family], gradient_checkpointing=True)
    same(gradients(plain, episodes), gradients(checkpointed, episodes))
    assert play(checkpointed, first_messages(2))[1].logps == pytest.approx(episodes[1].logps, abs=1e-4)


def test_frozen_names_stay_as_they_are(qwen: str, transcripts: list[Transcript]) -> None:
    policy = module(qwen, freeze=("visual", r"layers\.0\."))
    before = {name: p.detach().clone() for name, p in policy.named_parameters()}
    step(policy, transcripts)
    for name, parameter in policy.named_parameters():
        frozen = "visual" in name or "layers.0." in name
        assert parameter.requires_grad != frozen
        assert torch.equal(parameter, before[name]) or not frozen
    assert not torch.equal(
        policy.model.model.language_model.norm.weight, before["model.model.language_model.norm.weight"]
    )


def test_values_start_at_zero_and_are_learned(qwen: str, transcripts: list[Transcript]) -> None:
    policy = module(qwen, value_head=True)
    batch = batch_of(policy, transcripts)
    values = policy.compute_values(batch)
    assert values.shape == batch["input_ids"].shape and not values.any()
    (values - batch["loss_mask"].float()).square().sum().backward()
    with torch.no_grad():
        policy.value_head.weight -= 1e-3 * policy.value_head.weight.grad
        policy.value_head.bias -= 1e-3 * policy.value_head.bias.grad
        values = policy.compute_values(batch)
    assert values[batch["loss_mask"]].abs().min() > 0
    assert not values[~batch["loss_mask"]].any()


def test_a_frozen_copy_does_not_move(qwen: str, transcripts: list[Transcript]) -> None:
    policy = module(qwen)
    reference = policy.frozen_copy()
    assert not any(p.requires_grad for p in reference.parameters())
    before = logps(policy, transcripts)
    step(policy, transcripts)
    assert not torch.equal(logps(policy, transcripts), before)
    torch.testing.assert_close(logps(reference, transcripts), before, rtol=0, atol=0)


# LoRA.


@pytest.fixture(params=["qwen2_5_vl", "internvl"])
def adapted(request: pytest.FixtureRequest, folders: dict[str, str]) -> Iterator[tuple[VLMModule, VLMModule]]:
    """A policy with adapters that matter, and one without."""
    folder = folders[request.param]
    yield module(folder, lora=LORA), module(folder)


def test_only_adapters_are_trained_and_travel(adapted: tuple[VLMModule, VLMModule]) -> None:
    policy, plain = adapted
    trained = [name for name, p in policy.named_parameters() if p.requires_grad]
    assert trained and all("lora_" in name for name in trained)
    assert set(gradients(policy, play(policy, first_messages(3)))) == set(trained)
    weights = policy.get_state()["weights"]
    assert len(weights) < len(plain.get_state()["weights"]) / 2
    other = module(policy.settings.model, lora=LORA)
    episodes = play(plain, first_messages(2))
    assert not torch.equal(logps(other, episodes), logps(policy, episodes))
    other.set_state({"weights": weights})
    torch.testing.assert_close(logps(other, episodes), logps(policy, episodes))


def test_without_adapters_it_is_the_base_model(adapted: tuple[VLMModule, VLMModule]) -> None:
    policy, plain = adapted
    episodes = play(plain, first_messages(3))
    with policy.adapters_off():
        torch.testing.assert_close(logps(policy, episodes), logps(plain, episodes))
    assert (logps(policy, episodes) - logps(plain, episodes)).abs().max() > 1e-3
    episodes = play(policy, first_messages(3))
    torch.testing.assert_close(logps(policy, episodes), recorded(episodes, max(map(len, episodes))), rtol=0, atol=1e-4)


@pytest.mark.parametrize("lora", [{"rank": 4}, {"target_modules": ["no_such_layer"]}])
def test_wrong_lora_settings_are_named(qwen: str, lora: dict[str, Any]) -> None:
    with pytest.raises(VLMConfigError, match=r"vlm_config: lora: .*(rank|no_such_layer)"):
        module(qwen, lora=lora)


# Weights.


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_weights_arrive_as_they_left(qwen: str, dtype: str, transcripts: list[Transcript]) -> None:
    policy = module(qwen, dtype=dtype)
    step(policy, transcripts, rate=0.1)
    receiver = module(qwen, dtype=dtype)
    receiver.set_state(policy.get_state())
    for (name, sent), (_, received) in zip(policy.named_parameters(), receiver.named_parameters(), strict=True):
        assert received.dtype == getattr(torch, dtype), name
        assert torch.equal(sent, received), name
    assert play(receiver, first_messages(2))[0].token_ids == play(policy, first_messages(2))[0].token_ids


def test_an_inference_only_state_leaves_the_value_head_alone(qwen: str) -> None:
    policy, receiver = module(qwen, value_head=True), module(qwen)
    with torch.no_grad():
        policy.value_head.bias.fill_(3.0)
    receiver.set_state(policy.get_state(inference_only=True))
    receiver.set_state(policy.get_state())
    restored = module(qwen, value_head=True)
    restored.set_state(policy.get_state(inference_only=True))
    assert restored.value_head.bias.item() == 0.0
    restored.set_state(policy.get_state())
    assert restored.value_head.bias.item() == 3.0


def test_weights_of_another_model_are_refused_and_nothing_is_copied(folders: dict[str, str], tmp_path: Path) -> None:
    policy = module(folders["qwen2_5_vl"])
    before = policy.get_state()["weights"]
    foreign = module(folders["internvl"]).get_state()
    wide = tiny_models.copy(folders["qwen2_5_vl"], tmp_path / "wide")
    config = json.loads((wide / "config.json").read_text())
    config["text_config"]["intermediate_size"] = 80
    (wide / "config.json").write_text(json.dumps(config))
    for state, problem in (
        (foreign, "weights of another model: '.*' does not exist in"),
        (module(str(wide), random_init_seed=1).get_state(), r"'.*mlp.*' has shape \(.*\), .* expects \("),
        (module(folders["qwen2_5_vl"], lora=LORA).get_state(), "weights of another model"),
        ({"weights": before[:-9]}, "damaged weights for model"),
        ({"weights": b""}, "damaged weights for model"),
    ):
        with pytest.raises(WeightsError, match=problem):
            policy.set_state(state)
        assert policy.get_state()["weights"] == before
    adapters = module(folders["qwen2_5_vl"], lora=LORA)
    with pytest.raises(WeightsError, match="weights of another model"):
        adapters.set_state({"weights": before})


# Folders.


def test_damaged_weights_are_named(qwen: str, tmp_path: Path) -> None:
    torn = tiny_models.copy(qwen, tmp_path / "torn")
    (torn / "model.safetensors").write_bytes((torn / "model.safetensors").read_bytes()[:500])
    absent = tiny_models.copy(qwen, tmp_path / "absent")
    (absent / "model.safetensors").unlink()
    for folder in (torn, absent):
        with pytest.raises(UnsupportedModelError, match=f"{folder}: weights cannot be loaded"):
            module(str(folder))


@pytest.mark.parametrize("change", [{"num_hidden_layers": 3, "layer_types": ["full_attention"] * 3},
                                    {"intermediate_size": 80}])  # fmt: skip
def test_weights_that_do_not_fill_the_model_are_no_reason_to_invent_some(
    qwen: str, tmp_path: Path, change: dict[str, Any]
) -> None:
    folder = tiny_models.copy(qwen, tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    config["text_config"].update(change)
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(UnsupportedModelError, match=f"{folder}: weights .* missing or of another shape, .*layers"):
        module(str(folder))


def test_random_weights_follow_their_seed_and_leave_torch_alone(qwen: str) -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first, again, other = (module(qwen, random_init_seed=seed).get_state()["weights"] for seed in (0, 0, 1))
    assert torch.equal(torch.rand(1), expected)
    assert first == again != other


def test_an_unreadable_image_is_the_fault_of_its_own_row() -> None:
    vlm = module("vista-tiny", max_new_tokens=4)
    good = picture(60, 40)
    data = good.data[: len(good.data) // 2]
    cut = Image(hashlib.sha256(data).hexdigest(), data)
    requests = [Request("", "vlm", Message("user", "?", (image,))) for image in (good, cut, good)]
    actions = vlm.forward_exploration({Columns.OBS: object_array(requests)})[Columns.ACTIONS]
    assert [type(action) for action in actions] == [Turn, Fault, Turn]
    assert actions[1].kind == "ImageError" and len(requests[1].transcript) == 0
