"""Folders of tiny randomly initialised chart models in the released formats (DePlot, UniChart, ChartMoE)."""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib
import torch
from safetensors.torch import save_file
from tiny_models import tokenizer
from transformers import (
    DonutProcessor,
    DonutSwinConfig,
    MBartConfig,
    Pix2StructConfig,
    Pix2StructForConditionalGeneration,
    Pix2StructProcessor,
    VisionEncoderDecoderConfig,
    VisionEncoderDecoderModel,
)
from transformers.models.donut.image_processing_pil_donut import DonutImageProcessorPil
from transformers.models.pix2struct.image_processing_pil_pix2struct import Pix2StructImageProcessorPil

FONT = str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf")


def make_deplot(folder: Path) -> str:
    """A Pix2Struct of one layer, whose processor draws the prompt above the picture."""
    words = tokenizer([])
    small = {"hidden_size": 32, "d_ff": 48, "num_layers": 1, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = Pix2StructConfig(
        text_config={
            **small,
            "vocab_size": len(words),
            "d_kv": 16,
            "num_heads": 2,
            "decoder_start_token_id": words.pad_token_id,
            "pad_token_id": words.pad_token_id,
            "eos_token_id": words.eos_token_id,
        },
        vision_config={**small, "d_kv": 16, "patch_embed_hidden_size": 16 * 16 * 3, "seq_len": 64},
        is_vqa=True,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        Pix2StructForConditionalGeneration(config).save_pretrained(folder)
    Pix2StructProcessor(Pix2StructImageProcessorPil(is_vqa=True, max_patches=64), words).save_pretrained(folder)
    return str(folder)


def make_unichart(folder: Path) -> str:
    """A Swin encoder and an MBart decoder, as Donut has them."""
    marks = ["<s_answer>", "<extract_data_table>", "<summarize_chart>", "<chartqa>", "<unk>"]
    words = tokenizer(marks)
    words.add_special_tokens({"unk_token": "<unk>"})
    encoder = DonutSwinConfig(
        image_size=[64, 64], patch_size=4, embed_dim=16, depths=[1, 1], num_heads=[1, 2], window_size=4
    )
    decoder = MBartConfig(
        vocab_size=len(words),
        d_model=32,
        decoder_layers=1,
        decoder_attention_heads=2,
        decoder_ffn_dim=48,
        max_position_embeddings=96,
        is_decoder=True,
        is_encoder_decoder=False,
        add_cross_attention=True,
        scale_embedding=True,
        pad_token_id=words.pad_token_id,
        eos_token_id=words.eos_token_id,
        bos_token_id=words.eos_token_id,
    )
    config = VisionEncoderDecoderConfig.from_encoder_decoder_configs(encoder, decoder)
    config.pad_token_id, config.eos_token_id = words.pad_token_id, words.eos_token_id
    config.decoder_start_token_id = words.convert_tokens_to_ids("<s_answer>")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        VisionEncoderDecoderModel(config=config).save_pretrained(folder)
    processor = DonutImageProcessorPil(size={"height": 64, "width": 64}, do_align_long_axis=False)
    DonutProcessor(processor, words).save_pretrained(folder)
    return str(folder)


CHARTMOE_CODE = """
import torch
from transformers import PretrainedConfig, PreTrainedModel


class TinyConfig(PretrainedConfig):
    model_type = "tiny_chartmoe"


class TinyChartmoe(PreTrainedModel):
    config_class = TinyConfig

    def __init__(self, config):
        super().__init__(config)
        self.scale = torch.nn.Linear(1, 1, bias=False)
        self.post_init()

    def _init_weights(self, module):
        pass

    def chat(self, tokenizer, query, image, history, do_sample, max_new_tokens):
        assert query.count("<ImageHere>") == 1 and not do_sample and history == [] and self.tokenizer is tokenizer
        assert tuple(image.shape) == (1, 3, 490, 490) and image.dtype == self.dtype
        red = round(float(image[0, 0].mean() * self.scale.weight), 2)
        ids = tokenizer(query).input_ids[:max_new_tokens]
        text = f"Label | Share\\nred | {red}\\ntokens | {len(ids)}" if "table" in query else f"{query[11:]} {red}"
        return text, [(query, text)]
"""
"""A model's own code, called as the released one is."""


def make_chartmoe(folder: Path) -> str:
    """Weights with code that transformers imports from the folder."""
    folder.mkdir()
    tokenizer([]).save_pretrained(folder)
    (folder / "modeling_tiny.py").write_text(CHARTMOE_CODE)
    places = {"AutoConfig": "modeling_tiny.TinyConfig", "AutoModelForCausalLM": "modeling_tiny.TinyChartmoe"}
    config = {"model_type": "tiny_chartmoe", "architectures": ["TinyChartmoe"], "auto_map": places}
    (folder / "config.json").write_text(json.dumps(config))
    save_file({"scale.weight": torch.ones(1, 1)}, folder / "model.safetensors", metadata={"format": "pt"})
    return str(folder)
