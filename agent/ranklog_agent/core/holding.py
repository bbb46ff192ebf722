"""The files that are held open, by the number of the incarnation that is read from them."""

from __future__ import annotations

from dataclasses import dataclass, field

from ranklog_agent.core.facts import Identity, Sight
from ranklog_agent.core.incarnation import Incarnation
from ranklog_agent.core.ports import File


@dataclass(slots=True)
class Holding:
    """Open files and whose they are."""

    _files: dict[int, File] = field(default_factory=dict)
    _owners: dict[tuple[int, int], int] = field(default_factory=dict)
    _done: dict[tuple[int, int], tuple[Identity, Sight]] = field(default_factory=dict)
    """Files of which the collector has everything, as they were when they were let go, by device and inode."""

    def file_of(self, incarnation: Incarnation | None) -> File | None:
        """The file of an incarnation, if it is held still."""
        return None if incarnation is None else self._files.get(incarnation.number)

    def is_held(self, identity: Identity) -> bool:
        """Whether this file is being taken care of already, under whatever name."""
        number = self._owners.get((identity.device, identity.inode))
        return number is not None and self._files[number].identity.may_be(identity)

    def hold(self, incarnation: Incarnation, file: File) -> None:
        """Keep a file open for an incarnation."""
        self._files[incarnation.number] = file
        self._owners[file.identity.device, file.identity.inode] = incarnation.number

    def release(self, incarnation: Incarnation) -> None:
        """Let an incarnation's file go."""
        file = self._files.pop(incarnation.number, None)
        if file is None:
            return
        key = (file.identity.device, file.identity.inode)
        if self._owners.get(key) == incarnation.number:
            del self._owners[key]
            if incarnation.closed and file.sight().links:
                self._done[key] = (file.identity, file.sight())
        file.close()

    def may_be_done(self, identity: Identity) -> bool:
        """Whether a file with this inode was let go because the collector has everything of it."""
        return (identity.device, identity.inode) in self._done

    def is_done(self, file: File) -> bool:
        """Whether the collector has everything of a file: it was let go, and nothing came since."""
        done = self._done.get((file.identity.device, file.identity.inode))
        return done is not None and done[0] == file.identity and _same_bytes(done[1], file.sight())


def _same_bytes(one: Sight, other: Sight) -> bool:
    return (one.size, one.mtime_ns) == (other.size, other.mtime_ns)
