"""Results of deterministic tools are kept, found again, and never stand in the way."""

from __future__ import annotations

import logging
import multiprocessing
import pickle
import threading
from collections.abc import Sequence
from pathlib import Path

import PIL.Image
import pytest

from tools.cache import CACHE_VARIABLE, ToolCache, cached_run, default_folder
from tools.errors import ErrorCode, Fault, ModelError
from tools.image import Image
from tools.tool import ImageArguments, Tool, ToolCall, ToolResult


def picture(grey: int) -> Image:
    return Image.from_pil(PIL.Image.new("RGB", (8, 8), (grey, grey, grey)))


class Counting(Tool):
    """Returns its image and counts how many calls reach it."""

    name = "counting_test"
    description = "Counts."
    arguments = ImageArguments

    def __init__(self) -> None:
        self.seen = 0
        self.error: ModelError | Fault | None = None

    def run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        self.seen += len(calls)
        return [
            ToolResult(f"run {self.seen}", (call.images[0],), {"rows": [["é", 1.5]]}, self.error, wall_s=3.0)
            for call in calls
        ]


def call(*greys: int, **arguments: object) -> ToolCall:
    return ToolCall("counting_test", arguments, tuple(map(picture, greys)), episode_id="any")


@pytest.mark.parametrize("on_disk", [False, True])
def test_second_call_is_a_hit_with_the_same_result(tmp_path: Path, on_disk: bool) -> None:
    cache, tool = ToolCache(tmp_path if on_disk else None), Counting()
    (first,) = cached_run(tool, [call(1)], cache)
    if on_disk:
        cache.close()
        cache = ToolCache(tmp_path)
    (second,) = cached_run(tool, [call(1, image=0)], cache)  # the default, written out
    assert tool.seen == 1
    assert (first.cached, second.cached) == (False, True)
    assert (second.text, second.images, second.data) == (first.text, first.images, first.data)
    assert second.images[0].data == picture(1).data
    assert (first.wall_s, second.wall_s) == (3.0, 0.0)


def test_key_sees_the_image_looked_at_the_arguments_and_the_version() -> None:
    cache = ToolCache(None)
    key = cache.key(Counting, call(1, 2))
    assert key == cache.key(Counting, call(1, 3))  # image 1 is not looked at
    assert key != cache.key(Counting, call(2, 1))
    assert key != cache.key(Counting, call(1, 2, image=1))
    assert key != cache.key(type("Newer", (Counting,), {"version": "2"}), call(1, 2))
    assert cache.key(type("Random", (Counting,), {"deterministic": False}), call(1)) is None
    assert cache.key(Counting, call(1, image="what")) is None


def test_equal_calls_of_one_batch_run_once_and_order_is_kept(tmp_path: Path) -> None:
    cache, tool = ToolCache(tmp_path), Counting()
    results = cached_run(tool, [call(1), call(2), call(1)], cache)
    assert tool.seen == 2
    assert [result.images[0] for result in results] == [picture(1), picture(2), picture(1)]
    assert [result.cached for result in results] == [False, False, True]
    assert cached_run(tool, [], cache) == []


def test_without_cache_every_call_runs() -> None:
    tool = Counting()
    cached_run(tool, [call(1), call(1)], None)
    assert tool.seen == 2


def test_faults_are_not_kept_but_model_errors_are(tmp_path: Path) -> None:
    cache, tool = ToolCache(tmp_path), Counting()
    tool.error = Fault("Boom", "tool:counting_test", "x")
    cached_run(tool, [call(1)], cache)
    tool.error = ModelError(ErrorCode.ARGUMENT_CONTENT, "empty")
    assert cached_run(tool, [call(1)], cache)[0].cached is False
    assert cached_run(tool, [call(1)], ToolCache(tmp_path))[0].error == tool.error
    assert tool.seen == 2


def test_memory_keeps_the_recently_used() -> None:
    cache, tool = ToolCache(None, memory_entries=2), Counting()
    for grey in (1, 2, 1, 3, 1, 2):
        cached_run(tool, [call(grey)], cache)
    assert tool.seen == 4  # 1, 2, 3, and 2 again


def test_corrupt_disk_is_warned_about_once_and_left_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first = ToolCache(tmp_path)
    cached_run(Counting(), [call(1)], first)
    first.close()
    for file in tmp_path.glob("cache.db*"):
        file.write_bytes(b"garbage" * 100)
    tool = Counting()
    with caplog.at_level(logging.WARNING):
        cache = ToolCache(tmp_path)
        results = [cached_run(tool, [call(grey)], cache)[0] for grey in (1, 2, 1)]
    assert [result.cached for result in results] == [False, False, True]
    assert len(caplog.records) == 1 and str(tmp_path) in caplog.text


def test_full_disk_does_not_void_a_result(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    cache, tool = ToolCache(tmp_path), Counting()
    monkeypatch.setattr(cache._disk, "set", full)
    with caplog.at_level(logging.WARNING):
        assert cached_run(tool, [call(1)], cache)[0].error is None
        cached_run(tool, [call(2)], cache)
    assert caplog.text.count("No space left") == 1


def test_threads_share_a_cache(tmp_path: Path) -> None:
    cache, tool = ToolCache(tmp_path), Counting()
    wrong: list[int] = []

    def work() -> None:
        wrong.extend(g for g in range(12) if cached_run(tool, [call(g)], cache)[0].images != (picture(g),))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(cache._disk) == 12  # type: ignore[arg-type]


def _other_process(folder: str) -> str:
    (result,) = cached_run(Counting(), [call(1)], ToolCache(Path(folder)))
    return f"{result.cached} {result.text}"


def test_processes_share_a_folder(tmp_path: Path) -> None:
    cached_run(Counting(), [call(1)], ToolCache(tmp_path))
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(_other_process, (str(tmp_path),)) == "True run 1"


def test_pickles_as_its_folder(tmp_path: Path) -> None:
    cache = ToolCache(tmp_path)
    cached_run(Counting(), [call(1)], cache)
    tool = Counting()
    assert cached_run(tool, [call(1)], pickle.loads(pickle.dumps(cache)))[0].cached


def test_default_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    assert default_folder() == tmp_path / "tools"
    monkeypatch.delenv(CACHE_VARIABLE)
    assert default_folder().parts[-2:] == ("vista-rllib", "tools")
