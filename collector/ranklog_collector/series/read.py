"""What readers ask about the points of a run. Answers cover what the folder's state vouches for: refresh it first."""

from __future__ import annotations

import math
from collections import defaultdict

from ranklog_collector.core.point_totals import Total
from ranklog_collector.reading.folder import RunFolder
from ranklog_collector.series.aggregate import aggregate
from ranklog_collector.series.facts import facts
from ranklog_collector.series.points import points_of
from ranklog_collector.series.records import records
from ranklog_collector.series.selection import UnknownMetricError, Writer, own_run, writers
from ranklog_collector.series.shapes import Metric
from ranklog_collector.series.single import series

__all__ = ["UnknownMetricError", "aggregate", "catalog", "facts", "records", "series"]


def catalog(folder: RunFolder, run: str | None = None, resources: bool = False) -> list[Metric]:
    """List the metrics by name; with `resources` also what agents observed, under the same names as in its streams."""
    own = own_run(folder, run)
    metrics = []
    with points_of(folder) as points:
        for of_agents in (False, True) if resources else (False,):
            parts: dict[str, list[tuple[Writer, Total]]] = defaultdict(list)
            for writer in writers(folder, points.covers, of_agents):
                for number, (of, key) in enumerate(writer.cover.totals.names.all):
                    total = writer.cover.totals.metrics[number]
                    if of == own and total.count:
                        parts[key].append((writer, total))
            metrics += [_metric(key, parts[key], of_agents) for key in sorted(parts)]
    return metrics


def _metric(key: str, parts: list[tuple[Writer, Total]], of_agents: bool) -> Metric:
    latest_writer, latest = max(parts, key=lambda part: part[0].clock.correct(part[1].last_time))
    numbers = [total for _, total in parts if total.finite]
    finite = sum(total.finite for total in numbers)
    return Metric(
        key=key,
        kind=latest.kind,
        count=sum(total.count for _, total in parts),
        processes=len(parts),
        ranks=sorted({writer.rank for writer, _ in parts if writer.rank is not None}),
        first_step=min(total.first_step for _, total in parts),
        last_step=max(total.last_step for _, total in parts),
        last=latest.last,
        last_ns=latest_writer.clock.correct(latest.last_time),
        min=min(total.least for total in numbers) if numbers else None,
        max=max(total.most for total in numbers) if numbers else None,
        mean=_quotient(sum(total.sum for total in numbers), finite),
        description=next((text for writer, _ in reversed(parts) if (text := _description(writer, key))), ""),
        is_resource=of_agents,
        is_printed=all(writer.is_printed for writer, _ in parts),
    )


def _description(writer: Writer, key: str) -> str:
    names = writer.cover.totals.names
    return next((text for number, text in names.descriptions.items() if names.all[number][1] == key), "")


def _quotient(total: float, count: int) -> float | None:
    return total / count if count and math.isfinite(total) else None
