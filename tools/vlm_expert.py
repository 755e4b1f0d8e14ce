"""`VlmExpert`: asks another vision-language model, behind any endpoint that speaks OpenAI's chat completions."""

from __future__ import annotations

import asyncio
import base64
import io
import os
from collections.abc import Sequence
from typing import Annotated, Any

import PIL.Image
from pydantic import AfterValidator, BaseModel, Field, ValidationError
from pydantic_core import to_json

from tools.client_settings import ClientSettings, checked_url, url_problem
from tools.errors import ErrorCode, FaultError, ModelError, ToolInputError, boundary
from tools.image import Image
from tools.registry import register_backend, register_tool
from tools.tool import Arguments, Tool, ToolCall, ToolResult, ToolSettings

ADDRESS_VARIABLE = "OPENAI_BASE_URL"
"""Environment variable with the endpoint's base address."""
MODEL_VARIABLE = "VISTA_EXPERT_MODEL"
"""Environment variable with the model's name there."""
_FORMATS = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp"}
"""What every endpoint reads; pictures in other formats are sent as PNG."""


class VlmExpertArguments(Arguments):
    """Arguments of `vlm_expert`."""

    question: str = Field(min_length=1, max_length=4000, description="what to ask; the expert sees nothing else")
    images: tuple[int, ...] | None = Field(
        None, max_length=16, description="indices of the images to show it; left out: all of them"
    )


@register_tool
class VlmExpert(Tool):
    """A question about the images, answered by a larger model."""

    name = "vlm_expert"
    description = "Asks another vision-language model a question about the images, and returns its answer."
    arguments = VlmExpertArguments
    family = "any"
    remote = True


class OpenAISettings(ClientSettings):
    """The endpoint, and how patiently it is asked."""

    base_url: Annotated[str, AfterValidator(checked_url)] = ""
    """Up to and with `/v1`; empty: the environment variable `OPENAI_BASE_URL`."""
    model: str = ""
    """The model's name there; empty: the environment variable `VISTA_EXPERT_MODEL`."""
    token_env: str = "OPENAI_API_KEY"
    """Environment variable with the endpoint's key."""
    max_tokens: int = Field(512, ge=1)
    """Of an answer."""
    timeout_s: float = Field(60.0, gt=0)
    """Seconds after which a question is given up, retries included."""
    max_images: int = Field(8, ge=0)
    """In one question."""
    concurrency: int = Field(32, ge=1)
    """Questions at the same time."""

    def address(self) -> str:
        """The base address; empty where none is set."""
        return self.base_url or os.environ.get(ADDRESS_VARIABLE, "")

    def model_name(self) -> str:
        """The model's name; empty where none is set."""
        return self.model or os.environ.get(MODEL_VARIABLE, "")


class _Message(BaseModel):
    content: str


class _Choice(BaseModel):
    message: _Message


class _Completion(BaseModel):
    choices: list[_Choice] = Field(min_length=1)


@register_backend
class OpenAIVlmExpert(VlmExpert):
    """Asks an endpoint such as `vllm serve MODEL`, at temperature 0.

    Whatever goes wrong with it is a `Fault` of the call: those of `tools.http_client`, or `CircuitOpen`.
    """

    backend = "openai"
    settings_type = OpenAISettings
    settings: OpenAISettings

    def __init__(self, settings: ToolSettings | None = None) -> None:
        """Connects to nothing yet."""
        super().__init__(settings)
        self._client = self.settings.client()
        self._breaker = self.settings.breaker()

    @classmethod
    def unavailable(cls, settings: ToolSettings) -> str | None:
        """Why there is no endpoint to ask. Whether it answers is seen with the first question."""
        assert isinstance(settings, OpenAISettings)
        address = settings.address()
        if not address:
            return "no endpoint: run `vllm serve MODEL`, and set base_url or OPENAI_BASE_URL to its address"
        if (problem := url_problem(address, ADDRESS_VARIABLE)) is not None:
            return problem
        return None if settings.model_name() else "no model: set model or VISTA_EXPERT_MODEL to its name there"

    @classmethod
    def device(cls, settings: ToolSettings) -> str:
        """The endpoint's address."""
        assert isinstance(settings, OpenAISettings)
        return settings.address() or "no endpoint"

    def run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        """One answer per call; the questions are asked at the same time."""
        from tools.http_client import run_in_background

        async def ask_all() -> list[ToolResult]:
            places = asyncio.Semaphore(self.settings.concurrency)
            return await asyncio.gather(*(self._answered(call, places) for call in calls))

        return run_in_background(ask_all())

    async def _answered(self, call: ToolCall, places: asyncio.Semaphore) -> ToolResult:
        from tools.http_client import TransportError

        try:
            async with places:
                with boundary(f"tool:{self.name}"), self._breaker.guard(TransportError):
                    body = await asyncio.to_thread(self._question, call)
                    answer = await self._client.limited(self._ask(body))
            return ToolResult(text=answer, data={"answer": answer, "model": self.settings.model_name()})
        except FaultError as error:
            if isinstance(error.__cause__, ToolInputError):
                return ToolResult(error=ModelError(ErrorCode.ARGUMENT_CONTENT, str(error.__cause__)))
            return ToolResult(error=error.fault)

    def _question(self, call: ToolCall) -> bytes:
        arguments = VlmExpertArguments.model_validate(dict(call.arguments))
        indices = range(len(call.images)) if arguments.images is None else arguments.images
        if len(indices) > self.settings.max_images:
            raise ToolInputError(f"{len(indices)} images, {self.settings.max_images} at most: choose some by index")
        for index in indices:
            if not 0 <= index < len(call.images):
                raise ToolInputError(f"there is no image {index}: the images are 0 to {len(call.images) - 1}")
        parts: list[dict[str, Any]] = [
            {"type": "image_url", "image_url": {"url": data_url(call.images[index])}} for index in indices
        ]
        parts.append({"type": "text", "text": arguments.question})
        return to_json(
            {
                "model": self.settings.model_name(),
                "messages": [{"role": "user", "content": parts}],
                "max_tokens": self.settings.max_tokens,
                "temperature": 0,
            }
        )

    async def _ask(self, body: bytes) -> str:
        from tools.http_client import BadServiceReply, refusal, start_of

        reply = await self._client.request("POST", "/chat/completions", body)
        if reply.status != 200:
            raise refusal(reply)
        try:
            return _Completion.model_validate_json(reply.body, strict=True).choices[0].message.content.strip()
        except ValidationError as error:
            raise BadServiceReply(f"no chat completion: {start_of(reply.body)}") from error


def data_url(image: Image) -> str:
    """The image in a URL of its own.

    Raises:
        ImageError: it must be sent in another format, and its pixels are corrupt.
    """
    with PIL.Image.open(io.BytesIO(image.data)) as picture:
        kind = picture.format or ""
    data = image.data if kind in _FORMATS else Image.from_pil(image.pil()).data
    return f"data:{_FORMATS.get(kind, 'image/png')};base64,{base64.b64encode(data).decode()}"
