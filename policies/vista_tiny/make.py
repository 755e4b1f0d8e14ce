"""Makes vista-tiny from nothing: tokenizer, configuration, wired initial weights, supervised training.

`python -m policies.vista_tiny.make --out DIR` (about 50 minutes on one core). The same seed makes the same model up
to the rounding of the machine's matrix library.
"""

from __future__ import annotations

import itertools
import json
import random
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from safetensors.torch import load_file, save_file
from transformers import (
    AutoTokenizer,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    Qwen2_5_VLForConditionalGeneration,
)

from policies.transcript import Transcript
from policies.vista_tiny.architecture import CHAT_TEMPLATE, generation_config, image_processor, model_config
from policies.vista_tiny.batches import Batches, Choice, Diet
from policies.vista_tiny.charts import ChartSource
from policies.vista_tiny.corpus import ALL_TOOLS, Teacher, table_text, trajectories
from policies.vista_tiny.initial import wire_induction
from policies.vista_tiny.tokenizer import train_tokenizer
from policies.vista_tiny.train import Progress, Trainer
from policies.vlm import VLMModule

VOCABULARY = 1200


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of training. Its learning rates are relative to the full ones."""

    name: str
    steps: int
    rate: float
    diet: Diet | Choice


STAGES = (
    Stage("careful", 2000, 1.0, Diet(questions=6, plain=0.6, full_every=5)),
    Stage("delegating", 500, 0.7, Choice(0.75)),
    Stage("delegating_more", 800, 0.7, Choice(0.85)),
    Stage("mixed", 120, 0.3, Choice(0.42)),
)
ALL_STAGES = ",".join(stage.name for stage in STAGES)
_CORPUS_CHARTS = 3000
_SYSTEM_COPIES = 200
"""Weight of the system prompt in the tokenizer's corpus: every episode starts with it."""


def make_tokenizer(seed: int) -> PreTrainedTokenizerFast:
    """Learns the tokenizer from the system prompt and the training side's tables, questions and turns."""
    teacher = Teacher(ALL_TOOLS)
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


def write_untrained(folder: Path, tokenizer: PreTrainedTokenizerBase, seed: int) -> None:
    """Writes tokenizer, configuration, image processor and the initial weights (bfloat16) to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
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
    seed: Annotated[int, typer.Option(help="Seed of the charts, questions and initial weights.")] = 0,
    threads: Annotated[int, typer.Option(help="CPU threads.")] = 1,
    snapshots: Annotated[int, typer.Option(help="Also write STAGE_STEP.safetensors every N steps; 0: never.")] = 0,
    after: Annotated[Path | None, typer.Option(help="Weights to go on from, in their folder.")] = None,
    stages: Annotated[str, typer.Option(help="Stages to run, in order.")] = ALL_STAGES,
    steps: Annotated[int | None, typer.Option(help="Steps of each stage instead of its own number.")] = None,
) -> None:
    """Makes vista-tiny: tokenizer, configuration, weights."""
    console = Console()
    torch.set_num_threads(threads)
    start = time.monotonic()
    tokenizer = make_tokenizer(seed) if after is None else AutoTokenizer.from_pretrained(after.parent)
    write_untrained(out, tokenizer, seed)
    module = VLMModule(observation_space=None, action_space=None, model_config={"model": str(out)})
    parameters = sum(parameter.numel() for parameter in module.model.parameters())
    console.print(f"{parameters:,} parameters, {len(tokenizer)} tokens in the vocabulary")

    def train(name: str, batches: Iterator[list[Transcript]], count: int, rate: float) -> None:
        trainer = Trainer(module, rate)
        losses: list[float] = []
        tokens = 0

        def report(progress: Progress) -> None:
            nonlocal tokens
            tokens += progress.tokens
            losses.append(progress.loss)
            if progress.step % 25 == 0 or progress.step == count:
                mean = sum(losses[-25:]) / len(losses[-25:])
                seconds = time.monotonic() - start
                told = f"loss {mean:.3f}  {tokens / 1e6:.2f} M tokens  {seconds:.0f} s"
                console.print(f"{name} step {progress.step:5d}  {told}")
            if snapshots and progress.step % snapshots == 0:
                save_file(trainer.averaged(), out / f"{name}_{progress.step}.safetensors", metadata={"format": "pt"})

        trainer.run(batches, count, report)
        save_file(trainer.averaged(), out / "model.safetensors", metadata={"format": "pt"})
        load_averaged(module, trainer.averaged())

    if after is not None:
        load_averaged(module, load_file(after))
    for number, stage in enumerate(STAGES):
        if stage.name in stages.split(","):
            batches = Batches(module, tokenizer, seed + 1 + 100 * number, stage.diet)
            train(stage.name, iter(batches), steps or stage.steps, stage.rate)


def load_averaged(module: VLMModule, weights: Mapping[str, torch.Tensor]) -> None:
    """Puts the averaged weights of a stage, as they are saved, into the model."""
    with torch.no_grad():
        for name, parameter in module.model.named_parameters():
            parameter.copy_(weights[name])


if __name__ == "__main__":
    typer.run(main)
