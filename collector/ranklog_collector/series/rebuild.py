"""The segments of a run made anew from its bytes."""

from __future__ import annotations

from ranklog_collector.core.backlog import LAST_BYTES
from ranklog_collector.reading.folder import ReadingError, RunFolder
from ranklog_collector.series.readings import readings
from ranklog_collector.series.seal import BusyError, drop, seal
from ranklog_collector.series.segments import FOLDER, found_segments


def made_again(folder: RunFolder) -> dict[str, bool]:
    """Drop the segments and seal anew; returns the names of folders and files, and whether they were others before.

    Raises ReadingError if another process seals the run, or if the folder cannot be written.
    """
    before = _segments(folder)
    try:
        drop(folder)
        seal(folder, LAST_BYTES, threads=None, is_last=True)
    except BusyError as error:
        raise ReadingError(str(error)) from error
    after = _segments(folder)
    return {FOLDER: before != after} if before or after else {}


def _segments(folder: RunFolder) -> dict[int, list[str]]:
    found = {
        stream.number: sorted(segment.name for segment in found_segments(folder.path, stream.number))
        for stream in (reading.stream for reading in readings(folder))
    }
    return {number: names for number, names in found.items() if names}
