"""The one interface through which everything that belongs to a run folder is written.

A store is one run folder. Paths are relative to it, with `/` between plain names. All methods block and may be called
from several threads at once, as long as no two change the same file; they raise StoreFullError, StoreUnwritableError.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol


class Store(Protocol):
    """A run folder's files."""

    def append(self, path: str, offset: int, *data: bytes | memoryview) -> None:
        """Put bytes at an offset, making the file and its folders where they are missing. Not durable until `sync`."""

    def sync(self, paths: Iterable[str]) -> None:
        """Make the bytes and the names of these files durable, and the renames done so far."""

    def truncate(self, path: str, size: int) -> None:
        """Cut a file that is longer than `size`; a missing file is left missing. Not durable until `sync`."""

    def rename(self, source: str, target: str) -> bool:
        """Move a file over whatever is at `target`, at one stroke; False if there is no source."""

    def put(self, path: str, data: bytes) -> None:
        """Replace a file as a whole: a reader sees the old one or the new one, also after a crash."""

    def size(self, path: str) -> int | None:
        """The file's size in bytes, None if there is none."""

    def read(self, path: str, offset: int, length: int) -> bytes:
        """Bytes at an offset, fewer at the end of the file, none if there is no file."""

    def list(self, folder: str = "") -> list[str]:
        """Paths of all files below a folder, sorted."""

    def remove(self, path: str) -> None:
        """Remove a file if there is one."""

    def lock(self) -> None:
        """Become the only writer until `close`; StoreLockedError if there is another."""

    def close(self) -> None:
        """Let go of the folder; nothing is synced."""
