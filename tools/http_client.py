"""`HttpClient`: asks a server within a deadline, again when the connection fails, and never trusts what comes back.

All clients of a process share one event loop in a thread of its own, and one pool of connections.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import aiohttp
import tenacity

from tools.errors import VistaError

MAX_REPLY_BYTES = 256 * 2**20
"""Longer replies are not read."""
MAX_CONNECTIONS = 256
"""Open at a time, to one server."""

_BACK_OFF = tenacity.wait_exponential_jitter(initial=0.05, max=2.0, jitter=0.05)
_GATEWAY_FAILED = (502, 503, 504)
"""Statuses that say that the server itself was not reached, or has no place for the request now."""
_CLOSE_S = 2.0
_SHOWN = 200

T = TypeVar("T")


class ServiceError(VistaError):
    """A server that could not be asked, or whose reply is no use."""


class TransportError(ServiceError):
    """No reply. The only errors that say something about the server's health."""


class ServiceUnreachable(TransportError):
    """No connection, a broken one, or a server that has no place for the request now. Asked again."""


class ServiceTimeout(TransportError):
    """No reply in time. Not asked again: the time is over."""


class ServiceRefused(ServiceError):
    """The server says that the request is wrong (4xx): a wrong token, an unknown tool, a body that is too large."""


class BadServiceReply(ServiceError):
    """The reply is not what the protocol asks for."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answered: the status, and the whole body."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class HttpClient:
    """A server's address and how patiently it is asked.

    Attributes:
        url: base address.
        token: bearer token; empty: none is sent.
        timeout_s: seconds that `limited` takes at most, retries included.
        connect_timeout_s: seconds until a connection counts as failed.
        attempts: how often a request is sent at most when there is no reply.
    """

    url: str
    token: str = field(default="", repr=False)
    timeout_s: float = 30.0
    connect_timeout_s: float = 2.0
    attempts: int = 3

    async def limited(self, work: Coroutine[Any, Any, T]) -> T:
        """The outcome of some `request`s.

        Raises:
            ServiceTimeout: it took longer than `timeout_s`.
        """
        try:
            async with asyncio.timeout(self.timeout_s):
                return await work
        except TimeoutError as error:
            raise ServiceTimeout(f"{self.url}: no reply after {self.timeout_s:g} s") from error

    async def request(
        self, method: str, path: str, body: bytes | None = None, content_type: str = "application/json"
    ) -> Reply:
        """Sends one request, up to `attempts` times while there is no reply. To be run by `run_in_background`.

        Raises:
            ServiceUnreachable: there was no reply.
            BadServiceReply: the reply is no HTTP, or too long.
        """
        headers = {} if body is None else {"Content-Type": content_type}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type(ServiceUnreachable),
            stop=tenacity.stop_after_attempt(self.attempts),
            wait=_BACK_OFF,
            reraise=True,
        )
        return await retrying(self._once, method, self.url.rstrip("/") + path, body, headers)

    async def _once(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> Reply:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self.connect_timeout_s)
        try:
            async with _background().session.request(
                method, url, data=body, headers=headers, timeout=timeout, allow_redirects=False
            ) as response:
                content = await _read(response, url)
        except (aiohttp.ClientResponseError, aiohttp.InvalidURL) as error:
            raise BadServiceReply(f"{url}: {_shown(error)}") from error
        except (aiohttp.ClientError, OSError) as error:
            raise ServiceUnreachable(f"{url}: {_shown(error)}") from error
        if response.status in _GATEWAY_FAILED:
            raise ServiceUnreachable(f"{url}: status {response.status}: {start_of(content)}")
        return Reply(response.status, content)


def refusal(reply: Reply) -> ServiceError:
    """What a reply other than the expected one means."""
    said = f"status {reply.status}: {start_of(reply.body)}"
    return ServiceRefused(said) if 400 <= reply.status < 500 else BadServiceReply(said)


def start_of(body: bytes) -> str:
    """The beginning of a body, as a message shows it."""
    return body[:_SHOWN].decode(errors="replace")


def run_in_background(work: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine of `request`s, from any thread, and waits for it."""
    return asyncio.run_coroutine_threadsafe(work, _background().loop).result()


class _Background:
    """An event loop in a daemon thread, and its pool of connections."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, name="http clients", daemon=True).start()
        self.session = asyncio.run_coroutine_threadsafe(self._open(), self.loop).result()
        atexit.register(self._close)

    async def _open(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(limit=0, limit_per_host=MAX_CONNECTIONS)
        return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())

    def _close(self) -> None:
        if _backgrounds.get(os.getpid()) is self:  # not in a forked process, which has no such thread
            asyncio.run_coroutine_threadsafe(self.session.close(), self.loop).result(_CLOSE_S)


_starting = threading.Lock()
_backgrounds: dict[int, _Background] = {}
"""By process id: a forked process has no use for its parent's thread."""


def _background() -> _Background:
    with _starting:
        if (background := _backgrounds.get(os.getpid())) is None:
            background = _backgrounds[os.getpid()] = _Background()
        return background


async def _read(response: aiohttp.ClientResponse, url: str) -> bytes:
    parts, length = [], 0
    async for part in response.content.iter_any():
        parts.append(part)
        length += len(part)
        if length > MAX_REPLY_BYTES:
            raise BadServiceReply(f"{url}: the reply is longer than {MAX_REPLY_BYTES:,} bytes")
    return b"".join(parts)


def _shown(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:_SHOWN]
