"""The learning curve: small multiples over iterations, as a PNG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from vista_rllib.run.columns import ACCURACY, KL, LENGTH, REWARD, TOOL_CALLS, Column

PANELS: tuple[tuple[Column, str, str], ...] = (
    (REWARD, "Mean reward (training)", "reward_mean"),
    (ACCURACY, "Accuracy", "accuracy"),
    (TOOL_CALLS, "Tool calls per episode", "tool_calls_per_episode"),
    (LENGTH, "Response length [tokens]", "response_tokens"),
    (KL, "KL divergence", "kl"),
)
"""Metric, title, and its name in an evaluation report."""
WINDOW = 9
"""Iterations of the moving mean (centred, shorter at the ends)."""


def draw_curve(
    path: Path,
    rows: Sequence[Mapping[str, Any]],
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    title: str = "",
) -> None:
    """Writes one panel per metric that the rows have.

    Every iteration is a point, the line of a longer run is a moving mean; held-out evaluations are horizontal lines,
    labelled with their value. Shares have the axis 0 to 100 %, counts start at zero.

    Args:
        path: the PNG, replaced in one step.
        rows: of the progress log.
        before: evaluation report before training.
        after: evaluation report after training.
        title: over all panels.
    """
    panels = [panel for panel in PANELS if any(panel[0].value(row) is not None for row in rows)]
    if not panels:
        return
    figure = Figure(figsize=(4.2 * min(3, len(panels)), 3.2 * -(-len(panels) // 3)), layout="constrained")
    axes = np.atleast_1d(figure.subplots(-(-len(panels) // 3), min(3, len(panels)))).ravel()
    for ax, (column, name, key) in zip(axes, panels, strict=False):
        _draw_panel(ax, column, name, rows)
        for report, style, when in ((before, "--", "before"), (after, "-", "after")):
            value = (report or {}).get(key)
            if isinstance(value, int | float):
                label = f"held out, {when}: {value:{column.form}}"
                ax.axhline(value, linestyle=style, color="tab:red" if when == "before" else "tab:green", label=label)
        _limit(ax, column)
        if ax.get_legend_handles_labels()[0]:
            ax.legend(fontsize="x-small")
    for ax in axes[len(panels) :]:
        ax.set_visible(False)
    figure.suptitle(title, fontsize="medium")
    temporary = path.with_name(f".{path.name}.tmp")
    figure.savefig(temporary, format="png", dpi=130)
    temporary.replace(path)


def _draw_panel(ax: Axes, column: Column, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    points = [(row["training_iteration"], value) for row in rows if (value := column.value(row)) is not None]
    x, y = np.array(points, dtype=float).T
    if len(x) < 2 * WINDOW:
        ax.plot(x, y, ".-", color="tab:blue", markersize=4)
    else:
        ax.plot(x, y, ".", color="tab:blue", alpha=0.35, markersize=4)
        ax.plot(x, moving_mean(y, WINDOW), color="tab:blue", label=f"mean of {WINDOW} iterations")
    ax.set_title(name, fontsize="small")
    ax.set_xlabel("iteration", fontsize="small")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.tick_params(labelsize="small")
    ax.grid(alpha=0.25)


def _limit(ax: Axes, column: Column) -> None:
    """Fixes the y axis, after everything is drawn: a limit ends the automatic ones."""
    if column is ACCURACY:
        ax.set_ylim(0, 1)
        ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    elif column is not REWARD and ax.dataLim.ymin >= 0:
        ax.set_ylim(bottom=0)


def moving_mean(values: np.ndarray, window: int) -> np.ndarray:
    """Centred moving mean of `values` [n]; at the ends over the values that are there."""
    ones = np.ones(min(window, len(values)))
    return np.convolve(values, ones, "same") / np.convolve(np.ones(len(values)), ones, "same")
