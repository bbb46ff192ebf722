"""Taking up a run folder: a new one, or one that an earlier life of a collector left, however it ended."""

from __future__ import annotations

from dataclasses import dataclass

from ranklog_collector.core import journal
from ranklog_collector.core.layout import INCOMING, JOURNAL
from ranklog_collector.core.run_state import GrowingFile, RunState
from ranklog_collector.errors import Refusal, RefusedError
from ranklog_collector.ingest.journal_file import JournalFile
from ranklog_collector.store.api import Store

BLOCK_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class Recovered:
    """A run folder, locked, whose files end where the journal says they do."""

    state: RunState
    journal_file: JournalFile


def recover(store: Store, run_id: str, experiment: str, now_ns: int) -> Recovered:
    """Lock the run folder, replay its journal and cut off what that does not vouch for. Blocks.

    Raises StoreLockedError if another collector writes it, RefusedError if it is another run's, other StoreErrors.
    """
    store.lock()
    state = RunState()
    intact = _replay(store, state)
    if state.run is not None and state.run.run_id != run_id:
        raise RefusedError(Refusal.FAILED_PRECONDITION, f"the folder of run {run_id} holds run {state.run.run_id}")
    store.truncate(JOURNAL, intact)
    journal_file = JournalFile(store, intact)
    _finish_moves(store, state)
    for file in state.files:
        _fall_back(store, journal_file, file)
    _remove_strays(store, state)
    for source in state.sources.values():
        source.written = source.progress.received
        # It may have grown again after its close.
        source.confirmed = source.confirmed and source.progress.is_done
    news: list[journal.Entry] = [] if state.run else [journal.Run(1, run_id, experiment, now_ns)]
    news += [journal.Resume(state.pause.reason, now_ns)] if state.pause else []
    for entry in news:
        state.apply(entry)
        journal_file.append(entry)
    state.presence.wake(now_ns)
    journal_file.sync()
    return Recovered(state, journal_file)


def _replay(store: Store, state: RunState) -> int:
    """Feed the journal to the state; returns the length of its intact part."""
    offset = intact = 0
    rest = b""
    while block := store.read(JOURNAL, offset, BLOCK_BYTES):
        data = rest + block
        entries, used, _ = journal.read(data)
        for entry in entries:
            state.replay(entry)
        if used:
            intact = offset + len(block) - len(data) + used
        offset += len(block)
        rest = data[used:]
    return intact


def _finish_moves(store: Store, state: RunState) -> None:
    """Do what the journal says has been done, where a crash came in between."""
    occupied = {stream.path for stream in state.streams.values()}
    for stream in state.streams.values():
        if stream.former_paths and store.size(stream.path) is None:
            former = next((one for one in reversed(stream.former_paths) if store.size(one) is not None), None)
            if former is not None and former not in occupied:
                store.rename(former, stream.path)
        if stream.snapshot is not None:
            store.rename(stream.snapshot.file.path, stream.path)
            stream.snapshot.file.assembly.rollback()


def _fall_back(store: Store, journal_file: JournalFile, file: GrowingFile) -> None:
    extents = len(file.assembly.extents)
    size = file.assembly.rollback()
    if (store.size(file.path) or 0) > size or len(file.assembly.extents) < extents:
        store.truncate(file.path, size)
        if file.stream:
            journal_file.append(journal.Reset(file.stream, size))


def _remove_strays(store: Store, state: RunState) -> None:
    """Remove bytes that came in for snapshots of which the journal never heard."""
    known = {file.path for file in state.files}
    for path in store.list(INCOMING):
        if path not in known:
            store.remove(path)
