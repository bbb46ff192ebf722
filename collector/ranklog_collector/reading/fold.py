"""Identical lines of many ranks become one row, and nothing is lost: the rows still tell each rank's own order."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass

WINDOW_NS = 1_000_000_000
ROWS_HELD_MAX = 10_000


@dataclass(slots=True)
class Row:
    """A line, without its newline, and all the streams that have it; time and offset are those of the first."""

    text: bytes
    time: int
    offset: int
    streams: list[int]
    kind: Hashable = None
    """What its streams have in common; None if others cannot join."""
    number: int = 0


class Fold:
    """Joins equal lines of different streams that came within a window of time.

    `kinds` says which streams may be joined: those of the same kind. A stream that is not in it stays alone. A line is
    never joined to a row that stands before an earlier line of its own stream.
    """

    def __init__(self, kinds: Mapping[int, Hashable], window_ns: int = WINDOW_NS) -> None:
        self._window_ns = window_ns
        self._rows: deque[Row] = deque()
        self._open: dict[Hashable, dict[bytes, list[Row]]] = {}
        self._latest: dict[int, int] = {}
        self._count = 0
        self.learn(kinds)

    def learn(self, kinds: Mapping[int, Hashable]) -> None:
        """Take note of the streams that there are now."""
        self._kinds = kinds
        self._members = Counter(kinds.values())

    def push(self, stream: int, time: int, lines: Iterable[tuple[int, bytes]]) -> list[Row]:
        """Take the next lines, (offset, text), of a stream; gives out the rows that are complete before them."""
        complete = self.expire(time)
        kind = self._kinds.get(stream)
        table = {} if kind is None else self._open.setdefault(kind, {})
        latest, count = self._latest.get(stream, 0), self._count
        rows = self._rows
        for offset, text in lines:
            candidates = table.get(text)
            if candidates is not None:
                joined = next((row for row in candidates if row.number > latest), None)
                if joined is not None:
                    joined.streams.append(stream)
                    latest = joined.number
                    continue
            latest = count = count + 1
            row = Row(text, time, offset, [stream], kind, count)
            rows.append(row)
            if candidates is None:
                table[text] = [row]
            else:
                candidates.append(row)
        self._latest[stream], self._count = latest, count
        return complete

    def expire(self, time: int) -> list[Row]:
        """Give out the rows that no line can join any more at `time`."""
        rows, members, oldest = self._rows, self._members, time - self._window_ns
        complete = []
        while rows:
            row = rows[0]
            if row.time >= oldest and len(rows) <= ROWS_HELD_MAX and len(row.streams) < members.get(row.kind, 1):
                break
            complete.append(rows.popleft())
            self._forget(row)
        return complete

    @property
    def count(self) -> int:
        """How many rows there have been: the number of the latest."""
        return self._count

    def flush(self, last: int | None = None) -> list[Row]:
        """Give out all rows, or those up to the one of this number."""
        complete = []
        while self._rows and (last is None or self._rows[0].number <= last):
            complete.append(self._rows.popleft())
            self._forget(complete[-1])
        return complete

    def _forget(self, row: Row) -> None:
        if row.kind is None:
            return
        table = self._open[row.kind]
        same = table[row.text]
        if len(same) == 1:
            del table[row.text]
        else:
            del same[0]
