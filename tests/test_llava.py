"""`multimath` and `gllava` with a tiny randomly initialised LLaVA saved in the llava-hf format."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tiny_models
from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from tools.errors import ErrorCode, ModelError, ToolUnavailableError
from tools.model_settings import ModelSettings
from tools.registry import ToolSettingsError, backends_of, get_tool, make_tools, select_backend
from tools.tool import Tool, ToolCall


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("llava")
    words = tiny_models.tokenizer(["<image>"], image_token="<image>")
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(image_size=28, patch_size=14, projection_dim=32, **sizes),
        text_config=LlamaConfig(vocab_size=len(words), num_key_value_heads=2, pad_token_id=words.pad_token_id, **sizes),
        image_token_index=words.convert_tokens_to_ids("<image>"),
        image_seq_length=4,
    )
    LlavaForConditionalGeneration(config).save_pretrained(folder)
    words.save_pretrained(folder)
    CLIPImageProcessorPil(
        size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28}, do_center_crop=True
    ).save_pretrained(folder)
    return str(folder)


def build(name: str, backend: str, checkpoint: str) -> Tool:
    options = {name: {"backend": backend, "settings": {"model": checkpoint, "device": "cpu", "max_new_tokens": 6}}}
    return make_tools(name, options)[name]


@pytest.mark.parametrize(("name", "backend"), [("multimath", "multimath_7b"), ("gllava", "g_llava")])
def test_questions_are_answered_in_batches_as_one_at_a_time(name: str, backend: str, checkpoint: str) -> None:
    tool = build(name, backend, checkpoint)
    pictures = (tiny_models.picture(), tiny_models.picture(shade=10))
    calls = [
        ToolCall(name, {"question": "How long is AB?"}, pictures),
        ToolCall(name, {"question": "What is 3 + 4?"}),
        ToolCall(name, {"problem": "Find x in the second figure, <image> please.", "image": 1}, pictures),
        ToolCall(name, {"question": "And without a figure?", "image": None}, pictures),
        ToolCall(name, {"question": "Which?", "image": 2}, pictures),
    ]
    together = tool.run(calls)
    assert [result.text for result in together[:4]] == [tool.run([call])[0].text for call in calls[:4]]
    assert all(result.text for result in together[:4])
    assert all(result.data == {"answer": result.text} for result in together[:4])
    assert together[4].error == ModelError(ErrorCode.ARGUMENT_CONTENT, "there is no image 2: the images are 0 to 1")


def test_without_an_embedded_backend_only_models_and_services_are_left() -> None:
    for name, backend in (("multimath", "multimath_7b"), ("gllava", "g_llava")):
        assert list(backends_of(name)) == [backend, "remote"]
        assert get_tool(name).family == "math"
    assert get_tool("multimath_server").name == "multimath"


def test_the_released_format_needs_a_conversion_and_is_told(tmp_path: Path, checkpoint: str) -> None:
    with pytest.raises(ToolUnavailableError, match=r"hf download renjiepi/G-LLaVA-7B.*convert_llava_weights_to_hf"):
        select_backend("gllava", "g_llava")
    original = {"model_type": "llava", "mm_vision_tower": "openai/clip-vit-large-patch14-336"}
    (tmp_path / "config.json").write_text(json.dumps(original))
    with pytest.raises(ToolUnavailableError, match=r"LLaVA-1\.x format"):
        select_backend("multimath", "multimath_7b", {"model": str(tmp_path)})
    with pytest.raises(ToolUnavailableError, match=r"config\.json"):
        select_backend("multimath", "multimath_7b", {"model": str(tmp_path / "nothing")})
    with pytest.raises(ToolSettingsError, match="modle"):
        select_backend("multimath", "multimath_7b", {"modle": checkpoint})
    assert issubclass(select_backend("gllava", "g_llava", {"model": checkpoint}).tool.settings_type, ModelSettings)
