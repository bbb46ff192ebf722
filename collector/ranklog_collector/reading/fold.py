"""Lines of many ranks that are the same become one row, and nothing is lost: the rows tell each rank's own order."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import Counter, deque
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from operator import attrgetter

from ranklog_collector.core.alike import Parts, Spread, parts_of, template_of
from ranklog_collector.core.passages import Passage, begun

WINDOW_NS = 1_000_000_000
ROWS_HELD_MAX = 10_000
_number = attrgetter("number")


@dataclass(slots=True)
class Row:
    """A line, without its newline, and all the streams that have it; time and offset are those of the first.

    Lines that belong together are one row: its text has newlines.
    """

    text: bytes
    time: int
    offset: int
    streams: list[int]
    kind: Hashable = None
    """What its streams have in common; None if others cannot join."""
    number: int = 0
    spread: Spread | None = None
    """If texts that are alike have joined it."""
    key: Hashable = field(default=None, compare=False)
    """What texts that may join have in common."""
    parts: Parts | None = field(default=None, compare=False)
    """The text taken apart, if texts that are alike may join."""


@dataclass(slots=True)
class _Unfinished:
    """Lines that belong together, of which more may come."""

    passage: Passage
    row: Row
    latest: int
    """The row of the stream before it."""
    lines: list[tuple[int, bytes]]


class Fold:
    """Joins equal lines of different streams that came within a window of time; with `is_similar` also those alike.

    `kinds` says which streams may be joined: those of the same kind. A stream that is not in it stays alone. A line is
    never joined to a row that stands before an earlier line of its own stream. Lines that belong together (tracebacks)
    stay together, and join as one.
    """

    def __init__(self, kinds: Mapping[int, Hashable], window_ns: int = WINDOW_NS, is_similar: bool = False) -> None:
        self._window_ns = window_ns
        self._is_similar = is_similar
        self._rows: deque[Row] = deque()
        self._open: dict[Hashable, dict[Hashable, list[Row]]] = {}
        self._latest: dict[int, int] = {}
        self._unfinished: dict[int, _Unfinished] = {}
        self._count = 0
        self.learn(kinds)

    def learn(self, kinds: Mapping[int, Hashable]) -> None:
        """Take note of the streams that there are now."""
        self._kinds = kinds
        self._members = Counter(kinds.values())

    def push(self, stream: int, time: int, lines: Iterable[tuple[int, bytes]], has_passages: bool = True) -> list[Row]:
        """Take the next lines, (offset, text), of a stream; gives out the rows that are complete before them.

        Who knows that none of them begins lines that belong together saves time by saying so.
        """
        complete = self.expire(time)
        if not (has_passages or self._is_similar or stream in self._unfinished):
            self._push_plain(stream, time, lines)
            return complete
        for offset, text in lines:
            unfinished = self._unfinished.get(stream)
            if unfinished is not None:
                if unfinished.passage.take(text):
                    unfinished.lines.append((offset, text))
                    continue
                self._finish(stream)
            passage = begun(text) if has_passages else None
            if passage is None:
                self._add(stream, Row(text, time, offset, [stream]))
            else:
                self._begin(stream, Row(text, time, offset, [stream]), passage)
        return complete

    def _push_plain(self, stream: int, time: int, lines: Iterable[tuple[int, bytes]]) -> None:
        """Do what `_add` does for each line, at once: nearly all lines are such lines."""
        kind = self._kinds.get(stream)
        table = {} if kind is None else self._open.setdefault(kind, {})
        latest, count, rows = self._latest.get(stream, 0), self._count, self._rows
        for offset, text in lines:
            same = table.get(text)
            if same is not None:
                joined = next((row for row in same if row.number > latest), None)
                if joined is not None:
                    joined.streams.append(stream)
                    latest = joined.number
                    continue
            latest = count = count + 1
            row = Row(text, time, offset, [stream], kind, count, None, text)
            rows.append(row)
            if same is None:
                table[text] = [row]
            else:
                same.append(row)
        self._latest[stream], self._count = latest, count

    def expire(self, time: int) -> list[Row]:
        """Give out the rows that no line can join any more at `time`."""
        rows, members, oldest = self._rows, self._members, time - self._window_ns
        complete: list[Row] = []
        while rows:
            row = rows[0]
            if row.time >= oldest and len(rows) <= ROWS_HELD_MAX and not self._is_full(row, members):
                break
            self._give(rows.popleft(), complete)
        return complete

    @property
    def count(self) -> int:
        """How many rows there have been: the number of the latest."""
        return self._count

    def flush(self, last: int | None = None) -> list[Row]:
        """Give out all rows, or those up to the one of this number."""
        complete: list[Row] = []
        while self._rows and (last is None or self._rows[0].number <= last):
            self._give(self._rows.popleft(), complete)
        return complete

    # ---- one row ----------------------------------------------------------------------------------------------------

    def _is_full(self, row: Row, members: Mapping[Hashable, int]) -> bool:
        if not row.streams:
            return True
        is_unfinished = row.streams[0] in self._unfinished and self._unfinished[row.streams[0]].row is row
        return not is_unfinished and len(row.streams) >= members.get(row.kind, 1)

    def _append(self, row: Row) -> None:
        self._count += 1
        row.number = self._count
        self._rows.append(row)

    def _add(self, stream: int, row: Row) -> None:
        """Join a row to one that is the same, or let it stand as the latest of its stream."""
        latest = self._latest.get(stream, 0)
        kind = self._kinds.get(stream)
        if kind is None:
            if not row.number:
                self._append(row)
            self._latest[stream] = row.number
            return
        key: Hashable = row.text
        if self._is_similar:
            row.parts = parts_of(row.text)
            key = template_of(row.parts)
        table = self._open.setdefault(kind, {})
        same = table.get(key)
        if same is not None and (index := bisect_right(same, latest, key=_number)) < len(same):
            joined = same[index]
            joined.streams.append(stream)
            self._latest[stream] = joined.number
            if joined.parts is not None and row.parts is not None and joined.text != row.text:
                joined.spread = joined.spread or Spread(joined.parts)
                joined.spread.add(row.parts)
            row.streams = []
            return
        row.kind, row.key = kind, key
        if not row.number:
            self._append(row)
        self._latest[stream] = row.number
        if same is None:
            table[key] = [row]
        else:
            insort(same, row, key=_number)

    def _begin(self, stream: int, row: Row, passage: Passage) -> None:
        self._append(row)
        self._unfinished[stream] = _Unfinished(passage, row, self._latest.get(stream, 0), [(row.offset, row.text)])

    def _finish(self, stream: int) -> None:
        """Join the lines that belong together as one; lines that turned out not to are rows behind them."""
        one = self._unfinished.pop(stream)
        spare = self._close(one)
        self._add(stream, one.row)
        for offset, text in spare:
            self._add(stream, Row(text, one.row.time, offset, [stream]))

    @staticmethod
    def _close(one: _Unfinished) -> list[tuple[int, bytes]]:
        own = len(one.lines) - one.passage.spare
        one.row.text = b"\n".join([text for _, text in one.lines[:own]])
        return one.lines[own:]

    def _give(self, row: Row, complete: list[Row]) -> None:
        if not row.streams:
            return
        stream = row.streams[0]
        unfinished = self._unfinished.get(stream)
        if unfinished is not None and unfinished.row is row:
            # It has taken too long: what follows of it stands by itself.
            del self._unfinished[stream]
            spare = self._close(unfinished)
            self._latest[stream] = row.number
            for offset, text in spare:
                self._add(stream, Row(text, row.time, offset, [stream]))
        elif row.kind is not None:
            self._forget(row)
        if row.spread is not None:
            row.text = row.spread.text()
        complete.append(row)

    def _forget(self, row: Row) -> None:
        table = self._open[row.kind]
        same = table[row.key]
        if len(same) == 1:
            del table[row.key]
        else:
            del same[0]
