"""Stop criteria: metric to threshold, as Ray Tune reads them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from tools.errors import VistaError
from vista_rllib.run.overrides import OverrideError, nearest, parse_value, split_setting

LATE = ("env_runners/", "evaluation/")
"""Prefixes of metrics that RLlib reports only once an episode or an evaluation has ended."""


class StopError(VistaError):
    """A stop criterion is malformed or names no metric."""


def parse_stop(items: Sequence[str]) -> dict[str, float]:
    """Reads `--stop` options: each a JSON object or `metric=threshold`.

    Raises:
        StopError: neither form, or a threshold that is no number.
    """
    stop: dict[str, float] = {}
    for item in items:
        if item.lstrip().startswith("{"):
            try:
                stop |= json.loads(item)
            except json.JSONDecodeError as error:
                raise StopError(f"--stop {item}: not a JSON object: {error}") from error
        else:
            try:
                key, text = split_setting(item)
            except OverrideError as error:
                raise StopError(f"--stop {item}: expected a JSON object or metric=threshold") from error
            stop[key] = parse_value(text)
    return check_stop(stop)


def check_stop(stop: Mapping[str, float]) -> dict[str, float]:
    """Checks that every threshold is a number.

    Raises:
        StopError: naming the metric.
    """
    for key, value in stop.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise StopError(f"stop {key}: expected a number, got {value!r}")
    return dict(stop)


def reached(stop: Mapping[str, float], row: Mapping[str, object]) -> str | None:
    """Which criterion `row` meets (`metric >= threshold`), in words; None when training goes on.

    Raises:
        StopError: a metric that this algorithm does not report.
    """
    for key, threshold in stop.items():
        value = row.get(key)
        if value is None and not key.startswith(LATE):
            raise StopError(f"stop {key}: the algorithm reports no such metric{nearest(key, row)}")
        if isinstance(value, int | float) and value >= threshold:
            return f"{key} = {value:.6g} (stop at {threshold:g})"
    return None
