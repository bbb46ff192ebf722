"""The vocabulary of the agent's core: what is seen of files, and what streams are called."""

from __future__ import annotations

from dataclasses import dataclass, replace
from zlib import crc32


def spelled(path: str) -> str:
    """Paths are bytes to the system and text to people and on the wire: what is no UTF-8 is spelled out."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


@dataclass(frozen=True, slots=True)
class Identity:
    """Evidence for which file this is. `birth_ns` is 0 where the file system does not tell."""

    device: int
    inode: int
    birth_ns: int = 0

    def may_be(self, other: Identity) -> bool:
        """Whether both can be the same file on the same mount, an inode that was used again told apart by its birth."""
        same = self.device == other.device and self.inode == other.inode
        return same and (self.birth_ns == other.birth_ns or not self.birth_ns or not other.birth_ns)


@dataclass(frozen=True, slots=True)
class Sight:
    """One look at an open file: bytes it holds, names it has, and when it was last written (its own clock, ns)."""

    size: int
    links: int = 1
    mtime_ns: int = 0


@dataclass(frozen=True, slots=True)
class StreamName:
    """What a stream is to the collector; `role` is the lower-case name of the wire's role."""

    role: str
    process: str = ""
    name: str = ""

    def apart(self, path: str) -> StreamName:
        """Another name for the file at `path`, if a different file has this one."""
        mark = f"~{crc32(path.encode('utf-8', 'surrogateescape')):08x}"
        stem, dot, suffix = self.name.rpartition(".")
        is_suffix = bool(stem) and "/" not in suffix
        return replace(self, name=f"{stem}{mark}{dot}{suffix}" if is_suffix else f"{self.name}{mark}")


@dataclass(frozen=True, slots=True)
class Loss:
    """Bytes of a segment from `offset` on that can never be had; `end` is None if it is unknown whether any were."""

    offset: int
    end: int | None
    reason: str
    time_ns: int
