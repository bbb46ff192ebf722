"""How far a stream of points is known, and what more of it is to be read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field

from ranklog_collector.core.point_columns import Points
from ranklog_collector.core.point_totals import Totals
from ranklog_collector.series.readings import Reading
from ranklog_collector.series.segments import Segment

_BEFORE_BYTES = 64


@dataclass(slots=True)
class Cover:
    """How far a stream is known."""

    totals: Totals = field(default_factory=Totals)
    segments: list[Segment] = field(default_factory=list)
    rewrites: int = 0
    manner: str = ""
    before: bytes = b""
    """The last bytes that were parsed: if others are there, the file is not what it was."""

    @property
    def sealed(self) -> int:
        """Up to which offset points are in segments; those after it are hot."""
        return self.segments[-1].end if self.segments else 0

    def holds(self, reading: Reading, file: int) -> bool:
        """Whether what was parsed is what the file has, and was parsed as it is to be."""
        if self.rewrites != reading.stream.rewrites or self.manner != reading.manner:
            return False
        return os.pread(file, len(self.before), self.totals.end - len(self.before)) == self.before

    def skip(self, totals: Totals, file: int) -> None:
        """Take up totals that somebody else has made of what comes before their end."""
        self.totals = totals
        self.before = os.pread(file, min(_BEFORE_BYTES, totals.end), max(0, totals.end - _BEFORE_BYTES))

    def grow(self, reading: Reading, file: int) -> Iterator[Points]:
        """Parse what the stream has grown by."""
        if self.totals.is_cut_off:
            return
        for block in reading.blocks(lambda at, size: os.pread(file, size, at), self.totals.end, reading.stream.size):
            points = reading.feed(self.totals, block)
            if block.end > block.begin:
                self.before = block.data[-_BEFORE_BYTES:]
            yield points
