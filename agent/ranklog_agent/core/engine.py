"""Composes the agent's core: tracks over files, a session over the wire. Deterministic, given its files and times.

The shells feed it: "look at this path", "the collector says", and ask it: "what shall I send". It never waits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ranklog_agent.core.matching import Remembered
from ranklog_agent.core.ports import Files
from ranklog_agent.core.recent import Sent
from ranklog_agent.core.shipping import Closing, Opening, Resume, Session, Telling
from ranklog_agent.core.track import Read, Track
from ranklog_agent.core.tracking import Tracking


@dataclass(frozen=True, slots=True)
class ChunkOut:
    """Bytes of an incarnation, with the segment's checksum up to their end and when they were seen."""

    handle: int
    offset: int
    data: bytes
    crc: int
    seen: list[tuple[int, int]]
    round: int


Outgoing = Opening | Telling | Closing | ChunkOut


class Engine:
    """Everything the agent knows about the files of its node, and the dialogue about them."""

    def __init__(self, files: Files, mint: Callable[[], str]) -> None:
        """`mint` gives a new segment's name."""
        self.tracking = Tracking(files, mint, self._wake)
        self.session: Session | None = None

    @property
    def is_cold(self) -> bool:
        """Whether the collector's memory of this node is still needed."""
        return self.tracking.naming.memory is None

    # ---- the collector ----------------------------------------------------------------------------------------------

    def connected(self, window_bytes: int) -> None:
        """Begin a session; if the engine is cold, `recall` must follow before anything is sent."""
        self.session = Session(window_bytes)
        for track in self.tracking.tracks.values():
            track.replan()
            self.session.wake(track)

    def disconnected(self) -> None:
        """Forget the session; nothing of it outlives the connection."""
        self.session = None

    def recall(self, remembered: list[Remembered], now_ns: int) -> None:
        """Take in what the collector knows of this node's files from earlier agents."""
        self.tracking.recall(remembered, now_ns)

    def resume(self, resume: Resume, now_ns: int) -> None:
        """The collector says from where to send."""
        line = self.session.line(resume.handle) if self.session else None
        if self.session is not None and line is not None:
            one = line.incarnation
            starts_over = not one.severed
            tail = self.tracking.tail_before(one, resume.offset, resume.crc)
            self.session.resumed(line, resume, tail, now_ns)
            self.tracking.went_back(line.track, one)
            if tail is None and starts_over and not line.track.is_snapshot:
                self.tracking.begin_again(line.track, one, now_ns)

    def ack(self, handle: int, received: int, durable: int, closed: bool) -> None:
        """Bytes have arrived."""
        line = self.session.line(handle) if self.session else None
        if self.session is not None and line is not None:
            self.session.acked(line, received, durable, closed)
            self.tracking.forget_done(line.track)

    def pause(self, handle: int) -> None:
        """The collector cannot write now."""
        line = self.session.line(handle) if self.session else None
        if self.session is not None and line is not None:
            self.session.paused(line)

    def outgoing(self, bytes_max: int, now_ns: int) -> list[Outgoing]:
        """The next messages, with at most about `bytes_max` bytes of chunks; empty if there is nothing to say."""
        if self.session is None or self.is_cold:
            return []
        self.tracking.versions.look_at_waiting(now_ns)
        out: list[Outgoing] = list(self.session.news())
        room = bytes_max
        while room > 0:
            read = self.session.next_read(room)
            if read is None:
                break
            chunk = self._read(self.session, read, now_ns)
            if chunk is not None:
                out.append(chunk)
                room -= len(chunk.data)
        return out

    # ---- state ------------------------------------------------------------------------------------------------------

    @property
    def has_news(self) -> bool:
        """Whether there is something to say beside bytes."""
        return self.session is not None and self.session.has_news

    @property
    def awaits_acks(self) -> bool:
        """Whether there is something that cannot be sent before the collector has acknowledged something else."""
        return self.session is not None and (self.session.is_window_full or self.tracking.versions.has_waiting)

    @property
    def is_settled(self) -> bool:
        """Whether all that was seen is durable at the collector."""
        return all(track.is_settled for track in self.tracking.tracks.values())

    @property
    def is_closed(self) -> bool:
        """Whether the collector has confirmed every stream as a whole."""
        is_waiting = self.tracking.versions.has_waiting
        tracks = self.tracking.tracks.values()
        return not is_waiting and all(one.closed for track in tracks for one in track.incarnations)

    # ---- inside -----------------------------------------------------------------------------------------------------

    def _wake(self, track: Track) -> None:
        if self.session is not None:
            self.session.wake(track)

    def _read(self, session: Session, read: Read, now_ns: int) -> ChunkOut | None:
        one, tail = read.incarnation, read.tail
        file = self.tracking.holding.file_of(one)
        data = file.read(read.offset - len(tail), len(tail) + read.length) if file is not None else b""
        if data and data[: len(tail)] != tail:
            self.tracking.cut_short(read.track, one, now_ns)
            return None
        data = data[len(tail) :]
        if not data:
            read.track.unread(one, now_ns)
            return None
        self.tracking.recent.note(Sent(one.number, one.sent, one.crc, data))
        seen = session.took(read, data, now_ns)
        line = session.line_of(one)
        return ChunkOut(line.handle, read.offset, data, one.crc, seen, line.round)
