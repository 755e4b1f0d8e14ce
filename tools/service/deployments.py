"""Tools as deployments of Ray Serve: one application per backend, asked through handles (no HTTP proxy of Serve's)."""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import ray
from ray import serve
from ray.serve.exceptions import BackPressureError
from ray.serve.handle import DeploymentHandle

from tools.errors import Fault, FaultError, VistaError, boundary
from tools.registry import Selection, backends_of
from tools.service.config import ServiceConfig
from tools.service.runner import QueueFull, Served, ToolRunner
from tools.service.served_tool import ServedTool
from tools.tool import ToolCall, ToolResult

Key = tuple[str, str]
"""Names of a tool and of its backend."""

_CONSTRUCTOR_ATTEMPTS = 2
"""Of a replica, before its deployment counts as failed: weights that are not there do not come by waiting."""
_SHOWN = 2000
"""Characters of what Serve says about a replica that does not start: the end of its traceback."""
_SPARE_S = 5.0
"""On top of what a replica's own time limits allow, before it counts as dead."""


class DeploymentFailed(VistaError):
    """A tool's replicas do not start. The message says why."""


class ToolReplica:
    """One replica: a tool, loaded once, behind a queue of its own."""

    def __init__(
        self, name: str, backend: str, settings: Mapping[str, Any], modules: Sequence[str], **how: Any
    ) -> None:
        """Loads the tool.

        Args:
            name: the tool's.
            backend: the backend's name.
            settings: fields of the backend's settings.
            modules: to import first.
            **how: keyword arguments of `ToolRunner`.

        Raises:
            DeploymentFailed: it cannot run here.
        """
        for module in modules:
            importlib.import_module(module)
        kind = backends_of(name)[backend]
        checked = kind.settings_type(**settings)
        reason = kind.unavailable(checked)
        if reason is not None:
            raise DeploymentFailed(f"tool {name!r}, backend {backend!r}: {reason}")
        self._runner = ToolRunner(Selection(kind, checked).build(), **how)

    async def run(self, calls: Sequence[ToolCall]) -> list[Served]:
        """One result per call, in order."""
        return await self._runner.run(calls)

    async def check_health(self) -> None:
        """Serve replaces a replica whose check raises."""
        if (reason := await self._runner.failing()) is not None:
            raise DeploymentFailed(reason)


class ReplicaExecutor:
    """An `Executor` that asks a deployment's replicas."""

    def __init__(self, application: str, served: ServedTool, handle: DeploymentHandle) -> None:
        self._application = application
        self._where = f"tool:{served.tool.name}"
        self._handle = handle
        self._timeout_s = 2 * served.plan.timeout_s + _SPARE_S  # one wait in the queue, one run

    async def run(self, calls: Sequence[ToolCall]) -> list[Served]:
        """One result per call; a replica that died or hangs is a `Fault` of each."""
        try:
            with boundary(self._where):
                async with asyncio.timeout(self._timeout_s):
                    served: list[Served] = await self._handle.run.remote(list(calls))
                return served
        except FaultError as error:
            if isinstance(error.__cause__, BackPressureError | QueueFull):
                raise QueueFull(f"{self._where}: too many calls are waiting") from error
            fault = error.fault
            if isinstance(error.__cause__, TimeoutError):
                fault = Fault("ToolTimeout", self._where, f"no result after {self._timeout_s:g} s")
            return [Served(ToolResult(error=fault), 0)] * len(calls)

    async def failing(self) -> str | None:
        """The application's state as Serve sees it, unless it is running."""
        try:
            with boundary(self._where):
                state = await asyncio.to_thread(_state, self._application)
        except FaultError as error:
            return str(error)
        return None if state == "RUNNING" else state

    def close(self) -> None:
        """Nothing: the deployment ends with `deployments`."""


@contextmanager
def deployments(tools: Sequence[ServedTool], config: ServiceConfig) -> Iterator[dict[Key, ReplicaExecutor]]:
    """Deploys tools, and takes them down at the end. Ray and Serve are started where they do not run, and then ended.

    Raises:
        DeploymentFailed: Serve cannot be started, or a tool's replicas.
    """
    if not tools:
        yield {}
        return
    started = not ray.is_initialized()
    try:
        with boundary("tool service"):
            if started:
                _start_ray(config.ray_address)
            serve.start(http_options={"location": "NoServer"}, logging_config={"log_level": "WARNING"})
            handles = serve.run_many(
                [serve.RunTarget(_application(tool, config.modules), _name(tool), route_prefix=None) for tool in tools]
            )
    except FaultError as error:
        message = "; ".join([str(error), *_reasons(tools)])
        _take_down(tools, started)
        raise DeploymentFailed(message) from error
    try:
        yield {
            tool.key: ReplicaExecutor(_name(tool), tool, handle) for tool, handle in zip(tools, handles, strict=True)
        }
    finally:
        _take_down(tools, started)


def _start_ray(address: str | None) -> None:
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address or os.environ.get("RAY_ADDRESS"):
        ray.init(address, **options)
    else:
        ray.init(include_dashboard=False, **options)


def _take_down(tools: Sequence[ServedTool], started: bool) -> None:
    if not ray.is_initialized():
        return
    if started:
        serve.shutdown()
        ray.shutdown()
        return
    for tool in tools:
        serve.delete(_name(tool))


def _name(tool: ServedTool) -> str:
    return "vista-" + "-".join(tool.key)


def _application(tool: ServedTool, modules: Sequence[str]) -> serve.Application:
    plan = tool.plan
    actor: dict[str, Any] = {"num_cpus": plan.num_cpus, "num_gpus": tool.num_gpus}
    if tool.runtime_env:
        actor["runtime_env"] = tool.runtime_env
    scale: dict[str, Any] = {"num_replicas": plan.replicas or 1}
    if plan.autoscaling is not None:
        scale = {"autoscaling_config": plan.autoscaling.model_dump()}
    deployment = serve.deployment(
        ToolReplica,
        name="-".join(tool.key),
        ray_actor_options=actor,
        max_ongoing_requests=4 * plan.max_batch * plan.threads,
        max_queued_requests=plan.max_waiting,
        max_constructor_retry_count=_CONSTRUCTOR_ATTEMPTS,
        **scale,
    )
    return deployment.bind(
        *tool.key,
        plan.settings,
        list(modules),
        max_batch=plan.max_batch,
        batch_wait_s=plan.batch_wait_s,
        threads=plan.threads,
        timeout_s=plan.timeout_s,
        max_waiting=plan.max_waiting,
    )


def _reasons(tools: Sequence[ServedTool]) -> list[str]:
    """What Serve says about deployments that do not run."""
    if not ray.is_initialized():
        return []
    applications = serve.status().applications
    known = [applications[_name(tool)] for tool in tools if _name(tool) in applications]
    deployed = [(name, state) for application in known for name, state in application.deployments.items()]
    return [f"{name}: {state.message[-_SHOWN:]}" for name, state in deployed if state.status.value != "HEALTHY"]


def _state(application: str) -> str:
    found = serve.status().applications.get(application)
    return "not deployed" if found is None else found.status.value
