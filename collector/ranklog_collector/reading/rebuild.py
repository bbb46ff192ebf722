"""Making the derived files of a run folder again: everything that its journal alone determines."""

from __future__ import annotations

from ranklog_collector.core.layout import EXECUTION, PROCESS_INFO, PROCESS_STATUS, RUN
from ranklog_collector.core.process_files import process_info, process_status, run_summary
from ranklog_collector.core.run_state import RunState
from ranklog_collector.errors import StoreError, StoreLockedError
from ranklog_collector.reading.folder import ReadingError, RunFolder
from ranklog_collector.reading.journal_tail import JournalTail
from ranklog_collector.store.durable import Durability
from ranklog_collector.store.local import LocalStore
from ranklog_collector.store.open_files import OpenFiles


def rebuild(folder: RunFolder) -> dict[str, bool]:
    """Write the derived files and tell of each whether it was different before.

    Raises ReadingError if a collector holds the folder, or if it cannot be written, or if its journal is damaged: what
    is there tells more than could be made of it.
    """
    if folder.damage:
        raise ReadingError(f"{folder.path} cannot be made again: {folder.damage}")
    durability = Durability(threads=1)
    try:
        store = LocalStore(folder.path, OpenFiles(limit=1), durability)
        try:
            store.lock()
            return _rebuild(folder, store)
        finally:
            store.close()
    except StoreLockedError as error:
        raise ReadingError(
            f"a collector is writing {folder.path}: it keeps the derived files right by itself"
        ) from error
    except StoreError as error:
        raise ReadingError(f"{folder.path} cannot be made again: {error}") from error
    finally:
        durability.close()


def _rebuild(folder: RunFolder, store: LocalStore) -> dict[str, bool]:
    state = RunState()
    for entries in JournalTail(folder.path).news():
        for entry in entries:
            state.replay(entry)
    if state.run is None:
        raise ReadingError(f"{folder.path} cannot be made again: its journal does not say which run it is")
    files = {
        RUN: run_summary(state.run, state.presence, state.layout),
        # Azure ML's parser must find the status of every process that it finds the info of.
        PROCESS_STATUS: process_status(state.presence),
        PROCESS_INFO: process_info(state.presence, state.layout.log_of),
        EXECUTION: "".join(state.story).encode(),
    }
    changed = {}
    for path, data in files.items():
        changed[path] = store.size(path) != len(data) or store.read(path, 0, len(data)) != data
        if changed[path]:
            store.put(path, data)
    store.sync([])
    return changed
