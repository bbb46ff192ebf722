"""What stands before a line: the ranks that say it, or the name of its stream."""

from __future__ import annotations

from collections.abc import Sequence

from ranklog_collector.core.ranks import ranks_text
from ranklog_collector.reading.logs import LogReader
from ranklog_collector.reading.select import label
from ranklog_collector.reading.text import printable

_COLOURS = (36, 33, 32, 35, 34, 31, 96, 93, 92, 95, 94, 91)
_BOLD = 1
_HELD_MAX = 10_000


class Labels:
    """Makes labels.

    A reader of one stream needs none, unless `is_always`. With `is_aligned` those of ranks are as wide as the widest so
    far.
    """

    def __init__(
        self, reader: LogReader, colour: bool = False, is_always: bool = False, is_aligned: bool = False
    ) -> None:
        self._reader = reader
        self._colour = colour
        self._is_always = is_always
        self._is_aligned = is_aligned
        self._width = 0
        self._held: dict[tuple[int, ...], bytes] = {}
        self._known: object = None

    def of(self, streams: Sequence[int]) -> bytes:
        """The label, with the blank after it, of a line that these streams have."""
        sources = self._reader.sources
        if len(sources) == 1 and not self._is_always:
            return b""
        if sources is not self._known or len(self._held) > _HELD_MAX:
            self._held, self._known = {}, sources
            self._width = max(self._width, self._width_of_ranks())
        key = tuple(streams)
        held = self._held.get(key)
        if held is None:
            held = self._make(streams)
            self._held[key] = held
        return held

    def _make(self, streams: Sequence[int]) -> bytes:
        sources = self._reader.sources
        rank = sources[streams[0]].rank
        name = printable(label([sources[stream] for stream in streams]))
        if rank is not None and len(name) > self._width:
            self._held, self._width = {}, len(name)
        text, padding = f"[{name}]", " " * (self._width - len(name)) if self._is_aligned else ""
        if self._colour:
            colour = _BOLD if rank is None or len(streams) > 1 else _COLOURS[rank % len(_COLOURS)]
            text = f"\x1b[{colour}m{text}\x1b[0m"
        return f"{text}{padding} ".encode()

    def _width_of_ranks(self) -> int:
        """Of the label of a line that all ranks have."""
        ranks = [source.rank for source in self._reader.sources.values() if source.rank is not None]
        return len(ranks_text(ranks))
