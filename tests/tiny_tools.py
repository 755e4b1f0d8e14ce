"""Folders of tiny randomly initialised vision models, with the files that the released ones have."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    BertConfig,
    GroundingDinoConfig,
    GroundingDinoForObjectDetection,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Sam2Config,
    Sam2Model,
    Swin2SRConfig,
    Swin2SRForImageSuperResolution,
    SwinConfig,
)

_IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225], "rescale_factor": 1 / 255}
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
_WORDS = ["red", "blue", "bar", "legend", "cat", "dog", "remote", "the", "control"]


def grounding_dino(folder: Path, seed: int = 0) -> str:
    """A Grounding DINO of three feature levels and twelve queries; returns the folder's name."""
    words = _bert_tokenizer()
    config = GroundingDinoConfig(
        backbone_config=SwinConfig(
            embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2], window_size=4, out_indices=[2, 3, 4]
        ),
        text_config=BertConfig(
            vocab_size=len(words),
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=16,
            max_position_embeddings=64,
        ),
        d_model=32,
        encoder_layers=1,
        decoder_layers=2,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        num_queries=12,
        num_feature_levels=4,
        max_text_len=48,
    )
    _save(GroundingDinoForObjectDetection, config, folder, seed)
    words.save_pretrained(folder)
    _write(
        folder / "preprocessor_config.json",
        {
            "image_processor_type": "GroundingDinoImageProcessor",
            "processor_class": "GroundingDinoProcessor",
            "format": "coco_detection",
            "size": {"shortest_edge": 96, "longest_edge": 160},
            **dict.fromkeys(("do_normalize", "do_pad", "do_rescale", "do_resize"), True),
            "resample": 2,
            **_IMAGENET,
        },
    )
    return str(folder)


def sam2(folder: Path, seed: int = 0) -> str:
    """A SAM 2.1 that sees 128 x 128 pixels; like the released ones, its folder says `sam2_video`."""
    config = Sam2Config(
        vision_config={
            "backbone_config": {
                "model_type": "sam2_hiera_det_model",
                "hidden_size": 8,
                "image_size": [128, 128],
                "blocks_per_stage": [1, 1, 2, 1],
                "embed_dim_per_stage": [8, 16, 32, 64],
                "num_attention_heads_per_stage": [1, 1, 2, 2],
                "window_size_per_stage": [4, 4, 4, 4],
                "global_attention_blocks": [3],
            },
            "backbone_channel_list": [64, 32, 16, 8],
            "backbone_feature_sizes": [[32, 32], [16, 16], [8, 8]],
            "fpn_hidden_size": 16,
        },
        prompt_encoder_config={"hidden_size": 16, "image_size": 128},
        mask_decoder_config={
            "hidden_size": 16,
            "mlp_dim": 16,
            "num_attention_heads": 2,
            "iou_head_hidden_dim": 16,
            "num_hidden_layers": 1,
        },
    )
    _save(Sam2Model, config, folder, seed)
    saved = json.loads((folder / "config.json").read_text())
    _write(folder / "config.json", {**saved, "model_type": "sam2_video"})
    _write(
        folder / "preprocessor_config.json",
        {
            "image_processor_type": "Sam2ImageProcessorFast",
            "processor_class": "Sam2VideoProcessor",
            "size": {"height": 128, "width": 128},
            "mask_size": {"height": 32, "width": 32},
            **dict.fromkeys(("do_convert_rgb", "do_normalize", "do_rescale", "do_resize"), True),
            "resample": 2,
            **_IMAGENET,
        },
    )
    return str(folder)


def swin2sr(folder: Path, seed: int = 0) -> str:
    """A Swin2SR that doubles a picture."""
    config = Swin2SRConfig(
        image_size=16, embed_dim=8, depths=[1], num_heads=[2], window_size=8, upscale=2, upsampler="pixelshuffle"
    )
    _save(Swin2SRForImageSuperResolution, config, folder, seed)
    _write(
        folder / "preprocessor_config.json",
        {
            "image_processor_type": "Swin2SRImageProcessor",
            "do_rescale": True,
            "rescale_factor": 1 / 255,
            "do_pad": True,
            "pad_size": 8,
        },
    )
    return str(folder)


def _save(kind: type[PreTrainedModel], config: Any, folder: Path, seed: int) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = kind(config)
    model.save_pretrained(folder)


def _write(path: Path, values: dict[str, Any]) -> None:
    path.write_text(json.dumps(values))


def _bert_tokenizer() -> PreTrainedTokenizerFast:
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    entries = [*special, ".", "?", *_WORDS, *_LETTERS, *(f"##{letter}" for letter in _LETTERS)]
    backend = Tokenizer(models.WordPiece({entry: index for index, entry in enumerate(entries)}, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer()
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        model_max_length=512,
        **{f"{name}_token": token for name, token in zip(("pad", "unk", "cls", "sep", "mask"), special, strict=True)},
    )
