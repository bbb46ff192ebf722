"""Run folders that have been read once and are kept for the next question: only what is new is read again."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ranklog_collector.core.layout import JOURNAL
from ranklog_collector.reading.folder import RunFolder
from ranklog_collector.reading.runs import RunEntry, find_run, find_runs
from ranklog_collector.views.runs import Naming, naming_of

KEPT_MAX = 32
KEPT_S = 300.0
NAMED_MAX = 10_000


@dataclass(slots=True)
class _Kept:
    path: str
    """As it was found: the folder knows where that leads."""
    latest_marks: bool
    folder: RunFolder
    since: float


class Folders:
    """All runs below a root. May be used from any thread; each folder is used by one at a time."""

    def __init__(self, root: str) -> None:
        self.root = root
        self._lock = threading.Lock()
        self._known: dict[str, RunEntry] = {}
        self._kept: list[_Kept] = []

    def entries(self) -> list[RunEntry]:
        """All runs, oldest first. Raises ReadingError."""
        with self._lock:
            return find_runs(self.root, self._known)

    def find(self, name: str) -> tuple[RunEntry, str]:
        """Tell which run is meant, as `find_run` does. Raises ReadingError."""
        return find_run(name, self.entries(), self.root)

    @contextmanager
    def opened(self, name: str, latest_marks: bool = True) -> Iterator[tuple[RunFolder, str]]:
        """Lend the folder of the run that is meant, up to date, and the id of the child run, if one is meant.

        See RunFolder for `latest_marks`. Raises ReadingError.
        """
        entry, child = self.find(name)
        folder = self._take(entry.path, latest_marks)
        if folder is None:
            folder = RunFolder(entry.path, latest_marks)
        else:
            folder.refresh()
        yield folder, child
        self._give_back(_Kept(entry.path, latest_marks, folder, time.monotonic()))

    def _take(self, path: str, latest_marks: bool) -> RunFolder | None:
        with self._lock:
            for index in reversed(range(len(self._kept))):
                kept = self._kept[index]
                if (kept.path, kept.latest_marks) == (path, latest_marks):
                    return self._kept.pop(index).folder
        return None

    def _give_back(self, kept: _Kept) -> None:
        with self._lock:
            young = [one for one in self._kept if kept.since - one.since < KEPT_S]
            self._kept = [*young, kept][-KEPT_MAX:]


class Namings:
    """What people call runs, remembered as long as their journals stay the same."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, Naming]] = {}

    def of(self, path: str) -> Naming:
        """As `naming_of` has it. Raises ReadingError."""
        try:
            size = os.stat(os.path.join(path, JOURNAL)).st_size
        except OSError:
            size = -1
        known = self._known.get(path)
        if known is not None and known[0] == size:
            return known[1]
        if len(self._known) >= NAMED_MAX:
            self._known.clear()
        naming = naming_of(path)
        self._known[path] = (size, naming)
        return naming
