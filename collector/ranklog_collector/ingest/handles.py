"""The small numbers that stand for segments within one session."""

from __future__ import annotations

from collections.abc import Iterator

from ranklog_collector.core.run_state import Source
from ranklog_collector.errors import Refusal, RefusedError


class Handles:
    """Handles and the segments they stand for, each of the other one's only one."""

    def __init__(self) -> None:
        self._sources: dict[int, Source] = {}
        self._handles: dict[Source, int] = {}
        self._highest = 0

    def __iter__(self) -> Iterator[int]:
        """All handles in use."""
        return iter(self._sources)

    def assign(self, handle: int, source: Source) -> None:
        """Let a handle stand for a segment from now on."""
        self.drop(handle)
        former = self._handles.get(source)
        if former is not None:
            self.drop(former)
        self._sources[handle] = source
        self._handles[source] = handle
        self._highest = max(self._highest, handle)

    def drop(self, handle: int) -> None:
        """Free a handle."""
        source = self._sources.pop(handle, None)
        if source is not None:
            del self._handles[source]

    def source(self, handle: int) -> Source | None:
        """The segment of a handle; None if that is closed. Raises RefusedError for a handle that never was."""
        source = self._sources.get(handle)
        if source is None and handle > self._highest:
            raise RefusedError(Refusal.INVALID_ARGUMENT, f"handle {handle} was never opened")
        return source

    def handle(self, source: Source) -> int | None:
        """The handle of a segment, if it has one."""
        return self._handles.get(source)

    @property
    def sources(self) -> list[Source]:
        """All segments that have a handle."""
        return list(self._handles)

    def of_stream(self, number: int) -> list[int]:
        """The handles of a stream's segments."""
        return [handle for handle, source in self._sources.items() if source.stream.number == number]
