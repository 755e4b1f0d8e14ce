"""What a tool service is told to serve: files, mistakes in them, and where each backend runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
from service_tools import Moody, ServiceHome

from tools.errors import ToolUnavailableError, UnknownToolError
from tools.registry import ToolSettingsError, register_backend, register_tool
from tools.service.config import ServiceConfig, ServiceConfigError
from tools.service.environments import environment_of
from tools.service.served_tool import resolve
from tools.tool import Tool, ToolCall, ToolResult, ToolSettings


@register_tool
class ConfigTool(Tool):
    name = "service_config_tool"
    description = "For tests."
    remote = True


@register_backend
class Absent(ConfigTool):
    backend = "absent"

    @classmethod
    def unavailable(cls, settings: ToolSettings) -> str | None:
        return "no weights: hf download them"

    def run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        return [ToolResult("absent")] * len(calls)


@register_backend
class Heavy(Absent):
    backend = "heavy"
    shared = True

    @classmethod
    def unavailable(cls, settings: ToolSettings) -> str | None:
        return None


@register_backend
class ChartMoE(Absent):
    backend = "chartmoe"


@register_tool
class Stateful(Tool):
    name = "service_stateful"
    description = "For tests."
    states: ClassVar[dict[str, int]] = {}

    def run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        return [ToolResult("1")] * len(calls)

    def end_episode(self, episode_id: str) -> None:
        self.states.pop(episode_id, None)


def plans(*tools: dict[str, Any], **fields: Any) -> ServiceConfig:
    return ServiceConfig.checked({"tools": list(tools)} | fields)


def test_yaml_and_json_are_read(tmp_path: Path) -> None:
    yaml = tmp_path / "service.yaml"
    yaml.write_text(
        "port: 0\ntools:\n  - tool: zoom\n  - {tool: calculator, replicas: 2, num_cpus: 0.5, max_batch: 4}\n"
    )
    json = tmp_path / "service.json"
    json.write_text('{"port": 0, "tools": [{"tool": "zoom"}]}')
    zoom, calculator = resolve(ServiceConfig.from_file(yaml))
    assert (zoom.key, zoom.deployed) == (("zoom", "embedded"), False)
    assert (calculator.deployed, calculator.plan.num_cpus, calculator.plan.max_batch) == (True, 0.5, 4)
    assert [tool.key for tool in resolve(ServiceConfig.from_file(json))] == [("zoom", "embedded")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tools: [", "cannot be read"),
        ("- zoom", "expected fields"),
        ("", "expected fields"),
        ("tols: []", "tols: Extra inputs"),
        ("port: 70000", "port: "),
        ("tools: [{tool: zoom, batch: 3}]", "tools.0.batch: Extra inputs"),
        ("tools: [{tool: zoom, max_batch: 0}]", "tools.0.max_batch: "),
        ("tools: [{tool: zoom, num_gpus: -1}]", "tools.0.num_gpus: "),
        ("tools: [{tool: zoom, replicas: 1, autoscaling: {max_replicas: 2}}]", "exclude each other"),
        ("tools: [{tool: zoom, replicas: 0, num_gpus: 0.5}]", "need a deployment"),
        ("tools: [{tool: zoom, autoscaling: {min_replicas: 3, max_replicas: 2}}]", "larger than max_replicas"),
        ("!!python/object/apply:os.getcwd []", "cannot be read"),
    ],
)
def test_a_wrong_file_names_the_file_and_the_field(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "service.yaml"
    path.write_text(text)
    with pytest.raises(ServiceConfigError, match=r"service\.yaml: ") as raised:
        ServiceConfig.from_file(path)
    assert message in str(raised.value)
    with pytest.raises(ServiceConfigError, match=r"missing\.yaml"):
        ServiceConfig.from_file(tmp_path / "missing.yaml")


@pytest.mark.parametrize(
    ("tools", "error", "message"),
    [
        ([{"tool": "zom"}], UnknownToolError, "did you mean 'zoom'"),
        ([{"tool": "zoom", "backend": "gpt"}], UnknownToolError, "no backend 'gpt'"),
        ([{"tool": "zoom"}, {"tool": "image_zoom_in_tool"}], ServiceConfigError, "twice"),
        ([{"tool": "zoom", "settings": {"speed": 1}}], ToolSettingsError, "speed"),
        ([{"tool": Moody.name, "backend": "remote"}], ServiceConfigError, "another service's tool"),
        ([{"tool": Stateful.name}], ServiceConfigError, "state for each episode"),
        ([{"tool": ConfigTool.name, "backend": "absent"}], ToolUnavailableError, "hf download"),
        ([{"tool": ConfigTool.name, "settings": {"x": 1}}], ServiceConfigError, "name the backend"),
        (
            [{"tool": ConfigTool.name, "backend": "chartmoe", "replicas": 0}],
            ServiceConfigError,
            "libraries of its own",
        ),
        ([{"tool": ConfigTool.name, "backend": "chartmoe", "settings": {"x": 1}}], ServiceConfigError, "chartmoe"),
    ],
)
def test_what_cannot_be_served_is_said_at_once(
    tools: list[dict[str, Any]], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        resolve(plans(*tools))


def test_a_module_that_is_not_there() -> None:
    with pytest.raises(ServiceConfigError, match="no_such_module"):
        resolve(plans({"tool": "zoom"}, modules=["no_such_module"]))


def test_a_backend_is_chosen_and_placed() -> None:
    first, old = resolve(plans({"tool": ConfigTool.name}, {"tool": ConfigTool.name, "backend": "chartmoe"}))
    assert (first.key[1], first.deployed, first.runtime_env) == ("heavy", True, None)
    assert old.deployed and old.runtime_env == environment_of(ChartMoE)
    assert any(text.startswith("transformers==4.") for text in (old.runtime_env or {})["pip"])
    own = {"pip": ["transformers==4.53.3"]}
    (home,) = resolve(plans({"tool": ServiceHome.name, "backend": "embedded", "runtime_env": own}))
    assert home.deployed and home.runtime_env == own
    (scaled,) = resolve(plans({"tool": ServiceHome.name, "autoscaling": {"max_replicas": 3}}))
    assert scaled.deployed


def test_nothing_named_serves_each_remote_tool_that_can_run_here() -> None:
    served = {tool.key for tool in resolve(plans())}
    assert {(Moody.name, "embedded"), (ServiceHome.name, "embedded"), (ConfigTool.name, "heavy")} <= served
    assert not {key for key in served if key[1] in ("absent", "remote")} and ("zoom", "embedded") not in served


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.org", ""])
def test_an_open_address_needs_a_token(host: str) -> None:
    config = plans(host=host)
    with pytest.raises(ServiceConfigError, match="VISTA_TOOL_TOKEN"):
        config.check_address("")
    with pytest.raises(ServiceConfigError, match="16 characters"):
        config.check_address("short")
    config.check_address("a long enough token")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.3.2.1"])
def test_the_loopback_needs_none(host: str) -> None:
    plans(host=host).check_address("")
