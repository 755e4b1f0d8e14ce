"""Weights of a module as safetensors bytes: the form in which they travel to env runners and into checkpoints."""

from __future__ import annotations

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import nn

from tools.errors import VistaError


class WeightsError(VistaError):
    """Weights do not belong to this model."""


def pack_weights(module: nn.Module, trained_only: bool = False, values: bool = True) -> bytes:
    """All distinct parameters (tied ones once), each in its own dtype.

    Args:
        module: the module.
        trained_only: leave out frozen parameters (LoRA: the base comes from the model folder).
        values: include the value head.
    """
    tensors = {}
    for name, parameter in module.named_parameters():  # yields tied parameters once
        if (trained_only and not parameter.requires_grad) or (not values and name.startswith("value_head")):
            continue
        tensors[name] = parameter.detach().cpu().contiguous()
    return save(tensors)


@torch.no_grad()
def load_weights(module: nn.Module, data: bytes, model: str) -> None:
    """Copies packed weights into the module's parameters, in place.

    Parameters absent from `data` must be frozen or belong to a value head. Nothing is copied unless everything fits.

    Raises:
        WeightsError: the bytes are damaged, or name or shape of some weight is another model's.
    """
    try:
        tensors = load(data)
    except SafetensorError as error:
        raise WeightsError(f"damaged weights for model {model!r}: {error}") from error
    parameters = dict(module.named_parameters())
    for name, tensor in tensors.items():
        if name not in parameters:
            if name.startswith("value_head"):
                continue
            raise WeightsError(f"weights of another model: {name!r} does not exist in {model!r}")
        if parameters[name].shape != tensor.shape:
            raise WeightsError(
                f"weights of another model: {name!r} has shape {tuple(tensor.shape)}, "
                f"{model!r} expects {tuple(parameters[name].shape)}"
            )
    missing = [
        name
        for name, parameter in parameters.items()
        if parameter.requires_grad and name not in tensors and not name.startswith("value_head")
    ]
    if missing:
        raise WeightsError(f"weights of another model: {missing[0]!r} of {model!r} is not among them")
    for name, tensor in tensors.items():
        if name in parameters:
            parameters[name].copy_(tensor)
