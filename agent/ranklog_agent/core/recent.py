"""The bytes that were sent last: a copy of a file may have been made just before they were written.

Such a copy is shorter than what was sent, and only its bytes tell that it holds nothing new.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

BYTES_MAX = 4 << 20
"""Of all files together; that is some milliseconds of the fastest, and hours of a quiet one."""


@dataclass(frozen=True, slots=True)
class Sent:
    """Bytes of an incarnation, with the checksum of all before them."""

    number: int
    offset: int
    crc: int
    data: bytes


@dataclass(slots=True)
class Recent:
    """What was sent last, of all incarnations."""

    _all: deque[Sent] = field(default_factory=deque)
    _size: int = 0

    def note(self, sent: Sent) -> None:
        """Keep this, and let go of the oldest."""
        self._all.append(sent)
        self._size += len(sent.data)
        while self._size > BYTES_MAX:
            self._size -= len(self._all.popleft().data)

    def forget(self, number: int) -> None:
        """Let go of what was sent of an incarnation."""
        self._all = deque(sent for sent in self._all if sent.number != number)
        self._size = sum(len(sent.data) for sent in self._all)

    def around(self, number: int, offset: int) -> Sent | None:
        """What was sent of an incarnation that holds the byte before `offset`."""
        for sent in reversed(self._all):
            if sent.number == number and sent.offset < offset <= sent.offset + len(sent.data):
                return sent
        return None
