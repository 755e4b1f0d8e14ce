"""Titles: the line above the plot, and the upright text beside the value axis."""

from __future__ import annotations

from collections.abc import Sequence

from tools.chart.frame import Frame, Label


def find_title(frame: Frame, labels: Sequence[Label], plot_top: float) -> tuple[Label, ...]:
    """The lines of text above the plot; empty when there are none. `plot_top` is a row of the frame.

    For a turned frame the rows of the frame are the image's columns, so the highest word of the image is taken when
    it lies above every other word.
    """
    flat = [label for label in labels if abs(label.word.angle) < 10 and label.number is None]
    flat = [label for label in flat if sum(c.isalpha() for c in label.text) >= 3]
    if not flat:
        return ()
    width = frame.height if frame.turned else frame.width
    first = min(flat, key=lambda label: label.word.box[1])
    height = first.word.line_height
    others = [label for label in labels if label is not first]
    if first.word.box[1] > 0.12 * (frame.width if frame.turned else frame.height):
        return ()
    if not 0.2 * width < first.word.centre[0] < 0.8 * width:
        return ()
    if not frame.turned and first.box[3] > plot_top + 2:
        return ()
    level = [label for label in others if abs(label.word.centre[1] - first.word.centre[1]) < 0.6 * height]
    if level:
        return ()
    lines = [first]
    for label in sorted(flat, key=lambda item: item.word.box[1]):
        x = label.word.centre[0]
        gap = label.word.box[1] - lines[-1].word.box[3]
        same = abs(label.word.line_height - height) <= 0.25 * height and abs(x - first.word.centre[0]) < 6
        if label not in lines and same and -0.3 * height < gap < 0.35 * height:
            lines.append(label)
    return tuple(lines)


def joined(lines: Sequence[Label]) -> str | None:
    """One line of text, None for no lines."""
    return " ".join(label.text for label in lines) or None


def find_y_title(labels: Sequence[Label], frame: Frame) -> str | None:
    """Title of the value axis: upright text in an upright frame; in a turned one, the lowest line of the image."""
    if frame.turned:
        edge = min((label.box[2] for label in labels if label.number is not None), default=0.0)
        below = [label for label in labels if abs(label.word.angle) < 10 and label.number is None and label.x > edge]
        last = max(below, key=lambda label: label.x, default=None)
        return last.text if last and last.x > 0.6 * frame.width else None
    upright = [label for label in labels if abs(label.word.angle - 90) < 15]
    upright = [label for label in upright if label.box[3] - label.box[1] > 2 * label.word.line_height]
    return min(upright, key=lambda label: label.x).text if upright else None
