"""Reading a run's journal as it grows."""

from __future__ import annotations

import os
from collections.abc import Iterator

from ranklog_collector.core import journal
from ranklog_collector.core.layout import JOURNAL
from ranklog_collector.reading.inside import open_inside

BATCH_BYTES = 1 << 20
LINE_BYTES_MAX = 1 << 26
_REMEMBERED = 256
_MARK = b'{"e":"mark","g":'


class JournalTail:
    """Follows the journal of one run folder. It may also be cut, by a collector that falls back, or be replaced.

    With `latest_marks` marks are left out where another mark of the same segment follows soon: they are nearly all of a
    long journal, and who does not ask when each byte came need not read them.
    """

    def __init__(self, root: str, latest_marks: bool = False) -> None:
        self.generation = 0
        """Grows when the journal is not what it was: everything is read again, from its start."""
        self.damaged = 0
        """How many lines of the batch that was yielded last make no sense."""
        self.unreadable_from: int | None = None
        """Where lines begin that cannot be read, though more than a torn end is there."""
        self._root = root
        self._latest_marks = latest_marks
        self._offset = 0
        self._before = b""
        """The bytes right before the offset: a journal that has been cut and has grown again has others there."""

    @property
    def position(self) -> int:
        """How many bytes of the journal have been read."""
        return self._offset

    def news(self) -> Iterator[list[journal.Entry]]:
        """Yield the entries that have come since, in batches. What is torn at the end is left for the next time.

        Raises OSError if there is no journal.
        """
        file = open_inside(self._root, JOURNAL)
        try:
            if os.pread(file, len(self._before), self._offset - len(self._before)) != self._before:
                self.generation += 1
                self._offset, self._before = 0, b""
            yield from self._batches(file)
        finally:
            os.close(file)

    def _batches(self, file: int) -> Iterator[list[journal.Entry]]:
        size = BATCH_BYTES
        while size <= LINE_BYTES_MAX:
            data = os.pread(file, size, self._offset)
            entries, intact, self.damaged = self._read(data)
            self.unreadable_from = self._offset + intact if b"\n" in data[intact:] else None
            if intact:
                self._offset += intact
                self._before = (self._before + data[:intact])[-_REMEMBERED:]
                yield entries
            if len(data) < size:
                return
            if not intact:
                size *= 2

    def _read(self, data: bytes) -> tuple[list[journal.Entry], int, int]:
        if self._latest_marks:
            whole = data[: data.rfind(b"\n") + 1]
            fewer = _without_overtaken_marks(whole)
            entries, intact, damaged = journal.read(fewer)
            if intact == len(fewer):
                return entries, len(whole), damaged
        return journal.read(data)


def _without_overtaken_marks(data: bytes) -> bytes:
    """Leave a mark out if the same segment has another one before anything but marks comes."""
    kept: list[bytes] = []
    latest: dict[bytes, int] = {}
    for line in data.split(b"\n"):
        if line.startswith(_MARK):
            segment = line[len(_MARK) : line.find(b",", len(_MARK))]
            if segment in latest:
                kept[latest[segment]] = b""
            latest[segment] = len(kept)
            kept.append(line + b"\n")
        else:
            latest.clear()
            kept.append(line + b"\n")
    return b"".join(kept)[:-1]
