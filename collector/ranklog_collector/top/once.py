"""One frame as text, or as JSON: for scripts, CI, and terminals that cannot be drawn on."""

from __future__ import annotations

from typing import Any

from ranklog_collector.core.process_files import iso
from ranklog_collector.top.arrange import Choice, Order, arranged
from ranklog_collector.top.cells import by_node, laid_out, map_lines
from ranklog_collector.top.frame import Frame, Row
from ranklog_collector.top.heading import banner, heading, restriction
from ranklog_collector.top.spans import Line
from ranklog_collector.top.table import chosen_columns, head, row_line
from ranklog_collector.views.verdict import verdict_json

_NOBODY = -1
_MORE, _WHY = "ranklog ps", "ranklog why tells all"


def text(frame: Frame, choice: Choice, is_map: bool, width: int) -> list[str]:
    """All processes, as they are on the screen."""
    lines = [*heading(frame, width, _MORE), *banner(frame.verdict, width, _WHY)]
    if is_map:
        rows = by_node(arranged(frame.rows, Choice(Order.RANK, False, choice.filter, choice.only_standing_out), 0))
        lines += restriction(choice, len(rows), len(frame.rows), width, "")
        laid = laid_out(rows, width)
        lines += [Line(), *map_lines(rows, laid, frame.now_ns, _NOBODY, 0, laid.height)]
    elif frame.rows:
        rows = arranged(frame.rows, choice, frame.now_ns)
        lines += restriction(choice, len(rows), len(frame.rows), width, "")
        shown = chosen_columns(frame.rows, width)
        lines += [Line(), head(shown, choice, width), *(row_line(row, shown, frame.now_ns, width) for row in rows)]
    return [line.text.rstrip() for line in lines]


def frame_view(frame: Frame, choice: Choice) -> dict[str, Any]:
    """The frame for programs."""
    return {
        "run": frame.run_id,
        "experiment": frame.experiment,
        "state": frame.state,
        "is_live": frame.is_written and not frame.has_ended,
        "time": iso(frame.now_ns),
        "elapsed_s": (frame.now_ns - frame.started_ns) / 1e9,
        "nodes": frame.nodes,
        "counts": {state.value: count for state, count in frame.counts.items()},
        "bytes": frame.bytes,
        "alarms": list(frame.alarms),
        "verdict": None if frame.verdict is None else verdict_json(frame.run_id, frame.verdict),
        "processes": [_row_view(row, frame.now_ns) for row in arranged(frame.rows, choice, frame.now_ns)],
    }


def _row_view(row: Row, now_ns: int) -> dict[str, Any]:
    age_ns = row.age_ns(now_ns)
    return {
        "name": row.name,
        "rank": row.rank,
        "attempt": row.attempt,
        "state": row.state.value,
        "exit": row.exit,
        "mark": row.mark.value or None,
        "part": row.part.value or None,
        "node": row.node,
        "ip": row.ip,
        "hostname": row.hostname,
        "pid": row.pid,
        "step": row.step.value if row.step else None,
        "step_of": row.step.kind if row.step else None,
        "silent_s": None if age_ns is None else age_ns / 1e9,
        "last_line": row.line,
        "bytes": row.bytes,
        "cpu_percent": row.use.cpu,
        "memory_bytes": row.use.memory,
        "gpu_percent": row.use.gpu,
        "gpu_memory_bytes": row.use.gpu_memory,
    }
