"""Identical lines of many ranks become one row, and nothing is lost: the rows still tell each rank's own order."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from ranklog_collector.reading.merge import Line

WINDOW_NS = 1_000_000_000
ROWS_HELD_MAX = 10_000


@dataclass(slots=True)
class Row:
    """A line and all the streams that have it."""

    line: Line
    streams: list[int]
    number: int = 0
    kind: Hashable = None
    """What its streams have in common; None if others cannot join."""


class Fold:
    """Joins equal lines of different streams that came within a window of time.

    `kinds` says which streams may be joined: those of the same kind. A stream that is not in it stays alone. A line is
    never joined to a row that stands before an earlier line of its own stream.
    """

    def __init__(self, kinds: Mapping[int, Hashable], window_ns: int = WINDOW_NS) -> None:
        self._window_ns = window_ns
        self._rows: deque[Row] = deque()
        self._open: dict[tuple[Hashable, bytes], deque[Row]] = {}
        self._latest: dict[int, int] = {}
        self._count = 0
        self.learn(kinds)

    def learn(self, kinds: Mapping[int, Hashable]) -> None:
        """Take note of the streams that there are now."""
        self._kinds = kinds
        self._members = Counter(kinds.values())

    def push(self, line: Line) -> Iterator[Row]:
        """Take the next line; yields the rows that are complete now."""
        yield from self.expire(line.time)
        kind = self._kinds.get(line.stream)
        latest = self._latest.get(line.stream, 0)
        candidates = self._open.setdefault((kind, line.text), deque()) if kind is not None else deque()
        for row in candidates:
            if row.number > latest:
                row.streams.append(line.stream)
                break
        else:
            self._count += 1
            row = Row(line, [line.stream], self._count, kind)
            self._rows.append(row)
            candidates.append(row)
        self._latest[line.stream] = row.number

    def expire(self, time: int) -> Iterator[Row]:
        """Yield the rows that no line can join any more at `time`."""
        rows = self._rows
        while rows and (
            rows[0].line.time + self._window_ns < time
            or len(rows) >= ROWS_HELD_MAX
            or len(rows[0].streams) >= self._members.get(rows[0].kind, 1)
        ):
            yield self._pop()

    def flush(self) -> Iterator[Row]:
        """Yield all rows."""
        while self._rows:
            yield self._pop()

    def _pop(self) -> Row:
        row = self._rows.popleft()
        if row.kind is not None:
            key = (row.kind, row.line.text)
            rows = self._open[key]
            rows.popleft()
            if not rows:
                del self._open[key]
        return row


def folded(source: Iterable[Line], fold: Fold) -> Iterator[Row]:
    """Fold all lines."""
    for line in source:
        yield from fold.push(line)
    yield from fold.flush()
