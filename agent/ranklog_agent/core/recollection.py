"""What the collector remembers of this node's files from earlier agents, while today's files are found in it again."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from zlib import crc32

from ranklog_agent.core.copies import prefix_crc
from ranklog_agent.core.facts import StreamName
from ranklog_agent.core.matching import Candidate, Remembered, suspects
from ranklog_agent.core.ports import File

COMPARED_MAX = 1 << 30
"""Larger files are not compared as a whole: sending them again is hardly dearer."""


class Recollection:
    """Segments that the collector knows. One that was found is not found a second time."""

    def __init__(self, remembered: Iterable[Remembered]) -> None:
        self._unfound: dict[str, Remembered] = {}
        self._streams: dict[str, StreamName] = {}
        self._by_inode: dict[int, list[Remembered]] = {}
        self._by_path: dict[str, list[Remembered]] = {}
        for one in remembered:
            self._unfound[one.segment] = one
            self._streams[one.path] = one.stream
            self._by_inode.setdefault(one.identity.inode, []).append(one)
            self._by_path.setdefault(one.path, []).append(one)

    def recognise(self, candidate: Candidate, file: File) -> Remembered | None:
        """Find the segment that a file goes on."""
        near = (self._by_inode.get(candidate.identity.inode, ()), self._by_path.get(candidate.path, ()))
        unfound = {one.segment: one for one in chain(*near) if self.is_unfound(one)}
        for one in suspects(candidate, list(unfound.values())):
            if has_tail(file, one):
                self.forget(one)
                return one
        return None

    def stream_of(self, path: str, stream: StreamName) -> StreamName:
        """Name a file's stream as an earlier agent did, who may have known of another writer."""
        known = self._streams.get(path)
        is_same = known is not None and bool(stream.name) and (known.role, known.name) == (stream.role, stream.name)
        return known if known is not None and is_same else stream

    def knows(self, path: str) -> bool:
        """Whether there is a segment of this path."""
        return path in self._by_path

    def is_held_whole(self, path: str, file: File, size: int) -> bool:
        """Whether the collector has all of a file's content as a segment of this path."""
        same = [one for one in self._by_path.get(path, ()) if one.offset == size and not one.snapshot]
        return any(prefix_crc(file, size) == one.crc for one in same)

    def version_of(self, path: str, file: File, size: int) -> Remembered | None:
        """The last version of a file that is mirrored whole, if that is what the file holds now."""
        versions = [one for one in self._by_path.get(path, ()) if one.snapshot and one.closed]
        if not versions or versions[-1].offset != size or size > COMPARED_MAX:
            return None
        return versions[-1] if prefix_crc(file, size) == versions[-1].crc else None

    def is_unfound(self, one: Remembered) -> bool:
        """Whether no file of today was found to be this segment's."""
        return one.segment in self._unfound

    @property
    def lost(self) -> list[Remembered]:
        """Segments whose end the collector has not seen, and that were not found; the latest first."""
        return [one for one in reversed(self._unfound.values()) if not one.closed and not one.snapshot]

    def forget(self, one: Remembered) -> None:
        """Look for it no more."""
        self._unfound.pop(one.segment, None)


def has_tail(file: File, one: Remembered) -> bool:
    """Whether a file holds a segment's last bytes at their place."""
    tail = file.read(one.offset - one.tail_length, one.tail_length)
    return len(tail) == one.tail_length and crc32(tail) == one.tail_crc


def goes_on(file: File, one: Remembered) -> bool:
    """Whether a file is a copy of a segment's, made later, and begins with all that is held of it."""
    is_younger = file.identity.birth_ns > one.identity.birth_ns > 0
    is_longer = 0 < one.offset <= file.sight().size
    return is_younger and is_longer and has_tail(file, one) and prefix_crc(file, one.offset) == one.crc
