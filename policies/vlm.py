"""`VLMModule`: any transformers image-text-to-text model as an RLlib `RLModule`."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from ray.rllib.core.columns import Columns
from ray.rllib.core.rl_module.apis import ValueFunctionAPI
from ray.rllib.core.rl_module.torch import TorchRLModule
from torch import nn
from torch.utils.checkpoint import checkpoint
from transformers import LogitsProcessorList
from transformers.generation.stopping_criteria import StoppingCriteriaList

from envs.message import FinishReason, Turn
from policies.chat import ChatFormat
from policies.image_encoder import collate
from policies.pretrained import load_config, load_image_encoder, load_model, load_tokenizer
from policies.request import Request, object_array, requests_of
from policies.sampling import TurnEnd, TurnSampler, tempered_logps
from policies.vlm_config import VLMConfig
from policies.weights import load_weights, pack_weights
from tools.errors import Fault, FaultError, boundary
from tools.image import Image
from tools.tool import ToolCall, ToolResult

TINY = Path(__file__).parent / "vista_tiny"
"""Folder of `vista-tiny`, the model that ships with the project."""


class VLMModule(TorchRLModule, ValueFunctionAPI):
    """Generation for rollouts, log-probabilities and values for learning, over one set of weights.

    `model_config` holds the fields of `VLMConfig`. A rollout batch has one `Request` per row under `Columns.OBS`; each
    request's transcript is extended by what was observed and what was sampled. A training batch is made by
    `train_batch`.
    """

    framework = "torch"

    def setup(self) -> None:
        """Loads configuration, tokenizer, image processor and weights.

        Raises:
            UnsupportedModelError: the folder or hub id is no image-text-to-text model of a supported family.
            VLMConfigError: a setting is unknown or has a wrong value.
        """
        settings = self.settings = VLMConfig.from_dict(dict(self.model_config or {}))
        source = str(TINY) if settings.model == "vista-tiny" else settings.model
        config = load_config(source, settings)
        tokenizer = load_tokenizer(source, settings)
        self.chat = ChatFormat(tokenizer, config, load_image_encoder(source, config, settings))
        self._pad_id = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else self.chat.end_ids[0]
        self._complete = self.chat.stop_checker()
        self.model: Any = load_model(source, config, settings)
        hidden = config.get_text_config().hidden_size
        self.value_head = nn.Linear(hidden, 1) if settings.value_head and not self.inference_only else None
        if self.value_head is not None:
            nn.init.zeros_(self.value_head.weight)
            nn.init.zeros_(self.value_head.bias)
        self._takes_token_types = "mm_token_type_ids" in inspect.signature(self._base.forward).parameters
        self.register_buffer("_banned", torch.tensor(self.chat.banned_ids, dtype=torch.long), persistent=False)
        self.weights_version = 0

    # Rollout.

    def _forward_exploration(self, batch: Mapping[str, Any], **kwargs: Any) -> dict[str, Any]:
        return {Columns.ACTIONS: object_array(self._generate(requests_of(batch), greedy=False))}

    def _forward_inference(self, batch: Mapping[str, Any], **kwargs: Any) -> dict[str, Any]:
        return {Columns.ACTIONS: object_array(self._generate(requests_of(batch), greedy=True))}

    @torch.no_grad()
    def _generate(self, requests: Sequence[Request], greedy: bool) -> list[Turn | ToolResult | Fault]:
        faults: dict[int, Fault] = {}
        for row, request in enumerate(requests):
            try:
                with boundary(f"agent:{request.agent_id}"):
                    self.chat.observe(request.transcript, request.observation, self.settings.system)
            except FaultError as error:  # an unreadable image costs its own episode, not the batch
                faults[row] = error.fault
        room = [self.settings.max_length - len(request.transcript) for request in requests]
        rows = [row for row, left in enumerate(room) if left > 0 and row not in faults]
        turns = [Turn("", 0, "context")] * len(requests)
        if rows:
            limit = min(self.settings.max_new_tokens, max(room[row] for row in rows))
            samples = self._sample([requests[row] for row in rows], limit, greedy)
            for row, (ids, logps, ended) in zip(rows, samples, strict=True):
                reason: FinishReason = "stop" if ended and len(ids) <= room[row] else "length"
                if len(ids) >= room[row] and reason == "length":
                    ids, logps, reason = ids[: room[row]], logps[: room[row]], "context"
                requests[row].transcript.sample(ids, logps, self.weights_version, self.chat.image_token_id)
                turns[row] = Turn(self.chat.decode(ids), len(ids), reason)
        actions = [
            ToolResult(turn.text) if isinstance(request.observation, ToolCall) else turn
            for request, turn in zip(requests, turns, strict=True)
        ]
        return [faults.get(row, action) for row, action in enumerate(actions)]

    def _sample(
        self, requests: Sequence[Request], limit: int, greedy: bool
    ) -> Iterator[tuple[list[int], list[float], bool]]:
        """Yields (ids, log-probabilities, whether the turn ended by itself) per request."""
        prompts = [request.transcript.token_ids for request in requests]
        inputs = self._inputs(prompts, [request.transcript.images for request in requests], left=True)
        length = inputs["input_ids"].shape[1]
        settings = self.settings
        sampler = TurnSampler(
            [request.seed for request in requests], limit, settings.temperature, settings.top_p, self._banned, greedy
        )
        end = TurnEnd(length, len(requests), self.chat.end_ids, self._complete)
        with self._evaluating():
            output = self.model.generate(
                **inputs,
                max_new_tokens=limit,
                do_sample=False,
                num_beams=1,
                logits_processor=LogitsProcessorList([sampler]),
                stopping_criteria=StoppingCriteriaList([end]),
                eos_token_id=self.chat.end_ids,
                pad_token_id=self._pad_id,
                use_cache=True,
            )
        ids = output[:, length:].tolist()
        logps = torch.stack(sampler.logps, dim=1).tolist()
        for row in range(len(requests)):
            count = end.lengths[row] or limit
            yield ids[row][:count], logps[row][:count], end.lengths[row] > 0

    # Learning.

    def train_batch(
        self, token_ids: Sequence[Sequence[int]], sampled: Sequence[Sequence[bool]], images: Sequence[Sequence[Image]]
    ) -> dict[str, torch.Tensor]:
        """Pads transcripts to one batch for `forward_train`.

        Args:
            token_ids: B transcripts of ids.
            sampled: which of them the policy sampled.
            images: the images of each transcript, in the order of their placeholders.

        Returns:
            `input_ids` and `attention_mask` int64 [B, T], `loss_mask` bool [B, T], and the image tensors.
        """
        batch = self._inputs(token_ids, images, left=False)
        mask = torch.zeros(batch["input_ids"].shape, dtype=torch.bool)
        for row, flags in enumerate(sampled):
            mask[row, : len(flags)] = torch.as_tensor(flags, dtype=torch.bool)
        batch["loss_mask"] = mask.to(batch["input_ids"].device)
        return batch

    def _forward_train(self, batch: Mapping[str, Any], **kwargs: Any) -> dict[str, torch.Tensor]:
        """Log-probability and entropy of every sampled token given those before it, float32 [B, T], 0 elsewhere.

        With a value head also `values` [B, T], the value of the state in which the token was sampled.
        """
        inputs = {key: value for key, value in batch.items() if key != "loss_mask"}
        mask = batch["loss_mask"]
        hidden = self._base(**inputs, use_cache=False).last_hidden_state
        before = torch.zeros_like(mask)
        before[:, :-1] = mask[:, 1:]  # the position that predicts a sampled token is the one before it
        selected = hidden[before]
        logps, entropies = self._token_logps(selected, inputs["input_ids"][mask])
        out = {"logps": _scatter(mask, logps), "entropy": _scatter(mask, entropies)}
        if self.value_head is not None:
            out["values"] = _scatter(mask, self.value_head(selected.to(self.value_head.weight.dtype))[:, 0].float())
        return out

    def compute_values(self, batch: Mapping[str, Any], embeddings: Any = None) -> torch.Tensor:
        """Values [B, T] of the states in which tokens were sampled, 0 elsewhere."""
        return self._forward_train(batch)["values"]

    def _token_logps(self, hidden: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """([N], [N]) log-probabilities and entropies, in chunks so that [N, V] logits are never held at once."""
        head = self._unwrapped.get_output_embeddings()

        def chunk(hidden: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            logps = tempered_logps(head(hidden), self.settings.temperature, self._banned)
            # Banned ids have probability 0; 0 * -inf would make the entropy NaN.
            entropy = -(logps.exp() * logps.masked_fill(logps == -torch.inf, 0.0)).sum(-1)
            return logps.gather(-1, targets[:, None])[:, 0], entropy

        size = self.settings.logits_chunk
        if len(targets) <= size:
            return chunk(hidden, targets)
        parts = [
            checkpoint(chunk, hidden[start : start + size], targets[start : start + size], use_reentrant=False)
            for start in range(0, len(targets), size)
        ]
        logps, entropies = zip(*parts, strict=True)
        return torch.cat(logps), torch.cat(entropies)

    def frozen_copy(self) -> VLMModule:
        """The module with weights of its own that never change: the reference policy of a full-weight run."""
        reference = copy.deepcopy(self, {id(self.chat): self.chat})
        reference.requires_grad_(False)
        return reference

    @contextmanager
    def adapters_off(self) -> Iterator[None]:
        """The model without its LoRA adapters: the reference policy of a LoRA run."""
        with self.model.disable_adapter():
            yield

    # State.

    def get_state(
        self,
        components: str | Collection[str] | None = None,
        *,
        not_components: str | Collection[str] | None = None,
        inference_only: bool = False,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Weights as safetensors bytes, in their own dtype. With LoRA only what is trained.

        RLlib's own conversion to NumPy refuses bfloat16 and turns float16 into float32.
        """
        return {"weights": pack_weights(self, trained_only=self.settings.lora is not None, values=not inference_only)}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Loads what `get_state` returned. Raises `WeightsError` when it is of another model."""
        load_weights(self, state["weights"], self.settings.model)

    # Parts.

    @property
    def _unwrapped(self) -> Any:
        """The transformers model below a possible peft wrapper (adapters stay in place)."""
        return self.model.get_base_model() if self.settings.lora is not None else self.model

    @property
    def _base(self) -> Any:
        """The model without its language-model head."""
        return self._unwrapped.model

    @contextmanager
    def _evaluating(self) -> Iterator[None]:
        training = self.model.training
        self.model.eval()
        try:
            yield
        finally:
            self.model.train(training)

    def _inputs(
        self, token_ids: Sequence[Sequence[int]], images: Sequence[Sequence[Image]], left: bool
    ) -> dict[str, torch.Tensor]:
        """Pads rows on the left (generation) or on the right (learning); the attention mask never looks at ids."""
        parameter = next(self.model.parameters())
        width = max(len(row) for row in token_ids)
        ids = torch.full((len(token_ids), width), self._pad_id, dtype=torch.long)
        attention = torch.zeros_like(ids)
        for row, tokens in enumerate(token_ids):
            where = slice(width - len(tokens), width) if left else slice(0, len(tokens))
            ids[row, where] = torch.as_tensor(tokens, dtype=torch.long)
            attention[row, where] = 1
        inputs = {"input_ids": ids.to(parameter.device), "attention_mask": attention.to(parameter.device)}
        encoded = [image for row in images for image in self.chat.encoded_images(list(row))]
        inputs |= collate(encoded, parameter.device, parameter.dtype)
        if self._takes_token_types:
            inputs["mm_token_type_ids"] = (inputs["input_ids"] == self.chat.image_token_id).int()
        return inputs


def _scatter(mask: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """[B, T] with `values` [N] at the N True positions of `mask`, 0 elsewhere; differentiable."""
    return torch.zeros(mask.shape, dtype=values.dtype, device=values.device).masked_scatter(mask, values)
