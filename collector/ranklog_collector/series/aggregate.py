"""A metric over ranks: what it was at each step, or in each span of time, and which rank was least and most."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from ranklog_collector.core.point_totals import Total
from ranklog_collector.reading.folder import RunFolder
from ranklog_collector.series.memory import Known, Table, followed
from ranklog_collector.series.points import RunPoints, points_of
from ranklog_collector.series.selection import Writer, own_run, with_metric, writers
from ranklog_collector.series.shapes import Aggregate
from ranklog_collector.series.thin import kept

_NO_RANK = -1
_NUMBERS = """
    SELECT points.stream, whose.place, whose.rank, step, t + shift AS moment, value, attempt, line,
        points.place AS place_in_line
    FROM {source} AS points JOIN whose USING (stream)
    WHERE run = ? AND key = ? AND value IS NOT NULL"""
_LATEST = """
    SELECT place, any_value(rank) AS rank, step, arg_max(value, (attempt, line, place_in_line)) AS value
    FROM ({numbers}) GROUP BY place, step"""
"""One number for each rank and step: that of its newest attempt, and of several there the one logged last."""
# Of ranks that are equal the lowest is named, so that an answer does not change by itself.
_STATISTICS = """
    SELECT x, count, nonfinite, min, mean, max, std, quantiles[1] AS p50, quantiles[2] AS p99,
        min_rank, max_rank, least, most, has_nan
    FROM (
        SELECT {x} AS x, count(*) AS count, count(*) - count(v) AS nonfinite, min(v) AS min, avg(v) AS mean,
            max(v) AS max, stddev_pop(v) AS std, quantile_cont(v, [0.5, 0.99]) AS quantiles,
            arg_min(rank, (v, rank)) FILTER (v IS NOT NULL) AS min_rank,
            arg_max(rank, (v, -rank)) FILTER (v IS NOT NULL) AS max_rank,
            min(value) FILTER (v IS NULL) AS least, max(value) FILTER (v IS NULL) AS most,
            bool_or(isnan(value)) FILTER (v IS NULL) AS has_nan
        FROM (SELECT *, CASE WHEN isfinite(value) THEN value END AS v FROM ({numbers}))
        GROUP BY 1
    ) ORDER BY x"""
_FIRST_NEWS = """
    SELECT min({x}) AS x FROM ({numbers}) AS numbers JOIN since USING (stream)
    WHERE line >= "offset" HAVING count(*) > 0"""
_FLOATS = ("min", "mean", "max", "std", "p50", "p99")
_INTS = ("x", "count", "nonfinite", "min_rank", "max_rank")


def aggregate(
    folder: RunFolder,
    key: str,
    by: str = "step",
    points: int = 1000,
    run: str | None = None,
    resources: bool = False,
) -> Aggregate:
    """Give a metric over ranks, thinned to about `points` rows.

    By step each row is a real step, with one number of each rank: that of its newest attempt. Of each part of the axis
    the step with the lowest minimum and the one with the highest maximum are kept, and the first and the last. By time
    each row is a span of 1, 2 or 5 times a power of ten, with all numbers that fall into it. Raises UnknownMetricError.
    """
    own = own_run(folder, run)
    with points_of(folder) as source:
        found = with_metric(writers(folder, source.covers, resources), own, key)
        question = _Question(source, found, own, key)
        if by == "time":
            table = question.by_time(points)
            rows = np.arange(len(table["x"]))
        else:
            table = question.by_step()
            rows = kept(table["x"], table["min"], table["max"], points) if len(table["x"]) else table["x"]
    return Aggregate(by=by, total=len(table["x"]), **{name: column[rows] for name, column in table.items()})


class _Question:
    def __init__(self, source: RunPoints, found: list[Writer], run: str, key: str) -> None:
        self._source = source
        self._run = run
        self._key = key
        self._totals = [(one, total) for one in found if (total := one.total(run, key)) is not None]
        self._covered = {one.stream: one.cover.totals.end for one in found}
        places = {one.place: number for number, one in enumerate(found)}
        self._whose = {
            "stream": np.array([one.stream for one in found], np.int64),
            "place": np.array([places[one.place] for one in found], np.int64),
            "rank": np.array([_NO_RANK if one.rank is None else one.rank for one in found], np.int64),
            "attempt": np.array([one.attempt for one in found], np.int64),
            "shift": np.array([one.clock.offset_ns for one in found], np.int64),
        }
        self._identity = tuple((one.stream, one.place, one.attempt) for one in found)

    def by_step(self) -> Table:
        """A row for each step."""
        return self._grown("step", "step", lambda first: f" AND step >= {first}")

    def by_time(self, points: int) -> Table:
        """A row for each span of time in which there are numbers; x is where it begins."""
        low = min(total.earliest + writer.clock.offset_ns for writer, total in self._totals)
        high = max(total.latest + writer.clock.offset_ns for writer, total in self._totals)
        width = _span((high - low) // max(points, 1) + 1)
        shift = int(self._whose["shift"].max())

        def later(first: int) -> str:
            # The second condition says no more, but can be held against what a segment knows of its rows.
            return f" AND t + shift >= {first * width} AND t >= {first * width - shift}"

        shifts = tuple(self._whose["shift"].tolist())
        table = self._grown(("time", width, shifts), f"moment // {width}", later)
        return {**table, "x": table["x"] * width}

    def _grown(self, axis: Hashable, x: str, later: Callable[[int], str]) -> Table:
        """All rows, of which those before the first that has news are known from before."""
        question = (self._identity, self._run, self._key, axis)
        known = self._source.memory.recall(question)
        if known is None:
            table = self._statistics(x, "")
        elif known.covered == self._covered:
            return known.table
        elif (first := self._first_news(x, known.covered)) is None:
            table = known.table
        else:
            before = int(np.searchsorted(known.table["x"], first))
            table = followed(known.table, slice(before), self._statistics(x, later(first)))
        self._source.memory.remember(question, Known(table, self._covered))
        return table

    def _first_news(self, x: str, covered: Mapping[int, int]) -> int | None:
        """The lowest x of the numbers that are not covered."""
        since = {stream: covered.get(stream, 0) for stream in self._covered}
        relation = {"stream": np.array(list(since), np.int64), "offset": np.array(list(since.values()), np.int64)}
        with self._source.registered(since=relation):
            found = self._ask(_FIRST_NEWS.replace("{x}", x), _NUMBERS, since)
        return int(found["x"][0]) if len(found["x"]) else None

    def _may_repeat_steps(self) -> bool:
        """Whether a rank may have several numbers at a step."""
        of_place: dict[Any, list[Total]] = defaultdict(list)
        for writer, total in self._totals:
            of_place[writer.place].append(total)
        return any(
            not all(total.is_rising for total in totals)
            or any(earlier.top_step >= later.first_step for earlier, later in pairwise(totals))
            for totals in of_place.values()
        )

    def _statistics(self, x: str, condition: str) -> Table:
        numbers = _NUMBERS + condition
        if x == "step" and self._may_repeat_steps():
            numbers = _LATEST.format(numbers=numbers)
        columns = self._ask(_STATISTICS.replace("{x}", x), numbers, dict.fromkeys(self._covered, 0))
        table: Table = {name: np.ma.filled(np.ma.asarray(columns[name], np.float64), np.nan) for name in _FLOATS}
        table |= {name: np.ma.filled(np.ma.asarray(columns[name], np.int64), _NO_RANK) for name in _INTS}
        odd = np.flatnonzero(table["count"] == table["nonfinite"])
        if len(odd):
            # Nothing but NaN and infinities: the one infinity that it is, if it is one.
            least, most, has_nan = (np.ma.getdata(columns[name])[odd] for name in ("least", "most", "has_nan"))
            value = np.where(has_nan.astype(bool) | (least != most), np.nan, least)
            for name in ("min", "mean", "max", "p50", "p99"):
                table[name][odd] = value
        return table

    def _ask(self, query: str, numbers: str, since: Mapping[int, int]) -> dict[str, Any]:
        with self._source.registered(whose=self._whose):
            return self._source.query(
                since,
                lambda source: query.replace("{numbers}", numbers).replace("{source}", source),
                self._run,
                self._key,
            )


def _span(least: int) -> int:
    """The first of 1, 2, 5, 10, 20, 50 … nanoseconds that is not shorter."""
    power = 10 ** (len(str(least)) - 1)
    factor = next(factor for factor in (1, 2, 5, 10) if factor * power >= least)
    return int(factor * power)
