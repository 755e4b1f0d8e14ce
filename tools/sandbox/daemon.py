"""The Docker daemon: a connection to it, and whether sandboxes can run there."""

from __future__ import annotations

from contextlib import closing

import docker.errors
from docker.client import DockerClient

from tools.sandbox.settings import SandboxSettings

BUILD = "docker/build.sh"
"""The command that makes the image (in a checkout of the project)."""
MAX_CONNECTIONS = 64
"""Requests to the daemon at the same time, without opening connections anew."""

_NEEDED = {
    "MemoryLimit": "memory limits",
    "PidsLimit": "limits of processes",
    "CpuCfsQuota": "processor limits",
}


def connect() -> DockerClient:
    """A connection to the daemon that Docker's environment variables name.

    Raises:
        docker.errors.DockerException: there is none.
    """
    return DockerClient.from_env(max_pool_size=MAX_CONNECTIONS)


def why_not(settings: SandboxSettings) -> str | None:
    """Why no sandbox can run here and what helps, or None. Every container is checked again when it starts."""
    try:
        client = connect()
    except docker.errors.DockerException as error:
        return f"no Docker daemon answers ({error}): start one (dockerd), then run {BUILD}"
    with closing(client):
        try:
            info = client.info()
            client.images.get(settings.image)
        except docker.errors.ImageNotFound:
            return f"there is no Docker image {settings.image}: run {BUILD}"
        except docker.errors.DockerException as error:
            return f"the Docker daemon refuses: {error}"
    missing = [what for key, what in _NEEDED.items() if not info.get(key)]
    if not any(option.startswith("name=seccomp") and "unconfined" not in option for option in info["SecurityOptions"]):
        missing.append("the default seccomp profile")
    return f"the Docker daemon cannot enforce {', '.join(missing)}: see `docker info`" if missing else None
