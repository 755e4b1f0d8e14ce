"""Initial weights that already contain induction heads, so that little training suffices to copy from a table.

An induction head finds the earlier place where the last tokens occurred and reads what came next (Olsson et al. 2022,
"In-context learning and induction heads", arXiv 2209.11895). Gradient descent forms it late and suddenly; wiring it
into the start saves that time. Layer 0 gets heads that attend a fixed distance back: with rotary positions, constant
queries and keys do that, and the attention biases of the Qwen2.5 architecture hold them. Layer 1 gets heads whose query
(the current tokens) matches keys made of *preceding* tokens. All of it stays trainable.
"""

from __future__ import annotations

import math

import torch
from transformers import Qwen2_5_VLForConditionalGeneration

SHIFTS = (1, 2, 3)
"""Layer 0, head h: attends SHIFTS[h] tokens back."""
_SHARPNESS = 6.5
"""Size of the constant queries and keys: about 5 nats between the wanted position and its neighbours."""
_SHIFT_NORM = 0.7
"""Norm of a shifted token's copy in the residual stream, where the token itself has norm 1."""
_MATCH = 7.0
"""Attention logit of a full match of the last three tokens."""


def wire_induction(model: Qwen2_5_VLForConditionalGeneration, seed: int) -> None:
    """Overwrites the embeddings and the attention of layers 0 and 1 of a freshly made model, in place."""
    random = torch.Generator().manual_seed(seed)
    text = model.model.language_model
    hidden = text.config.hidden_size
    size = hidden // text.config.num_attention_heads
    pairs = size // 2
    frequencies = text.rotary_emb.inv_freq[:pairs].float().cpu()
    # Slow rotary pairs carry content (their phase hardly depends on the distance), fast ones carry position.
    content = torch.nonzero(frequencies < 0.1).flatten()
    content = torch.cat([content, content + pairs])

    def orthogonal(rows: int, columns: int) -> torch.Tensor:
        square = torch.randn(max(rows, columns), max(rows, columns), generator=random)
        return torch.linalg.qr(square)[0][:rows, :columns]

    scale = math.sqrt(hidden)  # the norm of a vector after RMSNorm
    with torch.no_grad():
        text.embed_tokens.weight.normal_(0.0, 1.0 / scale, generator=random)
        read = orthogonal(size, hidden)
        writes = []
        attention = text.layers[0].self_attn
        for head, shift in enumerate(SHIFTS):
            rows = slice(head * size, (head + 1) * size)
            fast = frequencies > 0.1
            query = torch.cat([fast * _SHARPNESS, torch.zeros(pairs)])
            key = torch.cat(
                [fast * _SHARPNESS * torch.cos(shift * frequencies), fast * _SHARPNESS * torch.sin(shift * frequencies)]
            )
            attention.q_proj.weight[rows], attention.k_proj.weight[rows] = 0.0, 0.0
            attention.q_proj.bias[rows], attention.k_proj.bias[rows] = query, key
            attention.v_proj.weight[rows] = read
            write = orthogonal(size, hidden).T
            attention.o_proj.weight[:, rows] = write * _SHIFT_NORM / (scale * math.sqrt(size / hidden))
            writes.append(write)
        # What layer 1 reads of the token itself and of the copies written above, after RMSNorm.
        own = 1.0 / math.sqrt(1.0 + len(SHIFTS) * _SHIFT_NORM**2)
        token = [read / (own * scale * math.sqrt(size / hidden))]
        token += [w.T / (_SHIFT_NORM * own * scale) for w in writes]  # each: unit vector of the token at that shift
        attention = text.layers[1].self_attn
        gain = math.sqrt(_MATCH / len(SHIFTS) * math.sqrt(size))
        for head in range(2):
            rows = slice(head * size, (head + 1) * size)
            query, key = torch.zeros(size, hidden), torch.zeros(size, hidden)
            for place in range(len(SHIFTS)):
                mix = orthogonal(len(content), size) * gain * math.sqrt(size / len(content))
                query[content] += mix @ token[place]
                key[content] += mix @ token[place + 1]
            attention.q_proj.weight[rows], attention.k_proj.weight[rows] = query, key
            copy = orthogonal(size, hidden)
            attention.v_proj.weight[rows] = copy
            attention.o_proj.weight[:, rows] = copy.T * (1.5 / (own * scale))
