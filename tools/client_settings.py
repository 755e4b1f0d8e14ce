"""Settings of backends that ask a server over HTTP: how patiently, and with which secret."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pydantic import Field

from tools.circuit_breaker import CircuitBreaker
from tools.tool import ToolSettings

if TYPE_CHECKING:
    from tools.http_client import HttpClient


class ClientSettings(ToolSettings):
    """How patiently a server is asked. Subclasses say where it is."""

    token_env: str = ""
    """Environment variable with the bearer token; none is sent where it is not set."""
    timeout_s: float = Field(30.0, gt=0)
    """Seconds after which a call is given up, uploads and retries included."""
    connect_timeout_s: float = Field(2.0, gt=0)
    """Seconds until a connection counts as failed."""
    attempts: int = Field(3, ge=1)
    """How often a request is sent at most when there is no reply."""
    breaker_failures: int = Field(5, ge=1)
    """Calls in a row without a reply after which the server is left alone."""
    breaker_reset_s: float = Field(10.0, gt=0)
    """For how many seconds."""

    def address(self) -> str:
        """The server's base address; empty where none is set."""
        raise NotImplementedError

    def token(self) -> str:
        """The bearer token; empty where none is set."""
        return os.environ.get(self.token_env, "") if self.token_env else ""

    def client(self) -> HttpClient:
        """A client with these settings."""
        from tools.http_client import HttpClient  # its libraries take their time, and tools are imported everywhere

        return HttpClient(self.address(), self.token(), self.timeout_s, self.connect_timeout_s, self.attempts)

    def breaker(self) -> CircuitBreaker:
        """A circuit breaker with these settings."""
        return CircuitBreaker(self.breaker_failures, self.breaker_reset_s)


def checked_url(url: str) -> str:
    """The address, which may be empty. Raises `ValueError` when it is none of an HTTP server."""
    parts = urlsplit(url)
    if url and not (parts.scheme in ("http", "https") and parts.hostname and parts.port != 0):
        raise ValueError("expected an address such as http://host:8500")
    return url


def url_problem(url: str, variable: str) -> str | None:
    """Why an address that an environment variable holds is no use; None when it is one."""
    try:
        checked_url(url)
    except ValueError as error:
        return f"{variable}={url}: {error}"
    return None
