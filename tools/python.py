"""`python`: runs the policy's Python code in a hardened Docker container, never on the host.

An episode has one container. Files in its work folder stay from call to call; processes, variables and imports do not.
"""

from __future__ import annotations

import base64
import io
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import PIL.Image
from pydantic import AliasChoices, Field

from tools.errors import ErrorCode, FaultError, ImageError, ModelError, boundary
from tools.image import Image
from tools.registry import register_tool
from tools.sandbox import daemon
from tools.sandbox.container import SandboxEnded, SandboxError
from tools.sandbox.pool import Pool, Session
from tools.sandbox.settings import SandboxSettings
from tools.sandbox.supervisor import IMAGE_SUFFIXES
from tools.tool import Arguments, Tool, ToolCall, ToolResult, ToolSettings, run_each

_FORMATS = ("PNG", "JPEG")
"""The only decoders that ever see bytes from a sandbox."""
_PNG = b"\x89PNG\r\n\x1a\n"
_NAME_CHARACTERS = 80


class PythonArguments(Arguments):
    """Arguments of `python`."""

    code: str = Field(min_length=1, max_length=100_000, description="a whole Python script; print what you want to see")
    timeout: float = Field(
        10.0,
        gt=0,
        le=30,
        allow_inf_nan=False,
        validation_alias=AliasChoices("timeout", "timeout_s"),
        description="seconds after which it is stopped",
    )


@register_tool
class Python(Tool):
    """Runs a script in the episode's container and returns what it printed and the pictures and files it saved."""

    name = "python"
    description = (
        "Runs Python code (numpy, pandas, sympy, PIL, matplotlib, cv2; no internet) and returns what it prints. The "
        "images are there as image_0.png, image_1.png, ...; PNG and JPEG files that it saves and figures that it draws "
        "are shown. Saved files stay for the next call, variables do not."
    )
    arguments = PythonArguments
    aliases = ("code_interpreter", "python_interpreter")
    family = "code"
    deterministic = False
    settings_type = SandboxSettings
    settings: SandboxSettings

    def __init__(self, settings: SandboxSettings | None = None) -> None:
        """Starts nothing: containers are made from the first call on, where the calls are made."""
        super().__init__(settings)
        self._lock = threading.Lock()
        self._pool: Pool | None = None
        self._closed = False

    @classmethod
    def unavailable(cls, settings: ToolSettings) -> str | None:
        """Why there is no sandbox: no Docker, no image, or a protection that this Docker cannot enforce."""
        return daemon.why_not(settings if isinstance(settings, SandboxSettings) else SandboxSettings())

    @classmethod
    def device(cls, settings: ToolSettings) -> str:
        """In a container."""
        return "docker"

    def run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        """Runs the calls one after another. A fault is of its own call only: code that has run is not run again."""
        return run_each(self._run_one, calls)

    def end_episode(self, episode_id: str) -> None:
        """Lets the episode's container and its files go."""
        if self._pool is not None:
            self._pool.end_episode(episode_id)

    def close(self) -> None:
        """Removes all containers."""
        with self._lock:
            pool, self._pool, self._closed = self._pool, None, True
        if pool is not None:
            pool.close()

    def _started_pool(self) -> Pool:
        with self._lock:
            if self._closed:
                raise SandboxError("the tool is closed")
            if self._pool is None:
                self._pool = Pool(daemon.connect(), self.settings)
            return self._pool

    def _run_one(self, call: ToolCall) -> ToolResult:
        arguments = PythonArguments.model_validate(dict(call.arguments))
        try:
            with boundary(f"tool:{self.name}"):
                pool = self._started_pool()
                with pool.session(call.episode_id) as session:
                    return self._ask(session, arguments, call.images)
        except FaultError as fault:
            return ToolResult(error=fault.fault)

    def _ask(self, session: Session, arguments: PythonArguments, images: Sequence[Image]) -> ToolResult:
        assert session.container is not None
        new = {f"image_{index}.png": index for index in range(len(images)) if index not in session.sent}
        request = {
            "code": arguments.code,
            "timeout_s": arguments.timeout,
            "output_bytes": self.settings.output_bytes,
            "images": self.settings.images,
            "image_bytes": self.settings.image_bytes,
            "names": list(new),
        }
        parts = [_as_png(images[index]).data for index in new.values()]
        try:
            reply, (output, *files) = session.container.ask(request, parts, arguments.timeout)
        except SandboxEnded as ended:
            session.container = None
            cause = (
                f"the code was stopped after {arguments.timeout:g} s, and the sandbox with it"
                if ended.timeout
                else f"the code brought the sandbox down, most likely by using more than {self.settings.memory_mb} MiB"
            )
            return _model_error(f"{cause}; saved files are gone")
        session.sent |= {index for name, index in new.items() if name not in reply["unwritten"]}
        return self._result(arguments, reply, output, dict(zip(reply["files"], files, strict=True)))

    def _result(
        self, arguments: PythonArguments, reply: Mapping[str, Any], output: bytes, contents: Mapping[str, bytes]
    ) -> ToolResult:
        notes = [f"{name} could not be put into the work folder" for name in reply["unwritten"]]
        if reply["dropped"]:
            notes.append(f"output cut after {len(output):,} bytes, {reply['dropped']:,} more were dropped")
        if failure := _failure(arguments, reply, self.settings):
            return _model_error("\n".join(part for part in (failure, self._shown(output), *_bracketed(notes)) if part))
        pictures: list[Image] = []
        files: list[dict[str, Any]] = []
        for name, content in contents.items():
            shown = printable_name(name)
            if not name.lower().endswith(IMAGE_SUFFIXES):
                files.append({"name": shown, "size": len(content), "base64": base64.b64encode(content).decode()})
                notes.append(f"saved: {shown} ({len(content):,} bytes)")
                continue
            try:
                pictures.append(decoded_again(content, self.settings.image_pixels))
                notes.append(f"shown: {shown}")
            except ImageError as error:
                notes.append(f"{shown}: {error}")
        notes += [f"not returned: {printable_name(name)} ({why})" for name, why in reply["left_out"]]
        if reply["more"]:
            notes.append(f"not returned: {reply['more']:,} more files")
        text = "\n".join(part for part in (self._shown(output), *_bracketed(notes)) if part)
        return ToolResult(text or "[no output; print() what you want to see]", tuple(pictures), {"files": files})

    def _shown(self, output: bytes) -> str:
        """The output as the policy reads it: printable, and its middle left out where it is long."""
        text = "".join(
            character if character.isprintable() or character in "\n\t" else "\N{REPLACEMENT CHARACTER}"
            for character in output.decode("utf-8", "replace").replace("\r\n", "\n")
        ).rstrip()
        limit = self.settings.text_characters
        if len(text) <= limit:
            return text
        return f"{text[: limit // 2]}\n[... {len(text) - limit:,} characters left out ...]\n{text[-(limit // 2) :]}"


def decoded_again(data: bytes, max_pixels: int) -> Image:
    """The picture in a file that nobody vouches for, decoded and encoded again, so that nothing else comes with it.

    Raises:
        ImageError: it is no PNG or JPEG, damaged, or too large.
    """
    try:
        with PIL.Image.open(io.BytesIO(data), formats=_FORMATS) as picture:
            width, height = picture.size
            if width * height > max_pixels:
                raise ImageError(f"{width} x {height} pixels, more than the {max_pixels:,} allowed")
            if picture.mode in ("LA", "PA", "RGBA") or "transparency" in picture.info:
                layer = picture.convert("RGBA")
                ground = PIL.Image.new("RGBA", layer.size, "white")
                return Image.from_pil(PIL.Image.alpha_composite(ground, layer).convert("RGB"))
            return Image.from_pil(picture.convert("RGB"))
    except (OSError, ValueError, SyntaxError, PIL.Image.DecompressionBombError) as error:
        raise ImageError("not a readable PNG or JPEG picture") from error


def printable_name(name: str) -> str:
    """A file name that the policy chose, on one line and not too long."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)
    return shown if len(shown) <= _NAME_CHARACTERS else f"{shown[:_NAME_CHARACTERS]}..."


def _as_png(image: Image) -> Image:
    return image if image.data.startswith(_PNG) else Image.from_pil(image.pil())


def _bracketed(notes: Sequence[str]) -> list[str]:
    return [f"[{note}]" for note in notes]


def _model_error(message: str) -> ToolResult:
    return ToolResult(error=ModelError(ErrorCode.ARGUMENT_CONTENT, message))


def _failure(arguments: PythonArguments, reply: Mapping[str, Any], settings: SandboxSettings) -> str | None:
    match reply["status"]:
        case "exit":
            return f"the code failed with exit code {reply['exit_code']}" if reply["exit_code"] else None
        case "timeout":
            return f"the code was stopped after {arguments.timeout:g} s"
        case "memory":
            return f"the code was stopped: it used more memory than the sandbox has ({settings.memory_mb} MiB in all)"
        case _:
            return f"the code ended with signal {reply['signal']}"
