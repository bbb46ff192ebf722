"""The processes of a run."""

from __future__ import annotations

from dataclasses import asdict

from ranklog_collector.reading.folder import RunFolder
from ranklog_collector.reading.processes import ProcessView, processes
from ranklog_collector.views.shapes import Json, with_times


def process_views(folder: RunFolder) -> list[Json]:
    """All processes, ranks in their order first."""
    now_ns = folder.now_ns()
    return [process_view(folder, one, now_ns) for one in processes(folder.state)]


def process_view(folder: RunFolder, one: ProcessView, now_ns: int) -> Json:
    """One process; how long it has been running is counted until `now_ns` if it has not ended."""
    duration = None if one.started_ns is None else (one.ended_ns or now_ns) - one.started_ns
    return {
        "run": folder.run_id,
        **with_times(asdict(one)),
        "state": one.state.value,
        "exit": one.exit,
        "duration_s": None if duration is None else duration / 1e9,
    }
