"""`vista-tiny`: what its folder promises, its tokenizer, its teacher's trajectories, its charts."""

from __future__ import annotations

import itertools
import random

import PIL.Image
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ray.rllib.core.columns import Columns
from safetensors.torch import load_file
from transformers import (
    AutoImageProcessor,
    AutoModelForImageTextToText,
    AutoTokenizer,
    Qwen2_5_VLForConditionalGeneration,
)

from envs.datasets.embedded import questions_for, render
from envs.datasets.embedded_specs import published_specs, shares_cells
from envs.message import Message
from envs.prompts import system_prompt
from envs.protocol import ParsedAnswer, ParsedCall, call_names, parse_turn, well_formed
from policies.request import Request, object_array
from policies.transcript import Transcript
from policies.vista_tiny.architecture import HEAD_DIM, MAX_IMAGE_TOKENS, model_config
from policies.vista_tiny.batches import Batches, Choice, Diet
from policies.vista_tiny.charts import ChartSource
from policies.vista_tiny.corpus import Teacher, same_answer, table_text, trajectories
from policies.vista_tiny.delegating import TOOLS, DelegatingTeacher
from policies.vista_tiny.initial import SHIFTS, wire_induction
from policies.vista_tiny.tokenizer import PROTOCOL_TAGS, SPECIAL_TOKENS
from policies.vista_tiny.train import Trainer
from policies.vlm import TINY, VLMModule
from tools.image import Image
from tools.registry import get_tool


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(TINY)


@pytest.fixture(scope="module")
def module() -> VLMModule:
    return VLMModule(observation_space=None, action_space=None, model_config={"model": "vista-tiny"})


def test_folder_holds_a_small_model_that_loads_offline() -> None:
    files = list(TINY.glob("*.safetensors"))
    assert [file.name for file in files] == ["model.safetensors"]
    assert files[0].stat().st_size <= 10 * 2**20
    model, report = AutoModelForImageTextToText.from_pretrained(
        TINY, dtype=torch.float32, output_loading_info=True, local_files_only=True
    )
    assert not report["missing_keys"] and not report["unexpected_keys"]
    assert 1_000_000 <= sum(parameter.numel() for parameter in model.parameters()) <= 5_000_000
    text = model.config.text_config
    assert text.hidden_size // text.num_attention_heads == HEAD_DIM >= 32
    assert model.config.vision_config.hidden_size // model.config.vision_config.num_heads >= 32
    assert model.config.tie_word_embeddings
    assert all(torch.isfinite(weight).all() for weight in load_file(files[0]).values())


def test_charts_become_few_image_tokens() -> None:
    processor = AutoImageProcessor.from_pretrained(TINY, backend="pil")
    for size in ((640, 480), (480, 640), (1600, 300), (200, 200)):
        grid = processor(images=[PIL.Image.new("RGB", size)], return_tensors="pt")["image_grid_thw"]
        assert 1 <= int(grid.prod()) // processor.merge_size**2 <= MAX_IMAGE_TOKENS


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=80))
def test_any_text_survives_the_tokenizer(tokenizer, text: str) -> None:
    ids = tokenizer(text, add_special_tokens=False, split_special_tokens=True).input_ids
    assert tokenizer.decode(ids, skip_special_tokens=False) == text
    assert not set(tokenizer.convert_tokens_to_ids(list(SPECIAL_TOKENS))) & set(ids)


def test_protocol_tags_digits_and_special_tokens_are_single_tokens(tokenizer) -> None:
    for token in (*PROTOCOL_TAGS, *SPECIAL_TOKENS, *"0123456789"):
        assert len(tokenizer(token, add_special_tokens=False).input_ids) == 1
    assert len(tokenizer("2010.55", add_special_tokens=False).input_ids) == 7
    tagged = tokenizer("<think>a</think>", add_special_tokens=False).input_ids
    assert tokenizer.decode(tagged, skip_special_tokens=True) == "<think>a</think>"
    assert tokenizer.decode(tokenizer("a<|im_end|>").input_ids, skip_special_tokens=True) == "a"


def test_a_label_is_the_same_tokens_wherever_it_stands(tokenizer) -> None:
    label = tokenizer("Grand Rapids", add_special_tokens=False).input_ids
    for text in ("What is the yield for Grand Rapids?", "Trebi\nGrand Rapids | 5", "<think>A | 1, Grand Rapids | 5"):
        ids = tokenizer(text, add_special_tokens=False).input_ids
        assert any(ids[start : start + len(label)] == label for start in range(len(ids)))


def test_the_reading_teacher_is_right_and_well_formed() -> None:
    charts = trajectories(Teacher(), iter(ChartSource(5)), random.Random(0), 4)
    kinds = set()
    for spec, solved in itertools.islice(charts, 60):
        for trajectory in solved:
            kinds.add(trajectory.question.kind)
            assert len(trajectory.messages) == len(trajectory.turns) <= 3
            assert all(map(well_formed, trajectory.turns))
            assert "chart_to_table" in trajectory.turns[0]
            assert trajectory.messages[1].text.endswith(table_text(spec).split("\n", 2)[2])
    assert kinds == {"retrieve", "compare", "count", "difference", "yes_no"}


def test_the_delegating_teacher_is_right_and_its_calls_are_valid() -> None:
    teacher, rng, tools = DelegatingTeacher(), random.Random(0), [get_tool(name) for name in TOOLS]
    operations = set()
    for spec in itertools.islice(ChartSource(6), 60):
        for question in questions_for(spec, rng, 4):
            trajectory = teacher.solve(question, spec)
            if trajectory is None:
                assert question.program[0] in ("above", "below")
                continue
            operations.add(question.program[0])
            *calls, last = (parse_turn(turn, call_names(tools)) for turn in trajectory.turns)
            assert all(isinstance(call, ParsedCall) for call in calls)
            assert isinstance(last, ParsedAnswer) and same_answer(last.text, question.label)
            assert len(trajectory.turns) == len(trajectory.messages) <= 3 and all(map(well_formed, trajectory.turns))
    assert operations >= {"value", "max", "min", "higher", "lower", "rows", "difference", "is_above", "is_higher"}


def test_charts_are_seeded_and_far_from_held_out_ones() -> None:
    splits = published_specs()
    held_out = splits["val"] + splits["test"]
    charts = list(itertools.islice(ChartSource(1), 40))
    assert charts == list(itertools.islice(ChartSource(1), 40))
    assert charts != list(itertools.islice(ChartSource(2), 40))
    assert not any(shares_cells(chart, other) for chart in charts for other in held_out)
    for chart in charts:
        assert len(set(chart.labels)) == len(chart.labels) and all(
            value > 0 for column in chart.values for value in column
        )


def test_wired_weights_copy_what_followed_an_earlier_occurrence(tokenizer) -> None:
    """Before any training: after `a b c d … a b c`, the next token is predicted by copying."""
    torch.manual_seed(0)
    model = Qwen2_5_VLForConditionalGeneration(model_config(tokenizer)).float().eval()
    wire_induction(model, 0)
    generator = torch.Generator().manual_seed(1)
    ids = torch.randperm(1000, generator=generator)[:60] + 100
    repeated = torch.cat([ids, ids[: 20 + len(SHIFTS)]])[None]
    with torch.no_grad():
        logits = model(input_ids=repeated).logits[0, 60 + len(SHIFTS) : -1]
    wanted = repeated[0, 61 + len(SHIFTS) :]
    ranks = (logits > logits.gather(1, wanted[:, None])).sum(1)
    assert (ranks == 0).float().mean() > 0.9


@pytest.mark.parametrize("diet", [Diet(questions=3, plain=0.5, full_every=2), Choice(0.5)])
def test_batches_are_seeded_and_train(module: VLMModule, tokenizer, diet: Diet | Choice, monkeypatch) -> None:
    monkeypatch.setattr("policies.vista_tiny.batches.PICTURES", 3)
    batches = list(itertools.islice(Batches(module, tokenizer, 3, diet), 4))
    again = list(itertools.islice(Batches(module, tokenizer, 3, diet), 4))
    assert [[row.token_ids for row in batch] for batch in batches] == [
        [row.token_ids for row in batch] for batch in again
    ]
    assert any(row.images for batch in batches for row in batch)
    for batch in batches:
        for row in batch:
            first = tokenizer.decode([i for i, own in zip(row.token_ids, row.sampled, strict=True) if own])
            assert first.startswith("<think>") and first.endswith("</answer>")
    fresh = VLMModule(observation_space=None, action_space=None, model_config={"model": "vista-tiny"})
    start = [p.detach().clone() for p in fresh.model.parameters()]
    losses = []
    Trainer(fresh, 0.1).run(iter(batches), 2, lambda progress: losses.append(progress.loss))
    assert len(losses) == 2 and all(0 < loss < 10 for loss in losses)
    assert any(not torch.equal(p, q) for p, q in zip(start, fresh.model.parameters(), strict=True))


def test_the_shipped_model_calls_a_tool_on_held_out_charts() -> None:
    module = VLMModule(observation_space=None, action_space=None, model_config={"model": "vista-tiny"})
    tools = [get_tool(name) for name in TOOLS]
    system, rng = Teacher(TOOLS).system, random.Random(0)
    requests = [
        Request("", "vlm", Message("user", question.query, (Image.from_bytes(render(spec)),), system))
        for spec in published_specs()["test"][:12]
        for question in questions_for(spec, rng, 1)
    ]
    turns = module.forward_inference({Columns.OBS: object_array(requests)})[Columns.ACTIONS]
    assert sum(isinstance(parse_turn(turn.text, call_names(tools)), ParsedCall) for turn in turns) >= 11


def test_image_pixels_reach_the_model(module: VLMModule, tokenizer) -> None:
    logps = []
    for colour in ("white", "black"):
        transcript = Transcript()
        module.chat.observe(
            transcript, Message("user", "?", (Image.from_pil(PIL.Image.new("RGB", (300, 200), colour)),))
        )
        ids = tokenizer("<think>Read", add_special_tokens=False).input_ids
        transcript.sample(ids, [0.0] * len(ids), 0)
        batch = module.train_batch([transcript.token_ids], [transcript.sampled], [transcript.images])
        with torch.no_grad():
            logps.append(module.forward_train(batch)["logps"])
    assert not torch.equal(*logps)


def test_the_prompt_of_the_example_is_the_one_that_its_weights_know() -> None:
    """A tool whose name, arguments or first clause change needs weights that are made again."""
    names = ("chart_to_table", "chart_extract_data", "chart_compare", "chart_describe", "calculator")
    assert system_prompt("compact", [get_tool(name) for name in names]).splitlines()[:-1] == [
        "chart_to_table(image): Reads a bar, line or pie chart and returns its data as a table",
        "chart_extract_data(image, items, series): Returns the number of each named label of a chart",
        "chart_compare(image, items, series): Compares the numbers of two labels of a chart",
        "chart_describe(image, series): Counts the entries of a chart and names the highest, second and lowest",
        "calculator(expression): Computes an arithmetic expression or a comparison exactly",
    ]
