"""Datasets: adapters from raw releases to tasks (importing this package registers them), and stored task sets."""

from envs.datasets import chartqa, embedded_dataset, vlmgym

__all__ = ["chartqa", "embedded_dataset", "vlmgym"]
