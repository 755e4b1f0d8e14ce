"""Initial weights that already contain induction heads, so that little training suffices to copy from a table.

An induction head finds the earlier place where the last tokens occurred and reads what came next (Olsson et al. 2022,
"In-context learning and induction heads", arXiv 2209.11895). Gradient descent forms it late and suddenly; wiring it
into the start saves that time. Layer 0 gets heads that attend a fixed distance back: with rotary positions, constant
queries and keys do that, and the attention biases of the Qwen2.5 architecture hold them. Each writes what it sees into
a subspace of its own. Layer 1 gets heads whose query (the last three tokens) matches keys made of the three tokens
*before* a place, and which copy the token there to the output. All of it stays trainable.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import torch
from transformers import Qwen2_5_VLForConditionalGeneration

SHIFTS = (1, 2, 3)
"""Layer 0, head h: attends SHIFTS[h] tokens back."""
COPYING = (0, 1)
"""Heads of layer 1 that match and copy."""
_SHARPNESS = 8.0
"""Size of the constant queries and keys: about 6 nats between the wanted position and its neighbours."""
_FAST, _SLOW = 0.05, 0.02
"""Radians per position: rotary pairs faster than the one tell positions, slower than the other carry content."""
_FOCUS = 0.9
"""Norm of the part of a token's embedding (norm 1) that the heads read."""
_SHIFT_NORM = 0.7
"""Norm of a shifted token's copy in the residual stream."""
_MATCH = 20.0
"""Attention logit of a full match of three tokens."""
_COPY = 2.0
"""Norm that a copying head adds to the residual stream."""


def wire_induction(model: Qwen2_5_VLForConditionalGeneration, seed: int) -> None:
    """Overwrites the embeddings and the attention of layers 0 and 1 of a freshly made model, in place."""
    random = torch.Generator().manual_seed(seed)
    text: Any = model.model.language_model
    hidden = text.config.hidden_size
    size = hidden // text.config.num_attention_heads
    frequencies = text.rotary_emb.inv_freq[: size // 2].float().cpu()
    scale = math.sqrt(hidden)  # the norm of a vector after RMSNorm
    base = _orthogonal(hidden, hidden, random)
    read, *spaces = (base[size * i : size * (i + 1)] for i in range(1 + len(SHIFTS)))
    with torch.no_grad():
        count = text.config.vocab_size
        rest = math.sqrt(1 - _FOCUS**2)
        text.embed_tokens.weight.copy_(
            _FOCUS * _unit(count, size, random) @ read + rest * _unit(count, hidden - size, random) @ base[size:]
        )
        _wire_shifts(text.layers[0].self_attn, frequencies, read / (_FOCUS * scale), spaces)
        # Layer 1 sees the token and its shifted copies, scaled by RMSNorm; `tokens` reads each as a unit vector.
        seen = scale / math.sqrt(1 + len(SHIFTS) * _SHIFT_NORM**2)
        tokens = [read / (_FOCUS * seen), *(space / (_SHIFT_NORM * seen) for space in spaces)]
        _wire_copying(text.layers[1].self_attn, frequencies, tokens, read, random)


def _wire_shifts(attention: Any, frequencies: torch.Tensor, token: torch.Tensor, spaces: list[torch.Tensor]) -> None:
    size = len(token)
    fast = (frequencies > _FAST) * _SHARPNESS
    for head, shift in enumerate(SHIFTS):
        rows = slice(head * size, (head + 1) * size)
        attention.q_proj.weight[rows] = 0.0
        attention.k_proj.weight[rows] = 0.0
        # Rotated by their positions m and n, these have the product sum of cos((m - n - shift) * frequency).
        attention.q_proj.bias[rows] = torch.cat([fast, torch.zeros_like(fast)])
        phase = shift * frequencies
        attention.k_proj.bias[rows] = torch.cat([fast * torch.cos(phase), fast * torch.sin(phase)])
        attention.v_proj.weight[rows] = token
        attention.o_proj.weight[:, rows] = spaces[head].T * _SHIFT_NORM


def _wire_copying(
    attention: Any,
    frequencies: torch.Tensor,
    tokens: list[torch.Tensor],
    read: torch.Tensor,
    random: torch.Generator,
) -> None:
    size = len(read)
    slow = torch.nonzero(frequencies < _SLOW).flatten()
    content = torch.cat([slow, slow + size // 2])
    gain = math.sqrt(_MATCH / len(SHIFTS) * math.sqrt(size) * size / len(content))
    for head in COPYING:
        rows = slice(head * size, (head + 1) * size)
        query, key = torch.zeros_like(tokens[0]), torch.zeros_like(tokens[0])
        for now, before in pairwise(tokens):
            mix = gain * _orthogonal(len(content), size, random)
            query[content] += mix @ now
            key[content] += mix @ before
        attention.q_proj.weight[rows] = query
        attention.k_proj.weight[rows] = key
        attention.v_proj.weight[rows] = tokens[0]
        attention.o_proj.weight[:, rows] = read.T * _COPY


def _orthogonal(rows: int, columns: int, random: torch.Generator) -> torch.Tensor:
    side = max(rows, columns)
    return torch.linalg.qr(torch.randn(side, side, generator=random))[0][:rows, :columns]


def _unit(rows: int, columns: int, random: torch.Generator) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.randn(rows, columns, generator=random), dim=-1)
