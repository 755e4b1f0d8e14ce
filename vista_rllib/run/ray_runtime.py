"""`ray_runtime`: a Ray cluster for the time of a command."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import ray

from tools.errors import boundary


@dataclass(frozen=True, slots=True)
class Cluster:
    """Which Ray to use.

    Attributes:
        address: of a cluster, as `ray.init` takes it; None for `RAY_ADDRESS`, or else a Ray started here.
        num_cpus: cores of a Ray started here; None for all.
        num_gpus: GPUs of a Ray started here; None for all.
        verbose: show Ray's own messages and the output of its workers.
    """

    address: str | None = None
    num_cpus: int | None = None
    num_gpus: int | None = None
    verbose: bool = False


@contextmanager
def ray_runtime(cluster: Cluster) -> Iterator[None]:
    """Connects or starts, and ends what it started. A process that is connected already stays connected.

    Raises:
        FaultError: Ray does not start or cannot be reached.
    """
    if ray.is_initialized():
        yield
        return
    level = logging.INFO if cluster.verbose else logging.ERROR
    options: dict[str, Any] = {"log_to_driver": cluster.verbose, "logging_level": level}
    if cluster.address or os.environ.get("RAY_ADDRESS"):
        options["address"] = cluster.address
    else:
        options |= {"include_dashboard": False, "num_cpus": cluster.num_cpus, "num_gpus": cluster.num_gpus}
    with boundary("starting Ray"):
        ray.init(**options)
    try:
        yield
    finally:
        ray.shutdown()
