"""Composes the agent's core: tracks over files, a session over the wire. Deterministic, given its files and times.

The shells feed it: "look at this path", "the collector says", and ask it: "what shall I send". It never waits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from zlib import crc32

from ranklog_agent.core import copies
from ranklog_agent.core.copies import Kind, prefix_crc
from ranklog_agent.core.facts import Identity, Sight, StreamName, spelled
from ranklog_agent.core.incarnation import TAIL_BYTES, Incarnation
from ranklog_agent.core.matching import Candidate, Remembered, suspects
from ranklog_agent.core.ports import File, Files
from ranklog_agent.core.shipping import Closing, Opening, Resume, Session, Telling
from ranklog_agent.core.track import Read, Track


@dataclass(frozen=True, slots=True)
class ChunkOut:
    """Bytes of an incarnation, with the segment's checksum up to their end and when they were seen."""

    handle: int
    offset: int
    data: bytes
    crc: int
    seen: list[tuple[int, int]]
    round: int


ORPHAN_QUIET_NS = 2_000_000_000
"""How long a nameless file must not have grown before it is worth asking who still writes to it."""

Outgoing = Opening | Telling | Closing | ChunkOut


@dataclass(slots=True)
class Engine:
    """Everything the agent knows about the files of its node."""

    files: Files
    mint: Callable[[], str]
    """Gives a new segment's name."""
    tracks: dict[str, Track] = field(default_factory=dict)
    session: Session | None = None
    _memory: list[Remembered] | None = None
    """The collector's memory of earlier agents, once it has told; before that nothing is named."""
    _claims: dict[StreamName, str] = field(default_factory=dict)
    """Which path a stream's name belongs to: files of different paths must not be mixed into one stream."""
    _restless: dict[str, Track] = field(default_factory=dict)
    """Tracks that may have a backlog, or incarnations that no event tells of any more; of most files neither is so."""
    _held: dict[int, File] = field(default_factory=dict)
    _owners: dict[tuple[int, int], int] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    # ---- files ------------------------------------------------------------------------------------------------------

    def watch(self, path: str, stream: StreamName, is_snapshot: bool = False) -> Track:
        """Take a path's file into the care of a stream; a snapshot is mirrored whole each time it has changed."""
        track = self.tracks.get(path)
        if track is None:
            track = self.tracks[path] = Track(stream, path, lambda: next(self._numbers), is_snapshot)
            if self._memory is not None:
                self._claim_name(track)
        return track

    def is_held(self, identity: Identity) -> bool:
        """Whether this file is being taken care of already, under whatever name."""
        number = self._owners.get((identity.device, identity.inode))
        return number is not None and self._held[number].identity.may_be(identity)

    def is_copy(self, path: str, in_doubt: bool) -> bool:
        """Whether a file is a copy that a rotation made of one that is mirrored under its own name.

        `in_doubt` is the answer for an empty file, and for one that so far equals an original that was not truncated.
        """
        for track in self._namesakes(path):
            file = self.files.open(path)
            if file is None:
                return in_doubt
            present = self._held.get(track.current.number) if track.current else None
            kind = copies.kind_of(file, track, present)
            file.close()
            if kind is not Kind.OTHER:
                return kind is Kind.COPY or in_doubt
        return False

    def _namesakes(self, path: str) -> Iterator[Track]:
        """Tracks whose path, with something like `.1` or `-20261124` after it, is this path."""
        for end in range(path.rfind("/") + 2, len(path)):
            if path[end] in ".-_~" and path[:end] in self.tracks:
                yield self.tracks[path[:end]]

    def look(self, track: Track, now_ns: int) -> bool:
        """See what has become of a track's files; returns whether there is anything new."""
        if track.is_snapshot:
            return self._look_at_version(track, now_ns)
        attached = False
        while self._follow_path(track, now_ns):
            attached = True
        sights: dict[int, Sight] = {}
        for one in reversed(track.incarnations):
            held = self._held.get(one.number)
            if held is not None and one.final is None:
                sights[one.number] = held.sight()
        before = track.backlog
        for doubtful in track.saw(sights, now_ns):
            size = sights[doubtful.number].size
            if not self._still_holds_what_was_sent(doubtful, size):
                self._cut_short(track, doubtful, now_ns)
            elif size < doubtful.seen:
                track.shrank(doubtful, size, now_ns)
        self._end_orphans(track, sights, now_ns)
        changed = attached or track.backlog != before or self.session is None
        if changed or track.is_rotated:
            self._restless[track.path] = track
        if self.session is not None and (changed or any(one.final is not None for one in track.incarnations)):
            self.session.wake(track)
        return changed

    def look_again(self, now_ns: int) -> None:
        """Look at the files of which no event tells, because their paths name something else by now."""
        for path, track in list(self._restless.items()):
            if track.is_rotated:
                self.look(track, now_ns)
            elif not track.backlog:
                del self._restless[path]

    def end_all(self) -> None:
        """The job has ended: what the files hold now is all they will ever hold."""
        for track in self.tracks.values():
            for one in track.incarnations:
                track.ended(one)
            if self.session is not None:
                self.session.wake(track)

    def release_confirmed(self) -> None:
        """Let go of files of which the collector has confirmed everything, to make room for others."""
        for track in self.tracks.values():
            for one in track.incarnations:
                if one.closed and one.final is not None:
                    self._release(one)

    # ---- the collector ----------------------------------------------------------------------------------------------

    @property
    def is_cold(self) -> bool:
        """Whether the collector's memory of this node is still needed."""
        return self._memory is None

    def connected(self, window_bytes: int) -> None:
        """Begin a session; if the engine is cold, `recall` must follow before anything is sent."""
        self.session = Session(window_bytes)
        for track in self.tracks.values():
            track.replan()
            self.session.wake(track)

    def disconnected(self) -> None:
        """Forget the session; nothing of it outlives the connection."""
        self.session = None

    def recall(self, remembered: list[Remembered], now_ns: int) -> None:
        """Take in what the collector knows of this node's files from earlier agents."""
        self._memory = list(remembered)
        for track in self.tracks.values():
            for one in track.incarnations:
                self._name(track, one)
        # Backwards, because each goes before what its track has already: in the end the oldest is first.
        for lost in [one for one in reversed(self._memory) if not one.closed and not one.snapshot]:
            if lost in self._memory:
                self._search(lost, now_ns)
        for track in self.tracks.values():
            self._claim_name(track)
            self._restless[track.path] = track

    def resume(self, resume: Resume, now_ns: int) -> None:
        """The collector says from where to send."""
        line = self.session.line(resume.handle) if self.session else None
        if self.session is not None and line is not None:
            one = line.incarnation
            starts_over = not one.severed
            tail = self._tail_before(one, resume)
            self.session.resumed(line, resume, tail, now_ns)
            self._restless[line.track.path] = line.track
            if tail is None and starts_over and not line.track.is_snapshot:
                self._begin_again(line.track, one, now_ns)
                self._release(one)

    def ack(self, handle: int, received: int, durable: int, closed: bool) -> None:
        """Bytes have arrived."""
        line = self.session.line(handle) if self.session else None
        if self.session is not None and line is not None:
            self.session.acked(line, received, durable, closed)
            for done in line.track.forget_done():
                self._release(done)

    def pause(self, handle: int) -> None:
        """The collector cannot write now."""
        line = self.session.line(handle) if self.session else None
        if self.session is not None and line is not None:
            self.session.paused(line)

    def outgoing(self, bytes_max: int, now_ns: int) -> list[Outgoing]:
        """The next messages, with at most about `bytes_max` bytes of chunks; empty if there is nothing to say."""
        if self.session is None or self._memory is None:
            return []
        out: list[Outgoing] = list(self.session.news())
        room = bytes_max
        while room > 0:
            read = self.session.next_read(room)
            if read is None:
                break
            chunk = self._read(read, now_ns)
            if chunk is not None:
                out.append(chunk)
                room -= len(chunk.data)
        return out

    # ---- state ------------------------------------------------------------------------------------------------------

    @property
    def backlog(self) -> int:
        """Bytes seen that the collector has not received."""
        return sum(track.backlog for track in self._restless.values())

    @property
    def has_news(self) -> bool:
        """Whether there is something to say beside bytes."""
        return self.session is not None and self.session.has_news

    @property
    def is_window_full(self) -> bool:
        """Whether nothing can be sent before the collector has acknowledged something."""
        return self.session is not None and self.session.is_window_full

    @property
    def is_settled(self) -> bool:
        """Whether all that was seen is durable at the collector."""
        return all(track.is_settled for track in self.tracks.values())

    @property
    def is_closed(self) -> bool:
        """Whether the collector has confirmed every stream as a whole."""
        return all(one.closed for track in self.tracks.values() for one in track.incarnations)

    # ---- inside -----------------------------------------------------------------------------------------------------

    def _look_at_version(self, track: Track, now_ns: int) -> bool:
        file = self.files.open(track.path)
        if file is None:
            return False
        sight = file.sight()
        if not track.is_version_due(file.identity, sight):
            file.close()
            return False
        for old in track.incarnations:
            self._release(old)
        version = track.attach_version(file.identity, sight, now_ns)
        self._held[version.number] = file
        self._restless[track.path] = track
        if self._memory is not None:
            version.segment = self.mint()
        if self.session is not None:
            self.session.wake(track)
        return True

    def _follow_path(self, track: Track, now_ns: int) -> bool:
        identity = self.files.identity_at(track.path)
        current = track.current
        if current is not None and identity is not None and identity.may_be(current.identity):
            return False
        if identity is None or self.is_held(identity):
            track.detach()
            return False
        file = self.files.open(track.path)
        if file is not None and self.is_held(file.identity):
            # Opened when it was made, and found in another way since.
            file.close()
            file = self.files.open(track.path)
        if file is None or self.is_held(file.identity):
            if file is not None:
                file.close()
            return False
        incarnation = track.attach(file.identity, now_ns)
        self._hold(incarnation, file)
        if self._memory is not None:
            self._name(track, incarnation)
        return True

    def _hold(self, incarnation: Incarnation, file: File) -> None:
        self._held[incarnation.number] = file
        self._owners[file.identity.device, file.identity.inode] = incarnation.number

    def _release(self, incarnation: Incarnation) -> None:
        file = self._held.pop(incarnation.number, None)
        if file is None:
            return
        key = (file.identity.device, file.identity.inode)
        if self._owners.get(key) == incarnation.number:
            del self._owners[key]
        file.close()

    def _name(self, track: Track, incarnation: Incarnation) -> None:
        """Find out whether the collector knows this file; else it is a new segment."""
        assert self._memory is not None
        file = self._held.get(incarnation.number)
        if file is not None and self._memory and not track.is_snapshot:
            candidate = Candidate(track.stream, spelled(track.path), file.identity, file.sight().size)
            for one in suspects(candidate, self._memory):
                if self._has_tail(file, one):
                    self._memory.remove(one)
                    track.stream = one.stream
                    is_here = one.path == spelled(track.path)
                    self._claims.setdefault(one.stream, track.path if is_here else one.path)
                    self._adopt(incarnation, one, file)
                    track.replan()
                    return
        incarnation.segment = self.mint()

    def _claim_name(self, track: Track) -> None:
        """See to it that no other path's file has the stream's name, unless this is where that one was renamed to."""
        is_known = any(one.durable for one in track.incarnations)
        while not is_known and self._claims.setdefault(track.stream, track.path) != track.path:
            track.stream = track.stream.apart(track.path)

    def _adopt(self, incarnation: Incarnation, one: Remembered, file: File) -> None:
        incarnation.segment = one.segment
        incarnation.rewind(one.offset, one.crc, file.read(max(0, one.offset - one.tail_length), one.tail_length))
        incarnation.durable = one.offset
        incarnation.closed = one.closed and incarnation.seen == one.offset

    def _has_tail(self, file: File, one: Remembered) -> bool:
        tail = file.read(one.offset - one.tail_length, one.tail_length)
        return len(tail) == one.tail_length and crc32(tail) == one.tail_crc

    def _search(self, lost: Remembered, now_ns: int) -> None:
        """Look for a file that was renamed while no agent ran; if it is gone, say so."""
        assert self._memory is not None
        track = self.watch(lost.path, lost.stream)
        self.look(track, now_ns)
        if lost not in self._memory:
            return
        self._memory.remove(lost)
        incarnation = Incarnation(next(self._numbers), lost.identity, now_ns)
        for path in self.files.siblings(lost.path):
            file = self.files.open(path)
            if file is None:
                continue
            same = lost.identity.may_be(file.identity) and not self.is_held(file.identity)
            if same and file.sight().size >= lost.offset and self._has_tail(file, lost):
                track.adopt(incarnation)
                self._hold(incarnation, file)
                self._adopt(incarnation, lost, file)
                track.saw({incarnation.number: file.sight()}, now_ns)
                track.replan()
                return
            file.close()
        track.adopt(incarnation)
        incarnation.segment = lost.segment
        incarnation.rewind(lost.offset, lost.crc, b"")
        track.vanished(incarnation, now_ns)

    def _read(self, read: Read, now_ns: int) -> ChunkOut | None:
        one = read.incarnation
        tail = read.tail
        data = self._held[one.number].read(read.offset - len(tail), len(tail) + read.length)
        if data and data[: len(tail)] != tail:
            self._cut_short(read.track, one, now_ns)
            return None
        data = data[len(tail) :]
        if not data:
            read.track.unread(one, now_ns)
            return None
        assert self.session is not None
        seen = self.session.took(read, data, now_ns)
        line = self.session.line_of(one)
        return ChunkOut(line.handle, read.offset, data, one.crc, seen, line.round)

    def _tail_before(self, one: Incarnation, resume: Resume) -> bytes | None:
        """What the file holds before the offset; None if that is not what the collector has."""
        if (resume.offset, resume.crc) == (one.sent, one.crc):
            return one.tail
        file = self._held.get(one.number)
        if file is None or file.read(one.sent - len(one.tail), len(one.tail)) != one.tail:
            return None
        if not one.passed(resume.offset, resume.crc) and prefix_crc(file, resume.offset) != resume.crc:
            return None
        start = max(0, resume.offset - TAIL_BYTES)
        return file.read(start, resume.offset - start)

    def _still_holds_what_was_sent(self, one: Incarnation, size: int) -> bool:
        if one.sent == 0:
            return size == one.seen
        return one.sent <= size and self._held[one.number].read(one.sent - len(one.tail), len(one.tail)) == one.tail

    def _cut_short(self, track: Track, one: Incarnation, now_ns: int) -> None:
        """A file no longer holds what was sent of it: look for a copy that does, as `copytruncate` makes one."""
        file = self._held[one.number]
        if track.is_snapshot:
            track.cut_short(one, None, now_ns)
            return
        copy = copies.find(self.files, track.path, one, self.is_held) if one.sent else None
        track.cut_short(one, copy.sight().size if copy else None, now_ns)
        self._begin_again(track, one, now_ns)
        if copy is None:
            self._release(one)
        else:
            self._held[one.number] = copy
            file.close()
        if self.session is not None:
            self.session.wake(track)

    def _begin_again(self, track: Track, after: Incarnation, now_ns: int) -> None:
        """A file starts over: the next incarnation, in the same inode."""
        file = self._held[after.number]
        again = track.begin_again(after, now_ns)
        self._hold(again, file.again())
        if self._memory is not None:
            again.segment = self.mint()
        track.saw({again.number: file.sight()}, now_ns)

    def _end_orphans(self, track: Track, sights: dict[int, Sight], now_ns: int) -> None:
        """Files without a name and without a writer have said all they will ever say."""
        for one in track.incarnations:
            sight = sights.get(one.number)
            if sight is None or not one.detached or sight.links or one.final is not None:
                continue
            held = self._held[one.number]
            if now_ns - one.changed_ns < ORPHAN_QUIET_NS or held.has_writer():
                continue
            track.saw({one.number: held.sight()}, now_ns)
            track.ended(one)
