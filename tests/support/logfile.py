"""A program's log as seen from the program: numbered lines, the file that it holds, and all that it ever wrote."""

from __future__ import annotations

import os
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path


class LogFile:
    """Writes lines that no other line equals, straight to the file; `written` is what a perfect mirror holds."""

    def __init__(self, path: Path, tag: str = "msgnum") -> None:
        self.path = path
        self.written = bytearray()
        self._tag = tag.encode()
        self._count = 0
        self._fd = self._open()

    def write(self, lines: int) -> bytes:
        """Append lines, and return them."""
        numbers = range(self._count, self._count + lines)
        data = b"".join(b"%s:%08d:and the rest of the line\n" % (self._tag, number) for number in numbers)
        self._count += lines
        self.write_bytes(data)
        return data

    def write_bytes(self, data: bytes) -> None:
        """Append bytes that are no line."""
        os.write(self._fd, data)
        self.written += data

    def reopen(self) -> None:
        """Turn to what the path names now, as programs do that are told of a rotation."""
        self.close()
        self._fd = self._open()

    def close(self) -> None:
        """Let the file go."""
        os.close(self._fd)

    def _open(self) -> int:
        return os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)


def numbers_in(data: bytes) -> list[int]:
    """The numbers of the lines; raises AssertionError if any line is not as it was written."""
    lines = data.splitlines(keepends=True)
    garbled = [line for line in lines if not (line.count(b":") == 2 and line.endswith(b":and the rest of the line\n"))]
    assert not garbled, f"lines that nobody wrote: {garbled[:5]}"
    return [int(line.split(b":")[1]) for line in lines]


def are_ascending(numbers: Iterable[int]) -> bool:
    """Whether no number is doubled or out of order."""
    return all(before < after for before, after in pairwise(numbers))
