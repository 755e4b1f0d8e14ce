"""Settings of backends that load a model's released weights, and whether those are here."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from huggingface_hub import try_to_load_from_cache
from pydantic import Field

from tools.tool import ToolSettings

DType = Literal["auto", "float32", "bfloat16", "float16"]


class ModelSettings(ToolSettings):
    """Which weights, and where they run. Subclasses give `model` its released default."""

    model: str
    """Hub id, or a folder in the released format."""
    device: str = "auto"
    """`auto` (CUDA where there is one), or a torch device."""
    dtype: DType = "auto"
    """Of the weights; `auto`: bfloat16 on a GPU, float32 on a CPU."""
    num_gpus: float = Field(0.0, ge=0)
    """Share of a GPU that the shared instance reserves in Ray."""

    def missing(self, *packages: str) -> str | None:
        """Why the model cannot be loaded here (a package, or its weights) and the command that helps, or None.

        Args:
            packages: importable names that the backend needs beyond this project's dependencies.
        """
        if absent := [package for package in packages if find_spec(package) is None]:
            return f"needs {', '.join(absent)}: pip install 'vista-rllib[models]'"
        if (Path(self.model) / "config.json").is_file():
            return None
        if Path(self.model).exists() or self.model.startswith((".", "/", "~")):
            return f"{self.model}: no folder with a config.json of a released model"
        if isinstance(try_to_load_from_cache(self.model, "config.json"), str):
            return None
        return f"the weights of {self.model} are not here: hf download {self.model}"

    def torch_device(self) -> str:
        """The torch device that `device` means here."""
        import torch

        if self.device != "auto":
            return self.device
        return "cuda" if torch.cuda.is_available() else "cpu"

    def torch_dtype(self) -> str:
        """The name of the torch dtype that `dtype` means here."""
        if self.dtype != "auto":
            return self.dtype
        return "float32" if self.torch_device() == "cpu" else "bfloat16"
