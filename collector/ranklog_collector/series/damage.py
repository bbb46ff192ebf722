"""What became of a run's points before they came here."""

from __future__ import annotations

from ranklog_collector.reading.folder import RunFolder
from ranklog_collector.series.facts import changed_params
from ranklog_collector.series.points import points_of
from ranklog_collector.series.readings import readings


def point_notes(folder: RunFolder) -> list[str]:
    """Tell of each stream of points what its writers could not write, and what of it makes no sense."""
    notes = []
    with points_of(folder) as points:
        for stream in (reading.stream for reading in readings(folder)):
            cover = points.covers.get(stream.number)
            if cover is not None and cover.totals.lost:
                notes.append(
                    f"{stream.path}: {_lines(cover.totals.lost)} of points could not be written on {stream.node}"
                )
            if cover is not None and cover.totals.damaged:
                notes.append(f"{stream.path}: {_lines(cover.totals.damaged)} damaged, and skipped or read in part")
            if cover is not None and cover.totals.is_cut_off:
                notes.append(f"{stream.path}: damaged at byte {cover.totals.end}; what follows cannot be read")
    return notes + changed_params(folder)


def _lines(count: int) -> str:
    return f"{count} line{'s' if count != 1 else ''}"
