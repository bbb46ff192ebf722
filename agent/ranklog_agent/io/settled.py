"""Which processes an agent of this node has seen through: their ends are told, and all they left is delivered.

The next agent does not take them for the job that it has come for. A file, one key a line; if it is lost, that agent
leaves as soon as it has found everything delivered.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress

from ranklog.layout import is_key
from ranklog_agent.io.opening import open_regular

BYTES_MAX = 16 << 20


class Settled:
    """The list in an agent's own folder."""

    def __init__(self, folder: str) -> None:
        self._path = os.path.join(folder, "settled.txt")
        self.keys = frozenset(self._read())

    def add(self, keys: Iterable[str]) -> None:
        """Add what is not in it yet, if that can be written."""
        new = "".join(f"{key}\n" for key in keys if key not in self.keys)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        with suppress(OSError), open(os.open(self._path, flags, 0o600), "a", encoding="ascii") as file:
            file.write(new)

    def _read(self) -> list[str]:
        try:
            fd = open_regular(self._path)
            if fd is None:
                return []
            with open(fd, "rb") as file:
                text = file.read(BYTES_MAX).decode("ascii", "replace")
        except OSError:
            return []
        return [line for line in text.splitlines() if is_key(line)]
