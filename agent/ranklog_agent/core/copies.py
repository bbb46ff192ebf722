"""Copies that rotations make (`copytruncate`): a copy goes on where a truncated file ends; it is no file of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum
from zlib import crc32

from ranklog_agent.core.facts import Identity
from ranklog_agent.core.incarnation import Incarnation
from ranklog_agent.core.ports import File, Files
from ranklog_agent.core.recent import Recent
from ranklog_agent.core.track import Track

PIECE_BYTES = 1 << 20
"""What is read at once when files are compared."""


class Kind(Enum):
    """What a file is to another one after which it is named."""

    COPY = "all it holds was collected from the other, before that was truncated"
    DOUBTFUL = "it is empty, or equals the other so far"
    OTHER = "it holds something else"


def originals(path: str) -> Iterator[str]:
    """Paths after which this one may be named: with something like `.1` or `-20261124` after them they are this one."""
    for end in range(path.rfind("/") + 2, len(path)):
        if path[end] in ".-_~":
            yield path[:end]


def kind_of(file: File, track: Track, present: File | None, recent: Recent) -> Kind:
    """Compare a file with a track's truncated incarnations and with its present file."""
    size = file.sight().size
    if any(_was_sent(file, size, one, recent) for one in track.cut):
        return Kind.COPY
    length = min(size, PIECE_BYTES)
    if size == 0 or (present is not None and present.read(0, length) == file.read(0, length)):
        return Kind.DOUBTFUL
    return Kind.OTHER


def find(files: Files, path: str, one: Incarnation, is_held: Callable[[Identity], bool]) -> File | None:
    """Find a sibling named after the file that holds all that was sent of it, and hold that.

    It must be younger than the file's first bytes: an earlier rotation may begin with the same banner.
    """
    name = path.rpartition("/")[2]
    for sibling in files.siblings(path):
        file = files.open(sibling) if sibling.rpartition("/")[2].startswith(name) else None
        if file is None:
            continue
        is_older = not file.identity.birth_ns or file.identity.birth_ns < one.since_ns
        is_other = is_older or file.sight().size < one.sent or is_held(file.identity)
        if not is_other and prefix_crc(file, one.sent) == one.crc:
            return file
        file.close()
    return None


def prefix_crc(file: File, length: int) -> int:
    """CRC-32 of a file's first bytes."""
    crc = 0
    for offset in range(0, length, PIECE_BYTES):
        crc = crc32(file.read(offset, min(PIECE_BYTES, length - offset)), crc)
    return crc


def _was_sent(file: File, size: int, one: Incarnation, recent: Recent) -> bool:
    """Whether all that a file holds was sent of an incarnation, which may have been read on after it was copied."""
    if size == one.sent:
        return size > 0 and prefix_crc(file, size) == one.crc
    sent = recent.around(one.number, size)
    if sent is None:
        return False
    length = size - sent.offset
    return file.read(sent.offset, length) == sent.data[:length] and prefix_crc(file, sent.offset) == sent.crc
