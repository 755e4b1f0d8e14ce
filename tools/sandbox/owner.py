"""Whose a container is, and the removal of those whose owner is gone.

A container ends by itself when its owner does (its standard input closes). Removal here is for what is left beyond
that: containers that were made and not started, or whose connection a forked process still holds.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

import docker.errors
import psutil
from docker.client import DockerClient

logger = logging.getLogger(__name__)

LABEL = "vista-rllib.sandbox.owner"
"""Label of every container, with its owner as value."""


def owner() -> str:
    """This process, by machine start, process namespace, process id and start time: what is never the same again."""
    return _name(os.getpid())


def remove_orphans(client: DockerClient) -> int:
    """Removes the containers whose owner ran here and is gone. Returns how many there were."""
    here = _name(0).rsplit("/", 2)[0]
    removed = 0
    for container in client.containers.list(all=True, filters={"label": LABEL}, ignore_removed=True):
        name = container.labels[LABEL]
        place, pid, _ = name.rsplit("/", 2)
        if place != here or name == _name(int(pid)):
            continue
        try:
            container.remove(force=True)
        except docker.errors.APIError as error:
            logger.info("orphan %s: %s", container.short_id, error)  # on its way out, or taken by another process
        else:
            removed += 1
    return removed


def _name(pid: int) -> str:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    namespace = os.stat("/proc/self/ns/pid").st_ino
    try:
        started = psutil.Process(pid).create_time() if pid else 0.0
    except psutil.NoSuchProcess:
        started = 0.0
    return f"{boot}/{namespace}/{pid}/{started}"
