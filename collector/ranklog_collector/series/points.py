"""The points of one run folder as one relation of SQL: sealed segments where there are some, and what came since.

What came since is parsed once per process. It stays in memory until a segment takes its place.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import duckdb

from ranklog_collector.core.backlog import LAST_BYTES
from ranklog_collector.reading.folder import ReadingError, RunFolder
from ranklog_collector.reading.state import Stream
from ranklog_collector.series import database as db
from ranklog_collector.series.covers import Cover
from ranklog_collector.series.memory import Memory
from ranklog_collector.series.readings import Reading, readings
from ranklog_collector.series.seal import BusyError, seal, trusted, unsealed
from ranklog_collector.series.segments import Segment, chain, found_segments, stream_folder

_HOT = "hot"
_INSERT_ROWS = 200_000
_FOLDERS_MAX = 16
_SEAL_BYTES = 16 << 20
"""A reader seals so much, if no collector does it."""
_ATTEMPTS = 8


class RunPoints:
    """All points of a run folder. For one thread at a time: see `points_of`."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._database = db.connect()
        db.make_table(self._database, _HOT)
        self.covers: dict[int, Cover] = {}
        self._folder: RunFolder | None = None
        self.memory = Memory()
        """For what readers want to keep of this run; it is cleared when points are taken back."""

    def close(self) -> None:
        """Let go of the memory."""
        self._database.close()

    def refresh(self, folder: RunFolder) -> None:
        """Take in what the streams have grown by, as far as the folder's state vouches for it."""
        self._folder = folder
        fresh: list[db.Row] = []
        for reading in readings(folder):
            stream = reading.stream
            try:
                with folder.opened(stream) as file:
                    self._grow(reading, file, fresh)
            except FileNotFoundError:
                continue  # nothing has come yet, or it has been taken back
            except OSError as error:
                raise ReadingError(f"{stream.path} cannot be read: {error.strerror or error}") from error
        db.insert(self._database, _HOT, fresh)

    def query(self, since: Mapping[int, int], build: Callable[[str], str], *parameters: Any) -> dict[str, Any]:
        """Ask for columns: `build` is given the points of some streams as a relation and makes SQL of it.

        `since` names the streams, and of each an offset: lines before it are not asked for, and may be left out.
        """
        for attempt in range(_ATTEMPTS):
            try:
                return dict(self._database.execute(build(self._relation(since)), parameters).fetchnumpy())
            except duckdb.IOException as error:
                if self._folder is None or attempt + 1 == _ATTEMPTS:
                    raise self._unreadable(error) from error
                # A segment has been replaced by a longer one, or removed, since its folder was listed.
                self.refresh(self._folder)
            except duckdb.Error as error:
                raise self._unreadable(error) from error
        raise AssertionError

    @contextmanager
    def registered(self, **relations: dict[str, Any]) -> Iterator[None]:
        """Let queries see arrays as relations."""
        for name, relation in relations.items():
            self._database.register(name, relation)
        try:
            yield
        finally:
            for name in relations:
                self._database.unregister(name)

    # ---- inside -----------------------------------------------------------------------------------------------------

    def _unreadable(self, error: duckdb.Error) -> ReadingError:
        reason = str(error).partition("\n")[0]
        return ReadingError(f"the points of {self._root} cannot be read: {reason}; `ranklog rebuild` seals them anew")

    def _relation(self, since: Mapping[int, int]) -> str:
        paths = [
            os.path.join(stream_folder(self._root, number), segment.name)
            for number, offset in since.items()
            for segment in self.covers[number].segments
            if segment.end > offset
        ]
        numbers = ", ".join(map(str, since)) or "NULL"
        hot = f"SELECT {db.COLUMNS} FROM {_HOT} WHERE stream IN ({numbers})"
        return f"({hot} UNION ALL SELECT {db.COLUMNS} FROM {db.parquet(paths)})" if paths else f"({hot})"

    def _grow(self, reading: Reading, file: int, fresh: list[db.Row]) -> None:
        cover = self._cover(reading, file)
        for points in cover.grow(reading, file):
            fresh.append((reading.stream.number, cover.totals, points))
            if sum(len(points) for _, _, points in fresh) >= _INSERT_ROWS:
                db.insert(self._database, _HOT, fresh)
                fresh.clear()

    def _cover(self, reading: Reading, file: int) -> Cover:
        """What is known of a stream, after a look at its segments."""
        stream = reading.stream
        cover = self.covers.get(stream.number)
        found = found_segments(self._root, stream.number)
        if cover is None or not cover.holds(reading, file) or not _are_there(cover.segments, found, stream):
            if cover is not None:
                self.memory.clear()
            cover = self.covers[stream.number] = Cover(rewrites=stream.rewrites, manner=reading.manner)
            self._forget(stream.number)
        if chain(found, stream.size) == cover.segments:
            return cover
        segments, totals = trusted(self._database, self._root, reading, file)
        if segments and segments[-1].end >= cover.sealed:
            if totals.end > cover.totals.end:
                cover.skip(totals, file)
            cover.segments = segments
            self._forget(stream.number, cover.sealed)
        return cover

    def _forget(self, stream: int, sealed: int | None = None) -> None:
        """Drop hot points: all, or those that are in segments now."""
        where = f"WHERE stream = {stream}" + ("" if sealed is None else f" AND line < {sealed}")
        self._database.execute(f"DELETE FROM {_HOT} {where}")


def _are_there(known: list[Segment], found: list[Segment], stream: Stream) -> bool:
    """Whether all that was known to be sealed still is, perhaps in other segments."""
    if set(known) <= set(found):
        return True
    segments = chain(found, stream.size)
    return bool(segments) and segments[-1].end >= known[-1].end


_open: OrderedDict[tuple[str, str, int], RunPoints] = OrderedDict()
_locks: dict[tuple[str, str, int], threading.RLock] = {}
_opening = threading.Lock()


@contextmanager
def points_of(folder: RunFolder) -> Iterator[RunPoints]:
    """Have the points of a run folder for oneself, as far as its state has come; kept for who asks next."""
    key = (folder.path, folder.run_id, folder.started_ns)
    with _opening:
        lock = _locks.setdefault(key, threading.RLock())
    with lock:
        with _opening:
            points = _open.get(key)
            is_new = points is None
            if points is None:
                points = _open[key] = RunPoints(folder.path)
            _open.move_to_end(key)
        if (is_new or not folder.is_owned) and unsealed(folder) >= _SEAL_BYTES:
            # Nobody else will, and the next reader shall not have to parse all of it again.
            with suppress(BusyError):
                seal(folder, LAST_BYTES, threads=None, is_last=not folder.is_written)
        points.refresh(folder)
        yield points
    _drop_oldest()


def _drop_oldest() -> None:
    with _opening:
        for key in list(_open)[: max(0, len(_open) - _FOLDERS_MAX)]:
            if _locks[key].acquire(blocking=False):
                _open.pop(key).close()
                _locks[key].release()
