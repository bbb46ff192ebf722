"""The files of a run."""

from __future__ import annotations

from ranklog_collector.core.process_files import iso
from ranklog_collector.reading.archive import FileView, files
from ranklog_collector.reading.folder import RunFolder
from ranklog_collector.views.shapes import Json


def file_views(folder: RunFolder, prefix: str = "", with_internal: bool = False) -> list[Json]:
    """The files whose paths begin with `prefix`, in the order of their paths."""
    is_live = folder.is_written and not folder.state.has_ended
    return [file_view(one, is_live) for one in files(folder, with_internal) if one.path.startswith(prefix)]


def file_view(one: FileView, is_live: bool) -> Json:
    """One file of a run, which somebody writes if it `is_live`."""
    return {
        "path": one.path,
        "size": one.size,
        "modified": iso(one.changed_ns),
        "role": one.role,
        "node": one.node,
        "process": one.process,
        "rank": one.rank,
        "segments": one.segments,
        "is_complete": one.is_complete,
        "is_growing": is_live and one.segments > 0 and not one.is_complete,
    }
