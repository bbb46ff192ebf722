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


class JournalTail:
    """Follows the journal of one run folder. It may also be cut, by a collector that falls back, or be replaced."""

    def __init__(self, root: str) -> None:
        self.generation = 0
        """Grows when the journal is not what it was: everything is read again, from its start."""
        self._root = root
        self._offset = 0
        self._before = b""
        """The bytes right before the offset: a journal that has been cut and has grown again has others there."""

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
            entries, intact = journal.read(data)
            if intact:
                self._offset += intact
                self._before = (self._before + data[:intact])[-_REMEMBERED:]
                yield entries
            if len(data) < size:
                return
            if not intact:
                size *= 2
