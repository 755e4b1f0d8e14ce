"""`GRPOTorchLearner`: group-relative policy optimisation over whole transcripts."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
import torch
from ray.rllib.core.learner.torch.torch_learner import TorchLearner
from ray.rllib.policy.sample_batch import MultiAgentBatch, SampleBatch
from ray.rllib.utils.metrics import WEIGHTS_SEQ_NO

from policies.request import object_array
from policies.vlm import VLMModule
from tools.errors import VistaError
from vista_rllib.aggregation import token_weights
from vista_rllib.connectors import ROWS
from vista_rllib.importance import truncated_importance_weights
from vista_rllib.losses import LossInputs, combine_metrics, token_loss
from vista_rllib.minibatch import pack_microbatches, split_minibatches
from vista_rllib.train_row import TrainRow

METRICS = "grpo"
"""Key, below the module id, of this learner's metrics."""


class LearnerError(VistaError):
    """The update cannot be done: nothing to learn from, or a loss that is not a number."""


class GRPOTorchLearner(TorchLearner):
    """One optimiser step per minibatch; each minibatch is worked through in micro-batches of a token budget.

    RLlib's own learner makes one step of whatever it forwards at once; here gradients accumulate, and with several
    learners they are summed once per step, weighted by what each learner holds, so that neither micro-batches nor
    learners change the gradient.
    """

    _weights_seq_no: int

    def build(self) -> None:
        """Builds modules and optimisers, and keeps the start as the reference policy of full-weight runs.

        A restored state arrives later and does not touch the reference.
        """
        super().build()
        self._references: dict[str, VLMModule] = {}
        for module_id in self.module.keys():  # noqa: SIM118 (MultiRLModule is no mapping)
            module = self._vlm(module_id)
            if self._measures_kl(module_id) and module.settings.lora is None:
                self._references[module_id] = module.frozen_copy()
        self._metrics_parts: dict[str, list[dict[str, torch.Tensor]]] = {}
        self._step_metrics: dict[str, list[dict[str, float]]] = {}

    def configure_optimizers_for_module(self, module_id: str, config: Any = None) -> None:
        """AdamW over the trainable parameters."""
        params = self.get_parameters(self._module[module_id])
        trainable = [param for param in params if param.requires_grad]
        optimizer = torch.optim.AdamW(
            trainable, lr=1e-8, betas=tuple(config.adam_betas), weight_decay=config.weight_decay
        )
        self.register_optimizer(module_id=module_id, optimizer=optimizer, params=trainable, lr_or_lr_schedule=config.lr)

    def _create_iterator_if_necessary(self, *, training_data: Any, **kwargs: Any) -> Iterable[MultiAgentBatch]:
        """Minibatches of whole groups, for each epoch; one optimiser step each.

        RLlib's iterators slice a batch by time steps and count minibatches from them; these rows are transcripts.
        """
        batch = self._make_batch_if_necessary(training_data)
        rows = {
            module_id: list(module_batch[ROWS])
            for module_id, module_batch in batch.policy_batches.items()
            if self.should_module_be_updated(module_id, batch)
        }
        if not self._over_learners(sum(map(len, rows.values())), "sum"):
            raise LearnerError("no transcript to learn from: every episode had a fault, or no group differs in reward")
        if self.config.num_learners > 1:
            # Learners walk through the same modules in step, with no rows where theirs are used up.
            rows = {module_id: rows.get(module_id, []) for module_id in sorted(self.module.keys())}
        self._step_metrics = {module_id: [] for module_id in rows}
        for module_id, module_rows in rows.items():
            self._add_old_and_reference_logps(module_id, module_rows)
        # The number of this update, which a restored learner knows too.
        return self._minibatches(rows, np.random.default_rng((self.config.seed or 0, self._weights_seq_no)))

    def _minibatches(
        self, rows: Mapping[str, Sequence[TrainRow]], rng: np.random.Generator
    ) -> Iterator[MultiAgentBatch]:
        for _ in range(self.config.num_epochs):
            cuts = {
                module_id: split_minibatches(
                    [len(row) for row in module_rows],
                    [row.group_id for row in module_rows],
                    self.config.num_minibatches,
                    rng,
                )
                for module_id, module_rows in rows.items()
            }
            for step in range(int(self._over_learners(max(map(len, cuts.values())), "max"))):
                picked = {
                    module_id: [rows[module_id][index] for index in cut[step]] if step < len(cut) else []
                    for module_id, cut in cuts.items()
                    if step < len(cut) or self.config.num_learners > 1
                }
                yield MultiAgentBatch(
                    {module_id: SampleBatch({ROWS: object_array(chosen)}) for module_id, chosen in picked.items()},
                    env_steps=sum(map(len, picked.values())),
                )

    def _uncompiled_update(self, batch: dict[str, Any], **kwargs: Any) -> tuple[dict, dict, dict]:
        for optimizer in self._optimizer_parameters:
            optimizer.zero_grad(set_to_none=True)
        losses = {
            module_id: self._accumulate_gradients(module_id, list(module_batch[ROWS]))
            for module_id, module_batch in batch.items()
        }
        gradients = {ref: param.grad for ref, param in self._params.items() if param.grad is not None}
        self._sum_over_learners(gradients)
        norm = math.sqrt(sum(float(gradient.norm()) ** 2 for gradient in gradients.values()))
        if not math.isfinite(norm):
            raise LearnerError(f"the gradient norm is {norm}: lower the learning rate or check rewards and dtype")
        self.apply_gradients(self.postprocess_gradients(gradients))
        for module_id in losses:
            if parts := self._metrics_parts[module_id]:
                metrics = combine_metrics(parts) | {"policy_loss": losses[module_id], "grad_norm": norm}
                self._step_metrics[module_id].append(metrics)
        return {}, {module_id: torch.tensor(loss) for module_id, loss in losses.items()}, {}

    def _accumulate_gradients(self, module_id: str, rows: list[TrainRow]) -> float:
        """Backward passes over this learner's part of one minibatch; returns its loss."""
        config = self.config.get_config_for_module(module_id)
        self._metrics_parts[module_id] = []
        if not rows:
            self._share(0)
            return 0.0
        width = max(map(len, rows))
        mask = torch.zeros(len(rows), width, dtype=torch.bool)
        for index, row in enumerate(rows):
            mask[index, : len(row)] = torch.from_numpy(row.sampled)
        weights = token_weights(mask, config.loss_aggregation, config.loss_length)
        weights *= self._share(int(mask.sum() if config.loss_aggregation == "token-mean" else len(rows)))
        total = 0.0
        for micro in pack_microbatches([len(row) for row in rows], config.token_budget):
            batch = self._tensors(module_id, [rows[index] for index in micro])
            length = batch["loss_mask"].shape[1]
            batch["token_weights"] = weights[micro, :length].to(batch["loss_mask"].device)
            fwd_out = self._vlm(module_id).forward_train(batch["inputs"])
            loss = self.compute_loss_for_module(module_id=module_id, config=config, batch=batch, fwd_out=fwd_out)
            loss.backward()
            total += float(loss.detach())
        return total

    def compute_loss_for_module(
        self, *, module_id: str, config: Any, batch: dict[str, Any], fwd_out: dict[str, Any]
    ) -> torch.Tensor:
        """The weighted sum of token losses of one micro-batch.

        Args:
            module_id: the policy.
            config: its settings.
            batch: `loss_mask`, `old_logps`, `rollout_logps`, `token_weights` [B, T], `advantages` [B, 1], `ref_logps`.
            fwd_out: `logps` and `entropy` [B, T].
        """
        mask = batch["loss_mask"]
        weights = None
        if config.tis_cap is not None:
            weights = truncated_importance_weights(batch["old_logps"], batch["rollout_logps"], mask, config.tis_cap)
        inputs = LossInputs(
            logps=fwd_out["logps"],
            old_logps=batch["old_logps"],
            advantages=batch["advantages"],
            mask=mask,
            ref_logps=batch.get("ref_logps"),
            weights=weights,
        )
        options = {"clip_low": config.clip_low, "clip_high": config.clip_high, **config.loss_options}
        per_token, metrics = token_loss(
            config.policy_loss, inputs, kl_coeff=config.kl_coeff, kl_kind=config.kl_kind, options=options
        )
        entropy = torch.where(mask, fwd_out["entropy"], 0.0)
        metrics["entropy/sum"] = entropy.detach().sum()
        if config.entropy_coeff:
            per_token = per_token - config.entropy_coeff * entropy
        self._metrics_parts[module_id].append(metrics)
        return (per_token * batch["token_weights"]).sum()

    def after_gradient_based_update(self, *, timesteps: dict[str, Any]) -> None:
        """Logs the means over the update's steps; `ratio_max_dev` is the largest.

        `first_ratio_max_dev` is that of the first step, before any weight changed: the gap between rollout and learner.
        """
        super().after_gradient_based_update(timesteps=timesteps)
        for module_id, steps in self._step_metrics.items():
            if not steps:
                continue
            merged = defaultdict(list)
            for step in steps:
                for key, value in step.items():
                    merged[key].append(value)
            values = {key: max(v) if key.endswith("max_dev") else sum(v) / len(v) for key, v in merged.items()}
            values["tokens"] = sum(merged["tokens"])
            values["first_ratio_max_dev"] = steps[0]["ratio_max_dev"]
            for key, value in values.items():
                self.metrics.log_value((module_id, METRICS, key), value, reduce="mean", window=1)

    def set_state(self, state: dict[str, Any]) -> None:
        """As RLlib's, but takes weights older than its own too, which RLlib silently ignores."""
        if 0 < state.get(WEIGHTS_SEQ_NO, 0) <= self._weights_seq_no:
            self._weights_seq_no = 0
        super().set_state(state)

    # Log-probabilities that stay fixed during an update.

    @torch.no_grad()
    def _add_old_and_reference_logps(self, module_id: str, rows: Sequence[TrainRow]) -> None:
        recompute, kl = self.config.tis_cap is not None, self._measures_kl(module_id)
        module = self._vlm(module_id)
        for micro in pack_microbatches([len(row) for row in rows], self.config.token_budget):
            chosen = [rows[index] for index in micro]
            for row in chosen:
                row.old_logps = row.rollout_logps
            if not recompute and not kl:
                continue
            inputs = self._model_inputs(module, chosen)
            if recompute:
                _store(chosen, "old_logps", module.forward_train(inputs)["logps"])
            if kl:
                with self._reference(module_id) as reference:
                    _store(chosen, "ref_logps", reference.forward_train(inputs)["logps"])

    @contextmanager
    def _reference(self, module_id: str) -> Iterator[VLMModule]:
        """The frozen start, or the trained module with its LoRA adapters switched off."""
        if module_id in self._references:
            yield self._references[module_id].to(self._device)
        else:
            module = self._vlm(module_id)
            with module.adapters_off():
                yield module

    def _measures_kl(self, module_id: str) -> bool:
        config = self.config.get_config_for_module(module_id)
        return bool(config.kl_coeff) or config.measure_kl

    # Tensors.

    def _vlm(self, module_id: str) -> VLMModule:
        return self.module[module_id].unwrapped()

    def _model_inputs(self, module: VLMModule, rows: Sequence[TrainRow]) -> dict[str, torch.Tensor]:
        return module.train_batch(
            [row.token_ids.tolist() for row in rows],
            [row.sampled.tolist() for row in rows],
            [row.images for row in rows],
        )

    def _tensors(self, module_id: str, rows: Sequence[TrainRow]) -> dict[str, Any]:
        inputs = self._model_inputs(self._vlm(module_id), rows)
        device = inputs["input_ids"].device
        batch: dict[str, Any] = {"inputs": inputs, "loss_mask": inputs["loss_mask"]}
        for name in ("old_logps", "rollout_logps", "ref_logps"):
            if getattr(rows[0], name) is not None:
                padded = batch[name] = torch.zeros(inputs["input_ids"].shape, device=device)
                for index, row in enumerate(rows):
                    padded[index, : len(row)] = torch.from_numpy(getattr(row, name))
        batch["advantages"] = torch.tensor([[row.advantage] for row in rows], dtype=torch.float32, device=device)
        return batch

    # Several learners.

    def _over_learners(self, value: float, how: Literal["sum", "max"]) -> float:
        """The sum or maximum of a number over all learners; the number itself with one learner."""
        if self.config.num_learners < 2:
            return value
        total = torch.tensor(float(value), device=self._device)
        torch.distributed.all_reduce(total, getattr(torch.distributed.ReduceOp, how.upper()))
        return float(total)

    def _share(self, count: int) -> float:
        """This learner's part of the whole minibatch's `count` (tokens or transcripts); 1 with one learner."""
        return count / max(self._over_learners(count, "sum"), 1.0) if self.config.num_learners > 1 else 1.0

    def _sum_over_learners(self, gradients: dict[Any, torch.Tensor]) -> None:
        """Adds up the gradients of all learners, in place; a learner without rows for a parameter adds nothing."""
        if self.config.num_learners < 2:
            return
        used = torch.tensor([ref in gradients for ref in self._params], dtype=torch.int32, device=self._device)
        torch.distributed.all_reduce(used, torch.distributed.ReduceOp.MAX)
        for (ref, param), needed in zip(self._params.items(), used.tolist(), strict=True):
            if needed:
                gradient = gradients.setdefault(ref, torch.zeros_like(param))
                torch.distributed.all_reduce(gradient)


def _store(rows: Sequence[TrainRow], name: str, logps: torch.Tensor) -> None:
    for row, values in zip(rows, logps.float().cpu().numpy(), strict=True):
        setattr(row, name, values[: len(row)].copy())
