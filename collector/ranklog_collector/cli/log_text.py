"""Rows of output as people read them: time, who says it, what."""

from __future__ import annotations

from functools import lru_cache

from ranklog_collector.core.line_levels import line_level
from ranklog_collector.reading.fold import Row
from ranklog_collector.reading.folder import RunFolder
from ranklog_collector.reading.labels import Labels
from ranklog_collector.reading.lines import Block
from ranklog_collector.reading.logs import LogReader
from ranklog_collector.reading.text import shown
from ranklog_collector.reading.times import clock_time
from ranklog_collector.views.logs import Levels

# Many lines came at one time, and writing a time takes longer than everything else about a line.
_clock_time = lru_cache(1000)(clock_time)
_COLOURS = {"critical": b"1;31", "error": b"31", "warning": b"33", "debug": b"2"}


class LogText:
    """Makes lines of rows. On a terminal grave lines have colours, unless they have some of their own."""

    def __init__(self, folder: RunFolder, reader: LogReader, times: str, colour: bool) -> None:
        self._labels = Labels(reader, colour)
        self._levels = Levels()
        self._start_ns = folder.started_ns
        self._times = times
        self._colour = colour

    def row(self, row: Row) -> bytes:
        """One row; each of its lines says who says it."""
        prefix = self._time(row.time) + self._labels.of(row.streams)
        text = row.text
        if self._colour:
            return b"".join([b"%b%b\n" % (prefix, line) for line in self._coloured(text)])
        if prefix and b"\n" in text:
            text = text.replace(b"\n", b"\n" + prefix)
        return b"%b%b\n" % (prefix, text)

    def block(self, block: Block) -> bytes:
        """All lines of a block at once."""
        prefix = self._time(block.time) + self._labels.of([block.stream])
        text = shown(block.piece.data, self._colour)
        if self._colour:
            found = text.removesuffix(b"\n").split(b"\n")
            return b"".join([b"%b%b\n" % (prefix, self._line(block.stream, line)) for line in found])
        if prefix:
            text = prefix + text.removesuffix(b"\n").replace(b"\n", b"\n" + prefix)
        return text if text.endswith(b"\n") and not prefix else text + b"\n"

    def _coloured(self, text: bytes) -> list[bytes]:
        first, *others = text.split(b"\n")
        code = _COLOURS.get(line_level(first) or "")
        return [_painted(line, code) for line in (first, *others)]

    def _line(self, stream: int, line: bytes) -> bytes:
        return _painted(line, _COLOURS.get(self._levels.of(stream, line) or ""))

    def _time(self, time_ns: int) -> bytes:
        if self._times == "none":
            return b""
        if self._times == "since":
            return f"{(time_ns - self._start_ns) / 1e9:+.3f} ".encode()
        if self._times == "utc":
            return (_clock_time(time_ns, utc=True).replace(" ", "T") + "Z ").encode()
        return (_clock_time(time_ns) + " ").encode()


def _painted(line: bytes, code: bytes | None) -> bytes:
    return line if code is None or b"\x1b" in line else b"\x1b[%bm%b\x1b[0m" % (code, line)
