"""Sealed segments: immutable Parquet files, each named by the bytes of its stream's file that it stands for.

A segment also holds the totals of its stream up to its end, and a checksum of the bytes right before that: a collector
that has fallen back may have been sent other bytes since, and then the segment is none any more.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import NamedTuple
from zlib import crc32

from ranklog_collector.core.layout import INTERNAL

FOLDER = f"{INTERNAL}/derived/series"
TOTALS = "ranklog.totals"
TAIL = "ranklog.tail"
MANNER = "ranklog.manner"
"""Names of what a segment holds beside points; the manner is that of its reading, absent if empty."""
TAIL_BYTES = 4096
SEGMENT_BYTES_MAX = 256 << 20
"""Segments are joined up to so many bytes of their stream."""
_NAME = re.compile(r"(\d{1,19})-(\d{1,19})\.parquet")


class Segment(NamedTuple):
    """The points of the lines from offset `begin` to `end`."""

    begin: int
    end: int

    @property
    def name(self) -> str:
        """Of its file."""
        return f"{self.begin}-{self.end}.parquet"

    @property
    def size(self) -> int:
        """Of the lines, in bytes."""
        return self.end - self.begin


def parse_name(name: str) -> Segment | None:
    """Read a file's name; None if it is none of ours."""
    found = _NAME.fullmatch(name)
    segment = Segment(int(found[1]), int(found[2])) if found else None
    return segment if segment and segment.begin < segment.end and segment.name == name else None


def chain(found: Iterable[Segment], size: int) -> list[Segment]:
    """Choose segments that follow each other from the file's beginning, the longest first; they end within `size`."""
    longest: dict[int, Segment] = {}
    for segment in found:
        if segment.end <= size and segment.end > longest.get(segment.begin, segment._replace(end=0)).end:
            longest[segment.begin] = segment
    chosen: list[Segment] = []
    while (following := longest.get(chosen[-1].end if chosen else 0)) is not None:
        chosen.append(following)
    return chosen


def joined(segments: list[Segment], more: int) -> int:
    """Tell from which segment on all shall be joined with `more` bytes that follow them.

    As in a binary counter: each point is written anew a few times, and there are few segments at any moment.
    """
    index, total = len(segments), more
    while index and segments[index - 1].size <= total and segments[index - 1].size + total <= SEGMENT_BYTES_MAX:
        index -= 1
        total += segments[index].size
    return index


def stream_folder(root: str, stream: int) -> str:
    """Where the segments of a stream are."""
    return os.path.join(root, FOLDER, str(stream))


def found_segments(root: str, stream: int) -> list[Segment]:
    """List the segments of a stream that there are, whether or not they fit together."""
    try:
        with os.scandir(stream_folder(root, stream)) as entries:
            named = [parse_name(entry.name) for entry in entries if entry.is_file(follow_symlinks=False)]
    except OSError:
        return []
    return [segment for segment in named if segment is not None]


def tail_checksum(file: int, end: int) -> int:
    """The checksum of the bytes before `end`."""
    begin = max(0, end - TAIL_BYTES)
    return crc32(os.pread(file, end - begin, begin))
