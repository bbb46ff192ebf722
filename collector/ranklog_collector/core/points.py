"""Lines of points to columns (docs/reference/points.md). What a line means is here; how much is read when, is not.

Lines come in blocks. Nearly all are one plain value each, so these are taken by columns; every other line by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from ranklog_collector.core.point_values import KINDS, SCALAR, TYPES, encode, encode_json

LINE_BYTES_MAX = 16 << 20
"""Longer lines are skipped."""
_BEGINNING = b'{"t":'
_BEGINNINGS_MAX = 64
"""In so many places of a damaged line the next writer's is looked for."""
_ALONE = 16
"""So many lines are no longer halved to find the damaged one."""
_TIME_MAX = (1 << 63) - 1
_COUNT_MAX = 1 << 40
_PLAIN = frozenset(("t", "k", "v", "s"))
_FACTS = frozenset(("artifact", "tag", "property", "param", "set", "child", "status"))

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Line = dict[str, Any]


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
class Columns:
    """Points in the order of their lines; `names`, `kinds` and `types` are numbers of names, KINDS and TYPES."""

    names: list[int] = field(default_factory=list)
    kinds: list[int] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    at: list[int] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    steps: list[int | None] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)
    """As JSON has them; of lists, rows and tables as text."""


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

    columns: Columns = field(default_factory=Columns)
    facts: list[Fact] = field(default_factory=list)
    damaged: int = 0
    """Lines that say nothing that can be, or of which only the end is one; also those that were too long."""
    lost: int = 0
    """Lines that their writers could not write."""


class _NonsenseError(Exception):
    """The line is JSON, but what it says cannot be."""


def parse(data: bytes, offset: int, names: Names) -> Parsed:
    """Read whole lines, the first of which is at `offset` of its file."""
    parsed = Parsed()
    lines = data.split(b"\n")
    lines.pop()  # what stands behind the last newline is not there yet
    lengths = np.fromiter(map(len, lines), np.int64, len(lines)) + 1
    starts = (np.cumsum(lengths) - lengths + offset).tolist()
    for loaded, found_starts in _load(lines, starts, parsed):
        _take(loaded, found_starts, names, parsed)
    return parsed


# ---- lines to objects ------------------------------------------------------------------------------------------------


def _load(lines: list[bytes], starts: list[int], parsed: Parsed) -> Iterator[tuple[list[Line], list[int]]]:
    """All lines at once if none is damaged, else those before the damage, and so on."""
    loaded = _objects(lines)
    if loaded is not None:
        yield loaded, starts
        return
    if len(lines) > _ALONE:
        middle = len(lines) // 2
        yield from _load(lines[:middle], starts[:middle], parsed)
        yield from _load(lines[middle:], starts[middle:], parsed)
        return
    for line, start in zip(lines, starts, strict=True):
        one = _load_one(line, parsed)
        if one is not None:
            yield [one], [start]


def _objects(lines: list[bytes]) -> list[Line] | None:
    if len(max(lines, key=len, default=b"")) > LINE_BYTES_MAX:
        return None
    try:
        loaded: list[Line] = orjson.loads(b"[" + b",".join(lines) + b"]")
    except orjson.JSONDecodeError:
        return None
    return loaded if len(loaded) == len(lines) and set(map(type, loaded)) <= {dict} else None


def _load_one(line: bytes, parsed: Parsed) -> Line | None:
    if len(line) > LINE_BYTES_MAX:
        parsed.damaged += 1
        return None
    whole = _object(line)
    if whole is not None:
        return whole
    if not line.strip(b"\0 \r\t"):
        return None  # nothing was lost
    parsed.damaged += 1
    end = len(line)
    for _ in range(_BEGINNINGS_MAX):
        end = line.rfind(_BEGINNING, 0, end)
        if end < 0:
            break
        if (found := _object(line[end:])) is not None:
            return found
    return None


def _object(line: bytes) -> Line | None:
    try:
        loaded = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return loaded if type(loaded) is dict else None


# ---- objects to columns ----------------------------------------------------------------------------------------------


def _take(loaded: list[Line], starts: list[int], names: Names, parsed: Parsed) -> None:
    """Take runs of plain lines by columns, and the lines between them one by one."""
    shapes = list(map(tuple, loaded))
    is_plain = {shape: _is_plain(shape) for shape in set(shapes)}
    if all(is_plain.values()):
        _take_plain(loaded, starts, names, parsed)
        return
    begin = 0
    for index, shape in enumerate(shapes):
        if not is_plain[shape]:
            if begin < index:
                _take_plain(loaded[begin:index], starts[begin:index], names, parsed)
            _take_guarded(loaded[index], starts[index], names, parsed)
            begin = index + 1
    if begin < len(loaded):
        _take_plain(loaded[begin:], starts[begin:], names, parsed)


def _is_plain(shape: tuple[str, ...]) -> bool:
    return shape[:2] == ("t", "k") and "v" in shape and _PLAIN.issuperset(shape)


def _take_plain(loaded: list[Line], starts: list[int], names: Names, parsed: Parsed) -> None:
    times = [line["t"] for line in loaded]
    keys = [line["k"] for line in loaded]
    steps = [line.get("s") for line in loaded]
    is_sound = (
        set(map(type, times)) == {int}
        and set(map(type, keys)) == {str}
        and min(times) >= 0
        and max(times) <= _TIME_MAX
        and _are_steps(steps)
    )
    if not is_sound:
        for line, start in zip(loaded, starts, strict=True):
            _take_guarded(line, start, names, parsed)
        return
    numbers = {key: names.number("", key) for key in dict.fromkeys(keys)}
    columns = parsed.columns
    columns.names += [numbers[key] for key in keys]
    columns.kinds += [SCALAR] * len(loaded)
    columns.times += times
    columns.at += starts
    columns.places += [0] * len(loaded)
    columns.steps += steps
    columns.values += [line["v"] for line in loaded]


def _are_steps(steps: list[Any]) -> bool:
    logged = steps if None not in steps else [step for step in steps if step is not None]
    return not logged or (set(map(type, logged)) == {int} and min(logged) >= -_TIME_MAX and max(logged) <= _TIME_MAX)


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
        columns = parsed.columns
        for place, (key, kind, time, step, value) in enumerate(self._points):
            columns.names.append(self._names.number(self._run, key))
            columns.kinds.append(kind)
            columns.times.append(time)
            columns.at.append(self._start)
            columns.places.append(place)
            columns.steps.append(step)
            columns.values.append(value)
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


# ---- columns to arrays -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Arrays:
    """Points as arrays of equal length, in the order of their lines."""

    names: Ints
    kinds: Ints
    times: Ints
    at: Ints
    places: Ints
    steps: Ints
    n: Ints
    types: Ints
    values: Floats
    """NaN also where there is no number: `types` tells."""
    texts: list[str | None] | None
    """None if there are none."""

    def __len__(self) -> int:
        """How many points."""
        return len(self.at)


def arrays(columns: Columns, n: Ints) -> Arrays:
    """Make arrays of columns; `n` is each point's ordinal, which stands for a step that was not logged."""
    types, values, texts = _values(columns.values, columns.kinds)
    if None in columns.steps:
        steps = np.array([n[i] if step is None else step for i, step in enumerate(columns.steps)], np.int64)
    else:
        steps = np.array(columns.steps, np.int64)
    return Arrays(
        np.array(columns.names, np.int64),
        np.array(columns.kinds, np.int64),
        np.array(columns.times, np.int64),
        np.array(columns.at, np.int64),
        np.array(columns.places, np.int64),
        steps,
        n,
        types,
        values,
        texts,
    )


def _values(values: list[Any], kinds: list[int]) -> tuple[Ints, Floats, list[str | None] | None]:
    if set(map(type, values)) == {float}:
        return np.full(len(values), TYPES["float"], np.int64), np.array(values, np.float64), None
    encoded = [encode(value, kind) for value, kind in zip(values, kinds, strict=True)]
    types, numbers, texts = (list(column) for column in zip(*encoded, strict=True)) if encoded else ([], [], [])
    has_text = any(text is not None for text in texts)
    return np.array(types, np.int64), np.array(numbers, np.float64), texts if has_text else None
