"""The node's files as the engine reaches them; the shell has real ones, tests a model."""

from __future__ import annotations

from typing import Protocol

from ranklog_agent.core.facts import Identity, Sight


class File(Protocol):
    """An open file; it can be read as long as it is held, whatever became of its name."""

    @property
    def identity(self) -> Identity:
        """Which file it is."""

    def sight(self) -> Sight:
        """Its present size and number of names."""

    def read(self, offset: int, length: int) -> bytes:
        """Bytes at an offset; fewer at the end; none if it cannot be read now."""

    def again(self) -> File:
        """The same file, held once more."""

    def has_writer(self) -> bool:
        """Whether any process may still write to it."""

    def close(self) -> None:
        """Let it go."""


class Files(Protocol):
    """The node's file system."""

    def identity_at(self, path: str) -> Identity | None:
        """Which regular file the path names now."""

    def glance(self, path: str) -> tuple[Identity, Sight] | None:
        """Which regular file the path names now, and how it looks, without holding it."""

    def open(self, path: str) -> File | None:
        """Hold the regular file that the path names now; None if there is none or it may not be read."""

    def peek(self, path: str) -> File | None:
        """As `open`, but only to compare it: what `open` will find stays as it is."""

    def siblings(self, path: str) -> list[str]:
        """Paths of the other regular files in the same folder."""
