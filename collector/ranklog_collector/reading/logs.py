"""The output of a run as people read it: many streams in one order, now and as they grow."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from typing import NamedTuple

from ranklog_collector.reading.ahead import Ahead
from ranklog_collector.reading.context import Context, resumed, widened
from ranklog_collector.reading.folder import RunFolder
from ranklog_collector.reading.grep import Wanted
from ranklog_collector.reading.lines import (
    Block,
    Piece,
    Read,
    count_lines,
    last_lines_start,
    line_start,
    next_lines_end,
    pieces,
    timed,
)
from ranklog_collector.reading.merge import merged
from ranklog_collector.reading.select import Selection, Source, chosen
from ranklog_collector.reading.sieve import sifted
from ranklog_collector.reading.state import Stream
from ranklog_collector.reading.timeline import Moments

BUFFERS_TOTAL = 64 << 20
BUFFER_MAX, BUFFER_MIN = 1 << 20, 64 << 10
PARTIAL_WAIT_S = 1.0
"""A line without its end is shown in following once it has not grown for so long: it may be a prompt, or last words."""
_TAIL_MARGIN = 200


class Place(NamedTuple):
    """How far a stream has been read."""

    position: int
    rewrites: int
    """Of the stream, when it was read: bytes may have been taken back since."""


class LogReader:
    """Reads the chosen streams of a run, and each time it is asked again what has come since.

    `tail` restricts the first reading to about so many last lines of each stream. `notes` tells what could not be read.
    With `holds_bars` a line that is redrawn with carriage returns is yielded at its end only; until then `bars` has it.
    `buffer_max` is how many bytes of a stream are read at once. A reader that takes over from another one (`go_to`)
    cannot know since when a line has had no end: `silence_s` tells it how long nothing has come. Between two pieces
    `is_due` is asked whether to stop; then `is_cut` is set, and the rest comes the next time.

    With a `context` what is around the lines that match is yielded too, each such group as a block.
    With `threads` a pattern is searched for ahead, in a reading that is final and the only one.
    """

    def __init__(
        self,
        folder: RunFolder,
        selection: Selection,
        pattern: Wanted | None = None,
        tail: int | None = None,
        clock: Callable[[], float] = time.monotonic,
        holds_bars: bool = False,
        buffer_max: int = BUFFER_MAX,
        silence_s: Callable[[Stream], float] | None = None,
        is_due: Callable[[], bool] = lambda: False,
        threads: int = 0,
        context: Context | None = None,
    ) -> None:
        self.notes: dict[str, None] = {}
        self.bars: dict[int, bytes] = {}
        self.is_cut = False
        self._folder = folder
        self._selection = selection
        self._pattern = pattern
        self._tail = tail
        self._clock = clock
        self._holds_bars = holds_bars
        self._buffer_max = buffer_max
        self._silence_s = silence_s
        self._is_due = is_due
        self._threads = threads
        self._context = context
        self._ahead: Ahead[Block] | None = None
        self._sources: dict[int, Source] = {}
        self._revision = -1
        self._positions: dict[int, Place] = {}
        self._reached: dict[int, int] = {}
        self._shown: dict[int, int] = {}
        self._partial: dict[int, tuple[int, float]] = {}

    @property
    def sources(self) -> dict[int, Source]:
        """The chosen streams by their numbers, in the order in which they stand at equal times."""
        state = self._folder.state
        if state.revision != self._revision:
            self._sources = {source.stream: source for source in chosen(state, self._selection)}
            self._revision = state.revision
        return self._sources

    @property
    def is_waiting(self) -> bool:
        """Whether there are lines without their ends, which will be yielded as they are after a while."""
        return bool(self._partial)

    def read(self, is_final: bool = True) -> Iterator[Block]:
        """Yield what has not been yielded yet, in the order of time.

        Unless `is_final`, only bytes that the journal vouches for, in whole lines: what lies behind them may still be
        taken back. Who stops half-way gets the rest the next time.
        """
        sources = self.sources
        size = min(self._buffer_max, max(BUFFER_MIN, BUFFERS_TOTAL // (len(sources) or 1)))
        self.is_cut = False
        streams: Iterable[Iterator[Block]]
        if is_final and self._threads and self._pattern is not None:
            batches = [self._batches(number, size, is_final) for number in sources]
            self._ahead = Ahead(batches, self._threads, lambda block: len(block.piece.data), size)
            streams = self._ahead.sources
        else:
            streams = [self._blocks(number, size, is_final) for number in sources]
        with suppress(_DueError):
            for block in merged(streams):
                self._move_to(block.stream, block.piece.end)
                yield block

    def close(self) -> None:
        """Search no further."""
        if self._ahead is not None:
            self._ahead.stop()

    @property
    def places(self) -> Mapping[int, Place]:
        """How far each stream has been read: another reader can `go_to` them."""
        return self._positions

    def go_to(self, places: Mapping[int, Place]) -> None:
        """Go on, before the first reading, where another reader stopped."""
        streams = self._folder.state.streams
        self._positions.update({number: place for number, place in places.items() if number in streams})

    def go_back(self, stream: int, position: int) -> None:
        """Yield what follows a position, the beginning of a line, the next time."""
        self._move_to(stream, position)

    def skip(self, lines: int) -> int:
        """Go on with about so many last lines of each stream; returns how many lines are left out."""
        skipped = 0
        for number in self.sources:
            stream = self._folder.state.streams[number]
            position, rewrites = self._positions.get(number, Place(0, stream.rewrites))
            read = self._reading(number)
            start = last_lines_start(read, position, stream.size, lines)
            if rewrites == stream.rewrites and start > position:
                skipped += count_lines(read, position, start)
                self._positions[number] = Place(start, rewrites)
                self._partial.pop(number, None)
        return skipped

    def raw(self, block: Block) -> Iterator[bytes]:
        """The block's bytes as they are in the file, however many."""
        piece = block.piece
        if not piece.is_abridged:
            yield piece.data
            return
        read = self._reading(block.stream)
        offset = piece.offset
        while offset < piece.end and (data := read(offset, min(BUFFER_MAX, piece.end - offset))):
            yield data
            offset += len(data)

    def led_up_to(self, stream: int, offset: int) -> bytes:
        """The lines before a place that belong together with those behind it, as those of a traceback do."""
        read = self._reading(stream)
        start = resumed(offset, Context(is_whole=True), read, self._folder.state.streams[stream].size)
        return read(start, offset - start) if start < offset else b""

    # ---- one stream -------------------------------------------------------------------------------------------------

    def _blocks(self, number: int, size: int, is_final: bool) -> Iterator[Block]:
        for blocks in self._batches(number, size, is_final):
            for block in blocks:
                # What the pattern left out has been read as well.
                self._move_to(number, block.piece.offset)
                self._shown[number] = block.piece.end
                yield block

    def _batches(self, number: int, size: int, is_final: bool) -> Iterator[list[Block]]:
        """Yield the stream piece by piece; of some pieces nothing may be wanted."""
        stream = self._folder.state.streams[number]
        if not is_final and self._has_nothing_new(stream):
            return
        read = self._reading(number)
        is_resumed = number in self._positions
        start, end = self._extent(stream, read, is_final)
        if start >= end:
            return
        if start and read(start, 1) == b"\n" and read(start - 1, 1) != b"\n":
            start += 1  # the end of a line that was yielded without it
        self._reached[number] = start
        moments = self._folder.state.moments(stream)
        if self._pattern is None:
            for piece in self._whole(number, pieces(read, start, end, size), is_final):
                yield list(timed(number, [piece], moments))
        else:
            source = self._whole(number, sifted(read, start, end, size, self._pattern.suspect), is_final)
            whole_end = end if is_final else line_start(read, end)
            for found in self._wanted(self._pattern, number, source, read, start, whole_end, is_resumed):
                yield list((self._together if self._is_together else timed)(number, found, moments))
        self._move_to(number, self._reached[number])
        if self.is_cut:
            raise _DueError

    def _wanted(
        self,
        pattern: Wanted,
        number: int,
        source: Iterable[Piece],
        read: Read,
        start: int,
        end: int,
        is_resumed: bool,
    ) -> Iterator[Sequence[Piece]]:
        """What is wanted of a stream that is read from `start` on; also because of what was read before, if it was."""
        found: Iterable[tuple[int, Sequence[Piece]]] = ((piece.end, pattern.passages(piece, read)) for piece in source)
        if self._context is None:
            yield from (pieces for _, pieces in found)
            return
        floor = min(start, self._shown.setdefault(number, start))
        if is_resumed and (before := resumed(start, self._context, read, end)) < start:
            earlier = Piece(before, start, read(before, start - before))
            found = chain([(start, pattern.passages(earlier, read))], found)
        yield from widened(found, self._context, read, floor, end)

    @property
    def _is_together(self) -> bool:
        return self._context is not None and not self._context.is_parted

    @staticmethod
    def _together(number: int, source: Iterable[Piece], moments: Moments) -> Iterator[Block]:
        for piece in source:
            first = len(piece.data) if piece.is_abridged else piece.data.find(b"\n") + 1 or len(piece.data)
            yield Block(number, moments.of(piece.offset + first), piece)

    def _has_nothing_new(self, stream: Stream) -> bool:
        position, rewrites = self._positions.get(stream.number, Place(-1, -1))
        if rewrites != stream.rewrites:
            return False
        if self._silence_s is not None:
            return position == stream.size
        end, since = self._partial.get(stream.number, (-1, 0.0))
        is_waiting = stream.number in self.bars or self._clock() - since < PARTIAL_WAIT_S
        return position == stream.size or (end == stream.size and is_waiting)

    def _extent(self, stream: Stream, read: Read, is_final: bool) -> tuple[int, int]:
        """From where to where the stream is to be read now."""
        end = max(stream.size, self._size_on_disk(stream)) if is_final else stream.size
        until = self._selection.until_ns
        moments = self._folder.state.moments(stream)
        if until is not None and moments.times and moments.times[-1] > until:
            end = line_start(read, moments.before(until + 1))
        known = self._positions.get(stream.number)
        around, (before, after) = self._selection.around_ns, self._selection.around_lines
        if around is not None and known is None:
            middle = line_start(read, moments.before(around))
            start = last_lines_start(read, 0, middle, before)
            end = next_lines_end(read, middle, end, after)
        elif known is not None:
            start, rewrites = known
            if rewrites != stream.rewrites:
                start = 0 if stream.snapshot is not None else min(start, stream.size)
        else:
            since = self._selection.since_ns
            start = 0 if since is None else self._first_since(stream, read, end, since)
            if self._tail is not None and self._pattern is None:
                start = last_lines_start(read, start, end, 2 * self._tail + _TAIL_MARGIN)
        self._positions[stream.number] = Place(start, stream.rewrites)
        return start, end

    def _first_since(self, stream: Stream, read: Read, end: int, since: int) -> int:
        moments = self._folder.state.moments(stream)
        if not moments.times or moments.times[-1] < since:
            return end
        return line_start(read, moments.before(since))

    def _whole(self, number: int, source: Iterator[Piece], is_final: bool) -> Iterator[Piece]:
        """Hold back a line that is not complete, and remember how far the stream has been read."""
        for piece in source:
            whole = piece if is_final or not piece.data else self._without_partial(number, piece)
            if whole is None:
                return
            self._reached[number] = whole.end
            yield whole
            if self._is_due():
                self.is_cut = True
                return

    def _move_to(self, number: int, position: int) -> None:
        self._positions[number] = Place(position, self._positions[number].rewrites)

    def _without_partial(self, number: int, piece: Piece) -> Piece | None:
        end, since = self._partial.pop(number, (-1, 0.0))
        self.bars.pop(number, None)
        if piece.data.endswith(b"\n") or piece.is_abridged:
            return piece
        whole = piece.data.rfind(b"\n") + 1
        if self._silence_s is not None:
            if self._silence_s(self._folder.state.streams[number]) >= PARTIAL_WAIT_S:
                return piece
        elif self._holds_bars and b"\r" in piece.data[whole:]:
            self.bars[number] = piece.data[whole:]
        elif end == piece.end and self._clock() - since >= PARTIAL_WAIT_S:
            return piece
        self._partial[number] = (piece.end, since if end == piece.end else self._clock())
        return Piece(piece.offset, piece.offset + whole, piece.data[:whole]) if whole else None

    # ---- files ------------------------------------------------------------------------------------------------------

    def _reading(self, number: int) -> Read:
        """Read by opening anew each time: a run may have more streams than a process may have files."""

        def read(offset: int, size: int) -> bytes:
            stream = self._folder.state.streams.get(number)
            if stream is None:
                return b""  # void: the collector has fallen back while we read
            try:
                with self._folder.opened(stream) as file:
                    return os.pread(file, size, offset)
            except OSError as error:
                self._note(stream, error)
                return b""

        return read

    def _size_on_disk(self, stream: Stream) -> int:
        try:
            with self._folder.opened(stream) as file:
                return os.fstat(file).st_size
        except OSError as error:
            self._note(stream, error)
            return 0

    def _note(self, stream: Stream, error: OSError) -> None:
        if isinstance(error, FileNotFoundError) and not stream.size:
            return  # it has said nothing yet
        reason = "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read: {error.strerror or error}"
        self.notes[f"{stream.path} {reason}"] = None


class _DueError(Exception):
    """Inside the reader: it is time to stop."""
