"""The log of one process, as the log screen asks for it: pages, and what is searched. For the watcher's thread."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum

from ranklog_collector.reading.folder import RunFolder
from ranklog_collector.reading.grep import Pattern
from ranklog_collector.reading.lines import Read, line_start
from ranklog_collector.reading.processes import OUTPUT_ROLES
from ranklog_collector.reading.state import Stream
from ranklog_collector.top.frame import Row
from ranklog_collector.top.pager import Page, above, below, last_page, page, search, search_back

_SPECIAL = re.compile(r"([\\.^$*+?{}\[\]()|])")
_READ_ROLES = (*sorted(OUTPUT_ROLES), "log")


@dataclass(frozen=True, slots=True)
class File:
    """One of a process's files."""

    stream: int
    name: str
    path: str


class Turn(Enum):
    """What to do with a page; lines are counted from `Move.by`."""

    STAY = "stay"
    BY_LINES = "by lines"
    BEGIN = "begin"
    END = "end"
    TO = "to"
    """`Move.by` is an offset: put the line there into the upper third."""


@dataclass(frozen=True, slots=True)
class Move:
    """From where to where in a file."""

    turn: Turn
    top: int = 0
    by: int = 0


def files_of(folder: RunFolder, row: Row) -> list[File]:
    """List the files of a process that are to be read: its output first, then logs that it wrote itself."""
    streams = [
        stream
        for stream in folder.state.streams.values()
        if (stream.node, stream.process) == (row.node, row.key) and row.key and stream.role in _READ_ROLES
    ]
    streams.sort(key=lambda one: (one.role == "log", not one.size, one.role != "stdout", one.path))
    return [File(one.number, one.role, one.path) for one in streams]


def turned(folder: RunFolder, number: int, move: Move, height: int) -> Page:
    """Read the page that a move leads to. Raises OSError if the file cannot be read."""
    stream = folder.state.streams.get(number)
    if stream is None:
        return Page(0, (), (), 0)
    with _reading(folder, stream) as (read, size):
        top = line_start(read, min(move.top, size))
        if move.turn is Turn.END:
            return last_page(read, size, height)
        if move.turn is Turn.BEGIN:
            top = 0
        elif move.turn is Turn.TO:
            top = above(read, line_start(read, min(move.by, size)), height // 3)
        elif move.turn is Turn.BY_LINES:
            top = below(read, size, top, move.by, height) if move.by > 0 else above(read, top, -move.by)
        found = page(read, size, top, height)
        # A page that is not full at the end of a long file shows more of what is before it.
        return found if len(found.lines) == height or top == 0 else last_page(read, size, height)


class Search:
    """Looks for a text in a file, from an offset on and, at the end, from the other end to it; a portion at a time."""

    def __init__(self, number: int, text: str, start: int, is_back: bool) -> None:
        self.is_wrapped = False
        self.text = text
        self._number = number
        self._start = start
        self._is_back = is_back
        self._pattern = pattern(text)
        self._steps: Iterator[int | None] | None = None

    def step(self, folder: RunFolder) -> tuple[int | None, bool]:
        """Search one portion more; returns the offset of a line that has the text, and whether the search is over."""
        if self._steps is None:
            self._steps = self._search(folder)
        try:
            found = next(self._steps)
        except StopIteration:
            return None, True
        return found, found is not None

    def _search(self, folder: RunFolder) -> Iterator[int | None]:
        stream = folder.state.streams.get(self._number)
        if stream is None:
            return

        def read(offset: int, size: int) -> bytes:
            with _reading(folder, stream) as (within, _):
                return within(offset, size)

        size = stream.size
        if self._is_back:
            yield from search_back(read, self._start, self._pattern)
            self.is_wrapped = True
            yield from (at for at in search_back(read, size, self._pattern) if at is None or at >= self._start)
        else:
            yield from search(read, size, self._start, self._pattern)
            self.is_wrapped = True
            yield from search(read, min(size, self._start), 0, self._pattern)


def pattern(text: str) -> Pattern:
    """What a text means in a search: itself, in capitals or not unless it has capitals."""
    return Pattern(_SPECIAL.sub(r"\\\1", text), ignore_case=text == text.lower())


@contextmanager
def _reading(folder: RunFolder, stream: Stream) -> Iterator[tuple[Read, int]]:
    try:
        with folder.opened(stream) as file:
            size = max(stream.size, os.fstat(file).st_size) if folder.state.has_ended else stream.size
            yield (lambda offset, count: os.pread(file, max(0, min(count, size - offset)), offset)), size
    except FileNotFoundError:
        if stream.size:
            raise
        yield (lambda offset, count: b""), 0  # it has said nothing yet
