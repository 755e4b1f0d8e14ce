"""`vlm_expert` against a real local server that speaks OpenAI's chat completions."""

from __future__ import annotations

import base64
import io
import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import PIL.Image
import pytest
import uvicorn
from fastapi import FastAPI, Request, Response
from pydantic import BaseModel, ConfigDict
from service_tools import http, remote, scripted

from tools.errors import ErrorCode, Fault, ModelError
from tools.image import Image
from tools.registry import backends_of, select_backend
from tools.service.config import ServiceConfig
from tools.service.server import running_server
from tools.tool import Tool, ToolCall
from tools.vlm_expert import OpenAISettings, OpenAIVlmExpert, VlmExpert

RED = Image.from_pil(PIL.Image.new("RGB", (4, 4), "red"))
BLUE = Image.from_pil(PIL.Image.new("RGB", (4, 4), "blue"))


class _ChatRequest(BaseModel):
    """What such an endpoint accepts."""

    model_config = ConfigDict(extra="forbid")

    model: str
    messages: list[dict[str, Any]]
    max_tokens: int
    temperature: float


def answer(request: _ChatRequest) -> str:
    """Says what it was asked and the colour of each picture's first pixel."""
    (message,) = request.messages
    said = []
    for part in message["content"]:
        if part["type"] == "text":
            said.append(part["text"])
        else:
            head, _, data = part["image_url"]["url"].partition(",")
            picture = PIL.Image.open(io.BytesIO(base64.b64decode(data, validate=True)))
            assert head == f"data:image/{str(picture.format).lower()};base64"
            said.append("#" + picture.convert("RGB").tobytes()[:3].hex())
    return f" {request.model} {request.temperature:g} {request.max_tokens}: {' '.join(said)}\n"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    app = FastAPI()

    @app.post("/v1/chat/completions")
    async def complete(request: Request) -> Response:
        if request.headers.get("authorization") not in (None, "Bearer sesame"):
            return Response('{"error": {"message": "wrong key"}}', 401)
        text = answer(_ChatRequest.model_validate_json(await request.body()))
        reply = {"id": "1", "choices": [{"index": 0, "message": {"role": "assistant", "content": text}}]}
        return Response(json.dumps(reply), media_type="application/json")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
        server.should_exit = True
        thread.join(10)


def expert(base_url: str, **settings: Any) -> Tool:
    return select_backend("vlm_expert", "openai", {"base_url": base_url, "model": "big"} | settings).build()


def question(text: str, *images: Image, **arguments: Any) -> ToolCall:
    return ToolCall("vlm_expert", {"question": text} | arguments, images)


def test_it_has_no_embedded_backend() -> None:
    assert list(backends_of("vlm_expert")) == ["openai", "remote"]


def test_questions_and_images_reach_the_model(endpoint: str) -> None:
    tool = expert(endpoint, max_tokens=7)
    results = tool.run(
        [question("Why?"), question("Which?", RED, BLUE), question("This?", RED, BLUE, images=[1])]
        + [question(f"{n}?") for n in range(40)]
    )
    assert [result.text for result in results[:3]] == [
        "big 0 7: Why?",
        "big 0 7: #ff0000 #0000ff Which?",
        "big 0 7: #0000ff This?",
    ]
    assert [result.text for result in results[3:]] == [f"big 0 7: {n}?" for n in range(40)]
    assert results[0].data == {"answer": "big 0 7: Why?", "model": "big"}


def test_other_formats_are_sent_as_png(endpoint: str) -> None:
    buffer = io.BytesIO()
    PIL.Image.new("RGB", (4, 4), "red").save(buffer, "BMP")
    assert "#ff0000" in expert(endpoint).run([question("?", Image.from_bytes(buffer.getvalue()))])[0].text


def test_the_policys_mistakes_are_told(endpoint: str) -> None:
    tool = expert(endpoint, max_images=1)
    results = tool.run([question("?", RED, images=[3]), question("?", RED, BLUE), question("?", RED, images=[-1])])
    errors = [result.error for result in results]
    assert all(isinstance(error, ModelError) and error.code is ErrorCode.ARGUMENT_CONTENT for error in errors)
    assert "there is no image 3" in str(errors[0]) and "2 images, 1 at most" in str(errors[1])


def test_the_key_is_sent(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPERT_KEY", "sesame")
    assert expert(endpoint, token_env="EXPERT_KEY").run([question("?")])[0].error is None
    monkeypatch.setenv("EXPERT_KEY", "wrong")
    error = expert(endpoint, token_env="EXPERT_KEY").run([question("?")])[0].error
    assert isinstance(error, Fault) and error.kind == "ServiceRefused" and "wrong key" in error.message
    assert "wrong" not in repr(expert(endpoint, token_env="EXPERT_KEY").__dict__.get("_client"))


@pytest.mark.parametrize(
    "reply",
    [{}, {"choices": []}, {"choices": [{}]}, {"choices": [{"message": {"content": None}}]}, {"choices": "none"}, []],
)
def test_a_reply_that_is_none_is_a_fault(reply: Any) -> None:
    with scripted(http(json.dumps(reply).encode())) as (url, seen):
        error = expert(url).run([question("?")])[0].error
    assert isinstance(error, Fault) and error.kind == "BadServiceReply" and len(seen) == 1


def test_a_hanging_endpoint_costs_its_timeout_only() -> None:
    with scripted(lambda connection, _: connection.recv(1)) as (url, _):
        start = time.monotonic()
        results = expert(url, timeout_s=0.3).run([question("?")] * 3)
        assert time.monotonic() - start < 1.3
    assert [result.error.kind for result in results if isinstance(result.error, Fault)] == ["ServiceTimeout"] * 3


def test_a_tool_service_can_pass_the_questions_on(endpoint: str) -> None:
    plan = {"tool": "vlm_expert", "backend": "openai", "settings": {"base_url": endpoint, "model": "big"}}
    with running_server(ServiceConfig.checked({"port": 0, "tools": [plan]}), token="") as server:
        asked = [question("Which?", RED, BLUE), question("?", RED, images=[5])]
        results = remote(VlmExpert, server.address).run(asked)
    assert results[0].text == "big 0 512: #ff0000 #0000ff Which?"
    assert isinstance(results[1].error, ModelError) and "there is no image 5" in results[1].error.message


def test_availability(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_BASE_URL", "VISTA_EXPERT_MODEL"):
        monkeypatch.delenv(name, raising=False)
    assert "vllm serve" in str(OpenAIVlmExpert.unavailable(OpenAISettings()))
    assert "no model" in str(OpenAIVlmExpert.unavailable(OpenAISettings(base_url="http://h/v1")))
    monkeypatch.setenv("OPENAI_BASE_URL", "h/v1")
    assert "expected an address" in str(OpenAIVlmExpert.unavailable(OpenAISettings()))
    monkeypatch.setenv("OPENAI_BASE_URL", "http://h/v1")
    monkeypatch.setenv("VISTA_EXPERT_MODEL", "big")
    assert OpenAIVlmExpert.unavailable(OpenAISettings()) is None
    assert OpenAIVlmExpert.device(OpenAISettings()) == "http://h/v1"
