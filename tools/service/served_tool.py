"""`ServedTool`: a backend that a service's configuration asks for, found and checked."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from tools.errors import ToolUnavailableError
from tools.registry import Selection, backends_of, registered_tools, select_backend
from tools.remote import RemoteTool
from tools.service.config import ServiceConfig, ServiceConfigError, ToolPlan
from tools.service.environments import environment_of
from tools.tool import Tool


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
    def num_gpus(self) -> float:
        """GPUs of each replica: what the plan says, or else the backend's settings."""
        return self.plan.num_gpus or float(getattr(self.selection.settings, "num_gpus", 0.0))

    @property
    def deployed(self) -> bool:
        """Whether it is a deployment of Ray Serve."""
        plan = self.plan
        if plan.replicas is not None:
            return plan.replicas > 0
        return bool(self.tool.shared or self.num_gpus or plan.autoscaling or self.runtime_env)


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
