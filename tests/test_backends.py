"""Several backends of one tool: which is chosen, how it is set up, and that their results are never mixed up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import pytest

from tools import registry
from tools.cache import ToolCache, cached_run
from tools.errors import ToolUnavailableError, UnknownToolError
from tools.model_settings import ModelSettings
from tools.registry import (
    ToolContractError,
    ToolSettingsError,
    backends_of,
    make_tools,
    register_backend,
    register_tool,
    registered_tools,
    select_backend,
    select_tools,
)
from tools.tool import Tool, ToolCall, ToolResult, ToolSettings


class Shout(Tool):
    name = "shout_test"
    description = "Shouts."

    def run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        return [ToolResult("HEY")] * len(calls)


class LoudSettings(ToolSettings):
    times: int = 1


class Loud(Shout):
    backend = "loud"
    settings_type = LoudSettings
    settings: LoudSettings
    built: ClassVar[list[int]] = []

    @classmethod
    def unavailable(cls, settings: ToolSettings) -> str | None:
        assert isinstance(settings, LoudSettings)
        return "too loud; run `calm down`" if settings.times > 9 else None

    def __init__(self, settings: LoudSettings | None = None) -> None:
        super().__init__(settings)
        self.built.append(self.settings.times)

    def run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        return [ToolResult("HEY" * self.settings.times)] * len(calls)


class Distant(Tool):
    """No embedded backend: only a service or a model can run it."""

    name = "distant_test"
    description = "Is elsewhere."
    remote = True


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    registered_tools()
    for name in ("_tools", "_names", "_backends"):
        monkeypatch.setattr(registry, name, dict(getattr(registry, name)))
    register_tool(Shout)
    register_backend(Loud)
    Loud.built.clear()
    yield


def test_embedded_comes_first_and_others_by_name() -> None:
    assert list(backends_of("shout_test")) == ["embedded", "loud"]
    assert select_backend("shout_test").tool is Shout
    assert select_backend("shout_test", "loud").tool is Loud
    with pytest.raises(UnknownToolError, match="embedded, loud"):
        select_backend("shout_test", "quiet")


def test_nothing_is_built_before_it_is_asked_for() -> None:
    options = {"shout_test": {"backend": "loud", "settings": {"times": 2}}}
    selected = select_tools(["shout_test"], options)
    assert Loud.built == []
    (result,) = selected["shout_test"].build().run([ToolCall("shout_test")])
    assert (result.text, Loud.built) == ("HEYHEY", [2])
    assert make_tools("shout_test", options)["shout_test"].settings == LoudSettings(times=2)


@pytest.mark.parametrize(
    ("backend", "settings"), [("loud", {"tims": 2}), ("loud", {"times": "many"}), ("", {"times": 2})]
)
def test_wrong_settings_are_named(backend: str, settings: dict) -> None:
    with pytest.raises(ToolSettingsError, match=r"shout_test.*(times|loud)"):
        select_backend("shout_test", backend, settings)


def test_the_reason_of_every_backend_is_told() -> None:
    with pytest.raises(ToolUnavailableError, match="calm down"):
        select_backend("shout_test", "loud", {"times": 10})
    register_tool(Distant)
    with pytest.raises(ToolUnavailableError, match="distant_test"):
        select_backend("distant_test")


def test_what_is_no_backend_is_refused() -> None:
    with pytest.raises(ToolContractError, match="subclass"):
        register_backend(Shout)
    with pytest.raises(ToolContractError, match="name of its own"):
        register_backend(type("Again", (Shout,), {}))
    with pytest.raises(ToolContractError, match="already"):
        register_backend(type("Other", (Shout,), {"backend": "loud"}))
    with pytest.raises(ToolContractError, match="run not implemented"):
        register_tool(type("Nothing", (Distant,), {"name": "nothing_test", "remote": False}))


def test_cached_results_of_backends_and_settings_are_kept_apart() -> None:
    cache, call = ToolCache(None), ToolCall("shout_test")
    tools = [Shout(), Loud(), Loud(LoudSettings(times=2)), Loud(LoudSettings(times=2))]
    results = [cached_run(tool, [call], cache)[0] for tool in tools]
    assert [result.text for result in results] == ["HEY", "HEY", "HEYHEY", "HEYHEY"]
    assert [result.cached for result in results] == [False, False, False, True]


def test_missing_weights_are_told_with_the_command_that_gets_them(tmp_path: Path) -> None:
    assert "hf download no-one/nothing" in str(ModelSettings(model="no-one/nothing").missing())
    assert "config.json" in str(ModelSettings(model=str(tmp_path)).missing())
    (tmp_path / "config.json").write_text("{}")
    assert ModelSettings(model=str(tmp_path)).missing() is None
    assert "vista-rllib[models]" in str(ModelSettings(model=str(tmp_path)).missing("no_such_package"))
