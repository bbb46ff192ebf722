"""The output of a run: lines of all ranks in one order, page after page and as they come."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from ranklog_collector.core.line_levels import LEVELS, line_level
from ranklog_collector.core.passages import Passage, begun
from ranklog_collector.core.process_files import iso
from ranklog_collector.reading.context import Context
from ranklog_collector.reading.fold import Row
from ranklog_collector.reading.folder import QuestionError, RunFolder
from ranklog_collector.reading.grep import AtLeast, Both, Pattern, PatternError, Wanted
from ranklog_collector.reading.lines import Block
from ranklog_collector.reading.logs import LogReader
from ranklog_collector.reading.merge import lines
from ranklog_collector.reading.select import Selection, Source, parse_ranks
from ranklog_collector.reading.state import Stream
from ranklog_collector.reading.text import shown
from ranklog_collector.reading.times import parse_moment
from ranklog_collector.views import cursors
from ranklog_collector.views.moments import moment
from ranklog_collector.views.shapes import Json

LIMIT = 1000
CONTEXT_NS = 5_000_000_000
"""How far around a moment one looks."""
ANSWER_BYTES = 8 << 20
"""An answer ends with the line that makes its text longer than this."""
SEARCH_S = 2.0
"""How long one answer may take to find lines; the next one goes on with the search."""
BUFFER, BUFFER_SEARCHED = 16 << 10, 256 << 10
# Many lines came at one time, and writing a time takes longer than everything else about a line.
_iso = lru_cache(1000)(iso)


@dataclass(frozen=True, slots=True)
class Question:
    """Which lines are wanted, as people write it; what is None or empty does not restrict."""

    rank: str | None = None
    """`0,3-5`."""
    nodes: tuple[str, ...] = ()
    streams: tuple[str, ...] = ()
    grep: str | None = None
    """A regular expression, which RE2 must know."""
    since: str | None = None
    """`10m` before the end, `+90s` after the start, or an ISO 8601 time."""
    until: str | None = None
    level: str | None = None
    """Only lines that are so grave, or graver."""
    around: str | None = None
    """A time or an event (moments.py): what came within `CONTEXT_NS` of it."""

    def selection(self, folder: RunFolder) -> Selection:
        """What that means for a run. Raises QuestionError."""
        try:
            ranks = () if self.rank is None else parse_ranks(self.rank)
            since, until = (
                None if text is None else parse_moment(text, folder.started_ns, folder.now_ns())
                for text in (self.since, self.until)
            )
        except ValueError as error:
            raise QuestionError(str(error)) from error
        if self.around is not None:
            middle, _ = moment(folder, self.around)
            since, until = max(since or 0, middle - CONTEXT_NS), min(until or 1 << 62, middle + CONTEXT_NS)
        return Selection(ranks, self.nodes, self.streams, since, until)

    def wanted(self) -> Wanted | None:
        """What to search for. Raises QuestionError."""
        if self.level is not None and self.level not in LEVELS:
            raise QuestionError(f"{self.level!r} is no level: {', '.join(LEVELS)}")
        least = None if self.level is None else AtLeast(self.level)
        try:
            pattern = None if self.grep is None else Pattern(self.grep, is_bounded=True)
        except PatternError as error:
            raise QuestionError(f"{self.grep!r} is no regular expression of RE2: {error}") from error
        return Both(pattern, least) if pattern and least else pattern or least


class Levels:
    """Tells how grave each stream's next line is; of a traceback all lines are as grave as its first one."""

    def __init__(self) -> None:
        self._open: dict[int, tuple[Passage, str | None]] = {}

    def of(self, stream: int, text: bytes) -> str | None:
        """See line_level."""
        passage, level = self._open.get(stream, (None, None))
        if passage is not None and passage.take(text):
            return level
        level = line_level(text)
        if (passage := begun(text)) is not None:
            self._open[stream] = passage, level
        else:
            self._open.pop(stream, None)
        return level


def log_line(run_id: str, source: Source, row: Row, level: str | None) -> Json:
    """One line."""
    return {
        "run": run_id,
        "rank": source.rank,
        "node": source.node,
        "stream": source.role,
        "path": source.path,
        "time": _iso(row.time),
        "offset": row.offset,
        "level": level,
        "text": row.text.decode(errors="replace"),
    }


def log_page(
    folder: RunFolder,
    question: Question,
    limit: int = LIMIT,
    cursor: str | None = None,
    tail: int | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Json:
    """The next `lines`, the `cursor` that goes on behind them, and whether there is `more` already.

    Without a cursor it begins with the first line, or with the `tail` last ones. Lines that the collector has durably
    are given, each once, in the order of time; what comes late from a node is in a later answer, and a stream's own
    order is never changed. Raises QuestionError.
    """
    if tail is not None and (question.grep is not None or question.level is not None):
        raise QuestionError(
            "tail does not go with grep and level: what is searched for is found page by page, from the start"
        )
    began, pattern = clock(), question.wanted()
    reader = LogReader(
        folder,
        question.selection(folder),
        pattern,
        tail=tail,
        buffer_max=BUFFER if pattern is None else BUFFER_SEARCHED,
        silence_s=lambda stream: _silence_s(folder, stream),
        is_due=lambda: clock() - began > SEARCH_S,
        context=None if question.level is None else Context(is_whole=True, is_parted=True),
    )
    if cursor:
        reader.go_to(cursors.logs(folder.run_id, cursor))
        tail = None
    blocks = reader.read(is_final=folder.state.has_ended)
    if tail is None:
        rows, is_cut = _first(reader, blocks, limit)
    else:
        rows, is_cut = list(deque(_rows(blocks), maxlen=tail)), False
    levels = _levels(reader, rows if cursor and question.level else [])
    found = [
        log_line(folder.run_id, reader.sources[row.streams[0]], row, levels.of(row.streams[0], row.text))
        for row in rows
    ]
    return {
        "lines": found,
        "cursor": cursors.of_logs(folder.run_id, reader.places),
        "more": is_cut or reader.is_cut,
    }


def _levels(reader: LogReader, rows: Sequence[Row]) -> Levels:
    """Levels, for rows that may go on with what an answer before has begun."""
    levels = Levels()
    firsts = {row.streams[0]: row.offset for row in reversed(rows)}
    for stream, offset in firsts.items():
        for line in shown(reader.led_up_to(stream, offset)).split(b"\n")[:-1]:
            levels.of(stream, line)
    return levels


def _first(reader: LogReader, blocks: Iterator[Block], limit: int) -> tuple[list[Row], bool]:
    """Take so many lines and no more: what follows them stays unread."""
    rows: list[Row] = []
    size = 0
    for block in blocks:
        for offset, text in lines(block):
            if len(rows) >= limit or size > ANSWER_BYTES:
                reader.go_back(block.stream, offset)
                return rows, True
            rows.append(Row(text, block.time, offset, [block.stream]))
            size += len(text)
    return rows, False


def _rows(blocks: Iterator[Block]) -> Iterator[Row]:
    for block in blocks:
        for offset, text in lines(block):
            yield Row(text, block.time, offset, [block.stream])


def _silence_s(folder: RunFolder, stream: Stream) -> float:
    last_ns = stream.timeline.last(folder.state.clock(stream)) or 0
    return (time.time_ns() - last_ns) / 1e9
