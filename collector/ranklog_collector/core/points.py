"""Lines of points to columns (docs/reference/points.md). What a line means is here; how much is read when, is not.

Lines come in blocks. Nearly all are one plain value each, so these are taken by columns; every other line by itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

import numpy as np

from ranklog_collector.core.point_columns import Ints, Points, Rows, joined, scalars
from ranklog_collector.core.point_lines import Line, Lines
from ranklog_collector.core.point_values import KINDS, SCALAR, encode_json

_TIME_MAX = (1 << 63) - 1
_COUNT_MAX = 1 << 40
_COLUMNS_MIN = 32
"""Of so many values of a line arrays are made at once."""
_PLAIN = frozenset(("t", "k", "v", "s"))
_FACTS = frozenset(("artifact", "tag", "property", "param", "set", "child", "status", "inputs"))


@dataclass(frozen=True, slots=True)
class Fact:
    """What a line says of a run rather than of a metric: `name` is that of a tag, a property and so on."""

    run: str
    sort: str
    name: str
    value: str | None
    time: int
    at: int


@dataclass(slots=True)
class Names:
    """Numbers for the metrics of a stream: each is a run (empty: the run itself) and a key."""

    all: list[tuple[str, str]] = field(default_factory=list)
    descriptions: dict[int, str] = field(default_factory=dict)
    _numbers: dict[tuple[str, str], int] = field(default_factory=dict)

    def find(self, run: str, key: str) -> int | None:
        """The number of a metric, None if it has none."""
        return self._numbers.get((run, key))

    def number(self, run: str, key: str) -> int:
        """The number of a metric, a new one if it is new."""
        found = self._numbers.get((run, key))
        if found is None:
            found = self._numbers[run, key] = len(self.all)
            self.all.append((run, key))
        return found


@dataclass(slots=True)
class Parsed:
    """What a block of lines says."""

    facts: list[Fact] = field(default_factory=list)
    damaged: int = 0
    """Lines that say nothing that can be, or of which only the end is one; also those that were too long."""
    lost: int = 0
    """Lines that their writers could not write."""
    rows: Rows = field(default_factory=Rows)
    """Points that have not become arrays yet: those behind `parts`."""
    parts: list[Points] = field(default_factory=list)

    def add(self, points: Points) -> None:
        """Let points follow those that there are."""
        if self.rows.at:
            self.parts.append(self.rows.points())
            self.rows = Rows()
        self.parts.append(points)

    @property
    def points(self) -> Points:
        """All points, in the order of their lines."""
        return joined([*self.parts, self.rows.points()] if self.rows.at else self.parts)


class _NonsenseError(Exception):
    """The line is JSON, but what it says cannot be."""


def parse(data: bytes, offset: int, names: Names) -> Parsed:
    """Read whole lines, the first of which is at `offset` of its file."""
    parsed = Parsed()
    lines = Lines(data, offset)
    for loaded, starts in lines:
        _take(loaded, starts, names, parsed)
    parsed.damaged += lines.damaged
    return parsed


def _take(loaded: list[Line], starts: Ints, names: Names, parsed: Parsed) -> None:
    """Take plain lines by columns, and the lines between them one by one."""
    lengths = set(map(len, loaded))
    if len(lengths) == 1 and (points := _plain(loaded, starts, names, lengths.pop())) is not None:
        parsed.add(points)
        return
    shapes = list(map(tuple, loaded))
    plain = {shape: len(shape) if _is_plain(shape) else 0 for shape in set(shapes)}
    begin = 0
    while begin < len(loaded):
        length, end = plain[shapes[begin]], begin + 1
        while length and end < len(loaded) and plain[shapes[end]] == length:
            end += 1
        points = _plain(loaded[begin:end], starts[begin:end], names, length) if length else None
        if points is not None:
            parsed.add(points)
        else:
            for line, start in zip(loaded[begin:end], starts[begin:end].tolist(), strict=True):
                if "vs" in line and (columns := _columns(line, start, names)) is not None:
                    parsed.add(columns)
                else:
                    _take_guarded(line, start, names, parsed)
        begin = end


def _is_plain(shape: tuple[str, ...]) -> bool:
    return "t" in shape and "k" in shape and "v" in shape and _PLAIN.issuperset(shape)


def _plain(loaded: list[Line], starts: Ints, names: Names, length: int) -> Points | None:
    """Take lines that are all a value with a step, or all one without; None if they are not or make no sense."""
    if length not in (3, 4):
        return None
    try:
        times = list(map(itemgetter("t"), loaded))
        keys = list(map(itemgetter("k"), loaded))
        values = list(map(itemgetter("v"), loaded))
        steps = list(map(itemgetter("s"), loaded)) if length == 4 else None
    except KeyError:
        return None
    if set(map(type, times)) != {int} or set(map(type, keys)) != {str}:
        return None
    if steps is not None and set(map(type, steps)) != {int}:
        return None
    try:
        moments = np.array(times, np.int64)
        logged = np.zeros(len(loaded), np.int64) if steps is None else np.array(steps, np.int64)
    except OverflowError:
        return None
    if moments.min() < 0 or logged.min() < -_TIME_MAX:
        return None
    known = {key: names.number("", key) for key in dict.fromkeys(keys)}
    if len(known) == 1:
        numbers = np.full(len(loaded), known[keys[0]], np.int64)
    else:
        numbers = np.array([known[key] for key in keys], np.int64)
    return scalars(numbers, moments, starts, logged, np.zeros(len(loaded), bool) if steps is None else None, values)


def _columns(line: Line, start: int, names: Names) -> Points | None:
    """Take a line of many values of one metric with their times and steps; None if it is another, or makes no sense."""
    values, times, steps = line["vs"], line.get("ts"), line.get("ss")
    key, run = line.get("k"), line.get("r", "")
    if len(line) != (6 if "r" in line else 5) or type(key) is not str or type(run) is not str:
        return None
    if type(values) is not list or type(times) is not list or type(steps) is not list or len(values) < _COLUMNS_MIN:
        return None
    count = len(values)
    if not len(times) == len(steps) == count or set(map(type, times)) | set(map(type, steps)) != {int}:
        return None
    try:
        _moment(line.get("t"))
        moments, logged = np.array(times, np.int64), np.array(steps, np.int64)
    except (_NonsenseError, OverflowError):
        return None
    if moments.min() < 0 or logged.min() < -_TIME_MAX:
        return None
    number = np.full(count, names.number(run, key), np.int64)
    places = np.arange(count, dtype=np.int64)
    return scalars(number, moments, np.full(count, start, np.int64), logged, None, values, places)


def _take_guarded(line: Line, start: int, names: Names, parsed: Parsed) -> None:
    try:
        _Taker(line, start, names).take(parsed)
    except _NonsenseError:
        parsed.damaged += 1


class _Taker:
    """Takes one line, of any form: all of it, or nothing."""

    def __init__(self, line: Line, start: int, names: Names) -> None:
        self._line = line
        self._start = start
        self._names = names
        self._time = _moment(line.get("t"))
        self._step = _step(line.get("s"))
        self._run = _text(line.get("r", ""))
        self._points: list[tuple[str, int, int, int | None, Any]] = []
        self._facts: list[Fact] = []

    def take(self, parsed: Parsed) -> None:
        line = self._line
        if "m" in line:
            self._points += [(key, SCALAR, self._time, self._step, value) for key, value in _mapping(line["m"]).items()]
        if "k" in line:
            self._take_metric(_text(line["k"]))
        if not _FACTS.isdisjoint(line):
            self._take_facts()
        lost = _count(line.get("lost", 0))
        rows = parsed.rows
        for place, (key, kind, time, step, value) in enumerate(self._points):
            rows.names.append(self._names.number(self._run, key))
            rows.kinds.append(kind)
            rows.times.append(time)
            rows.at.append(self._start)
            rows.places.append(place)
            rows.steps.append(step)
            rows.values.append(value)
        parsed.facts += self._facts
        parsed.lost += lost

    def _take_metric(self, key: str) -> None:
        line = self._line
        if "v" in line:
            self._points.append((key, SCALAR, self._time, self._step, line["v"]))
        if "vs" in line:
            self._take_many(key, _column(line["vs"]))
        if "list" in line:
            self._add_shaped(key, "list", _column(line["list"]))
        if "row" in line:
            self._add_shaped(key, "row", _mapping(line["row"]))
        if "table" in line:
            table = _mapping(line["table"])
            if len({len(_column(column)) for column in table.values()}) > 1:
                raise _NonsenseError
            self._add_shaped(key, "table", table)
        if "file" in line:
            kind = KINDS.get(_text(line.get("kind")))
            if kind is None:
                raise _NonsenseError
            self._points.append((key, kind, self._time, self._step, _text(line["file"])))
        if self._points and "d" in line:
            self._names.descriptions[self._names.number(self._run, key)] = _text(line["d"])

    def _add_shaped(self, key: str, kind: str, value: Any) -> None:
        self._points.append((key, KINDS[kind], self._time, self._step, encode_json(value)))

    def _take_many(self, key: str, values: list[Any]) -> None:
        times = _column(self._line.get("ts", [self._time] * len(values)))
        steps = _column(self._line.get("ss", [self._step] * len(values)))
        if not len(times) == len(steps) == len(values):
            raise _NonsenseError
        self._points += [
            (key, SCALAR, _moment(time), _step(step), value)
            for time, step, value in zip(times, steps, values, strict=True)
        ]

    def _take_facts(self) -> None:
        line = self._line
        for sort in ("tag", "property", "param"):
            for name, value in _mapping(line.get(sort, {})).items():
                self._add_fact(sort, name, None if value is None and sort == "tag" else _text(value))
        for name, value in _mapping(line.get("set", {})).items():
            self._add_fact("set", name, _text(value))
        for sort in ("artifact", "child"):
            if sort in line:
                self._add_fact(sort, _text(line[sort]), "")
        for one in _column(line.get("inputs", [])):
            self._add_fact("input", f"{_text(_mapping(one).get('name'))} {_text(one.get('digest'))}", encode_json(one))
        if "status" in line:
            self._add_fact("status", "", _text(line["status"]))
            self._add_fact("error", "", _text(line["error"]) if line.get("error") is not None else None)

    def _add_fact(self, sort: str, name: str, value: str | None) -> None:
        self._facts.append(Fact(self._run, sort, name, value, self._time, self._start))


def _text(value: Any) -> str:
    if type(value) is not str:
        raise _NonsenseError
    return value


def _mapping(value: Any) -> Line:
    if type(value) is not dict:
        raise _NonsenseError
    return value


def _column(value: Any) -> list[Any]:
    if type(value) is not list:
        raise _NonsenseError
    return value


def _moment(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= _TIME_MAX:
        raise _NonsenseError
    return value


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= _COUNT_MAX:
        raise _NonsenseError
    return value


def _step(value: Any) -> int | None:
    """A step that is no integer of 64 bits is as good as none; its point is kept."""
    return value if type(value) is int and -_TIME_MAX <= value <= _TIME_MAX else None
