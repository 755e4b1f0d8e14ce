"""`ToolService`: what the tool service does with each request."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass

from fastapi import Request, Response
from pydantic import BaseModel, ValidationError

from tools.argument_error import argument_error
from tools.errors import FaultError, ImageError, VistaError, boundary
from tools.registry import get_tool
from tools.service.config import ServiceConfig
from tools.service.images import ImageStore
from tools.service.metrics import Metrics, ToolMetrics
from tools.service.runner import Executor, QueueFull, Served
from tools.service.served_tool import ServedTool
from tools.service.wire import (
    CallRequest,
    Health,
    Offer,
    OfferReply,
    Problem,
    WireCall,
    encode_reply,
    encode_result,
    image_of,
)
from tools.tool import ToolCall, ToolResult

JSON = "application/json"


class Refusal(VistaError):
    """A request that is not served. Becomes a `ProblemReply`."""

    def __init__(self, status: int, kind: str, message: str, missing: list[str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.problem = Problem(kind=kind, message=message, missing=missing or [])


@dataclass(frozen=True, slots=True)
class Route:
    """A tool's backend on offer.

    Attributes:
        served: what was asked for in the configuration.
        executor: where it runs.
        metrics: its counters.
    """

    served: ServedTool
    executor: Executor
    metrics: ToolMetrics


class ToolService:
    """Answers requests (`tools.service.app` brings them).

    Args:
        config: limits.
        executors: by tool and backend; a tool's first is its default.
    """

    def __init__(self, config: ServiceConfig, executors: Mapping[ServedTool, Executor]) -> None:
        self._config = config
        self.metrics = Metrics()
        self._images = ImageStore(config.image_cache_bytes)
        self._routes: dict[str, dict[str, Route]] = {}
        for served, executor in executors.items():
            route = Route(served, executor, self.metrics.of(*served.key))
            self._routes.setdefault(served.tool.name, {})[served.tool.backend] = route

    async def health(self) -> Response:
        """Whether every tool can serve."""
        routes = [route for known in self._routes.values() for route in known.values()]
        states = await asyncio.gather(*(route.executor.failing() for route in routes))
        failing = {"/".join(r.served.key): state for r, state in zip(routes, states, strict=True) if state is not None}
        return json_response(Health(status="failing" if failing else "ok", failing=failing), 503 if failing else 200)

    async def offers(self) -> Response:
        """All tools and backends."""
        offers = [_offer(route.served) for known in self._routes.values() for route in known.values()]
        return json_response(OfferReply(offers=offers))

    async def put_image(self, hash: str, request: Request) -> Response:
        """Keeps an image, if it is the one of that hash."""
        data = await _body(request, self._config.max_image_bytes)
        try:
            image = await asyncio.to_thread(image_of, data, hash)
        except ImageError as error:
            raise Refusal(422, "bad_image", str(error)) from error
        self._images.put(image)
        return Response(status_code=204)

    async def call(self, tool: str, request: Request) -> Response:
        """Runs calls of one tool."""
        start = time.perf_counter()
        if not request.headers.get("content-type", "").startswith(JSON):
            # A page in a browser cannot send this type without asking first, so it cannot use a service on loopback.
            raise Refusal(415, "bad_request", f"expected Content-Type: {JSON}")
        body = await _body(request, self._config.max_request_bytes)
        try:
            asked = CallRequest.model_validate_json(body, strict=True)
        except ValidationError as error:
            raise Refusal(422, "bad_request", _reason(error)) from error
        route = self._route(tool, asked.backend)
        self._check(route, asked)
        served = await self._served(route, asked.calls)
        results = [_encoded(item.result, tool) for item in served]
        for item in served:
            for image in item.result.images:
                self._images.put(image)
        route.metrics.served(served, time.perf_counter() - start)
        return Response(encode_reply(route.served.tool, results), media_type=JSON)

    def _route(self, tool: str, backend: str) -> Route:
        known = self._routes.get(tool)
        if known is None:
            raise Refusal(404, "unknown_tool", f"no tool {tool[:60]!r} here: there are {', '.join(self._routes)}")
        if not backend:
            return next(iter(known.values()))
        if backend not in known:
            there = ", ".join(known)
            raise Refusal(
                404, "unknown_backend", f"tool {tool!r} has no backend {backend[:60]!r} here: there are {there}"
            )
        return known[backend]

    def _check(self, route: Route, asked: CallRequest) -> None:
        version = _version(route.served)
        if asked.version not in (None, version):
            name = route.served.tool.name
            message = f"tool {name!r} is version {version!r} here, the client knows {asked.version!r}"
            raise Refusal(412, "version_mismatch", message)
        if len(asked.calls) > self._config.max_calls:
            raise Refusal(413, "too_large", f"{len(asked.calls)} calls, {self._config.max_calls} at most")

    async def _served(self, route: Route, calls: list[WireCall]) -> list[Served]:
        """Runs what is valid; the rest gets the policy's errors E2 and E3."""
        tool = route.served.tool
        missing: dict[str, None] = {}
        results: dict[int, Served] = {}
        runnable: dict[int, ToolCall] = {}
        for position, call in enumerate(calls):
            images, absent = self._images.find(call.images)
            missing.update(dict.fromkeys(absent))
            try:
                tool.arguments.model_validate(call.arguments)
            except ValidationError as error:
                results[position] = Served(ToolResult(error=argument_error(tool, error)), 0)
            else:
                runnable[position] = ToolCall(tool.name, call.arguments, images, call.episode_id)
        if missing:
            raise Refusal(409, "missing_images", f"{len(missing)} images are not here: upload them", list(missing))
        if runnable:
            try:
                ran = await route.executor.run(list(runnable.values()))
            except QueueFull as error:
                raise Refusal(503, "overloaded", str(error)) from error
            results.update(zip(runnable, ran, strict=True))
        return [results[position] for position in range(len(calls))]


async def _body(request: Request, limit: int) -> bytes:
    declared = request.headers.get("content-length", "")
    parts, length = [], int(declared) if declared.isdecimal() else 0
    if length <= limit:
        length = 0
        async for part in request.stream():
            parts.append(part)
            length += len(part)
            if length > limit:
                break
    if length > limit:
        raise Refusal(413, "too_large", f"the body has more than {limit:,} bytes")
    return b"".join(parts)


def _encoded(result: ToolResult, tool: str) -> bytes:
    try:
        with boundary(f"tool:{tool}"):
            return encode_result(result)
    except FaultError as error:
        return encode_result(ToolResult(error=error.fault, wall_s=result.wall_s))


def _version(served: ServedTool) -> str:
    """The version of the tool, not of the backend: what a client without the backend can know."""
    return get_tool(served.tool.name).version


def _offer(served: ServedTool) -> Offer:
    tool = served.tool
    settings = served.selection.settings or tool.settings_type()
    return Offer(
        tool=tool.name,
        backend=tool.backend,
        version=_version(served),
        backend_version=tool.version,
        device=tool.device(settings),
        replicas=served.deployed,
        parameters=tool.arguments.model_json_schema(),
    )


def json_response(body: BaseModel, status: int = 200) -> Response:
    """A response with this body."""
    return Response(body.model_dump_json(), status, media_type=JSON)


def _reason(error: ValidationError) -> str:
    details = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}" for detail in details[:3])[:500]
