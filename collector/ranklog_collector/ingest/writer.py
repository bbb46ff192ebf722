"""The one that writes a run folder's growing files.

Chunks are queued by the event loop and written by a worker thread, a bounded batch at a time, so that a stalling disk
stalls nobody else. A sync cycle runs beside the writing: the bytes, then the marks that vouch for them, then the
journal, and only then is anybody told. Whatever fails, all falls back to what is durable, and is tried again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from ranklog_collector.core import journal
from ranklog_collector.core.assembly import Mark, Write
from ranklog_collector.core.figures import Counters
from ranklog_collector.core.layout import INTERNAL
from ranklog_collector.core.run_state import GrowingFile, Source, Stream
from ranklog_collector.errors import StoreError
from ranklog_collector.ingest.journal_file import JournalFile
from ranklog_collector.store.api import Store

SYNC_DELAY_S = 0.015
"""How long what somebody waits for, and the first bytes after a silence, wait for others: one sync serves them all."""
SYNC_DELAY_BUSY_S = 0.25
"""How long bytes wait while more keep coming: nobody waits for their durability, and each cycle costs journal lines."""
SYNC_SHARE = 0.3
"""Syncing may take this share of the time; a slow disk is synced less often."""
BATCH_ITEMS = 512
BATCH_BYTES = 4 << 20
PROBE_INTERVAL_S = 1.0
PROBE_PATH = f"{INTERNAL}/probe"
PROBE = b"\xa5" * (1 << 20)
"""So much must be writable before a full disk counts as usable again."""


class Owner(Protocol):
    """The run that is written."""

    @property
    def files(self) -> Iterable[GrowingFile]:
        """All files that may grow."""

    def paused(self, reason: str) -> None:
        """Nothing can be written; all has fallen back to what is durable."""

    def resumed(self) -> None:
        """Writing goes on."""

    def published(self, source: Source) -> list[Source]:
        """A snapshot has become its stream's file; returns older ones whose files are of no use any more."""


@dataclass(frozen=True, slots=True)
class _Chunk:
    source: Source
    end: int
    """Offset in the segment behind it."""
    write: Write


@dataclass(frozen=True, slots=True)
class _Cycle:
    """What one sync cycle makes durable."""

    marks: list[tuple[GrowingFile, list[Mark]]]
    sources: list[Source]
    closing: list[tuple[Source, journal.Entry]]
    confirmations: list[Callable[[], None]]


class Writer:
    """Writes one run. `run` is its life; all else is called from the event loop and returns at once."""

    def __init__(
        self, store: Store, journal_file: JournalFile, owner: Owner, threads: Executor, counters: Counters
    ) -> None:
        self.pause_reason: str | None = None
        self._counters = counters
        self._store = store
        self._journal = journal_file
        self._owner = owner
        self._threads = threads
        self._wake = asyncio.Event()
        self._queue: list[_Chunk] = []
        self._dirty: dict[Source, None] = {}
        self._closing: dict[Source, None] = {}
        self._confirmations: list[Callable[[], None]] = []
        self._has_news = False
        self._renaming: list[tuple[Stream, str]] = []
        self._publishing: list[Source] = []
        self._flushing: list[asyncio.Future[None]] = []
        self._sync: asyncio.Task[None] | None = None
        self._busy_delay_s = SYNC_DELAY_S
        self._synced_at = self._sync_took_s = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._is_due = False
        self._stopping = asyncio.Event()
        self._is_over = False

    # ---- for the event loop -----------------------------------------------------------------------------------------

    def put(self, source: Source, write: Write) -> None:
        """Queue a segment's next bytes."""
        if write.extent is not None and not source.is_snapshot:
            self._journal.append(journal.Extent(write.extent.segment, write.extent.at, write.extent.pos))
        self._queue.append(_Chunk(source, source.progress.received, write))
        self._dirty[source] = None
        self._schedule(self._busy_delay_s)
        self._wake.set()

    def record(self, entry: journal.Entry) -> None:
        """Journal an entry; it is durable after the next sync cycle, which is soon: readers live on the journal."""
        self._journal.append(entry)
        self._has_news = True
        self._schedule(SYNC_DELAY_S)

    def confirm(self, confirmation: Callable[[], None]) -> None:
        """Call this once all that was recorded so far is durable."""
        self._confirmations.append(confirmation)
        self._schedule(SYNC_DELAY_S)

    def close(self, source: Source) -> None:
        """Journal the end of a segment, which its assembly has accepted, once all of it is durable."""
        self._closing[source] = None
        self._schedule(SYNC_DELAY_S)

    def rename(self, stream: Stream, path: str) -> None:
        """Move a stream's file; whatever is put from now on is written after that."""
        self._renaming.append((stream, path))
        self._wake.set()

    async def flushed(self) -> None:
        """Wait until what was put so far is in the files, or has been given up."""
        if self._is_over:
            return
        waiter = asyncio.get_running_loop().create_future()
        self._flushing.append(waiter)
        self._wake.set()
        await waiter

    def stop(self) -> None:
        """Let `run` end, after a last sync if the folder can be written."""
        self._stopping.set()
        self._now_due()

    # ---- life -------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Write until stopped."""
        try:
            while not (self._stopping.is_set() and self._is_idle):
                await self._wake.wait()
                self._wake.clear()
                try:
                    await self._step()
                except StoreError as error:
                    await self._recover(error)
                    if self.pause_reason is not None:
                        return
        finally:
            self._is_over = True
            if self._timer is not None:
                self._timer.cancel()
            if self._sync is not None:
                await asyncio.gather(self._sync, return_exceptions=True)
            self._answer_flushing()

    @property
    def _is_idle(self) -> bool:
        has_unsynced = self._dirty or self._closing or self._confirmations or self._has_news
        return not (self._queue or has_unsynced or self._renaming or self._publishing or self._sync)

    async def _step(self) -> None:
        has_moves = bool(self._renaming or self._publishing)
        if self._sync is not None and (has_moves or self._sync.done()):
            sync, self._sync = self._sync, None
            await sync
        if has_moves:
            await self._perform_moves()
        cycle = self._begin_cycle() if self._is_due and self._sync is None else None
        chunks, self._queue = self._queue, []
        for batch in _batches(chunks):
            await self._in_thread(self._write, batch)
            for chunk in batch:
                chunk.source.written = chunk.end
                if chunk.source.listener is not None:
                    chunk.source.listener.wrote(chunk.source, len(chunk.write.data))
        if not self._queue:
            self._answer_flushing()
        if cycle is not None:
            self._sync = asyncio.create_task(self._make_durable(cycle))
            self._sync.add_done_callback(lambda _: self._wake.set())

    async def _perform_moves(self) -> None:
        renaming, publishing = list(self._renaming), list(self._publishing)
        await self._in_thread(self._move_files, renaming, publishing)
        del self._renaming[: len(renaming)]
        del self._publishing[: len(publishing)]
        for source in publishing:
            abandoned = self._owner.published(source)
            await self._in_thread(self._remove, [one.file.path for one in abandoned])
            if source.listener is not None:
                source.listener.made_durable(source)

    async def _in_thread(self, call: Callable[..., None], *arguments: object) -> None:
        await asyncio.get_running_loop().run_in_executor(self._threads, call, *arguments)

    def _answer_flushing(self) -> None:
        for waiter in self._flushing:
            if not waiter.done():
                waiter.set_result(None)
        self._flushing.clear()

    # ---- in a thread ---------------------------------------------------------------------------------------

    def _write(self, batch: list[_Chunk]) -> None:
        """Journal first, so that every byte is spoken for; what continues goes out in one call."""
        self._journal.flush()
        parts: dict[GrowingFile, list[Write]] = {}
        for chunk in batch:
            parts.setdefault(chunk.source.file, []).append(chunk.write)
        for file, writes in parts.items():
            self._store.append(file.path, writes[0].pos, *[write.data for write in writes])

    def _move_files(self, renaming: list[tuple[Stream, str]], publishing: list[Source]) -> None:
        """The journal's lines about them first: a crash in between leaves something to do, not something to guess."""
        self._journal.sync()
        for stream, path in renaming:
            if stream.path != path:
                self._store.rename(stream.path, path)
                stream.move_to(path)
        for source in publishing:
            self._store.rename(source.file.path, source.stream.path)
        self._store.sync(())

    def _remove(self, paths: list[str]) -> None:
        for path in paths:
            self._store.remove(path)

    # ---- syncing ----------------------------------------------------------------------------------------------------

    def _schedule(self, delay_s: float) -> None:
        """See to it that the next cycle begins within this time."""
        loop = asyncio.get_running_loop()
        if self._is_due or (self._timer is not None and self._timer.when() <= loop.time() + delay_s):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_later(delay_s, self._now_due)

    def _now_due(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._is_due = True
        self._wake.set()

    def _begin_cycle(self) -> _Cycle:
        """Take all that has been put; what of it is queued is written before the cycle starts."""
        self._is_due = self._has_news = False
        self._pace()
        sources = list(self._dirty)
        self._dirty.clear()
        files = {source.file: None for source in sources}
        self._closing = {source: None for source in self._closing if source.progress.closed is not None}
        return _Cycle(
            marks=[(file, file.assembly.cut()) for file in files],
            sources=sources,
            closing=[(source, _last_words(source)) for source in self._closing],
            confirmations=list(self._confirmations),
        )

    def _pace(self) -> None:
        """Bytes that keep coming are synced less and less often, down to a limit."""
        is_busy = asyncio.get_running_loop().time() - self._synced_at < 2 * SYNC_DELAY_BUSY_S
        slowest = max(SYNC_DELAY_BUSY_S, self._sync_took_s / SYNC_SHARE)
        self._busy_delay_s = min(2 * self._busy_delay_s, slowest) if is_busy else SYNC_DELAY_S

    async def _make_durable(self, cycle: _Cycle) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await self._in_thread(self._sync_cycle, cycle)
        for file, marks in cycle.marks:
            former_size = file.assembly.durable_size
            file.assembly.synced(marks)
            self._counters.durable_bytes += file.assembly.durable_size - former_size
        for source, _ in cycle.closing:
            self._closing.pop(source, None)
            if source.is_snapshot:
                self._publishing.append(source)
            else:
                source.confirmed = source.progress.is_done
        for source in (*cycle.sources, *(source for source, _ in cycle.closing)):
            if source.listener is not None:
                source.listener.made_durable(source)
        del self._confirmations[: len(cycle.confirmations)]
        for confirmation in cycle.confirmations:
            confirmation()
        self._synced_at = loop.time()
        self._sync_took_s = self._synced_at - began
        self._counters.syncs.add(self._sync_took_s)

    def _sync_cycle(self, cycle: _Cycle) -> None:
        paths = [file.path for file, marks in cycle.marks if marks]
        if paths:
            self._store.sync(paths)
        for _, marks in cycle.marks:
            for mark in marks:
                self._journal.append(journal.Mark(mark.segment, mark.end, mark.crc, mark.seen))
        for _, entry in cycle.closing:
            self._journal.append(entry)
        self._journal.sync()

    # ---- when the folder cannot be written --------------------------------------------------------------------------

    async def _recover(self, error: StoreError) -> None:
        """Fall back to what is durable and try again every second, until it works or the writer is stopped."""
        if self._sync is not None:
            sync, self._sync = self._sync, None
            (result,) = await asyncio.gather(sync, return_exceptions=True)
            if result is not None and not isinstance(result, StoreError):
                raise result
        self._queue.clear()
        self._dirty.clear()
        self._answer_flushing()
        behind: list[GrowingFile] = []
        for file in self._owner.files:
            if file.assembly.size != file.assembly.durable_size:
                behind.append(file)
            file.assembly.rollback()
        self.pause_reason = str(error)
        self._counters.pauses += 1
        self._owner.paused(self.pause_reason)
        while not await self._is_repaired(behind):
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), PROBE_INTERVAL_S)
            if self._stopping.is_set():
                return
        self.pause_reason = None
        self._owner.resumed()
        self._now_due()

    async def _is_repaired(self, behind: list[GrowingFile]) -> bool:
        try:
            await self._in_thread(self._repair, behind)
        except StoreError:
            return False
        return True

    def _repair(self, behind: list[GrowingFile]) -> None:
        """In a thread: cut what is not durable, say so in the journal, and see whether there is room for more."""
        for file in behind:
            self._store.truncate(file.path, file.assembly.size)
        self._journal.fall_back()
        try:
            self._store.append(PROBE_PATH, 0, PROBE)
            self._store.sync([PROBE_PATH])
        finally:
            self._store.remove(PROBE_PATH)
        for file in behind:
            if file.stream:
                self._journal.append(journal.Reset(file.stream, file.assembly.size))
        self._journal.sync()


def _last_words(source: Source) -> journal.Entry:
    size, crc = source.progress.received, source.progress.crc
    kind = journal.Snapshot if source.is_snapshot else journal.Close
    return kind(source.number, size, crc, time.time_ns())


def _batches(chunks: list[_Chunk]) -> Iterator[list[_Chunk]]:
    start = size = 0
    for index, chunk in enumerate(chunks):
        size += len(chunk.write.data)
        if size >= BATCH_BYTES or index - start >= BATCH_ITEMS:
            yield chunks[start : index + 1]
            start, size = index + 1, 0
    if start < len(chunks):
        yield chunks[start:]
