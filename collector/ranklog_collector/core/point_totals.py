"""What all points of a stream come to, kept as they come: per metric, and what was said of its runs.

Totals can be written down and taken up again: who goes on reading where somebody else has stopped knows as much.
"""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass, field
from typing import Any

import numpy as np
import orjson

from ranklog_collector.core.point_columns import Ints, Points
from ranklog_collector.core.point_values import KINDS, NUMBERS, TYPES, decode
from ranklog_collector.core.points import Fact, Names, Parsed

_VERSION = 2
_TYPE_NAMES = tuple(TYPES)
_KIND_NAMES = tuple(KINDS)
_NUMBERS = np.array([TYPES[name] for name in NUMBERS])
_LATEST = frozenset(("tag", "set", "status", "error"))
"""Of these the latest counts; of all other facts the first."""


@dataclass(slots=True)
class Total:
    """All points of one metric in one stream."""

    count: int = 0
    finite: int = 0
    """How many are numbers, and neither NaN nor infinite: only these are in sum, least and most."""
    sum: float = 0.0
    least: float = math.inf
    most: float = -math.inf
    first_step: int = 0
    last_step: int = 0
    """Of the latest point; `top_step` is the highest."""
    top_step: int = 0
    is_rising: bool = True
    """Whether each step was higher than the one before."""
    earliest: int = 0
    latest: int = 0
    """Times, the lowest and the highest; `last_time` is that of the last point."""
    kind: str = "scalar"
    last_time: int = 0
    last_type: str = "null"
    last_number: float = math.nan
    last_text: str | None = None

    @property
    def last(self) -> Any:
        """The latest value."""
        return decode(self.last_type, self.last_number, self.last_text)


@dataclass(slots=True)
class Totals:
    """A stream from its beginning to `end`, an offset behind a line."""

    end: int = 0
    names: Names = field(default_factory=Names)
    metrics: list[Total] = field(default_factory=list)
    """By the number of their name."""
    facts: dict[tuple[str, str, str], Fact] = field(default_factory=dict)
    damaged: int = 0
    lost: int = 0
    is_cut_off: bool = False
    """Whether what follows `end` cannot be read. It is not written down: who takes this up sees it as well."""

    def add(self, parsed: Parsed, end: int) -> Points:
        """Take in what was read up to `end`; `parsed` has its names from ours. Returns its points."""
        points = parsed.points
        codes = points.names
        self.metrics += [Total() for _ in range(len(self.metrics), len(self.names.all))]
        order = np.arange(len(codes)) if len(self.names.all) == 1 else np.argsort(codes, kind="stable")
        groups = _groups(codes[order])
        points.number(self._ordinals(order, codes, groups))
        for first, last in groups:
            self._add_metric(self.metrics[codes[order[first]]], points, order[first:last])
        for fact in parsed.facts:
            self._add_fact(fact)
        self.damaged += parsed.damaged
        self.lost += parsed.lost
        self.end = end
        return points

    def _ordinals(self, order: Ints, codes: Ints, groups: list[tuple[int, int]]) -> Ints:
        n = np.empty(len(codes), np.int64)
        for first, last in groups:
            count = self.metrics[codes[order[first]]].count
            n[order[first:last]] = np.arange(count, count + last - first)
        return n

    @staticmethod
    def _add_metric(total: Total, points: Points, rows: Ints) -> None:
        values, steps, times, last = points.values[rows], points.steps[rows], points.times[rows], rows[-1]
        finite = values[np.isfinite(values)]
        if not total.count:
            total.first_step, total.top_step = int(steps[0]), int(steps[0]) - 1
            total.earliest = int(times[0])
        total.earliest = min(total.earliest, int(times.min()))
        total.latest = max(total.latest, int(times.max()))
        total.is_rising = total.is_rising and bool(steps[0] > total.top_step and (np.diff(steps) > 0).all())
        total.top_step = max(total.top_step, int(steps.max()))
        total.last_step = int(steps[-1])
        total.count += len(rows)
        if len(finite):
            total.finite += len(finite)
            with np.errstate(over="ignore"):
                total.sum += float(finite.sum())
            # Plus 0.0: which of two zeros a minimum is depends on the order in which they are looked at.
            total.least = min(total.least, float(finite.min())) + 0.0
            total.most = max(total.most, float(finite.max())) + 0.0
        total.kind = _KIND_NAMES[points.kinds[last]]
        total.last_time = int(points.times[last])
        total.last_type = _TYPE_NAMES[points.types[last]]
        total.last_number = float(points.values[last])
        total.last_text = None if points.texts is None else points.texts[last]

    def _add_fact(self, fact: Fact) -> None:
        key = (fact.run, fact.sort, fact.name)
        known = self.facts.get(key)
        if known is None or (fact.sort in _LATEST and fact.time >= known.time):
            self.facts[key] = fact

    # ---- written down -----------------------------------------------------------------------------------------------

    def dump(self) -> str:
        """Write down everything."""
        return orjson.dumps(
            {
                "version": _VERSION,
                "end": self.end,
                "names": self.names.all,
                "descriptions": list(self.names.descriptions.items()),
                "metrics": [[_safe(one) for one in astuple(total)] for total in self.metrics],
                "facts": [astuple(fact) for fact in self.facts.values()],
                "damaged": self.damaged,
                "lost": self.lost,
            }
        ).decode()


class TotalsError(Exception):
    """What should be written totals is something else."""


def load_totals(text: str) -> Totals:
    """Take up what was written down. Raises TotalsError if that was not by `dump`."""
    try:
        loaded = orjson.loads(text)
        if loaded["version"] != _VERSION:
            raise TotalsError("totals of another version")
        totals = Totals(int(loaded["end"]), damaged=int(loaded["damaged"]), lost=int(loaded["lost"]))
        for run, key in loaded["names"]:
            totals.names.number(str(run), str(key))
        totals.names.descriptions = {int(number): str(one) for number, one in loaded["descriptions"]}
        totals.metrics = [Total(*map(_revived, fields)) for fields in loaded["metrics"]]
        facts = [Fact(*fields) for fields in loaded["facts"]]
        totals.facts = {(fact.run, fact.sort, fact.name): fact for fact in facts}
    except (KeyError, TypeError, ValueError) as error:
        raise TotalsError(f"no totals: {error}") from error
    if len(totals.metrics) != len(totals.names.all):
        raise TotalsError("totals of other names")
    return totals


def _safe(value: Any) -> Any:
    """JSON has no NaN and no infinity."""
    return {"f": repr(value)} if type(value) is float and not math.isfinite(value) else value


def _revived(value: Any) -> Any:
    return float(value["f"]) if type(value) is dict else value


def _groups(ordered: Ints) -> list[tuple[int, int]]:
    """Where the runs of equal numbers begin and end."""
    if not len(ordered):
        return []
    cuts = (np.flatnonzero(np.diff(ordered)) + 1).tolist()
    return list(zip([0, *cuts], [*cuts, len(ordered)], strict=True))
