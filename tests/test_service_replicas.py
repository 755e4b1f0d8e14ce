"""Tools as deployments of Ray Serve: the same calls, in processes of their own."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ray import serve
from service_tools import Moody, ServiceHome, moody, remote
from test_tool_service import ask

from tools.errors import Fault
from tools.registry import get_tool
from tools.service.config import ServiceConfig
from tools.service.deployments import DeploymentFailed
from tools.service.server import Server, running_server
from tools.tool import ToolCall

SMALL = {"replicas": 1, "num_cpus": 0.1}
OURS = {"env_vars": {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])}}
"""The tests' own modules are nowhere installed."""


@pytest.fixture(scope="module")
def server(serve_session: None) -> Iterator[Server]:
    tools = [
        {"tool": Moody.name, "timeout_s": 1.0, "max_batch": 4, "backend": "embedded"} | SMALL,
        {"tool": ServiceHome.name, "backend": "embedded", "settings": {"greeting": "over there"}} | SMALL,
        {
            "tool": "calculator",
            "backend": "embedded",
            "num_cpus": 0.1,
            "autoscaling": {"min_replicas": 1, "max_replicas": 2},
        },
        {"tool": "zoom"},
    ]
    tools = [plan | ({"runtime_env": OURS} if plan.get("num_cpus") else {}) for plan in tools]
    config = ServiceConfig.checked({"port": 0, "tools": tools, "modules": ["service_tools"]})
    with running_server(config, token="") as server:
        yield server


def test_replicas_are_other_processes_with_the_settings_given(server: Server) -> None:
    results = remote(ServiceHome, server.address).run([ToolCall(ServiceHome.name)] * 3)
    assert {result.text for result in results} == {"over there"}
    assert os.getpid() not in {result.data["pid"] for result in results}
    offers = {offer["tool"]: offer["replicas"] for offer in ask(server, "GET", "/v1/tools")[1]["offers"]}
    assert offers == {Moody.name: True, ServiceHome.name: True, "calculator": True, "zoom": False}


def test_results_and_errors_are_those_of_the_tool(server: Server) -> None:
    calculator = remote(get_tool("calculator"), server.address)
    asked = [ToolCall("calculator", {"expression": text}) for text in ("1/3", "1/0", "x")]
    here = get_tool("calculator")().run(asked)
    there = calculator.run(asked)
    assert [(result.text, result.data, result.error) for result in there] == [
        (result.text, result.data, result.error) for result in here
    ]


def test_calls_of_many_clients_run_in_batches(server: Server) -> None:
    client = remote(Moody, server.address, max_batch=1)
    results = client.run([moody("slow", n) for n in range(12)])
    assert [result.text for result in results] == [f"slow {n}" for n in range(12)]
    assert max(result.data["batch"] for result in results) > 1
    text = ask(server, "GET", "/metrics")[1]
    counts = [
        line for line in text.splitlines() if line.startswith("vista_tool_batch_calls_sum") and Moody.name in line
    ]
    assert float(counts[0].split()[1]) >= 12


def test_a_replica_that_hangs_or_dies_is_a_fault_and_is_replaced(server: Server) -> None:
    client = remote(Moody, server.address, timeout_s=20.0)
    (hanging,) = client.run([moody("hangs")])
    assert isinstance(hanging.error, Fault) and hanging.error.kind == "ToolTimeout"
    assert client.run([moody("fine")])[0].error is None
    (dead,) = client.run([moody("dies")])
    assert isinstance(dead.error, Fault) and dead.error.kind == "ActorDiedError"
    give_up = time.monotonic() + 60
    while client.run([moody("fine")])[0].error is not None:
        assert time.monotonic() < give_up
        time.sleep(0.2)


def test_a_replica_that_cannot_start_is_said(serve_session: None) -> None:
    plan = {"tool": "calculator", "backend": "embedded", **SMALL}
    config = ServiceConfig.checked({"port": 0, "tools": [plan], "modules": ["service_broken"]})
    sys.modules["service_broken"] = sys.modules["service_tools"]  # here, but not in the replica
    try:
        with pytest.raises(DeploymentFailed, match="calculator"), running_server(config, token=""):
            pass
    finally:
        del sys.modules["service_broken"]


def test_deployments_end_with_the_service(serve_session: None) -> None:
    config = ServiceConfig.checked({"port": 0, "tools": [{"tool": "chart_describe", **SMALL}]})
    with running_server(config, token="") as server:
        assert serve.status().applications["vista-chart_describe-embedded"].status.value == "RUNNING"
        assert ask(server, "GET", "/health")[0] == 200
        serve.delete("vista-chart_describe-embedded")
        status, health = ask(server, "GET", "/health")
        assert status == 503 and "chart_describe/embedded" in health["failing"]
    assert "vista-chart_describe-embedded" not in serve.status().applications
