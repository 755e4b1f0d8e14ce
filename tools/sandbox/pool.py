"""`Pool`: containers kept ready, one for each episode that runs code, and none when nobody needs them."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

from docker.client import DockerClient

from tools.errors import FaultError, boundary
from tools.sandbox.container import Container, SandboxError
from tools.sandbox.owner import remove_orphans, watch_owner
from tools.sandbox.settings import SandboxSettings

logger = logging.getLogger(__name__)

WAIT_S = 30.0
"""Seconds that a call waits for a container when all are busy."""
_WORKERS = 4
_MAX_LOST = 10_000


@dataclass
class Session:
    """An episode's container and what is known about it. Held by one call at a time.

    Attributes:
        container: None before the first call, and after the code has brought the last one down.
        sent: the images that are in the work folder, by index.
    """

    container: Container | None = None
    sent: set[int] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Pool:
    """Hands out containers by episode. Its methods may be called from several threads.

    Args:
        client: the Docker daemon; closed with the pool.
        settings: limits, and how many containers there are.
    """

    def __init__(self, client: DockerClient, settings: SandboxSettings) -> None:
        self._client = client
        self._settings = settings
        self._changed = threading.Condition()
        self._sessions: OrderedDict[str, Session] = OrderedDict()  # least recently used first
        self._lost: OrderedDict[str, None] = OrderedDict()
        self._warm: deque[Container] = deque()
        self._starting = 0
        self._closed = False
        self._workers = ThreadPoolExecutor(_WORKERS, "sandbox")
        watch_owner()
        if orphans := remove_orphans(client):
            logger.warning("removed %d sandbox containers whose owner is gone", orphans)
        self._replenish()

    @contextmanager
    def session(self, episode_id: str) -> Iterator[Session]:
        """The session of an episode with a running container, for one call. An empty id: of this call alone.

        Raises:
            SandboxError: the episode's container is gone, all containers are busy, or none can be started.
            docker.errors.DockerException: the daemon refuses or is gone.
        """
        session = self._reserve(episode_id) if episode_id else Session()
        with session.lock:
            try:
                if episode_id and self._sessions.get(episode_id) is not session:
                    raise SandboxError("the episode ended, or its container had to make room, as its call began")
                if session.container is None:
                    session.sent.clear()
                    session.container = self._take()
                elif not session.container.alive():
                    self._remove(session)
                    raise SandboxError(
                        f"the episode's container is gone: it ends after {self._settings.idle_s:g} s without a call"
                    )
                yield session
            finally:
                if not episode_id or self._sessions.get(episode_id) is not session:
                    self._remove(session)
                with self._changed:
                    self._changed.notify_all()

    def end_episode(self, episode_id: str) -> None:
        """Lets the episode's container go, if it has one."""
        with self._changed:
            session = self._sessions.pop(episode_id, None)
            self._lost.pop(episode_id, None)
            self._changed.notify_all()
        if session is not None:
            self._remove(session)

    def close(self) -> None:
        """Removes all containers. May be called twice."""
        with self._changed:
            self._closed = True
            sessions = list(self._sessions.values())
            self._sessions.clear()
            warm = list(self._warm)
            self._warm.clear()
        for session in sessions:
            self._remove(session)
        for container in warm:
            self._let_go(container)
        self._workers.shutdown(wait=True)
        self._client.close()

    def _reserve(self, episode_id: str) -> Session:
        deadline = time.monotonic() + WAIT_S
        evicted = None
        with self._changed:
            if episode_id in self._lost:
                del self._lost[episode_id]
                raise SandboxError(
                    f"the episode's container had to make room: at most {self._settings.max_containers} at a time"
                )
            while episode_id not in self._sessions and len(self._sessions) >= self._settings.max_containers:
                idle = next((name for name, session in self._sessions.items() if not session.lock.locked()), None)
                if idle is not None:
                    evicted = self._sessions.pop(idle)
                    self._lost[idle] = None
                    if len(self._lost) > _MAX_LOST:
                        self._lost.popitem(last=False)
                elif not self._changed.wait(deadline - time.monotonic()):
                    raise SandboxError(f"all {self._settings.max_containers} containers were busy for {WAIT_S:g} s")
            session = self._sessions.setdefault(episode_id, Session())
            self._sessions.move_to_end(episode_id)
        if evicted is not None:
            self._remove(evicted)
        return session

    def _take(self) -> Container:
        """A running container: a warm one, or else a new one."""
        while True:
            with self._changed:
                if self._closed:
                    raise SandboxError("the sandbox is closed")
                container = self._warm.popleft() if self._warm else None
            self._replenish()
            if container is None:
                return Container(self._client, self._settings)
            if container.alive():
                return container
            self._let_go(container)

    def _replenish(self) -> None:
        with self._changed:
            missing = 0 if self._closed else self._settings.warm - len(self._warm) - self._starting
            for _ in range(missing):
                self._starting += 1
                self._workers.submit(self._start_warm)

    def _start_warm(self) -> None:
        container = None
        try:
            if not self._closed:
                with boundary("sandbox"):
                    container = Container(self._client, self._settings)
        except FaultError as error:
            logger.warning("no container was made ready: %s", error)  # the call that needs one will say why
        with self._changed:
            self._starting -= 1
            if container is not None and not self._closed:
                self._warm.append(container)
                container = None
            self._changed.notify_all()
        if container is not None:
            container.remove()

    def _remove(self, session: Session) -> None:
        container, session.container = session.container, None
        if container is not None:
            self._let_go(container)

    def _let_go(self, container: Container) -> None:
        """Disconnects, which ends the container; that it is gone is made sure of elsewhere, as it takes a while."""
        container.disconnect()
        with self._changed:
            if not self._closed:
                self._workers.submit(container.remove).add_done_callback(_log_failure)
                return
        container.remove()


def _log_failure(removed: Future[None]) -> None:
    if error := removed.exception():
        logger.warning("a sandbox container could not be removed: %s", error)
