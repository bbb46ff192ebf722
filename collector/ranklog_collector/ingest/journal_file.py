"""The journal of a live run: entries are appended at once in memory and reach the file in their order."""

from __future__ import annotations

import threading
from collections import deque

from ranklog_collector.core import journal
from ranklog_collector.core.layout import JOURNAL
from ranklog_collector.store.api import Store

_OF_BYTES = (journal.Extent, journal.Mark, journal.Reset, journal.Close, journal.Snapshot)


class JournalFile:
    """`append` is for the event loop and never blocks; the other methods are for worker threads."""

    def __init__(self, store: Store, size: int) -> None:
        self._store = store
        self._size = self._synced = size
        self._pending: deque[journal.Entry] = deque()
        self._unsynced: list[journal.Entry] = []
        self._lock = threading.Lock()

    def append(self, entry: journal.Entry) -> None:
        """Note an entry; the next flush writes it."""
        self._pending.append(entry)

    def flush(self) -> None:
        """Write what was appended so far."""
        with self._lock:
            entries = self._take_pending()
            if not entries:
                return
            self._unsynced += entries
            data = b"".join(map(journal.dump, entries))
            self._store.append(JOURNAL, self._size, data)
            self._size += len(data)

    def sync(self) -> None:
        """Write what was appended so far and make it durable."""
        self.flush()
        with self._lock:
            size, count = self._size, len(self._unsynced)
        self._store.sync([JOURNAL])
        with self._lock:
            self._synced = size
            del self._unsynced[:count]

    def fall_back(self) -> None:
        """After an error: cut the file to what is durable.

        Entries behind that which speak of bytes are void with the bytes; the others are appended once more.
        """
        with self._lock:
            self._store.truncate(JOURNAL, self._synced)
            self._size = self._synced
            entries = self._unsynced + self._take_pending()
            self._unsynced = []
            self._pending.extendleft(reversed([entry for entry in entries if not isinstance(entry, _OF_BYTES)]))

    def _take_pending(self) -> list[journal.Entry]:
        return [self._pending.popleft() for _ in range(len(self._pending))]
