"""One order for many streams: by time, and a stream's own order is never broken."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import merge
from operator import attrgetter

from ranklog_collector.reading.lines import Block
from ranklog_collector.reading.text import shown


def merged(streams: Iterable[Iterable[Block]]) -> Iterator[Block]:
    """Merge blocks by time; at the same time the earlier stream of the argument goes first.

    Each stream's own blocks must not go back in time.
    """
    return merge(*streams, key=attrgetter("time"))


def lines(block: Block, colour: bool = False, is_raw: bool = False) -> list[tuple[int, bytes]]:
    """Split a block into lines as they are shown, or as they are: where each begins in the file, and its text."""
    offset, _, data = block.piece
    clean = data if is_raw else shown(data, colour)
    texts = clean.split(b"\n")
    raw = texts if clean is data else data.split(b"\n")
    if data.endswith(b"\n"):
        texts.pop()
    result = []
    for text, original in zip(texts, raw):  # noqa: B905 - `raw` may have one more, the nothing after the last newline
        result.append((offset, text))
        offset += len(original) + 1
    return result
