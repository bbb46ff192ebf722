"""One physical incarnation of a stream's source file: how much of it was seen, sent, received and made durable."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from zlib import crc32

from ranklog_agent.core.facts import Identity, Loss

TAIL_BYTES = 256
"""Bytes before the send offset that are compared at each read: a file that was truncated and grew again differs."""
CHECKPOINTS_MAX = 256
"""(offset, checksum) pairs remembered: where a collector that fell back will ask to continue."""
SIGHTINGS_MAX = 512
"""Sightings kept per incarnation; beyond it every other one is forgotten, so that long outages stay cheap."""


@dataclass(slots=True)
class Incarnation:
    """Offsets into one file.

    acknowledged as durable ≤ received ≤ sent ≤ seen, but for the moments after the collector fell back.
    """

    number: int
    identity: Identity
    since_ns: int = 0
    """Its first bytes are not older than this."""
    intact_ns: int = 0
    """When it was last seen to hold what had been seen of it before."""
    segment: str = ""
    """Minted, or adopted from the collector's memory; empty until that is decided."""
    seen: int = 0
    sent: int = 0
    crc: int = 0
    tail: bytes = b""
    received: int = 0
    durable: int = 0
    detached: bool = False
    """No longer what the path names: only its own last bytes are awaited."""
    final: int | None = None
    """Size beyond which no byte will come."""
    severed: bool = False
    """The file it was read from holds something else by now, or is gone."""
    closed: bool = False
    """The collector has confirmed size and checksum."""
    losses: list[Loss] = field(default_factory=list)
    changed_ns: int = 0
    """When it was last seen to grow."""
    mtime_ns: int = 0
    """The file's own account of when it was last written."""
    nameless_ns: int = 0
    """When it was first seen to have no name any more."""
    doubted_ns: int = 0
    """When it was last seen to be written without growing: bytes that were sent may be others by now."""
    compare_after_ns: int = 0
    """Before this it is not worth the cost to compare its bytes again."""
    _sightings: deque[tuple[int, int]] = field(default_factory=deque)
    _checkpoints: deque[tuple[int, int]] = field(default_factory=lambda: deque([(0, 0)], CHECKPOINTS_MAX))

    def saw(self, size: int, now_ns: int) -> bool:
        """Note a size; returns whether there is more than before."""
        if size <= self.seen:
            return False
        self.seen = size
        self.changed_ns = now_ns
        self.closed = False
        self._sightings.append((size, now_ns))
        if len(self._sightings) > SIGHTINGS_MAX:
            self._sightings = deque(pair for index, pair in enumerate(self._sightings) if index % 2)
        return True

    def took(self, data: bytes, now_ns: int) -> list[tuple[int, int]]:
        """Count bytes that were read at `sent` as sent; returns when they were first seen: (end, time), ascending."""
        start = self.sent
        self.sent += len(data)
        self.crc = crc32(data, self.crc)
        self._checkpoints.append((self.sent, self.crc))
        self.tail = (self.tail + data)[-TAIL_BYTES:] if len(data) < TAIL_BYTES else data[-TAIL_BYTES:]
        seen = [pair for pair in self._sightings if start < pair[0] < self.sent]
        last = next((time for end, time in self._sightings if end >= self.sent), now_ns)
        return [*seen, (self.sent, last)]

    def acked(self, received: int, durable: int, closed: bool) -> None:
        """Note the collector's word."""
        self.received = received
        self.durable = durable
        self.closed = closed and durable == self.seen
        while self._sightings and self._sightings[0][0] <= durable:
            self._sightings.popleft()

    def rewind(self, offset: int, crc: int, tail: bytes) -> None:
        """Continue from `offset`; `tail` is what the file holds before it."""
        self.sent, self.crc, self.tail = offset, crc, tail[-TAIL_BYTES:]
        while self._checkpoints and self._checkpoints[-1][0] >= offset:
            # What comes next is read again, and may have changed.
            self._checkpoints.pop()
        self._checkpoints.append((offset, crc))
        self.received = offset
        self.seen = max(self.seen, offset)
        if self.final is not None:
            # Bytes that were given up may have been under way, and arrived after all.
            self.final = max(self.final, offset)

    def passed(self, offset: int, crc: int) -> bool:
        """Whether what was sent had this checksum at this offset, as far as that is remembered."""
        return (offset, crc) in self._checkpoints

    def lost(self, end: int | None, reason: str, now_ns: int) -> None:
        """Give up what was not sent: it ends here, with a loss recorded."""
        self.note_loss(self.sent, end if end is not None and end > self.sent else None, reason, now_ns)
        self.final = self.seen = self.sent
        self.severed = True

    def fell_back(self, offset: int, crc: int, now_ns: int) -> None:
        """The collector holds less than was sent, and the source cannot be read again: the difference is lost."""
        end = max(self.sent, self.seen)
        self.note_loss(offset, end if end > offset else None, "truncated", now_ns)
        self.rewind(offset, crc, b"")
        self.final = self.seen = offset
        self.severed = True

    def note_loss(self, offset: int, end: int | None, reason: str, now_ns: int) -> None:
        """Record bytes that can never be had."""
        self.losses.append(Loss(offset, end, reason, now_ns))

    @property
    def is_readable(self) -> bool:
        """Whether bytes were seen that are not sent."""
        return self.sent < self.seen

    @property
    def wants_close(self) -> bool:
        """Whether all it will ever hold is received, but not yet confirmed as a whole."""
        return self.final is not None and self.received >= self.final == self.sent and not self.closed
