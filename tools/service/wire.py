"""What goes over the wire: the bodies of requests and replies, and how calls and results become them.

Version 1. A field may be added to a reply within a version (clients skip what they do not know); anything else is a
new version with paths of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json, to_jsonable_python

from tools.errors import ErrorCode, Fault, ImageError, ModelError
from tools.image import Image
from tools.tool import ImageArguments, Tool, ToolCall, ToolResult

PROTOCOL = 1
"""Version of the wire format: the first part of every path is `/v1`."""

Hash: TypeAlias = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="sha256 of the encoded image, hex")]


class _Body(BaseModel):
    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64", ser_json_inf_nan="null")


class _Request(_Body):
    model_config = ConfigDict(extra="forbid")


class WireCall(_Request):
    """One call of a tool."""

    arguments: dict[str, Any] = Field(default_factory=dict, description="as the tool's schema has them")
    images: list[Hash | None] = Field(
        default_factory=list,
        description="the episode's images, in order, by hash; null for one that this call does not look at",
    )
    episode_id: str = Field("", max_length=200)


class CallRequest(_Request):
    """Calls of one tool that are served together."""

    backend: str = Field("", description="empty: the first that the service offers for this tool")
    version: str | None = Field(None, description="the tool's version that the client knows; null: any")
    calls: list[WireCall] = Field(min_length=1)


class WireImage(_Body):
    """An image that a tool returned. The service knows it from then on: it need not be uploaded to be used again."""

    hash: Hash
    data: bytes = Field(description="the encoded image (PNG, JPEG, ...) in base64url")


class WireModelError(_Body):
    """The caller asked for what cannot be done; the policy is to read the message."""

    type: Literal["model_error"] = "model_error"
    code: ErrorCode
    message: str


class WireFault(_Body):
    """The tool failed."""

    type: Literal["fault"] = "fault"
    kind: str = Field(min_length=1, description="the exception's class name")
    where: str
    message: str


class WireResult(_Body):
    """What a tool returned."""

    text: str
    data: Any = Field(None, description="structured result; a number that is not finite is null")
    images: list[WireImage] = Field(default_factory=list)
    error: Annotated[WireModelError | WireFault, Field(discriminator="type")] | None = None
    wall_s: float = Field(ge=0, allow_inf_nan=False, description="seconds that the call took, waiting not counted")


class CallReply(_Body):
    """Results of a `CallRequest`: as many as calls, in order."""

    protocol: Literal[1] = 1
    tool: str
    backend: str
    version: str = Field(description="the backend's version: changes whenever results may change")
    results: list[WireResult]


class Offer(_Body):
    """A tool's backend that the service offers."""

    tool: str
    backend: str
    version: str = Field(description="the tool's version, to compare with the client's")
    backend_version: str = Field(description="the backend's version: changes whenever results may change")
    device: str
    replicas: bool = Field(description="whether it runs as a deployment of Ray Serve, or else in the service's process")
    parameters: dict[str, Any] = Field(description="JSON schema of the arguments")


class OfferReply(_Body):
    """All that the service offers. A tool's first backend is its default."""

    protocol: Literal[1] = 1
    offers: list[Offer]


class Health(_Body):
    """Whether the service can serve."""

    status: Literal["ok", "failing"]
    protocol: Literal[1] = 1
    failing: dict[str, str] = Field(default_factory=dict, description="by tool and backend: what is wrong")


class Problem(_Body):
    """Why a request is refused."""

    kind: str = Field(description="a word for programs, such as missing_images or unknown_tool")
    message: str
    missing: list[Hash] = Field(default_factory=list, description="with missing_images: upload these and ask again")


class ProblemReply(_Body):
    """Body of every refusal."""

    error: Problem


def images_seen(tool: type[Tool], call: ToolCall) -> list[Image | None]:
    """The call's images, with None for those that it does not look at: a tool of one image is sent only that one."""
    index = call.arguments.get("image", 0)
    if not issubclass(tool.arguments, ImageArguments) or not isinstance(index, int):
        return list(call.images)
    return [image if position == index else None for position, image in enumerate(call.images)]


def encode_request(tool: type[Tool], calls: Sequence[ToolCall], backend: str) -> bytes:
    """The body of a `CallRequest`."""
    wire = [
        {
            "arguments": dict(call.arguments),
            "images": [image and image.hash for image in images_seen(tool, call)],
            "episode_id": call.episode_id,
        }
        for call in calls
    ]
    return to_json({"backend": backend, "version": tool.version, "calls": wire}, inf_nan_mode="constants")


def encode_result(result: ToolResult) -> bytes:
    """A `WireResult`. Raises where the result's data are not JSON."""
    error: WireModelError | WireFault | None = None
    if isinstance(result.error, ModelError):
        error = WireModelError(code=result.error.code, message=result.error.message)
    elif result.error is not None:
        fault = result.error
        error = WireFault(kind=fault.kind, where=fault.where, message=fault.message)
    images = [WireImage(hash=image.hash, data=image.data) for image in result.images]
    data = to_jsonable_python(result.data, inf_nan_mode="null")
    wire = WireResult(text=result.text, data=data, images=images, error=error, wall_s=max(0.0, result.wall_s))
    return wire.model_dump_json().encode()


def encode_reply(tool: type[Tool], results: Sequence[bytes]) -> bytes:
    """A `CallReply` of results that are encoded already."""
    head = to_json({"protocol": PROTOCOL, "tool": tool.name, "backend": tool.backend, "version": tool.version})
    return head[:-1] + b',"results":[' + b",".join(results) + b"]}"


def decode_result(wire: WireResult) -> ToolResult:
    """The result. Raises `ImageError` for an image that is none, or is not what its hash says."""
    error: ModelError | Fault | None = None
    if isinstance(wire.error, WireModelError):
        error = ModelError(wire.error.code, wire.error.message)
    elif wire.error is not None:
        error = Fault(wire.error.kind, wire.error.where, wire.error.message)
    images = tuple(image_of(image.data, image.hash) for image in wire.images)
    return ToolResult(text=wire.text, images=images, data=wire.data, error=error, wall_s=wire.wall_s)


def image_of(data: bytes, expected: str) -> Image:
    """The image of these bytes. Raises `ImageError` when it is none, or its hash is not the expected one."""
    image = Image.from_bytes(data, f"image {expected[:12]}")
    if image.hash != expected:
        raise ImageError(f"image {expected[:12]}: the bytes are those of {image.hash[:12]}")
    return image
