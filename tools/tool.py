"""The contract of a tool: what it is called with, what it returns, what it declares about itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from tools.errors import ErrorCode, Fault, ModelError, ToolInputError
from tools.image import Image


class Arguments(BaseModel):
    """Base of every tool's arguments: unknown names are refused (E2), values are checked strictly enough for JSON."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class ImageArguments(Arguments):
    """Arguments of a tool that looks at one of the episode's images."""

    image: int = Field(0, ge=0, description="index of the image, 0 is the first one of the question")


class ToolSettings(BaseModel):
    """Base of a tool's settings: what its user decides (weights, device, address), never the policy."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True)
class ToolCall:
    """What a tool agent observes.

    Attributes:
        name: the tool's registered name (aliases are already resolved).
        arguments: arguments as the policy wrote them, already validated by the tool's `Arguments`.
        images: the episode's images so far, question images first, then those returned by tools.
        episode_id: whose call it is (stateful tools keep one state an episode).
    """

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    images: tuple[Image, ...] = ()
    episode_id: str = ""

    def __deepcopy__(self, memo: dict[int, Any]) -> ToolCall:
        return self


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool agent does: its action.

    Attributes:
        text: what the policy reads.
        images: pictures the policy sees next, appended to the episode's images.
        data: structured result for programs (JSON-compatible; a table is `{"columns": [...], "rows": [[...]]}`).
        error: at most one typed error. A `ModelError` is shown to the policy, a `Fault` ends and voids the episode.
        wall_s: seconds the call took; 0 from the cache.
        cached: whether it came from the cache.
    """

    text: str = ""
    images: tuple[Image, ...] = ()
    data: Any = None
    error: ModelError | Fault | None = None
    wall_s: float = 0.0
    cached: bool = False

    def __deepcopy__(self, memo: dict[int, Any]) -> ToolResult:
        return self


class Tool(ABC):
    """One tool agent. Subclass, set the class attributes, implement `run`, and register it (`tools.registry`).

    A tool has one or several *backends*, classes that serve the same calls with the same kind of result. The tool's own
    class is the `embedded` one when it implements `run`; subclasses of it with another `backend` (a model's name) are
    registered with `register_backend`; `remote` exists for every tool that sets `remote`.

    Building an instance loads what it needs (weights, an engine), so only what is used is ever built.
    """

    name: ClassVar[str]
    """Call name and agent id: lower-case letters, digits, underscores."""
    description: ClassVar[str]
    """One or two sentences for the system prompt."""
    arguments: ClassVar[type[Arguments]] = Arguments
    """pydantic model of the arguments; its JSON schema goes into the system prompt."""
    aliases: ClassVar[tuple[str, ...]] = ()
    """Other call names that mean this tool (upstream's spellings)."""
    family: ClassVar[str] = "user"
    """`perception`, `chart`, `diagram`, `math`, `code`, `any`; `user` for a user's own."""
    deterministic: ClassVar[bool] = True
    """Same image bytes and arguments, same result: the result may be cached."""
    version: ClassVar[str] = "1"
    """Changes whenever results may change, so that cached ones are not reused."""
    cost: ClassVar[float] = 0.0
    """Price of one call in reward units, used by cost-aware reward terms."""
    backend: ClassVar[str] = "embedded"
    """Which backend this class is."""
    remote: ClassVar[bool] = False
    """Whether a tool service may serve it (`tools.remote`)."""
    shared: ClassVar[bool] = False
    """Expensive to load: one instance per machine serves all env runners, in a Ray actor."""
    settings_type: ClassVar[type[ToolSettings]] = ToolSettings
    """What can be set about this backend."""
    settings: ToolSettings = ToolSettings()
    """This instance's settings."""

    def __init__(self, settings: ToolSettings | None = None) -> None:
        """Builds the tool. `settings` is a `settings_type`; None takes its defaults."""
        self.settings = settings or self.settings_type()

    @abstractmethod
    def run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        """Runs a batch; returns one result per call, in order.

        A call that cannot be served because of what the policy asked returns a result with a `ModelError`
        (`run_each` does it for tools that serve one call at a time). Any exception is a fault of every call of the
        batch, except `ToolInputError`, which is the policy's error in a batch of one.
        """

    @classmethod
    def unavailable(cls, settings: ToolSettings) -> str | None:
        """None when it can run here with these settings; otherwise why not, and the one command that changes that.

        Loads nothing.
        """
        return None

    @classmethod
    def device(cls, settings: ToolSettings) -> str:
        """Where it would run: `cpu`, `cuda`, or the address of a server."""
        return "cpu"

    def end_episode(self, episode_id: str) -> None:  # noqa: B027  (most tools keep nothing)
        """Drops what the instance keeps for an episode. Called once for every episode that ended, called or not."""

    def close(self) -> None:  # noqa: B027  (most tools hold nothing)
        """Gives back what the instance holds beyond memory (containers, connections). May be called twice."""

    @classmethod
    def schema(cls) -> dict[str, Any]:
        """The tool as an OpenAI-style function schema (what chat templates and the system prompt show)."""
        parameters = cls.arguments.model_json_schema()
        parameters.pop("title", None)
        parameters.pop("description", None)
        return {"name": cls.name, "description": cls.description, "parameters": parameters}


def run_each(run_one: Callable[[ToolCall], ToolResult], calls: Sequence[ToolCall]) -> list[ToolResult]:
    """Serves calls one at a time: `run_one` raising `ToolInputError` becomes that call's `ModelError` (E4)."""
    results = []
    for call in calls:
        try:
            results.append(run_one(call))
        except ToolInputError as error:
            results.append(ToolResult(error=ModelError(ErrorCode.ARGUMENT_CONTENT, str(error))))
    return results


def selected_image(call: ToolCall, arguments: ImageArguments) -> Image:
    """The image that `arguments.image` points at. Raises `ToolInputError` when the episode has no such image."""
    if arguments.image >= len(call.images):
        raise ToolInputError(f"there is no image {arguments.image}: the images are 0 to {len(call.images) - 1}")
    return call.images[arguments.image]
