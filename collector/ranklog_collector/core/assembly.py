"""Exactly once: how chunks of segments become one stream's file.

The file is the concatenation of *extents*, runs of bytes of one segment each, in order of arrival. The offset of a
chunk is its sequence number: what is held already is dropped or trimmed, what would leave a hole is refused. Bytes
count as held twice over: `received` once written, `durable` once a sync cycle has put them and their mark on disk. Only
durable bytes survive a crash or a failing disk, and after either both sides continue from there.

Invariant: marks are cut in the order of the file, so that any prefix of the journal describes a prefix of the file.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from zlib import crc32

SEEN_RESOLUTION_NS = 2_000_000
"""Sightings closer together than this are kept as one: the time index stays small under a flood of tiny writes."""


class Refusal(Enum):
    """Why a chunk was not taken."""

    REPEAT = "held already"
    AHEAD = "starts after what is held"
    CORRUPT = "does not continue the checksum"


@dataclass(frozen=True, slots=True)
class Extent:
    """From `pos` on, the stream's file holds bytes of `segment` from its offset `at` on."""

    segment: int
    at: int
    pos: int


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes to put at `pos` of the stream's file, after `extent`, if there is one, has been journaled."""

    pos: int
    data: memoryview
    extent: Extent | None


@dataclass(frozen=True, slots=True)
class Mark:
    """Bytes 0…`end` of `segment`, whose CRC-32 is `crc`, fill the stream's file up to `pos`; `seen` is their times."""

    segment: int
    end: int
    crc: int
    pos: int
    seen: tuple[tuple[int, int], ...]


@dataclass(slots=True)
class Segment:
    """How far one segment has come."""

    number: int
    received: int = 0
    crc: int = 0
    durable: int = 0
    durable_crc: int = 0
    closed: int | None = None
    """Final size, once the agent has named it and the checksum agreed."""

    @property
    def is_done(self) -> bool:
        """Whether all its bytes are here to stay."""
        return self.closed is not None and self.durable == self.closed


@dataclass(slots=True)
class Assembly:
    """One stream's file."""

    size: int = 0
    durable_size: int = 0
    segments: dict[int, Segment] = field(default_factory=dict)
    extents: list[Extent] = field(default_factory=list)
    _pending: list[Mark] = field(default_factory=list)
    _seen: list[tuple[int, int]] = field(default_factory=list)
    _seen_since: int = 0

    def open(self, number: int) -> Segment:
        """Begin a segment, or take one up again, even a closed one: its source may have grown after all."""
        segment = self.segments.setdefault(number, Segment(number))
        segment.closed = None
        return segment

    def append(
        self, segment: Segment, offset: int, data: memoryview, crc: int, seen: list[tuple[int, int]]
    ) -> Write | Refusal:
        """Take the part of a chunk that is new.

        `crc` is the CRC-32 of the segment up to the chunk's end; `seen` holds (offset in the segment, time).
        """
        end = offset + len(data)
        if end <= segment.received:
            return Refusal.REPEAT
        if offset > segment.received:
            return Refusal.AHEAD
        new = data[segment.received - offset :]
        if crc32(new, segment.crc) != crc:
            return Refusal.CORRUPT
        extent = self._extent_for(segment)
        write = Write(self.size, new, extent)
        self._note_sightings(segment, seen)
        segment.received, segment.crc, segment.closed = end, crc, None
        self.size += len(new)
        return write

    def close(self, segment: Segment, size: int, crc: int) -> bool:
        """Accept a segment's final size and checksum, if they are those of what is held."""
        if segment.received != size or segment.crc != crc:
            return False
        segment.closed = size
        return True

    def cut(self) -> list[Mark]:
        """Name what a sync cycle that starts now will make durable, in the order of the file."""
        marks = self._pending
        if self.extents:
            last = self.segments[self.extents[-1].segment]
            if self.size > self.durable_size and (not marks or marks[-1].pos < self.size):
                marks.append(self._mark(last))
        self._pending = []
        return marks

    def synced(self, marks: list[Mark]) -> None:
        """Count the bytes of these marks as durable."""
        for mark in marks:
            segment = self.segments[mark.segment]
            segment.durable, segment.durable_crc = mark.end, mark.crc
            self.durable_size = mark.pos

    def rollback(self) -> int:
        """Fall back to what is durable; returns the size to which the file must be cut."""
        self.size = self.durable_size
        self.extents = [extent for extent in self.extents if extent.pos < self.durable_size]
        for segment in self.segments.values():
            segment.received, segment.crc = segment.durable, segment.durable_crc
            if segment.closed is not None and segment.closed > segment.durable:
                segment.closed = None
        self._pending = []
        self._seen = []
        return self.size

    # ---- replay of a journal; `rollback` ends it --------------------------------------------------------------------

    def replay_extent(self, extent: Extent) -> None:
        """Read an extent line."""
        self.extents.append(extent)

    def replay_mark(self, number: int, end: int, crc: int) -> None:
        """Read a mark line."""
        segment = self.segments.setdefault(number, Segment(number))
        segment.durable, segment.durable_crc = end, crc
        for extent in reversed(self.extents):
            if extent.segment == number and extent.at < end:
                self.durable_size = extent.pos + end - extent.at
                return

    def replay_reset(self, size: int) -> None:
        """Read a reset line: extents at or behind `size` are void."""
        self.extents = [extent for extent in self.extents if extent.pos < size]
        self.durable_size = size

    def replay_close(self, number: int, size: int) -> None:
        """Read a close line."""
        self.segments.setdefault(number, Segment(number)).closed = size

    # ---- inside -----------------------------------------------------------------------------------------------------

    def _extent_for(self, segment: Segment) -> Extent | None:
        if self.extents and self.extents[-1].segment == segment.number:
            return None
        if self.extents and self.size > self.durable_size:
            before = self.segments[self.extents[-1].segment]
            if not self._pending or self._pending[-1].pos < self.size:
                self._pending.append(self._mark(before))
        extent = Extent(segment.number, segment.received, self.size)
        self.extents.append(extent)
        return extent

    def _mark(self, segment: Segment) -> Mark:
        seen, self._seen = tuple(self._seen), []
        return Mark(segment.number, segment.received, segment.crc, self.size, seen)

    def _note_sightings(self, segment: Segment, seen: list[tuple[int, int]]) -> None:
        shift = self.size - segment.received
        for end, time in seen:
            if end <= segment.received:
                continue
            if self._seen and time - self._seen_since < SEEN_RESOLUTION_NS:
                self._seen[-1] = (end + shift, time)
            else:
                self._seen.append((end + shift, time))
                self._seen_since = time
