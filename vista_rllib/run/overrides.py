"""`--set key=value`: typed changes to an `AlgorithmConfig` from the command line."""

from __future__ import annotations

import ast
import dataclasses
import json
import typing
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, PydanticUserError, TypeAdapter, ValidationError
from rapidfuzz import process
from ray.rllib.algorithms.algorithm_config import AlgorithmConfig
from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig

from tools.errors import VistaError

SETTABLE = (bool, int, float, str, list, tuple, dict, type(None))
"""Types of values that can be written on a command line."""
MODEL_PREFIXES = ("model", "model_config", "vlm_config")
"""`model.X` means the policy's model settings, however the algorithm stores them."""


class OverrideError(VistaError):
    """A `--set` is malformed, names nothing, or has a value of the wrong type. The message names the key."""


def nearest(word: str, known: Iterable[str]) -> str:
    """`; did you mean "x"?` for the known word most like `word`, or nothing when none is like it."""
    best = process.extractOne(word, list(known), score_cutoff=60)
    return f'; did you mean "{best[0]}"?' if best else ""


def split_setting(text: str) -> tuple[str, str]:
    """Splits `key=value`.

    Raises:
        OverrideError: there is no `=` or no key.
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise OverrideError(f'"{text}": expected key=value, for example lr=1e-5')
    return key.strip(), value.strip()


def parse_value(text: str) -> Any:
    """Reads a value as JSON, then as a Python literal, then as the string it is."""
    for parse in (json.loads, ast.literal_eval):
        try:
            return parse(text)
        except (ValueError, SyntaxError):  # another notation
            continue
    return text


def apply_overrides(config: AlgorithmConfig, settings: Sequence[str]) -> AlgorithmConfig:
    """Applies `key=value` settings to a copy of `config`.

    Keys are attributes of the config (`lr`, `num_env_runners`), entries of its dicts (`env_config.max_turns`), or
    `model.X` for the policy's model settings.

    Args:
        config: left as it is.
        settings: in the order they take effect.

    Raises:
        OverrideError: unknown key (names the nearest), or a value of another type than the present one.
    """
    config = config.copy(copy_frozen=False)
    for setting in settings:
        key, text = split_setting(setting)
        head, _, rest = key.partition(".")
        if rest and head in MODEL_PREFIXES:
            _set_model(config, key, rest, text)
        elif rest:
            _set_entry(config, key, head, rest, text)
        else:
            _set_attribute(config, key, text)
    return config


def override_fields(instance: Any, settings: Sequence[str], prefix: str) -> Any:
    """Applies `prefix.field=value` settings to a frozen dataclass; returns the changed copy.

    Raises:
        OverrideError: unknown field, or a value of the wrong type.
    """
    schema = _schema_fields(type(instance))
    changes = {}
    for setting in settings:
        key, text = split_setting(setting)
        name = key.removeprefix(f"{prefix}.")
        if name not in schema:
            raise OverrideError(f"{key}: no such setting{nearest(name, schema)}")
        changes[name] = _typed(key, text, schema[name])
    return dataclasses.replace(instance, **changes)


def _set_attribute(config: AlgorithmConfig, key: str, text: str) -> None:
    names = _attribute_names(config)
    if key not in names:
        raise OverrideError(f"{key}: no such setting of {type(config).__name__}{nearest(key, names)}")
    setattr(config, key, _typed(key, text, _kind_of(key, getattr(config, key), _default(config, key))))


def _set_entry(config: AlgorithmConfig, key: str, head: str, rest: str, text: str) -> None:
    """Sets an entry of a dict attribute; the env's own settings are checked against `EnvConfig`."""
    if head not in _attribute_names(config):
        raise OverrideError(
            f"{key}: no such setting of {type(config).__name__}{nearest(head, _attribute_names(config))}"
        )
    entries = getattr(config, head)
    if not isinstance(entries, Mapping):
        raise OverrideError(f"{key}: {head} has no parts; set it as a whole ({head}=...)")
    schema: Mapping[str, Any] | None = None
    if head == "env_config" and str(config.env).startswith("vista/"):
        from envs.env_config import EnvConfig

        schema = _schema_fields(EnvConfig)
    setattr(config, head, _with_entry(entries, key, rest.split("."), text, schema))


def _set_model(config: AlgorithmConfig, key: str, rest: str, text: str) -> None:
    path = rest.split(".")
    if hasattr(config, "vlm_config"):
        from policies.vlm_config import VLMConfig

        config.vlm_config = _with_entry(config.vlm_config, key, path, text, _schema_fields(VLMConfig))
        return
    entries = config._model_config
    if not isinstance(entries, Mapping):  # RLlib takes a dict or a DefaultModelConfig
        entries = dataclasses.asdict(entries)
    config.rl_module(model_config=_with_entry(entries, key, path, text, _schema_fields(DefaultModelConfig)))


def _with_entry(
    entries: Mapping[str, Any], key: str, path: Sequence[str], text: str, schema: Mapping[str, Any] | None
) -> dict[str, Any]:
    """A copy of `entries` with the entry at `path` set. Without a schema, new keys are taken as they are."""
    head, *rest = path
    known = {*entries, *(schema or ())}
    if schema is not None and head not in known:
        raise OverrideError(f"{key}: no such setting{nearest(head, known)}")
    if rest:
        inner = entries.get(head) or {}
        if not isinstance(inner, Mapping):
            raise OverrideError(f"{key}: {head} has no parts")
        return {**entries, head: _with_entry(inner, key, rest, text, None)}
    if schema is not None and head in schema:
        return {**entries, head: _typed(key, text, schema[head])}
    present = entries.get(head)
    return {**entries, head: _typed(key, text, _kind_of(key, present, default=present))}


def _typed(key: str, text: str, kind: Any) -> Any:
    """The value of `text` as `kind`: int passes for float, a bool is no number, `a,b` passes for a list of strings."""
    try:
        adapter = TypeAdapter(kind)
    except PydanticUserError as error:
        raise OverrideError(f"{key}: holds what cannot be set from the command line") from error
    value = parse_value(text)
    for candidate in (value, text, [part.strip() for part in text.split(",")]):
        try:
            # JSON mode is strict about types, yet lets a list stand for a tuple and a string for an enum.
            return adapter.validate_json(json.dumps(candidate), strict=True)
        except (ValidationError, TypeError):
            continue
    expected = getattr(kind, "__name__", str(kind)).replace("NoneType", "None")
    if typing.get_origin(kind) is not None:
        expected = str(kind).replace("typing.", "")
    raise OverrideError(f"{key}: expected {expected}, got {type(value).__name__} ({text})")


def _kind_of(key: str, present: Any, default: Any) -> Any:
    """The type that replaces `present`; None is allowed where it is the present or the default value."""
    if isinstance(present, type) or not isinstance(present, SETTABLE):
        kind = "class" if isinstance(present, type) else type(present).__name__
        raise OverrideError(f"{key}: holds a {kind}, which cannot be set from the command line")
    if present is None:
        return Any if default is None else type(default) | None
    return type(present) if default is not None else type(present) | None


def _default(config: AlgorithmConfig, key: str) -> Any:
    default = getattr(type(config)(), key, None)
    return default if isinstance(default, SETTABLE) else ""


def _attribute_names(config: AlgorithmConfig) -> set[str]:
    """Public attributes and settable properties, without those that RLlib has deprecated."""
    cls = type(config)
    properties = {
        name
        for name in dir(cls)
        if isinstance(getattr(cls, name), property) and f"_{name}" in vars(config) and getattr(cls, name).fset
    }
    return properties | {name for name in vars(config) if not name.startswith("_")} - {"algo_class", "model"}


def _schema_fields(schema: type[Any]) -> dict[str, Any]:
    """Field name to annotation of a dataclass or pydantic model."""
    if issubclass(schema, BaseModel):
        return {name: field.annotation for name, field in schema.model_fields.items()}
    hints = typing.get_type_hints(schema)
    return {field.name: hints[field.name] for field in dataclasses.fields(schema)}
