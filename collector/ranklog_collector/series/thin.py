"""Fewer points that look the same: of each part of the axis its lowest and its highest. Pure."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ranklog_collector.series.shapes import Floats, Ints

POINTS_MIN = 4


def kept(x: Ints, low: Floats, high: Floats, points: int) -> Ints:
    """Choose about so many rows of a table that is ordered by x.

    In each of equal parts of the axis those with the lowest `low` and the highest `high`, and if there are some that
    are NaN or infinite, one of these; also the very first and the very last row.
    """
    count = len(x)
    if count <= max(points, POINTS_MIN):
        return np.arange(count)
    part = _parts(x, max(points, POINTS_MIN) // 2 - 1)
    starts = np.flatnonzero(np.diff(part, prepend=-1))
    chosen = np.zeros(count, bool)
    chosen[[0, -1]] = True
    for values, is_odd in ((low, ~np.isfinite(low)), (-high, ~np.isfinite(high))):
        chosen[_first_lowest(np.where(is_odd, np.inf, values), starts)] = True
        odd = _first_lowest(np.where(is_odd, 0.0, 1.0), starts)
        chosen[odd[is_odd[odd]]] = True
    rows: Ints = np.flatnonzero(chosen)
    return rows


def _parts(x: Ints, count: int) -> Ints:
    """Number the equal parts of the axis that the rows are in."""
    # As floats: the distance of two integers of 64 bits may be none.
    distance = x.astype(np.float64) - float(x[0])
    parts: Ints = np.minimum(distance / max(distance[-1], 1.0) * count, count - 1).astype(np.int64)
    return parts


def _first_lowest(values: Floats, starts: Ints) -> Ints:
    """Of each part the first row that has its lowest value."""
    lowest = np.minimum.reduceat(values, starts)
    lengths = np.diff(starts, append=len(values))
    hits: npt.NDArray[np.int64] = np.flatnonzero(values == np.repeat(lowest, lengths))
    positions = np.searchsorted(hits, starts)
    found: Ints = hits[positions]
    return found
