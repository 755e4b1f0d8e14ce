"""Makes vista-tiny from nothing: tokenizer, configuration, wired initial weights, supervised training.

`python -m policies.vista_tiny.make --out DIR` (about half an hour on one core). The same seed makes the same model up
to the rounding of the machine's matrix library.
"""

from __future__ import annotations

import itertools
import json
import random
import time
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from safetensors.torch import save_file
from transformers import AutoTokenizer, PreTrainedTokenizerFast, Qwen2_5_VLForConditionalGeneration

from policies.vista_tiny.architecture import CHAT_TEMPLATE, generation_config, image_processor, model_config
from policies.vista_tiny.batches import Batches
from policies.vista_tiny.charts import ChartSource
from policies.vista_tiny.corpus import Teacher, table_text, trajectories
from policies.vista_tiny.initial import wire_induction
from policies.vista_tiny.tokenizer import train_tokenizer
from policies.vista_tiny.train import Progress, Trainer
from policies.vlm import VLMModule

VOCABULARY = 1200
_CORPUS_CHARTS = 3000
_SYSTEM_COPIES = 200
"""Weight of the system prompt in the tokenizer's corpus: every episode starts with it."""


def make_tokenizer(seed: int) -> PreTrainedTokenizerFast:
    """Learns the tokenizer from the system prompt and the training side's tables, questions and turns."""
    teacher = Teacher()
    texts = [teacher.system] * _SYSTEM_COPIES
    rng = random.Random(seed)
    charts = trajectories(teacher, iter(ChartSource(seed)), rng, 2)
    for spec, solved in itertools.islice(charts, _CORPUS_CHARTS):
        texts.append(table_text(spec))
        for trajectory in solved:
            texts += [trajectory.question.query, *trajectory.turns[1:]]
        texts.append(solved[0].turns[0])
    tokenizer = train_tokenizer(texts, VOCABULARY)
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def write_untrained(folder: Path, seed: int) -> None:
    """Writes tokenizer, configuration, image processor and the initial weights (bfloat16) to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = make_tokenizer(seed)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(seed)
    model = Qwen2_5_VLForConditionalGeneration(model_config(tokenizer)).float()
    wire_induction(model, seed)
    model.generation_config = generation_config(tokenizer)
    model.to(torch.bfloat16).save_pretrained(folder)
    image_processor().save_pretrained(folder)
    file = folder / "preprocessor_config.json"
    settings = json.loads(file.read_text()) | {"processor_class": "Qwen2_5_VLProcessor"}
    file.write_text(json.dumps(settings, indent=2) + "\n")


def main(
    out: Annotated[Path, typer.Option(help="Folder to write the model to; created.")],
    steps: Annotated[int, typer.Option(help="Training steps; fewer leave more to reinforcement learning.")] = 600,
    seed: Annotated[int, typer.Option(help="Seed of the charts, questions and initial weights.")] = 0,
    threads: Annotated[int, typer.Option(help="CPU threads.")] = 1,
    snapshots: Annotated[int, typer.Option(help="Also write step_N.safetensors every N steps; 0: never.")] = 0,
) -> None:
    """Makes vista-tiny: tokenizer, configuration, weights."""
    console = Console()
    torch.set_num_threads(threads)
    start = time.monotonic()
    write_untrained(out, seed)
    module = VLMModule(model_config={"model": str(out)}, inference_only=False)
    tokenizer = AutoTokenizer.from_pretrained(out)
    parameters = sum(parameter.numel() for parameter in module.model.parameters())
    console.print(f"{parameters:,} parameters, {len(tokenizer)} tokens in the vocabulary")
    batches = iter(Batches(module, tokenizer, seed + 1))
    trainer = Trainer(module)
    losses: list[float] = []
    tokens = 0

    def save(file: Path) -> None:
        weights = {name: value.to(torch.bfloat16).contiguous() for name, value in trainer.averaged().items()}
        save_file(weights, file, metadata={"format": "pt"})

    def report(progress: Progress) -> None:
        nonlocal tokens
        tokens += progress.tokens
        losses.append(progress.loss)
        if progress.step % 25 == 0 or progress.step == steps:
            mean = sum(losses[-25:]) / len(losses[-25:])
            seconds = time.monotonic() - start
            console.print(f"step {progress.step:5d}  loss {mean:.3f}  {tokens / 1e6:.2f} M tokens  {seconds:.0f} s")
        if snapshots and progress.step % snapshots == 0:
            save(out / f"step_{progress.step}.safetensors")

    trainer.run(batches, steps, report)
    save(out / "model.safetensors")


if __name__ == "__main__":
    typer.run(main)
