"""Which stream and which segment a file is: found again in what the collector remembers, or new."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ranklog_agent.core.facts import StreamName, spelled
from ranklog_agent.core.holding import Holding
from ranklog_agent.core.incarnation import Incarnation
from ranklog_agent.core.matching import Candidate, Remembered
from ranklog_agent.core.ports import File, Files
from ranklog_agent.core.recollection import Recollection, goes_on, has_tail
from ranklog_agent.core.track import Track


@dataclass(slots=True)
class Naming:
    """Gives incarnations their segments, and streams names that no other path's file has."""

    files: Files
    holding: Holding
    tracks: dict[str, Track]
    mint: Callable[[], str]
    """Gives a new segment's name."""
    memory: Recollection | None = None
    """The collector's memory of earlier agents, once it has told; before that nothing is named."""
    _claims: dict[StreamName, str] = field(default_factory=dict)
    """Which path a stream's name belongs to: files of different paths must not be mixed into one stream."""

    def name(self, track: Track, incarnation: Incarnation) -> None:
        """Find out whether the collector knows this file; else it is a new segment."""
        if self.memory is not None and not self.recognise(track, incarnation):
            incarnation.segment = self.mint()

    def name_new(self, incarnation: Incarnation) -> None:
        """Name what the collector cannot know."""
        if self.memory is not None and not incarnation.segment:
            incarnation.segment = self.mint()

    def recognise(self, track: Track, incarnation: Incarnation) -> bool:
        """Take up the segment that the file goes on, if there is one."""
        file = self.holding.file_of(incarnation)
        if self.memory is None or file is None:
            return False
        if track.is_snapshot:
            return self._recognise_version(track, incarnation, file)
        candidate = Candidate(track.stream, spelled(track.path), file.identity, file.sight().size)
        one = self.memory.recognise(candidate, file)
        if one is None:
            return False
        self._take_name(track, one)
        _adopt(incarnation, one, file)
        track.replan()
        return True

    def claim(self, track: Track) -> None:
        """See to it that no other path's file has the stream's name, unless this is where that one was renamed to."""
        if self.memory is None or any(one.durable for one in track.incarnations):
            return
        track.stream = self.memory.stream_of(spelled(track.path), track.stream)
        while self._claims.setdefault(track.stream, track.path) != track.path:
            track.stream = track.stream.apart(track.path)

    def find_lost(self, lost: Remembered, track: Track, incarnation: Incarnation, now_ns: int) -> None:
        """Look for a file that was renamed or copied while no agent ran; if it is gone, say so."""
        track.adopt(incarnation)
        self._take_name(track, lost)
        file, is_copy = self._renamed_or_copied(lost)
        if file is None:
            incarnation.segment = lost.segment
            incarnation.rewind(lost.offset, lost.crc, b"")
            track.vanished(incarnation, now_ns)
            return
        self.holding.hold(incarnation, file)
        _adopt(incarnation, lost, file)
        if is_copy:
            track.goes_on_in_copy(incarnation, file.sight().size, now_ns)
        else:
            track.saw({incarnation.number: file.sight()}, now_ns)
        track.replan()

    def is_new(self, track: Track) -> bool:
        """Whether nothing of a track was ever told to the collector."""
        return not track.is_snapshot and not any(one.segment for one in track.incarnations)

    def drop(self, track: Track) -> None:
        """Forget a track of which nothing was told: its file turned out to be another one's."""
        for one in track.incarnations:
            self.holding.release(one)
        track.incarnations.clear()
        del self.tracks[track.path]

    def _recognise_version(self, track: Track, version: Incarnation, file: File) -> bool:
        """See whether the collector has this version; one that was under way is sent anew."""
        one = self.memory.version_of(spelled(track.path), file, version.seen) if self.memory is not None else None
        if one is None or one.stream.role != track.stream.role:
            return False
        self._take_name(track, one)
        version.segment = one.segment
        version.rewind(one.offset, one.crc, b"")
        version.acked(one.offset, one.offset, closed=True)
        track.replan()
        return True

    def _take_name(self, track: Track, one: Remembered) -> None:
        track.stream = one.stream
        is_here = one.path == spelled(track.path)
        self._claims.setdefault(one.stream, track.path if is_here else one.path)

    def _renamed_or_copied(self, lost: Remembered) -> tuple[File | None, bool]:
        """Find the file under another name, else a copy of it, in the folder where it was."""
        name, copy = lost.path.rpartition("/")[2], None
        for path in self.files.siblings(lost.path):
            file = self.files.open(path)
            if file is None:
                continue
            other = self.tracks.get(path)
            is_free = self.is_new(other) if other is not None else not self.holding.is_held(file.identity)
            if is_free and lost.identity.may_be(file.identity) and _goes_on_itself(file, lost):
                self._take_over(other, copy)
                return file, False
            if is_free and copy is None and path.rpartition("/")[2].startswith(name) and goes_on(file, lost):
                self._take_over(other, None)
                copy = file
            else:
                file.close()
        return copy, copy is not None

    def _take_over(self, other: Track | None, worse: File | None) -> None:
        if other is not None:
            self.drop(other)
        if worse is not None:
            worse.close()


def _goes_on_itself(file: File, lost: Remembered) -> bool:
    return file.sight().size >= lost.offset and has_tail(file, lost)


def _adopt(incarnation: Incarnation, one: Remembered, file: File) -> None:
    incarnation.segment = one.segment
    incarnation.rewind(one.offset, one.crc, file.read(max(0, one.offset - one.tail_length), one.tail_length))
    incarnation.durable = one.offset
    incarnation.closed = one.closed and incarnation.seen == one.offset
