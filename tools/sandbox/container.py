"""`Container`: one hardened container and the connection to the process that runs code in it."""

from __future__ import annotations

import math
import socket
import struct
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any

import docker.errors
from docker.client import DockerClient
from docker.models.containers import Container as DockerContainer
from docker.types import LogConfig, Ulimit

from tools.errors import VistaError
from tools.sandbox import supervisor
from tools.sandbox.owner import LABEL, owner
from tools.sandbox.settings import MEBIBYTE, SandboxSettings

USER = "65532:65532"
"""User and group id of everything in a container; no user of the image or of any usual host has it."""
START_S = 60.0
"""Seconds that a container may take until it is ready; about one is usual."""
GRACE_S = 2.0
"""Seconds beyond a call's own limit until the container is ended from outside."""
_REMOVAL_S = 30.0
_MAX_PART = 1 << 28

_FRAME = struct.Struct(">BxxxI")
_STDOUT = 1
_ENVIRONMENT = {
    "HOME": supervisor.WORK,
    "LANG": "C.UTF-8",
    "MPLBACKEND": "agg",
    "MPLCONFIGDIR": f"{supervisor.WORK}/.matplotlib",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "TMPDIR": f"{supervisor.WORK}/.tmp",
}
"""All that a container knows of the outside."""


class SandboxError(VistaError):
    """The sandbox failed, and the code that ran in it did not do it: becomes a `Fault`."""


class SandboxEnded(VistaError):
    """The code brought its whole container down. `timeout`: it had to be ended from outside."""

    def __init__(self, timeout: bool) -> None:
        super().__init__("the container was ended from outside" if timeout else "the container ended")
        self.timeout = timeout


class Container:
    """A running container that nobody else uses.

    Args:
        client: the Docker daemon.
        settings: its limits.

    Raises:
        SandboxError: it does not start, or a protection that it was started with does not hold.
        docker.errors.DockerException: the daemon refuses or is gone.
    """

    def __init__(self, client: DockerClient, settings: SandboxSettings) -> None:
        self._client = client
        self._in_use = threading.RLock()
        self._complaints = bytearray()
        self._pending = bytearray()
        self._container = create(client, settings)
        self._socket: socket.socket | None = None
        try:
            stream = self._container.attach_socket(params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})
            self._stream = stream  # closing it would close the socket
            self._socket = getattr(stream, "_sock", stream)
            self._container.start()
            self._deadline = time.monotonic() + START_S
            header, _ = supervisor.unpack(self._read)
            refuse_unprotected(header["protections"], settings)
        except (SandboxEnded, OSError) as error:
            self.remove()
            told = self._complaints.decode(errors="replace")[-500:]
            raise SandboxError(f"a sandbox container did not start: {told or error}") from error
        except (SandboxError, docker.errors.DockerException):
            self.remove()
            raise

    @property
    def id(self) -> str:
        """Docker's id of the container."""
        return str(self._container.id)

    def alive(self) -> bool:
        """Whether its end of the connection is still open. Meant for between two calls."""
        connection = self._socket
        if connection is None:
            return False
        try:
            connection.settimeout(0)
            return bool(connection.recv(1, socket.MSG_PEEK))
        except BlockingIOError:
            return True
        except OSError:
            return False

    def ask(self, header: dict[str, Any], parts: Sequence[bytes], timeout_s: float) -> supervisor.Message:
        """Sends a request and waits for its reply.

        Args:
            header: the request.
            parts: its binary parts.
            timeout_s: seconds that the code in it may run.

        Raises:
            SandboxEnded: the code ended the container, or had to be ended with it.
            SandboxError: somebody else ended the container.
            docker.errors.DockerException: the daemon is gone.
        """
        self._deadline = time.monotonic() + timeout_s + GRACE_S
        since = int(time.time())
        with self._in_use:
            try:
                connection = self._connection()
                connection.settimeout(timeout_s + GRACE_S)
                connection.sendall(supervisor.pack(header, parts))
                return supervisor.unpack(self._read)
            except TimeoutError:
                self.remove()
                raise SandboxEnded(timeout=True) from None
            except OSError as error:
                self._raise_if_not_the_codes_doing(since)
                self.disconnect()
                raise SandboxEnded(timeout=False) from error
            except SandboxEnded:
                self._raise_if_not_the_codes_doing(since)
                self.disconnect()
                raise

    def disconnect(self) -> None:
        """Closes the connection, upon which the container ends and Docker removes it."""
        connection, self._socket = self._socket, None
        if connection is not None:
            with suppress(OSError):  # the other end was first
                connection.shutdown(socket.SHUT_RDWR)
            # That wakes a thread that waits in a call. Closing before it has woken would have it wait for whatever
            # gets the descriptor next.
            with self._in_use:
                connection.close()
                self._stream.close()

    def remove(self) -> None:
        """Ends and removes the container at once. May be called twice."""
        self.disconnect()
        with suppress(docker.errors.NotFound):  # it is gone already
            try:
                self._container.remove(force=True)
            except docker.errors.APIError as error:
                if error.status_code != HTTPStatus.CONFLICT:
                    raise
                self._container.wait(condition="removed", timeout=_REMOVAL_S)  # its removal is in progress

    def _connection(self) -> socket.socket:
        if self._socket is None:
            raise SandboxError("the container was removed during the call")
        return self._socket

    def _raise_if_not_the_codes_doing(self, since: int) -> None:
        """Asks the daemon, which raises where it is gone, whether the container was ended by a request to it."""
        self._connection()
        events = self._client.events(
            since=since, until=int(time.time()) + 1, filters={"container": self.id, "event": "kill"}, decode=True
        )
        if any(events):
            raise SandboxError("the container was ended from outside")

    def _read(self, size: int) -> bytes:
        """Exactly `size` bytes of the container's standard output. What is in there is not trusted with more memory."""
        if size > _MAX_PART:
            raise SandboxError(f"the container announces {size:,} bytes")
        while len(self._pending) < size:
            stream, length = _FRAME.unpack(self._receive(_FRAME.size))
            (self._pending if stream == _STDOUT else self._complaints).extend(self._receive(length))
        data = bytes(self._pending[:size])
        del self._pending[:size]
        return data

    def _receive(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            connection = self._connection()
            connection.settimeout(left)
            chunk = connection.recv(min(size - len(data), 1 << 20))
            if not chunk:
                raise SandboxEnded(timeout=False)
            data += chunk
        return bytes(data)


def create(client: DockerClient, settings: SandboxSettings) -> DockerContainer:
    """Makes a container with every protection on. It runs once it is started."""
    memory = settings.memory_mb * MEBIBYTE
    return client.containers.create(
        settings.image,
        ["python3", "-I", "-X", "utf8", "-c", Path(supervisor.__file__).read_text(), str(settings.idle_s)],
        entrypoint=[],
        labels={LABEL: owner()},
        environment=_ENVIRONMENT,
        use_config_proxy=False,  # the host's proxy settings may hold passwords
        user=USER,
        working_dir=supervisor.WORK,
        hostname="sandbox",
        network_mode="none",
        ipc_mode="none",  # no /dev/shm to write to
        read_only=True,
        tmpfs={
            supervisor.WORK: f"size={settings.work_mb}m,nr_inodes={settings.work_files},mode=1777,nosuid,nodev,noexec"
        },
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],  # and Docker's default seccomp profile, which is on unless it is put off
        pids_limit=settings.pids,
        mem_limit=memory,
        memswap_limit=memory,
        nano_cpus=round(settings.cpus * 1e9),
        oom_kill_disable=False,
        # A limit of one byte keeps crashes from being handed to a core dump handler, which would run on the host.
        ulimits=[Ulimit(name="core", soft=1, hard=1), Ulimit(name="nofile", soft=256, hard=256)],
        log_config=LogConfig(type="none"),  # output would fill the host's disk
        stdin_open=True,
        auto_remove=True,
    )


def refuse_unprotected(found: dict[str, Any], settings: SandboxSettings) -> None:
    """Compares what the kernel says inside with what was asked for.

    Raises:
        SandboxError: a protection does not hold. All of them are named.
    """
    wanted = {
        "uid": int(USER.partition(":")[0]),
        "capabilities": 0,
        "no_new_privileges": 1,
        "seccomp": 2,
        "read_only_root": True,
        "sockets": False,
        "routes": 0,
        "pids": settings.pids,
        "memory": settings.memory_mb * MEBIBYTE,
        "swap": 0,
        "cpus": settings.cpus,
    }
    broken = [
        f"{name} is {found.get(name)}, not {value}"
        for name, value in wanted.items()
        if (shown := found.get(name)) is None or not math.isclose(shown, value, rel_tol=0.01)
    ]
    if broken:
        raise SandboxError(f"the sandbox would not hold on this machine: {'; '.join(broken)}")
