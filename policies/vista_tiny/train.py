"""Supervised training of vista-tiny: next-token loss on what the teacher wrote."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from policies.transcript import Transcript
from policies.vlm import VLMModule

MATRIX_LR, OTHER_LR = 0.01, 0.004
"""Peak learning rates: Muon for the matrices of the language model's layers, AdamW for all the rest."""
WARMUP, FLAT = 20, 500
"""Steps of linear warmup; from step FLAT on the rate falls with 1 / sqrt(step)."""
AVERAGING = 0.97
"""The saved weights are an exponential average over about the last 30 steps: smoother than any single step, and so
a run of N steps ends with the same weights as step N of a longer run."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Attributes:
    step: steps done.
    loss: mean negative log-likelihood per teacher token of this batch, nats.
    tokens: tokens in the batch, padding not counted.
    """

    step: int
    loss: float
    tokens: int


class Trainer:
    """Trains `module` in place and keeps the average of its weights."""

    def __init__(self, module: VLMModule, rate: float = 1.0) -> None:
        """`rate` scales the learning rates."""
        self._rate = rate
        self._module = module
        self._average = {name: value.detach().clone() for name, value in module.model.named_parameters()}
        layers = module.model.model.language_model.layers
        matrices = [parameter for parameter in layers.parameters() if parameter.ndim == 2]
        taken = {id(parameter) for parameter in matrices}
        others = [parameter for parameter in module.model.parameters() if id(parameter) not in taken]
        self._optimizers = (
            (torch.optim.Muon(matrices, lr=MATRIX_LR, momentum=0.95, weight_decay=0.05,
                              adjust_lr_fn="match_rms_adamw"), MATRIX_LR),
            (torch.optim.AdamW(others, lr=OTHER_LR, betas=(0.9, 0.95), weight_decay=0.0), OTHER_LR),
        )  # fmt: skip

    def run(self, batches: Iterator[list[Transcript]], steps: int, report: Callable[[Progress], None]) -> None:
        """Does `steps` steps, one batch each."""
        for step in range(1, steps + 1):
            batch = next(batches)
            inputs = self._module.train_batch(
                [row.token_ids for row in batch], [row.sampled for row in batch], [row.images for row in batch]
            )
            mask = inputs["loss_mask"]
            loss = -self._module.forward_train(inputs)["logps"][mask].mean()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self._module.model.parameters(), 1.0)
            rate = self._rate * min(1.0, step / WARMUP) * min(1.0, math.sqrt(FLAT / step))
            for optimizer, peak in self._optimizers:
                for group in optimizer.param_groups:
                    group["lr"] = peak * rate
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
            keep = min(AVERAGING, (step - 1) / step)
            with torch.no_grad():
                for name, value in self._module.model.named_parameters():
                    self._average[name].lerp_(value, 1.0 - keep)
            report(Progress(step, loss.item(), sum(map(len, batch))))

    def averaged(self) -> dict[str, torch.Tensor]:
        """The averaged weights by parameter name, bfloat16 as they are saved."""
        return {name: value.to(torch.bfloat16).contiguous() for name, value in self._average.items()}
