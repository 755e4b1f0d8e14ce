"""The package as a whole: pins, entry points, and house rules that no linter of ours checks."""

from __future__ import annotations

import ast
import importlib
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("tools", "envs", "policies", "vista_rllib", "tuned_examples")
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return table


@pytest.fixture(scope="module")
def pins() -> dict[str, str]:
    """Version by canonical name, of every line of constraints.txt."""
    found = {}
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            assert re.fullmatch(r"[\w.-]+==[\w.]+", line), f"constraints.txt: {line!r} is not an exact pin"
            name, version = line.split("==")
            assert canonicalize_name(name) not in found, f"constraints.txt: {name} twice"
            found[canonicalize_name(name)] = version
    return found


def test_every_dependency_is_pinned_within_its_bounds(project: dict[str, Any], pins: dict[str, str]) -> None:
    extras = [requirement for extra in project["optional-dependencies"].values() for requirement in extra]
    for text in [*project["dependencies"], *extras]:
        requirement = Requirement(text)
        name = canonicalize_name(requirement.name)
        if name == project["name"]:
            continue  # an extra that includes another
        assert name in pins, f"{name} is not pinned in constraints.txt"
        assert requirement.specifier.contains(pins[name]), f"{name}=={pins[name]} is outside {requirement.specifier}"


def test_every_import_is_of_a_declared_dependency(project: dict[str, Any]) -> None:
    extras = project["optional-dependencies"]
    requirements = [*project["dependencies"], *extras["models"], *extras["serve"]]
    declared = {canonicalize_name(Requirement(text).name) for text in [*requirements, "vllm"]}
    distributions = packages_distributions()
    undeclared = set()
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            for module in {name.partition(".")[0] for name in names} - set(sys.stdlib_module_names) - set(PACKAGES):
                owners = {canonicalize_name(owner) for owner in distributions.get(module, [module])}
                if not owners & declared:
                    undeclared.add(f"{path.relative_to(ROOT)}: {module}")
    assert not undeclared, "\n".join(sorted(undeclared))


def test_torch_is_the_one_that_make_installs_first(pins: dict[str, str]) -> None:
    assert f"torch=={pins['torch']}" in (ROOT / "Makefile").read_text()


def test_entry_points_exist(project: dict[str, Any]) -> None:
    for command, target in project["scripts"].items():
        module, _, function = target.partition(":")
        assert callable(getattr(importlib.import_module(module), function)), f"{command} = {target}"


def test_docker_folder_does_not_shadow_the_docker_sdk() -> None:
    assert not (ROOT / "docker" / "__init__.py").exists()


def test_ci_runs_only_what_a_user_can() -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    targets = re.findall(r"^make (\w+)", script.read_text(), re.MULTILINE)
    assert targets == ["test", "lint"]
    assert all(f"\n{target}:" in (ROOT / "Makefile").read_text() for target in targets)


def broken_rules(text: str) -> Iterator[str]:
    """What a file of ours may not have, as `line: what`."""
    if (lines := text.count("\n")) > 500:
        yield f"{lines} lines, 500 at most"
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Call(func=ast.Name(id="print" | "eval" | "exec" as name)):
                yield f"{node.lineno}: {name}()"
            case ast.ExceptHandler(type=None):
                yield f"{node.lineno}: bare except"
            case ast.ExceptHandler(body=[ast.Pass()]):
                yield f"{node.lineno}: a swallowed exception"
            case ast.FunctionDef(name=name, returns=None) | ast.AsyncFunctionDef(name=name, returns=None):
                yield f"{node.lineno}: {name} has no return type"


def test_house_rules() -> None:
    assert FILES
    broken = [f"{path.relative_to(ROOT)}:{what}" for path in FILES for what in broken_rules(path.read_text())]
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize(
    "text",
    [
        "print(1)",
        "eval('1')",
        "try: x\nexcept: raise",
        "try: x\nexcept KeyError: pass",
        "def f(): return 1",
        "\n" * 501,
    ],
)
def test_house_rules_are_seen(text: str) -> None:
    assert list(broken_rules(text))
