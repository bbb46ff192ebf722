"""Sealing: what is hot becomes a segment, which is there as a whole or not at all, whatever is killed meanwhile."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import duckdb

from ranklog_collector.core.point_totals import Totals, TotalsError, load_totals
from ranklog_collector.reading.folder import RunFolder
from ranklog_collector.series import database as db
from ranklog_collector.series.readings import Reading, readings
from ranklog_collector.series.segments import (
    FOLDER,
    MANNER,
    TAIL,
    TOTALS,
    Segment,
    chain,
    found_segments,
    joined,
    stream_folder,
    tail_checksum,
)

LOCK = f"{FOLDER}/lock"
PIECE_BYTES = 32 << 20
"""About so many bytes are read for one segment: what one sealing has in memory."""
_FRESH = "fresh"


class BusyError(Exception):
    """Somebody else seals this run at the moment, or nobody may."""


def trusted(
    database: duckdb.DuckDBPyConnection, root: str, reading: Reading, file: int
) -> tuple[list[Segment], Totals]:
    """Find the segments of a stream that hold, and the totals at their end."""
    stream = reading.stream
    segments = chain(found_segments(root, stream.number), stream.size)
    if segments:
        path = os.path.join(stream_folder(root, stream.number), segments[-1].name)
        with suppress(duckdb.Error, TotalsError):
            rows = database.execute(f"SELECT decode(key), decode(value) FROM parquet_kv_metadata({db.quoted(path)})")
            found = dict(rows.fetchall())
            totals = load_totals(found.get(TOTALS, ""))
            is_same = (
                found.get(TAIL) == str(tail_checksum(file, totals.end)) and found.get(MANNER, "") == reading.manner
            )
            if is_same and totals.end == segments[-1].end:
                return segments, totals
    return [], Totals()


def unsealed(folder: RunFolder) -> int:
    """How many bytes of points are in no segment although nobody else will seal them: no collector seals output."""
    total, has_sealer = 0, folder.is_owned and folder.is_written
    for reading in readings(folder):
        if reading.is_printed or not has_sealer:
            segments = chain(found_segments(folder.path, reading.stream.number), reading.stream.size)
            total += reading.stream.size - (segments[-1].end if segments else 0)
    return total


def seal(folder: RunFolder, least_bytes: int, threads: int | None = 1, is_last: bool = False) -> int:
    """Seal every stream of points of which at least so many bytes are not; returns how many segments were made.

    It takes one core, or as many `threads`; None takes all. Segments that have been replaced stay for those who may be
    about to read them, until the next time, unless this is the last. Raises BusyError if somebody else is at it or the
    folder cannot be written.
    """
    due = [reading for reading in readings(folder) if reading.stream.size >= least_bytes]
    if not due:
        return 0
    with _locked(folder.path):
        database = db.connect(threads)
        try:
            return sum(_seal_stream(database, folder, reading, least_bytes, is_last) for reading in due)
        except OSError as error:
            raise BusyError(f"{folder.path} cannot be written: {error.strerror or error}") from error
        finally:
            database.close()


def drop(folder: RunFolder) -> None:
    """Remove all segments. Raises BusyError as `seal` does."""
    where = os.path.join(folder.path, FOLDER)
    with _locked(folder.path):
        try:
            streams = [name for name in os.listdir(where) if name.isdecimal() and not _is_link(where, name)]
            for stream in streams:
                for name in os.listdir(os.path.join(where, stream)):
                    os.unlink(os.path.join(where, stream, name))
                os.rmdir(os.path.join(where, stream))
        except OSError as error:
            raise BusyError(f"{where} cannot be emptied: {error.strerror or error}") from error


def _is_link(where: str, name: str) -> bool:
    return os.path.islink(os.path.join(where, name))


def _seal_stream(
    database: duckdb.DuckDBPyConnection, folder: RunFolder, reading: Reading, least_bytes: int, is_last: bool
) -> int:
    count, stream = 0, reading.stream
    try:
        opened = folder.opened(stream)
        with opened as file:
            segments, totals = trusted(database, folder.path, reading, file)
            if stream.size - totals.end >= least_bytes:
                _tidy(folder.path, stream.number, segments)
            while stream.size - totals.end >= least_bytes:
                begin = totals.end
                db.make_table(database, _FRESH)
                for block in reading.blocks(lambda at, size: os.pread(file, size, at), begin, stream.size):
                    db.insert(database, _FRESH, [(stream.number, totals, reading.feed(totals, block))])
                    if totals.end - begin >= PIECE_BYTES:
                        break
                if totals.end == begin:
                    break  # one line, without its end, or what cannot be read
                tail = tail_checksum(file, totals.end)
                segments = _write(database, folder.path, reading, segments, totals, tail)
                count += 1
            if is_last:
                _tidy(folder.path, stream.number, segments)
    except FileNotFoundError:
        pass  # it has been taken back
    return count


def _write(
    database: duckdb.DuckDBPyConnection, root: str, reading: Reading, segments: list[Segment], totals: Totals, tail: int
) -> list[Segment]:
    """Write a segment of what is fresh and of the segments before it that it replaces; returns those that there are."""
    end = segments[-1].end if segments else 0
    kept = segments[: joined(segments, totals.end - end)]
    new = Segment(kept[-1].end if kept else 0, totals.end)
    where = stream_folder(root, reading.stream.number)
    os.makedirs(where, exist_ok=True)
    replaced = [os.path.join(where, segment.name) for segment in segments[len(kept) :]]
    relations = [db.parquet(replaced), _FRESH] if replaced else [_FRESH]
    source = " UNION ALL ".join(f"SELECT {db.COLUMNS} FROM {relation}" for relation in relations)
    if len(totals.names.all) > 1:
        source += " ORDER BY run, key, line, place"
    temporary = os.path.join(where, f".{new.name}")
    said = {TOTALS: totals.dump(), TAIL: str(tail)} | ({MANNER: reading.manner} if reading.manner else {})
    described = ", ".join(f"{db.quoted(name)}: {db.quoted(text)}" for name, text in said.items())
    database.execute(
        f"COPY ({source}) TO {db.quoted(temporary)} (FORMAT parquet, COMPRESSION zstd, KV_METADATA {{{described}}})"
    )
    _sync(temporary)
    os.rename(temporary, os.path.join(where, new.name))
    _sync(where)
    return [*kept, new]


def _tidy(root: str, stream: int, segments: list[Segment]) -> None:
    """Remove what is not needed: segments that others have replaced, what a killed sealer has left."""
    where, names = stream_folder(root, stream), {segment.name for segment in segments}
    with suppress(FileNotFoundError):
        for name in os.listdir(where):
            if name not in names:
                os.unlink(os.path.join(where, name))


def _sync(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _locked(root: str) -> Iterator[None]:
    """Be the only one who seals this run. It is not the lock of whoever collects it."""
    try:
        where = os.path.join(root, FOLDER)
        os.makedirs(where, exist_ok=True)
        if os.path.realpath(where) != where:
            raise BusyError(f"{where} leads out of the run folder")
        descriptor = os.open(os.path.join(root, LOCK), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise BusyError(f"{root} cannot be written: {error.strerror or error}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise BusyError(f"another process seals {root}") from None
    finally:
        os.close(descriptor)
