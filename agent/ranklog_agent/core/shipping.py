"""What to say next in a session with the collector, chunks in fair turns; and what its answers mean.

A session is one connection's worth of dialogue. It knows handles; the tracks know offsets. When the connection breaks
the session is thrown away, and the next one asks for every offset anew: nothing about the wire survives it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from ranklog_agent.core.facts import Loss
from ranklog_agent.core.incarnation import Incarnation
from ranklog_agent.core.track import Read, Track

QUANTUM_BYTES = 256 << 10
"""What one stream may send before it is another's turn."""
FIRST = "metrics"
"""The role whose streams come before all others: points are few, and people look at them live."""
FIRST_IN_A_ROW = 3
"""Of every so many turns and one the last is another stream's: points without end must not hold up what is said."""


@dataclass(frozen=True, slots=True)
class Opening:
    """An incarnation to be opened under a handle."""

    handle: int
    track: Track
    incarnation: Incarnation


@dataclass(frozen=True, slots=True)
class Telling:
    """A loss to be told."""

    handle: int
    loss: Loss


@dataclass(frozen=True, slots=True)
class Closing:
    """All of an incarnation has arrived, and nothing more will come."""

    handle: int
    size: int
    crc: int


@dataclass(frozen=True, slots=True)
class Resume:
    """The collector's word from where to send."""

    handle: int
    offset: int
    crc: int
    round: int


@dataclass(slots=True)
class Line:
    """One opened incarnation in this session."""

    handle: int
    track: Track
    incarnation: Incarnation
    resumed: bool = False
    """The collector has said from where to send."""
    paused: bool = False
    round: int = 0
    losses_sent: int = 0
    close_sent: bool = False

    @property
    def may_send(self) -> bool:
        """Whether chunks may go out now."""
        return self.resumed and not self.paused


@dataclass(slots=True)
class Session:
    """The dialogue over one connection."""

    window_bytes: int
    _lines: dict[int, Line] = field(default_factory=dict)
    _by_number: dict[int, Line] = field(default_factory=dict)
    _woken: dict[int, Track] = field(default_factory=dict)
    _first: deque[Track] = field(default_factory=deque)
    _first_in_a_row: int = 0
    _turns: deque[Track] = field(default_factory=deque)
    _queued: set[int] = field(default_factory=set)
    _handles: int = 0
    _in_flight: int = 0

    def wake(self, track: Track) -> None:
        """Something about this track is new: look at it when the next messages are made."""
        self._woken[id(track)] = track
        if id(track) not in self._queued:
            self._queued.add(id(track))
            (self._first if track.stream.role == FIRST else self._turns).append(track)

    def line(self, handle: int) -> Line | None:
        """The incarnation behind a handle; None if the collector speaks of one that is gone."""
        return self._lines.get(handle)

    def line_of(self, incarnation: Incarnation) -> Line:
        """What an incarnation was opened as."""
        return self._by_number[incarnation.number]

    # ---- the collector's answers ------------------------------------------------------------------------------------

    def resumed(self, line: Line, resume: Resume, tail: bytes | None, now_ns: int) -> None:
        """Send from its offset; `tail` is what the source holds before it, None if it does not hold that any more."""
        offset, crc = resume.offset, resume.crc
        one = line.incarnation
        if line.resumed:
            self._in_flight -= max(0, one.sent - one.received)
        if tail is None:
            one.fell_back(offset, crc, now_ns)
        elif offset != one.sent or crc != one.crc:
            one.rewind(offset, crc, tail)
        else:
            one.received = offset
        line.resumed, line.paused, line.close_sent, line.round = True, False, False, resume.round
        line.track.replan()
        self.wake(line.track)

    def acked(self, line: Line, received: int, durable: int, closed: bool) -> None:
        """Bytes have arrived."""
        one = line.incarnation
        if received > one.received:
            self._in_flight -= received - one.received
        one.acked(max(received, one.received), durable, closed)
        if one.closed:
            del self._lines[line.handle], self._by_number[one.number]
        if one.final is not None:
            self.wake(line.track)

    def paused(self, line: Line) -> None:
        """Send nothing of this until the collector resumes it."""
        line.paused = True

    @property
    def has_news(self) -> bool:
        """Whether there may be something to say beside bytes."""
        return bool(self._woken)

    @property
    def is_window_full(self) -> bool:
        """Whether nothing can be sent before the collector has acknowledged something."""
        return self._in_flight >= self.window_bytes

    # ---- what to send next ------------------------------------------------------------------------------------------

    def news(self) -> Iterator[Opening | Telling | Closing]:
        """What is to be said of woken tracks beside their bytes, in order."""
        woken, self._woken = self._woken, {}
        for track in woken.values():
            for one in track.incarnations:
                line = self._by_number.get(one.number)
                if line is None:
                    if not one.segment or one.closed:
                        continue
                    self._handles += 1
                    line = Line(self._handles, track, one)
                    self._lines[line.handle] = self._by_number[one.number] = line
                    yield Opening(line.handle, track, one)
                yield from self._news_of(line)

    def next_read(self, length_max: int) -> Read | None:
        """Whose turn it is and what to read of it; None if there is nothing to send or the window is full."""
        room = self.window_bytes - self._in_flight
        for _ in range(len(self._first) + len(self._turns)):
            if room <= 0:
                return None
            track = self._take_turn()
            read = track.next_read(min(length_max, room, QUANTUM_BYTES))
            if read is None:
                continue
            line = self._by_number.get(read.incarnation.number)
            if line is None or not line.may_send:
                continue
            self.wake(track)
            return read
        return None

    def took(self, read: Read, data: bytes, now_ns: int) -> list[tuple[int, int]]:
        """Count what was read as sent; returns when its bytes were seen."""
        self._in_flight += len(data)
        return read.incarnation.took(data, now_ns)

    def _take_turn(self) -> Track:
        is_first = bool(self._first) and (self._first_in_a_row < FIRST_IN_A_ROW or not self._turns)
        self._first_in_a_row = self._first_in_a_row + 1 if is_first else 0
        track = (self._first if is_first else self._turns).popleft()
        self._queued.discard(id(track))
        return track

    def _news_of(self, line: Line) -> Iterator[Telling | Closing]:
        one = line.incarnation
        while line.resumed and line.losses_sent < len(one.losses):
            yield Telling(line.handle, one.losses[line.losses_sent])
            line.losses_sent += 1
        if line.may_send and not line.close_sent and one.wants_close:
            line.close_sent = True
            yield Closing(line.handle, one.sent, one.crc)
