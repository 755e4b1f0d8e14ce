"""The service's HTTP interface: `/v1/...`, `/health`, `/metrics`, `/openapi.json`."""

from __future__ import annotations

import hmac
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from tools.service.metrics import Metrics
from tools.service.service import JSON, Refusal, ToolService, json_response
from tools.service.wire import PROTOCOL, CallReply, CallRequest, Health, OfferReply, Problem, ProblemReply


def application(service: ToolService, token: str = "") -> ASGIApp:
    """The ASGI application.

    Args:
        service: answers.
        token: what clients must send; empty: nothing.
    """
    app = _routes(service)
    return _with_token(app, token, service.metrics) if token else app


def _routes(service: ToolService) -> FastAPI:
    """Routes and their documentation. Bodies are read and written by hand: that costs a fraction of FastAPI's way."""
    app = FastAPI(
        title="vista tool service",
        version=str(PROTOCOL),
        description="Runs visual tools. See docs/tool-service.md.",
        docs_url=None,
        redoc_url=None,
    )
    refusals: dict[int | str, dict[str, Any]] = {
        status: {"model": ProblemReply, "description": text} for status, text in _REFUSALS.items()
    }

    @app.get("/health", response_model=Health, responses={503: {"model": Health}})
    async def health() -> Response:
        """Whether the service can serve. Needs no token."""
        return await service.health()

    @app.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    async def metrics() -> Response:
        """Requests, errors by kind, latencies and batch sizes, in Prometheus' format."""
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4")

    @app.get(f"/v{PROTOCOL}/tools", response_model=OfferReply)
    async def tools() -> Response:
        """What the service offers."""
        return await service.offers()

    image_body = {"content": {"image/*": {"schema": {"type": "string", "format": "binary"}}}, "required": True}

    @app.put(
        f"/v{PROTOCOL}/images/{{hash}}",
        status_code=204,
        responses={status: refusals[status] for status in (401, 413, 422)},
        openapi_extra={"requestBody": image_body},
    )
    async def put_image(hash: str, request: Request) -> Response:
        """Uploads an image under the sha256 of its bytes, once for all calls."""
        return await service.put_image(hash, request)

    call_schema = CallRequest.model_json_schema(ref_template="#/components/schemas/{model}")
    definitions = call_schema.pop("$defs")
    call_body = {"content": {JSON: {"schema": {"$ref": "#/components/schemas/CallRequest"}}}, "required": True}

    @app.post(
        f"/v{PROTOCOL}/tools/{{tool}}/calls",
        response_model=CallReply,
        responses=refusals,
        openapi_extra={"requestBody": call_body},
    )
    async def call(tool: str, request: Request) -> Response:
        """Runs calls of a tool, as many as the body names, and answers with one result for each."""
        return await service.call(tool, request)

    @app.exception_handler(Refusal)
    async def refuse(_: Request, refusal: Refusal) -> Response:
        service.metrics.refused(refusal.problem.kind)
        return json_response(ProblemReply(error=refusal.problem), refusal.status)

    @app.exception_handler(HTTPException)
    @app.exception_handler(404)
    @app.exception_handler(405)
    async def no_route(request: Request, error: HTTPException) -> Response:
        first = request.url.path.split("/")[1]
        other = first[:1] == "v" and first[1:].isdigit() and first != f"v{PROTOCOL}"
        kind, message = "unknown_path", f"{request.method} {request.url.path[:100]}: no such path"
        if other:
            kind, message = "unknown_version", f"{first} is not spoken here: the service speaks v{PROTOCOL}"
        return await refuse(request, Refusal(error.status_code, kind, message))

    documented = app.openapi()
    documented["components"]["schemas"] |= definitions | {"CallRequest": call_schema}
    return app


_REFUSALS = {
    401: "unauthorized: the token is missing or wrong",
    404: "unknown_tool, unknown_backend, unknown_version, unknown_path",
    409: "missing_images: upload those named, and ask again",
    412: "version_mismatch: the tool's version is another one here",
    413: "too_large: the body, or the number of calls",
    415: "bad_request: the body is not declared as JSON",
    422: "bad_request, bad_image: the body is not what it must be",
    503: "overloaded: too many calls wait, ask again later",
}


def _with_token(app: ASGIApp, token: str, metrics: Metrics) -> ASGIApp:
    """Lets through what carries the token, and `/health`."""
    expected = f"Bearer {token}".encode()

    async def checked(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] != "/health":
            given = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
            if not hmac.compare_digest(given, expected):
                metrics.refused("unauthorized")
                problem = Problem(kind="unauthorized", message="the token is missing or wrong")
                refusal = json_response(ProblemReply(error=problem), 401)
                refusal.headers["WWW-Authenticate"] = "Bearer"
                await refusal(scope, receive, send)
                return
        await app(scope, receive, send)

    return checked
