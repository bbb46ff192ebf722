"""How every metric of a run went, in a few numbers: for a list of all, from one pass over the points."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from ranklog_collector.reading.folder import RunFolder
from ranklog_collector.series.database import strings
from ranklog_collector.series.points import points_of
from ranklog_collector.series.selection import own_run, writers
from ranklog_collector.series.shapes import Floats

_QUERY = """
    SELECT counts.number AS metric, CAST(n * counts.parts AS HUGEINT) // counts.count AS part, avg(value) AS mean
    FROM {source} AS points JOIN counts ON points.stream = counts.stream AND points.key = counts.key
    WHERE run = ? AND isfinite(value) GROUP BY 1, 2"""


def sparks(folder: RunFolder, parts: int, run: str | None = None, resources: bool = False) -> dict[str, Floats]:
    """Of each metric that has numbers, the mean of each of so many parts of its points, over all processes.

    A metric of fewer points has fewer parts; one without numbers is NaN.
    """
    own = own_run(folder, run)
    counts: list[tuple[int, str, int]] = []
    lengths: dict[str, int] = defaultdict(int)
    with points_of(folder) as points:
        found = writers(folder, points.covers, resources)
        for writer in found:
            totals = writer.cover.totals
            for (of, key), total in zip(totals.names.all, totals.metrics, strict=True):
                if of == own and total.count:
                    counts.append((writer.stream, key, total.count))
                    lengths[key] = max(lengths[key], min(parts, total.count))
        keys = list(lengths)
        numbers = {key: number for number, key in enumerate(keys)}
        relation = {
            "stream": np.array([stream for stream, _, _ in counts], np.int64),
            "key": strings([key for _, key, _ in counts]),
            "count": np.array([count for _, _, count in counts], np.int64),
            "parts": np.array([lengths[key] for _, key, _ in counts], np.int64),
            "number": np.array([numbers[key] for _, key, _ in counts], np.int64),
        }
        answer = {key: np.full(length, np.nan) for key, length in lengths.items()}
        if counts:
            since = dict.fromkeys({stream for stream, _, _ in counts}, 0)
            with points.registered(counts=relation):
                rows = points.query(since, lambda source: _QUERY.format(source=source), own)
            for metric, part, mean in zip(*(rows[name].tolist() for name in ("metric", "part", "mean")), strict=True):
                answer[keys[metric]][int(part)] = mean
    return answer
