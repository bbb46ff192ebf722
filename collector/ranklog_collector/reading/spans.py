"""Where in a stream's file the bytes of its segments are."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ranklog_collector.reading.state import RunState, Segment, Stream

BLOCK = 1 << 20


class Span(NamedTuple):
    """The bytes of a file from `start` up to `end`."""

    start: int
    end: int

    @property
    def size(self) -> int:
        """How many bytes that is."""
        return self.end - self.start


def spans_by_segment(state: RunState, stream: Stream) -> list[tuple[Segment, list[Span]]]:
    """Tell where in the stream's file the bytes of each of its segments are, in the order of the segment."""
    ends = [*(extent.pos for extent in stream.extents), stream.size][1:]
    spans: dict[int, list[Span]] = {}
    for extent, end in zip(stream.extents, ends, strict=True):
        found = spans.setdefault(extent.segment, [])
        if extent.pos < (end := min(end, stream.size)):
            found.append(Span(extent.pos, end))
    return [(state.segments[number], found) for number, found in spans.items()]


def total(spans: Iterable[Span]) -> int:
    """How many bytes the spans have together."""
    return sum(span.size for span in spans)


def read_spans(file: int, spans: Iterable[Span]) -> Iterator[bytes]:
    """Read parts of a file one after the other; a part ends early where the file does."""
    for start, end in spans:
        at = start
        while at < end and (data := os.pread(file, min(BLOCK, end - at), at)):
            yield data
            at += len(data)
