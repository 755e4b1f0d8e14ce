"""What a tool service serves, and how: a YAML or JSON file, or flags."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tools.errors import VistaError
from tools.remote import TOKEN_VARIABLE

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


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
