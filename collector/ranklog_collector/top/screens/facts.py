"""The run itself: what is wrong with it, and its nodes."""

from __future__ import annotations

import textwrap
from collections import defaultdict
from collections.abc import Sequence

from ranklog_collector.core.ranks import ranks_text
from ranklog_collector.reading.text import printable
from ranklog_collector.reading.times import bytes_text, clock_time
from ranklog_collector.top.frame import Frame, Row
from ranklog_collector.top.screens.text import TextScreen
from ranklog_collector.top.spans import Line, Span, line


class FactsScreen(TextScreen):
    """All that `ranklog top` knows of the run."""

    NAME = "the run"

    def __init__(self, frame: Frame | None) -> None:
        super().__init__()
        self._frame = frame

    def show(self, frame: Frame) -> None:
        """Show what is new."""
        self._frame = frame
        self.redraw()

    def texts(self, width: int) -> Sequence[Line]:
        """Facts, alarms, nodes."""
        frame = self._frame
        if frame is None:
            return [line("the run has not been read yet")]
        facts = [
            ("run", f"{printable(frame.experiment)}/{printable(frame.run_id)}"),
            ("folder", printable(frame.path)),
            ("state", frame.state),
            ("started", clock_time(frame.started_ns)),
            ("ended" if frame.has_ended else "now", clock_time(frame.now_ns)),
            ("output", bytes_text(frame.bytes)),
        ]
        lines = [line(Span(name.ljust(10), "dim"), text) for name, text in facts]
        for text in [*([frame.problem] if frame.problem else []), *frame.alarms]:
            words = textwrap.wrap(printable(text), max(20, width - 2), break_on_hyphens=False)
            lines += [Line(), *(line(Span("! " if not n else "  ", "warning"), word) for n, word in enumerate(words))]
        if not frame.alarms and not frame.problem:
            lines += [Line(), line("no gap, no node lost, all clocks within 100 ms")]
        lines += [Line(), line(Span("Nodes", "title"))]
        return [*lines, *_nodes(frame)]


def _nodes(frame: Frame) -> list[Line]:
    members: dict[str, list[Row]] = defaultdict(list)
    for row in frame.own:
        members[row.node].append(row)
    lines = []
    for node, rows in members.items():
        first = rows[0]
        ranks = ranks_text(row.rank for row in rows if row.rank is not None)
        name = printable(first.hostname or node) or "unseen"
        is_lost = node in frame.lost_nodes
        about = f"{first.ip:<16}{len(rows):>6,} processes" + (f"  ranks {ranks}" if ranks else "")
        lines.append(line(Span(f"{name:<17}", "lost" if is_lost else "strong"), about, "  LOST" if is_lost else ""))
    return lines
