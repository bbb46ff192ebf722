"""Where the live view is written: a terminal with a line of its own at the bottom, or anything else, plainly."""

from __future__ import annotations

import os
import shutil

STDOUT, STDERR = 1, 2
WRITE_BYTES = 1 << 16
ERASE_LINE = b"\r\x1b[K"


class Screen:
    """Output that is held until `flush` or until there is much of it. Used by one thread only.

    On a terminal everything goes to stdout, above the bottom line; elsewhere words of our own go to stderr.
    """

    def __init__(self, is_terminal: bool) -> None:
        self._is_terminal = is_terminal
        self._held: list[bytes] = []
        self._size = 0
        self._bottom = b""
        self._is_bottom_shown = False

    @property
    def width(self) -> int:
        """Columns of the terminal."""
        return shutil.get_terminal_size().columns

    def write(self, data: bytes) -> None:
        """Add output of the job. Raises BrokenPipeError if nobody reads it."""
        self._held.append(data)
        self._size += len(data)
        if self._size >= WRITE_BYTES:
            self.flush()

    def note(self, text: str) -> None:
        """Add a line of our own."""
        line = f"ranklog: {text}\n".encode()
        if self._is_terminal:
            self.write(line)
        else:
            self.flush()
            _write(STDERR, line)

    def bottom(self, text: str) -> None:
        """Set the bottom line; empty takes it away."""
        if self._is_terminal and text.encode() != self._bottom:
            self._bottom = text.encode()
            self._draw(b"")

    def flush(self) -> None:
        """Let go of what is held."""
        if self._held:
            data = b"".join(self._held)
            self._held.clear()
            self._size = 0
            if self._is_terminal:
                self._draw(data)
            else:
                _write(STDOUT, data)

    def _draw(self, data: bytes) -> None:
        """Write above the bottom line, in one go: no half-drawn state is to be seen."""
        before = ERASE_LINE if self._is_bottom_shown else b""
        if data and not data.endswith(b"\n"):
            data += b"\n"
        self._is_bottom_shown = bool(self._bottom)
        _write(STDOUT, before + data + self._bottom)


def _write(number: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(number, view) :]
