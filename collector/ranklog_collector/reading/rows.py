"""The output of a run as rows: lines that are shown one by one, or folded over ranks; once, or as they come."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from ranklog_collector.core.passages import may_begin
from ranklog_collector.reading.fold import WINDOW_NS, Fold, Row
from ranklog_collector.reading.folder import RunFolder
from ranklog_collector.reading.lines import Block
from ranklog_collector.reading.logs import LogReader
from ranklog_collector.reading.merge import lines

POLL_S = 0.1


def all_blocks(reader: LogReader) -> Iterator[Iterator[Block]]:
    """Yield all that there is, in one batch."""
    yield reader.read(is_final=True)


def following(
    folder: RunFolder, reader: LogReader, wait: Callable[[float], None] = time.sleep
) -> Iterator[Iterator[Block]]:
    """Yield batch after batch of what has come, until the run has ended; an empty one if there is nothing new."""
    while True:
        has_ended = folder.state.has_ended
        yield reader.read(is_final=has_ended)
        if has_ended:
            return
        while not folder.refresh() and not reader.is_waiting:
            wait(POLL_S)
            yield iter(())
        wait(POLL_S)


class Rows:
    """Makes rows of blocks. `tail` keeps only so many last rows of the first batch.

    Folded are equal lines, or those that are alike (`is_similar`), or none (`is_apart`): then only lines that belong
    together are one row. With `is_grouped` a block is one row. A row waits for ranks that are late, up to `late_ns`.
    """

    def __init__(
        self,
        reader: LogReader,
        is_folded: bool,
        colour: bool = False,
        is_raw: bool = False,
        tail: int | None = None,
        is_similar: bool = False,
        is_apart: bool = False,
        is_grouped: bool = False,
        late_ns: int = 0,
    ) -> None:
        self._reader = reader
        self._is_similar = is_similar
        self._is_apart = is_apart
        self._is_grouped = is_grouped
        self._late_ns = late_ns
        self._is_folded = is_folded
        self._colour = colour
        self._is_raw = is_raw
        self._tail = tail
        self._ends: dict[int, int] = {}
        self._continued: set[tuple[int, int]] = set()

    def continues(self, row: Row) -> bool:
        """Whether a row that is a block begins where its stream's block before it ended; it can be asked once."""
        place = row.streams[0], row.offset
        is_continued = place in self._continued
        self._continued.discard(place)
        return is_continued

    def of(self, batches: Iterable[Iterable[Block]], clock: Callable[[], float] = time.monotonic) -> Iterator[Row]:
        """Yield the rows of the batches in turn. A row that others may still join waits for them, but not for ever."""
        fold = Fold({}, is_similar=self._is_similar, late_ns=self._late_ns)
        first = self._tail
        arrivals: deque[tuple[float, int]] = deque()
        for batch in batches:
            rows = self._of(batch, fold)
            if first is not None:
                yield from deque(self._flushed(rows, fold), maxlen=first)
                first = None
                continue
            yield from rows
            yield from fold.expire(0)
            now = clock()
            arrivals.append((now, fold.count))
            while (now - arrivals[0][0]) * 1e9 >= WINDOW_NS:
                yield from fold.flush(arrivals.popleft()[1])
        yield from fold.flush()

    def raw(self, batches: Iterable[Iterable[Block]], head: int | None = None) -> Iterator[bytes]:
        """Yield the bytes as they are; lines of several streams are kept apart."""
        if head is not None or self._tail is not None:
            for row in islice(self.of(batches), head):
                yield row.text + b"\n"
            return
        is_open = False
        for batch in batches:
            for block in batch:
                if is_open and len(self._reader.sources) > 1:
                    yield b"\n"
                for data in self._reader.raw(block):
                    yield data
                    is_open = not data.endswith(b"\n")

    def _of(self, batch: Iterable[Block], fold: Fold) -> Iterator[Row]:
        known: object = None
        for block in batch:
            found = lines(block, self._colour, self._is_raw)
            if self._is_grouped:
                if self._ends.get(block.stream) == block.piece.offset:
                    self._continued.add((block.stream, block.piece.offset))
                self._ends[block.stream] = block.piece.end
                found = [(found[0][0], b"\n".join([text for _, text in found]))]
            if not self._is_folded:
                for offset, text in found:
                    yield Row(text, block.time, offset, [block.stream])
                continue
            sources = self._reader.sources
            if sources is not known and not self._is_apart:
                known = sources
                fold.learn({number: source.kind for number, source in sources.items() if source.kind is not None})
            has_passages = not self._is_grouped and may_begin(block.piece.data)
            yield from fold.push(block.stream, block.time, found, has_passages)

    @staticmethod
    def _flushed(rows: Iterator[Row], fold: Fold) -> Iterator[Row]:
        yield from rows
        yield from fold.flush()
