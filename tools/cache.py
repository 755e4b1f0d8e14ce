"""`ToolCache`: results of deterministic tools, kept in memory and on disk.

A result is found by the tool's name and version, the hashes of the images the call looks at, and its arguments. Several
threads and processes may share one folder. The disk is only a help: when it fails, one warning is logged and the run
goes on with the memory alone.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import diskcache
import platformdirs
from pydantic import ValidationError

from tools.errors import ErrorCode, Fault, FaultError, ModelError, boundary
from tools.image import Image
from tools.tool import ImageArguments, Tool, ToolCall, ToolResult

logger = logging.getLogger(__name__)

CACHE_VARIABLE = "VISTA_CACHE"
"""Environment variable naming the folder of all of this project's caches."""

_FORMAT = 1
"""Version of the packed results on disk."""
_DISK_TIMEOUT_S = 10.0
_DISK_BYTES = 4 * 2**30


def default_folder() -> Path:
    """`$VISTA_CACHE/tools`, or `tools` in the user's cache folder."""
    root = os.environ.get(CACHE_VARIABLE) or platformdirs.user_cache_dir("vista-rllib")
    return Path(root) / "tools"


class ToolCache:
    """Least-recently-used results in memory over a `diskcache` folder.

    Args:
        folder: where results are kept; None keeps them in memory only.
        memory_entries: how many results are held in memory.
    """

    def __init__(self, folder: Path | None, memory_entries: int = 1024) -> None:
        self.folder = folder
        self._memory: OrderedDict[str, ToolResult] = OrderedDict()
        self._memory_entries = memory_entries
        self._lock = threading.Lock()
        self._warned = False
        self._disk: diskcache.Cache | None = None
        if folder is not None:
            try:
                with boundary("tool cache"):
                    self._disk = diskcache.Cache(str(folder), timeout=_DISK_TIMEOUT_S, size_limit=_DISK_BYTES)
            except FaultError as error:
                self._give_up_disk(error)

    def key(self, tool: Tool | type[Tool], call: ToolCall) -> str | None:
        """The call's key; None when its result must not be cached (not deterministic, arguments not valid)."""
        if not tool.deterministic:
            return None
        try:
            arguments = tool.arguments.model_validate(dict(call.arguments))
        except ValidationError:
            return None  # the tool itself says what is wrong with them
        images: Sequence[Image] = call.images
        if isinstance(arguments, ImageArguments) and arguments.image < len(call.images):
            images = (call.images[arguments.image],)
        values = arguments.model_dump(mode="json")
        served_by = [tool.name, tool.version, tool.backend, tool.settings.model_dump(mode="json")]
        parts = [_FORMAT, served_by, [image.hash for image in images], values]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def get(self, key: str) -> ToolResult | None:
        """The stored result, marked as cached and with no wall time; None when there is none."""
        with self._lock:
            result = self._memory.get(key)
            if result is not None:
                self._memory.move_to_end(key)
                return result
        disk = self._disk
        if disk is None:
            return None
        try:
            with boundary("tool cache"):
                packed = disk.get(key)
                result = None if packed is None else _unpack(packed)
        except FaultError as error:
            self._give_up_disk(error)
        if result is not None:
            self._remember(key, result)
        return result

    def put(self, key: str, result: ToolResult) -> None:
        """Stores a result. A `Fault` is never stored."""
        if isinstance(result.error, Fault):
            return
        self._remember(key, replace(result, cached=True, wall_s=0.0))
        disk = self._disk
        if disk is None:
            return
        try:
            with boundary("tool cache"):
                disk.set(key, _pack(result))
        except FaultError as error:
            self._give_up_disk(error)

    def close(self) -> None:
        """Closes the disk cache's files. The memory stays usable."""
        if self._disk is not None:
            self._disk.close()
            self._disk = None

    def __reduce__(self) -> tuple[type[ToolCache], tuple[Path | None, int]]:
        return (type(self), (self.folder, self._memory_entries))

    def _remember(self, key: str, result: ToolResult) -> None:
        with self._lock:
            self._memory[key] = result
            self._memory.move_to_end(key)
            if len(self._memory) > self._memory_entries:
                self._memory.popitem(last=False)

    def _give_up_disk(self, error: FaultError) -> None:
        with self._lock:
            first, self._warned, self._disk = not self._warned, True, None
        if first:
            logger.warning("tool cache in %s cannot be used, going on without it: %s", self.folder, error)


def cached_run(
    tool: Tool,
    calls: Sequence[ToolCall],
    cache: ToolCache | None,
    run: Callable[[Sequence[ToolCall]], list[ToolResult]] | None = None,
) -> list[ToolResult]:
    """Runs a batch, taking what it can from `cache`; equal calls within the batch run once.

    Args:
        tool: the tool to run.
        calls: its calls.
        cache: None runs every call.
        run: what runs the calls that are not in the cache; `tool.run` by default.

    Returns:
        One result per call, in order; those not run for this very call have `cached=True`.
    """
    keys = [cache.key(tool, call) if cache else None for call in calls]
    results: dict[int, ToolResult] = {}
    to_run: dict[str | int, int] = {}  # key, or position where there is none -> position of the call that runs
    for index, key in enumerate(keys):
        if cache is None or key is None:
            to_run[index] = index
        elif (hit := cache.get(key)) is not None:
            results[index] = hit
        else:
            to_run.setdefault(key, index)
    positions = list(to_run.values())
    if positions:
        results.update(zip(positions, (run or tool.run)([calls[index] for index in positions]), strict=True))
    for index, key in enumerate(keys):
        if key is None or cache is None:
            continue
        if index not in results:
            results[index] = replace(results[to_run[key]], cached=True, wall_s=0.0)
        elif index == to_run.get(key):
            cache.put(key, results[index])
    return [results[index] for index in range(len(calls))]


def _pack(result: ToolResult) -> dict[str, Any]:
    error = [result.error.code.value, result.error.message] if isinstance(result.error, ModelError) else None
    return {
        "text": result.text,
        "images": [image.data for image in result.images],
        "data": json.dumps(result.data),
        "error": error,
    }


def _unpack(packed: Mapping[str, Any]) -> ToolResult:
    error = packed["error"]
    return ToolResult(
        text=packed["text"],
        images=tuple(Image.from_bytes(data, "cached image") for data in packed["images"]),
        data=json.loads(packed["data"]),
        error=ModelError(ErrorCode(error[0]), error[1]) if error else None,
        cached=True,
    )
