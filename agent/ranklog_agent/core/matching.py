"""An agent without memory and a collector with one: which of its segments is which of today's files.

Neither path nor inode nor first bytes are believed alone: hundreds of ranks print the same banner, inodes are used
again, and a file may have been rotated, truncated or replaced while no agent looked. The collector tells where each
file was, which inode it had and the checksum of the last bytes it holds; a file is the same if it still has those bytes
at that place.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ranklog_agent.core.facts import Identity, StreamName


@dataclass(frozen=True, slots=True)
class Remembered:
    """A segment as the collector knows it."""

    stream: StreamName
    segment: str
    path: str
    identity: Identity
    offset: int
    crc: int
    tail_length: int
    tail_crc: int
    closed: bool
    snapshot: bool = False


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file of today."""

    stream: StreamName
    path: str
    identity: Identity
    size: int


def suspects(candidate: Candidate, remembered: list[Remembered]) -> Iterator[Remembered]:
    """Segments that the file may continue, likeliest first; the caller compares the tails and takes the first match."""
    possible = [one for one in remembered if one.offset <= candidate.size and not one.snapshot]
    same_file = [one for one in possible if one.identity.may_be(candidate.identity)]
    yield from sorted(same_file, key=lambda one: (one.path != candidate.path, -one.offset))
    for one in possible:
        # Another device number: mounted again. The same device with another inode is another file, whatever it says.
        moved_mount = one.identity.device != candidate.identity.device
        if moved_mount and one.stream == candidate.stream and one.path == candidate.path and one.offset:
            yield one
