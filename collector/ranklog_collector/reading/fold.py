"""Lines of many ranks that are the same become one row, and nothing is lost: the rows tell each rank's own order."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile
from operator import attrgetter

from ranklog_collector.core.alike import Parts, Spread, parts_of, says_step, template_of
from ranklog_collector.core.passages import Passage, begun

WINDOW_NS = 1_000_000_000
LATE_NS = 30_000_000_000
"""So much later than others a rank may say what it does at a step; it may have begun later."""
ROWS_HELD_MAX, BYTES_HELD_MAX = 10_000, 32 << 20
_OWN_MAX = 64
_number, _time = attrgetter("number"), attrgetter("time")


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
    before: tuple[Row, ...] = field(default=(), compare=False)
    """What one of its streams said, alone, before it."""
    weight: int = field(default=0, compare=False)
    """Bytes, when it was begun."""


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

    With `late_ns` lines that say at which step they are may come so much later, and with them what their stream says
    in between: it is behind the others. What it has said alone is then shown where the others were at that step.
    """

    def __init__(
        self,
        kinds: Mapping[int, Hashable],
        window_ns: int = WINDOW_NS,
        is_similar: bool = False,
        late_ns: int = 0,
    ) -> None:
        self._window_ns = window_ns
        self._late_ns = late_ns
        self._is_similar = is_similar
        self._rows: deque[Row] = deque()
        self._open: dict[Hashable, dict[Hashable, list[Row]]] = {}
        self._latest: dict[int, int] = {}
        self._own: dict[int, deque[Row]] = {}
        """The row that a stream joined last, and those that it has begun since."""
        self._lags: dict[int, int] = {}
        """How far a stream is behind the others."""
        self._unfinished: dict[int, _Unfinished] = {}
        self._count = 0
        self._weight = 0
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
        latest, count, rows, own = self._latest.get(stream, 0), self._count, self._rows, self._own_of(stream)
        for offset, text in lines:
            same = table.get(text)
            if same is not None:
                joined = self._joinable(stream, time, text, same, latest)
                if joined is not None:
                    joined.streams.append(stream)
                    latest = joined.number
                    own.clear()
                    own.append(joined)
                    continue
            latest = count = count + 1
            row = Row(text, time, offset, [stream], kind, count, None, text, weight=len(text))
            self._weight += row.weight
            rows.append(row)
            own.append(row)
            if same is None:
                table[text] = [row]
            else:
                same.append(row)
        self._latest[stream], self._count = latest, count

    def expire(self, time: int) -> list[Row]:
        """Give out the rows that no line can join any more at `time`."""
        self._finish_those(lambda row: row.time < time - self._window_ns)
        rows, members, oldest = self._rows, self._members, time - self._window_ns - self._late_ns
        complete: list[Row] = []
        while rows:
            row = rows[0]
            is_much = len(rows) > ROWS_HELD_MAX or self._weight > BYTES_HELD_MAX
            if row.time >= oldest and not is_much and not self._is_full(row, members):
                break
            self._give(rows.popleft(), complete)
        return complete

    @property
    def count(self) -> int:
        """How many rows there have been: the number of the latest."""
        return self._count

    def flush(self, last: int | None = None) -> list[Row]:
        """Give out all rows, or those up to the one of this number."""
        self._finish_those(lambda row: last is None or row.number <= last)
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
        row.number, row.weight = self._count, len(row.text)
        self._weight += row.weight
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
        own = self._own_of(stream)
        joined = None if same is None else self._joinable(stream, row.time, row.text, same, latest)
        if joined is not None:
            joined.streams.append(stream)
            self._latest[stream] = joined.number
            own.clear()
            own.append(joined)
            if joined.parts is not None and row.parts is not None and joined.text != row.text:
                joined.spread = joined.spread or Spread(joined.parts)
                joined.spread.add(row.parts)
            row.streams = []
            return
        row.kind, row.key = kind, key
        if not row.number:
            self._append(row)
        self._latest[stream] = row.number
        own.append(row)
        if same is None:
            table[key] = [row]
        else:
            insort(same, row, key=_number)

    def _own_of(self, stream: int) -> deque[Row]:
        return self._own.setdefault(stream, deque(maxlen=_OWN_MAX))

    def _joinable(self, stream: int, time: int, text: bytes, same: Sequence[Row], latest: int) -> Row | None:
        """Which of the rows that are the same a line of a stream joins, whose row is the `latest`."""
        index = bisect_right(same, latest, key=_number)
        if not self._late_ns:
            return same[index] if index < len(same) else None
        oldest = time - self._window_ns - self._lags.get(stream, 0)
        in_time = max(index, bisect_left(same, oldest, key=_time))
        if in_time < len(same):
            return same[in_time]
        if not says_step(text):
            return None
        joined = same[index] if index < len(same) else self._behind(stream, same)
        if joined is not None:
            self._lags[stream] = time - joined.time
        return joined

    def _behind(self, stream: int, same: Sequence[Row]) -> Row | None:
        """Find a row that stands before what the stream has said alone, and put that before it."""
        own = self._own_of(stream)
        shared = max((row.number for row in own if len(row.streams) > 1), default=0)
        fixed = max(shared, own[0].number) if len(own) == _OWN_MAX else shared
        others = (row for row in same[bisect_right(same, fixed, key=_number) :] if row.streams[0] != stream)
        joined = next(others, None)
        if joined is not None:
            for row in [one for one in own if one.number > joined.number]:
                self._forget(row)
                joined.before = (*joined.before, replace(row))
                row.streams = []
        return joined

    def _begin(self, stream: int, row: Row, passage: Passage) -> None:
        self._append(row)
        self._unfinished[stream] = _Unfinished(passage, row, self._latest.get(stream, 0), [(row.offset, row.text)])

    def _finish_those(self, is_over: Callable[[Row], bool]) -> None:
        """Let no more come to lines that belong together and have waited long enough; they may join others now."""
        over = takewhile(lambda stream: is_over(self._unfinished[stream].row), self._unfinished)
        for stream in list(over):
            self._finish(stream)

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
        self._weight -= row.weight
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
        complete += row.before
        complete.append(row)

    def _forget(self, row: Row) -> None:
        table = self._open[row.kind]
        same = table[row.key]
        if len(same) == 1:
            del table[row.key]
        else:
            del same[bisect_left(same, row.number, key=_number)]
