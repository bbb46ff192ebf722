"""Numbers as pictures of characters."""

from __future__ import annotations

import math
from collections.abc import Sequence

_LEVELS = "▁▂▃▄▅▆▇█"
_GAP = " "
BAND, LINE = "░", "█"


def sparkline(values: Sequence[float]) -> str:
    """Draw numbers in one line; what is not finite is a gap."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return ""
    low, high = min(finite), max(finite)
    return "".join(_level(value, low, high) if math.isfinite(value) else _GAP for value in values)


def plot(low: Sequence[float], mean: Sequence[float], high: Sequence[float], width: int, height: int) -> list[str]:
    """Draw a line and the band around it, with what is at the top and the bottom of the axis written beside it.

    The rows of the three are spread evenly over the width.
    """
    finite = [value for column in (low, mean, high) for value in column if math.isfinite(value)]
    if not finite:
        return []
    bottom, top = min(finite), max(finite)
    labels = [number_text(top), number_text(bottom)]
    margin = max(map(len, labels))
    width = max(1, min(width - margin - 2, len(mean)))
    columns = [_column(low, mean, high, part, width, (bottom, top), height) for part in range(width)]
    lines = []
    for row in reversed(range(height)):
        label = labels[0] if row == height - 1 else labels[1] if row == 0 else ""
        lines.append(f"{label:>{margin}} {'┤' if label else '│'}{''.join(column[row] for column in columns)}".rstrip())
    return lines


def number_text(value: float | None) -> str:
    """Write a number in at most eleven characters."""
    if value is None:
        return ""
    if isinstance(value, int) or (math.isfinite(value) and value == int(value) and abs(value) < 1e9):
        text = str(int(value))
        return text if len(text) <= 11 else f"{value:.4e}"
    return f"{value:.5g}"


def _level(value: float, low: float, high: float) -> str:
    # Halved before they are subtracted: the difference of two finite numbers may not be finite.
    span = high / 2 - low / 2
    share = (value / 2 - low / 2) / span if span > 0 else 0.5
    return _LEVELS[min(int(share * len(_LEVELS)), len(_LEVELS) - 1)]


def _column(
    low: Sequence[float],
    mean: Sequence[float],
    high: Sequence[float],
    part: int,
    width: int,
    axis: tuple[float, float],
    height: int,
) -> list[str]:
    rows = range(part * len(mean) // width, max((part + 1) * len(mean) // width, part * len(mean) // width + 1))
    lows = [low[row] for row in rows if math.isfinite(low[row])]
    highs = [high[row] for row in rows if math.isfinite(high[row])]
    means = [mean[row] for row in rows if math.isfinite(mean[row])]
    cells = [_GAP] * height
    if lows and highs:
        for row in range(_row(min(lows), axis, height), _row(max(highs), axis, height) + 1):
            cells[row] = BAND
    if means:
        cells[_row(sum(one / len(means) for one in means), axis, height)] = LINE
    return cells


def _row(value: float, axis: tuple[float, float], height: int) -> int:
    bottom, top = axis
    span = top / 2 - bottom / 2
    share = (value / 2 - bottom / 2) / span if span > 0 else 0.5
    return min(max(int(share * height), 0), height - 1)
