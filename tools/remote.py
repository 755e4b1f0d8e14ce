"""The `remote` backend of every tool: a client of the tool service (`tools.service`)."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field, ValidationError

from tools.client_settings import ClientSettings, checked_url, url_problem
from tools.errors import Fault, FaultError, ImageError, boundary
from tools.tool import Tool, ToolCall, ToolResult, ToolSettings

if TYPE_CHECKING:
    from tools.http_client import Reply
    from tools.service.wire import Offer

SERVICE_VARIABLE = "VISTA_TOOL_SERVICE"
"""Environment variable with the base address of the tool service."""
TOKEN_VARIABLE = "VISTA_TOOL_TOKEN"
"""Environment variable with the token that the service asks for."""

_ASK_S = 3.0
"""Seconds that `unavailable` waits for the service."""
_OFFERS_KEPT_S = 5.0
"""Seconds for which what a service offers is not asked again."""
_SHOWN = 300
"""Characters of what is wrong with a reply."""
_UPLOAD_ROUNDS = 3
"""How often images that the service lacks are sent: it may drop some while others come."""


class RemoteSettings(ClientSettings):
    """Where the tool service is, and how patiently it is asked."""

    url: Annotated[str, AfterValidator(checked_url)] = ""
    """Base address; empty: the environment variable `VISTA_TOOL_SERVICE`."""
    token_env: str = TOKEN_VARIABLE
    """Environment variable with the token that the service asks for."""
    service_backend: str = ""
    """Which backend of the tool the service is to use; empty: its first."""
    max_batch: int = Field(64, ge=1)
    """Calls in one request; more are sent in several at the same time."""
    served_by: str = ""
    """Backend and version that the service offered last. Filled in by the tool, so that results which another one would
    give are not taken from the cache."""

    def address(self) -> str:
        """The base address; empty where none is set."""
        return self.url or os.environ.get(SERVICE_VARIABLE, "")


class RemoteTool(Tool):
    """What the remote backends of all tools share.

    Whatever goes wrong between here and there is a `Fault` of the calls in question: `ServiceUnreachable`,
    `ServiceTimeout`, `ServiceRefused`, `BadServiceReply` (`tools.http_client`), or `CircuitOpen`. What the tool itself
    says there, errors included, comes back as it is.
    """

    backend = "remote"
    settings_type = RemoteSettings
    settings: RemoteSettings

    def __init__(self, settings: ToolSettings | None = None) -> None:
        """Connects to nothing yet. What the service offers is known where `unavailable` asked."""
        super().__init__(settings)
        offers = _known_offers.get((self.settings.address(), self.settings.token()), (0.0, ""))[1]
        if not isinstance(offers, str) and (offer := _chosen(offers, self.name, self.settings.service_backend)):
            served_by = f"{offer.backend} {offer.backend_version}"
            self.settings = self.settings.model_copy(update={"served_by": served_by})
        self._client = self.settings.client()
        self._breaker = self.settings.breaker()

    @classmethod
    def unavailable(cls, settings: ToolSettings) -> str | None:
        """Why the service cannot be asked, or does not have this tool."""
        assert isinstance(settings, RemoteSettings)
        address = settings.address()
        if not address:
            return f"no tool service: run `vista tools serve`, and set {SERVICE_VARIABLE} to its address"
        if (problem := url_problem(address, SERVICE_VARIABLE)) is not None:
            return problem
        offers = _offers_of(address, settings.token())
        if isinstance(offers, str):
            return f"{offers}; run `vista tools serve` there"
        wanted = settings.service_backend
        offer = _chosen(offers, cls.name, wanted)
        if offer is None:
            what = f"backend {wanted!r} of {cls.name}" if wanted else cls.name
            return f"{address} does not serve {what}: add it to the configuration of `vista tools serve`"
        if offer.version != cls.version:
            there = f"{address} has version {offer.version!r} of {cls.name}"
            return f"{there}, this is {cls.version!r}: install the same there"
        return None

    @classmethod
    def device(cls, settings: ToolSettings) -> str:
        """The service's address."""
        assert isinstance(settings, RemoteSettings)
        return settings.address() or "no service"

    def run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        """Asks the service, within the timeout. One result per call; never raises for what the service does."""
        import asyncio

        from tools.http_client import run_in_background

        size = self.settings.max_batch
        parts = [calls[first : first + size] for first in range(0, len(calls), size)]

        async def ask_all() -> list[bytes | Fault]:
            return await asyncio.gather(*(self._reply(part) for part in parts))

        replies = run_in_background(ask_all())
        return [result for part, reply in zip(parts, replies, strict=True) for result in self._results(part, reply)]

    def end_episode(self, episode_id: str) -> None:
        """Nothing: a service keeps no state for an episode."""

    def close(self) -> None:
        """Nothing: the connections are shared by all tools of the process."""

    async def _reply(self, calls: Sequence[ToolCall]) -> bytes | Fault:
        from tools.http_client import TransportError

        try:
            with boundary(f"tool:{self.name}"), self._breaker.guard(TransportError):
                return await self._client.limited(self._ask(calls))
        except FaultError as error:
            return error.fault

    async def _ask(self, calls: Sequence[ToolCall]) -> bytes:
        """The body of the service's reply, once it has all images."""
        from tools.http_client import BadServiceReply, refusal
        from tools.service.wire import PROTOCOL, encode_request

        body = encode_request(type(self), calls, self.settings.service_backend)
        images = {image.hash: image for call in calls for image in call.images}
        for _ in range(_UPLOAD_ROUNDS):
            reply = await self._client.request("POST", f"/v{PROTOCOL}/tools/{self.name}/calls", body)
            if reply.status == 200:
                return reply.body
            for hash in _missing(reply):
                if hash not in images:
                    raise BadServiceReply(f"the service asks for an image {hash[:12]} that was not named to it")
                path = f"/v{PROTOCOL}/images/{hash}"
                upload = await self._client.request("PUT", path, images[hash].data, "application/octet-stream")
                if upload.status != 204:
                    raise refusal(upload)
        raise BadServiceReply("the service asks for the same images again and again")

    def _results(self, calls: Sequence[ToolCall], reply: bytes | Fault) -> list[ToolResult]:
        try:
            with boundary(f"tool:{self.name}"):
                if isinstance(reply, Fault):
                    raise FaultError(reply)
                return self._decoded(reply, len(calls))
        except FaultError as error:
            return [ToolResult(error=error.fault)] * len(calls)

    def _decoded(self, body: bytes, num_calls: int) -> list[ToolResult]:
        from tools.http_client import BadServiceReply
        from tools.service.wire import CallReply, decode_result

        try:
            reply = CallReply.model_validate_json(body, strict=True)
            results = [decode_result(result) for result in reply.results]
        except (ValidationError, ImageError) as error:
            raise BadServiceReply(str(error)[:_SHOWN]) from error
        if reply.tool != self.name or len(results) != num_calls:
            raise BadServiceReply(
                f"{len(results)} results of {reply.tool[:60]!r}: expected {num_calls} of {self.name!r}"
            )
        return results


def _missing(reply: Reply) -> list[str]:
    """Hashes of the images that a refused request lacks. Raises what else the reply means."""
    from tools.http_client import refusal
    from tools.service.wire import ProblemReply

    refused = refusal(reply)
    if reply.status != 409:
        raise refused
    try:
        problem = ProblemReply.model_validate_json(reply.body, strict=True).error
    except ValidationError as error:
        raise refused from error
    if problem.kind != "missing_images" or not problem.missing:
        raise refused
    return problem.missing


def _chosen(offers: Sequence[Offer], tool: str, backend: str) -> Offer | None:
    """The offer that serves a tool's calls; None when there is none. An empty `backend`: the first."""
    return next((offer for offer in offers if offer.tool == tool and backend in ("", offer.backend)), None)


_asking = threading.Lock()
_known_offers: dict[tuple[str, str], tuple[float, list[Offer] | str]] = {}


def _offers_of(address: str, token: str) -> list[Offer] | str:
    """What a service offers, or why it cannot be told; asked once for the many tools that are looked at together."""
    with _asking:
        asked_at, offers = _known_offers.get((address, token), (-math.inf, ""))
        if time.monotonic() - asked_at > _OFFERS_KEPT_S:
            offers = _ask_offers(address, token)
            _known_offers[address, token] = (time.monotonic(), offers)
        return offers


def _ask_offers(address: str, token: str) -> list[Offer] | str:
    from tools.http_client import HttpClient, ServiceError, refusal, run_in_background
    from tools.service.wire import PROTOCOL, OfferReply

    client = HttpClient(address, token, timeout_s=_ASK_S, connect_timeout_s=_ASK_S, attempts=1)
    try:
        reply = run_in_background(client.limited(client.request("GET", f"/v{PROTOCOL}/tools")))
        if reply.status != 200:
            return f"{address}: {refusal(reply)}"
        return OfferReply.model_validate_json(reply.body, strict=True).offers
    except ServiceError as error:
        return str(error)
    except ValidationError:
        return f"{address} is no tool service that speaks version {PROTOCOL}"


@cache
def remote_backend(tool: type[Tool]) -> type[Tool]:
    """The class that serves `tool` from a tool service."""
    return type(f"Remote{tool.__name__}", (RemoteTool, tool), {"__doc__": RemoteTool.__doc__, "shared": False})
