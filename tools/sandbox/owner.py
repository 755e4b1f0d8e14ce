"""Whose a container is, and the removal of those whose owner is gone.

A container ends by itself when its owner does (its standard input closes). What is left beyond that (containers that
were made and not started, or whose connection a forked process still holds) is removed by a small process that
outlives the owner, and if that was ended, too, by the next owner.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from contextlib import closing
from functools import cache
from pathlib import Path

import docker.errors
import psutil
from docker.client import DockerClient
from docker.models.containers import Container

logger = logging.getLogger(__name__)

LABEL = "vista-rllib.sandbox.owner"
"""Label of every container, with its owner as value."""

QUIET_S = 5.0
"""A removal is over when no container was seen for this many seconds: the daemon may still be making one."""

_WATCH = (
    "import sys; sys.stdin.read(); sys.path[:] = sys.argv[2:]; "
    "from tools.sandbox.owner import remove_all_of; remove_all_of(sys.argv[1])"
)


def owner() -> str:
    """This process, by machine start, process namespace, process id and start time: what is never the same again."""
    return _name(os.getpid())


def watch_owner() -> None:
    """Has this process's containers removed when it ends, however it ends. One watching process serves all pools."""
    _start_watching(os.getpid())


def remove_orphans(client: DockerClient) -> int:
    """Removes the containers whose owner ran here and is gone. Returns how many there were."""
    here = _name(0).rsplit("/", 2)[0]
    orphans = []
    for container in client.containers.list(all=True, filters={"label": LABEL}, ignore_removed=True):
        name = container.labels[LABEL]
        place, pid, _ = name.rsplit("/", 2)
        if place == here and name != _name(int(pid)):
            orphans.append(container)
    return _remove(orphans)


def remove_all_of(name: str) -> None:
    """Removes all containers of an owner that is gone, those included that the daemon is still making."""
    with closing(DockerClient.from_env()) as client:
        quiet_since = time.monotonic()
        while time.monotonic() - quiet_since < QUIET_S:
            found = client.containers.list(all=True, filters={"label": f"{LABEL}={name}"}, ignore_removed=True)
            if found:
                _remove(found)
                quiet_since = time.monotonic()
            time.sleep(0.2)


@cache
def _start_watching(pid: int) -> subprocess.Popen[bytes]:
    # It waits for the end of its standard input, which is this process's end; a terminal's signals do not reach it.
    return subprocess.Popen(
        [sys.executable, "-c", _WATCH, _name(pid), *sys.path],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _remove(containers: list[Container]) -> int:
    removed = 0
    for container in containers:
        try:
            container.remove(force=True)
        except docker.errors.APIError as error:
            logger.info("container %s: %s", container.short_id, error)  # on its way out, or taken by another process
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
