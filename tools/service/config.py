"""What a tool service serves, and how: a YAML or JSON file, or flags."""

from __future__ import annotations

import importlib
import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tools.errors import ToolUnavailableError, VistaError
from tools.registry import Selection, backends_of, registered_tools, select_backend
from tools.remote import TOKEN_VARIABLE, RemoteTool
from tools.service.environments import environment_of
from tools.tool import Tool

MIN_TOKEN_LENGTH = 16


class ServiceConfigError(VistaError):
    """A service's configuration is wrong. The message names the field."""


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Autoscaling(_Settings):
    """How many replicas of a deployment, by load."""

    min_replicas: int = Field(1, ge=0)
    max_replicas: int = Field(1, ge=1)
    target_ongoing_requests: float = Field(8.0, gt=0)
    """Requests under way in each replica that Serve aims at."""

    @model_validator(mode="after")
    def _ordered(self) -> Autoscaling:
        if self.min_replicas > self.max_replicas:
            raise ValueError("min_replicas is larger than max_replicas")
        return self


class ToolPlan(_Settings):
    """One backend of one tool, and how it is served.

    It runs in the service's own process, unless it is expensive to load (`Tool.shared`) or any of `num_gpus`,
    `autoscaling`, `runtime_env` is set: then it is a deployment of Ray Serve. `replicas` decides otherwise.
    """

    tool: str
    """Name or alias."""
    backend: str = ""
    """Empty: the first that can run here."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """The backend's settings."""
    replicas: int | None = Field(None, ge=0)
    """Replicas of a deployment; 0: no deployment, in the service's process."""
    autoscaling: Autoscaling | None = None
    """In place of a fixed number of replicas."""
    num_cpus: float = Field(1.0, ge=0)
    """Of each replica."""
    num_gpus: float = Field(0.0, ge=0)
    """Of each replica: a fraction shares a GPU."""
    runtime_env: dict[str, Any] | None = None
    """Ray's runtime environment of the replicas (`{"pip": ["transformers==4.40.0"]}`); None: that of
    `tools.service.environments` where the backend needs old libraries."""
    max_batch: int = Field(16, ge=1)
    """Calls handed to one `Tool.run`."""
    batch_wait_s: float = Field(0.0, ge=0, le=10)
    """Seconds that a call may wait for others to join it although the tool is idle."""
    threads: int = Field(1, ge=1)
    """Batches that run at the same time in one process. More than 1 only for tools that are safe to share."""
    timeout_s: float = Field(60.0, gt=0)
    """Seconds after which a batch is given up."""
    max_waiting: int = Field(4096, ge=1)
    """Calls in the queue; more are refused with status 503."""

    @model_validator(mode="after")
    def _one_kind(self) -> ToolPlan:
        if self.autoscaling is not None and self.replicas is not None:
            raise ValueError("replicas and autoscaling exclude each other")
        if self.replicas == 0 and (self.num_gpus or self.runtime_env):
            raise ValueError("num_gpus and runtime_env need a deployment, replicas is 0")
        return self


class ServiceConfig(_Settings):
    """A tool service."""

    host: str = "127.0.0.1"
    """Address to listen on. Any but the loopback needs a token."""
    port: int = Field(8500, ge=0, le=65535)
    """0: any that is free."""
    modules: tuple[str, ...] = ()
    """Modules to import first, for the tools that they register. Replicas must be able to import them too: they are
    installed there, on `PYTHONPATH`, or part of the plans' `runtime_env`."""
    tools: tuple[ToolPlan, ...] = ()
    """What is served; a tool's first backend is its default. Nothing: each tool with `remote` that can run here."""
    ray_address: str | None = None
    """Cluster of the deployments, as `ray.init` takes it; None: `RAY_ADDRESS`, or else a Ray started here."""
    max_request_bytes: int = Field(4 * 2**20, ge=1)
    """Of a request's body, images not counted."""
    max_image_bytes: int = Field(32 * 2**20, ge=1)
    """Of one uploaded image."""
    max_calls: int = Field(256, ge=1)
    """In one request."""
    image_cache_bytes: int = Field(2**30, ge=0)
    """Encoded images that are kept, those used last."""

    @classmethod
    def from_file(cls, path: str | Path) -> ServiceConfig:
        """Reads YAML or JSON. Raises `ServiceConfigError` naming the file and each wrong field."""
        try:
            content = yaml.safe_load(Path(path).read_text())
        except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
            raise ServiceConfigError(f"{path}: cannot be read: {error}") from error
        if not isinstance(content, dict):
            raise ServiceConfigError(f"{path}: expected fields ({', '.join(cls.model_fields)})")
        return cls.checked(content, str(path))

    @classmethod
    def checked(cls, fields: Mapping[str, Any], where: str = "tool service") -> ServiceConfig:
        """Validates plain values. Raises `ServiceConfigError` naming each wrong field."""
        try:
            return cls.model_validate(dict(fields))
        except ValidationError as error:
            problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
            raise ServiceConfigError(f"{where}: {problems}") from error

    def check_address(self, token: str) -> None:
        """Raises `ServiceConfigError` when anyone could use the service: not on the loopback, and without a token."""
        if token and len(token) < MIN_TOKEN_LENGTH:
            raise ServiceConfigError(f"{TOKEN_VARIABLE}: expected at least {MIN_TOKEN_LENGTH} characters")
        if not token and not _is_loopback(self.host):
            raise ServiceConfigError(
                f"host {self.host}: anyone could use the tools; set {TOKEN_VARIABLE}, or listen on 127.0.0.1"
            )


@dataclass(frozen=True, eq=False, slots=True)
class ServedTool:
    """A plan whose tool, backend and settings were found and checked."""

    plan: ToolPlan
    selection: Selection

    @property
    def tool(self) -> type[Tool]:
        """The backend's class."""
        return self.selection.tool

    @property
    def key(self) -> tuple[str, str]:
        """The tool's and the backend's name."""
        return self.tool.name, self.tool.backend

    @property
    def runtime_env(self) -> dict[str, Any] | None:
        """What the plan says, or else what the backend needs."""
        return environment_of(self.tool) if self.plan.runtime_env is None else self.plan.runtime_env or None

    @property
    def deployed(self) -> bool:
        """Whether it is a deployment of Ray Serve."""
        plan = self.plan
        if plan.replicas is not None:
            return plan.replicas > 0
        return bool(self.tool.shared or plan.num_gpus or plan.autoscaling or self.runtime_env)


def resolve(config: ServiceConfig) -> list[ServedTool]:
    """Finds and checks everything that is to be served, without loading it.

    A backend with a runtime environment of its own is not asked whether it can run here: its replicas are.

    Raises:
        UnknownToolError, ToolSettingsError, ToolUnavailableError: as `select_backend`.
        ServiceConfigError: twice the same backend, one that cannot be served, or nothing at all.
    """
    for module in config.modules:
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise ServiceConfigError(f"modules: {module} cannot be imported: {error}") from error
    served: dict[tuple[str, str], ServedTool] = {}
    for plan in config.tools or _all_plans():
        found = ServedTool(plan=plan, selection=_selection(plan))
        if found.key in served:
            raise ServiceConfigError(f"tools: {found.tool.name}, backend {found.tool.backend}, stands there twice")
        if found.tool.end_episode is not Tool.end_episode:
            raise ServiceConfigError(f"tools: {found.tool.name} keeps a state for each episode: it cannot be served")
        if plan.replicas == 0 and found.runtime_env:
            raise ServiceConfigError(f"tools: {found.tool.name} needs libraries of its own: replicas must not be 0")
        served[found.key] = found
    if not served:
        raise ServiceConfigError("tools: nothing to serve: no remote tool can run here")
    return list(served.values())


def _selection(plan: ToolPlan) -> Selection:
    known = {name: kind for name, kind in backends_of(plan.tool).items() if name != RemoteTool.backend}
    names = [plan.backend] if plan.backend else list(known)
    if plan.backend == RemoteTool.backend:
        raise ServiceConfigError(f"tools: {plan.tool}: a service cannot serve another service's tool")
    if not names:
        raise ServiceConfigError(f"tools: {plan.tool} runs in a service only, and no backend of it is here")
    if plan.settings and len(names) > 1:
        raise ServiceConfigError(f"tools: {plan.tool}: name the backend that the settings are for: {', '.join(names)}")
    backend = known.get(plan.backend)
    if backend is not None and (plan.runtime_env or environment_of(backend)):
        try:
            return Selection(backend, backend.settings_type(**plan.settings))
        except ValidationError as error:
            raise ServiceConfigError(f"tools: {plan.tool}, backend {plan.backend}: {error}") from error
    reasons = []
    for name in names:
        try:
            return select_backend(plan.tool, name, plan.settings)
        except ToolUnavailableError as error:
            reasons.append(str(error))
    raise ToolUnavailableError("; ".join(reasons))


def _all_plans() -> Sequence[ToolPlan]:
    plans = []
    for name, tool in registered_tools().items():
        for backend, kind in backends_of(name).items() if tool.remote else ():
            if backend != RemoteTool.backend and kind.unavailable(kind.settings_type()) is None:
                plans.append(ToolPlan.model_validate({"tool": name, "backend": backend}))
    return plans


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
