"""The processes as a table: a row each, as many columns as there is room for. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ranklog_collector.reading.processes import ProcessState
from ranklog_collector.reading.text import printable
from ranklog_collector.reading.times import bytes_text, duration_text
from ranklog_collector.top.arrange import Choice, Order
from ranklog_collector.top.frame import Part, Row
from ranklog_collector.top.spans import Line, Span, columns, cut, fitted
from ranklog_collector.top.words import age_text, amount_text, count_text, heat, look_of

GAP = "  "
LINE_WIDTH_MIN = 24
_LINE_SHARE = 3
"""And at least one part in so many of the width."""
NODE_WIDTH_MAX = 16
# Of a line that begins with the time there would be little else to see; the line in detail has it.
_TIME = re.compile(r"^[\[(]?\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?[\])]?[:,]? *(?=\S)")
_OUT_OF = {ProcessState.COMPLETED: "completed", ProcessState.TERMINATED: "dim", ProcessState.NOT_STARTED: "dim"}


@dataclass(frozen=True, slots=True)
class Column:
    """One column; if there is no room, those of the highest rank go first."""

    title: str
    width: int
    rank: int
    cell: Callable[[Row, int], Span]
    order: Order | None = None
    is_right: bool = True
    is_needed: Callable[[Row], bool] = lambda row: True
    """A column that no process needs is left out."""


def chosen_columns(rows: Sequence[Row], width: int) -> list[Column]:
    """Choose the columns for all of the run's processes; besides them there is the last line."""
    found = [column for column in _columns(rows) if any(map(column.is_needed, rows))]
    least = max(LINE_WIDTH_MIN, width // _LINE_SHARE)
    while sum(column.width + len(GAP) for column in found) + least > width:
        last = max(found, key=lambda column: column.rank)
        if last.rank == 0:
            break
        found.remove(last)
    return found


def head(shown: Sequence[Column], choice: Choice, width: int) -> Line:
    """The titles; an arrow tells by which the rows are ordered."""
    spans = []
    for column in shown:
        arrow = ("▴" if choice.is_reversed else "▾") if column.order is choice.order else ""
        title = fitted(arrow + column.title, column.width, column.is_right)
        spans += [Span(title, "title" if arrow else "head"), Span(GAP, "head")]
    room = max(0, width - sum(columns(span.text) for span in spans))
    return Line(cut((*spans, Span(fitted("LAST LINE", room), "head")), width), ground="head")


def row_line(row: Row, shown: Sequence[Column], now_ns: int, width: int, is_current: bool = False) -> Line:
    """One process."""
    spans = []
    for column in shown:
        text, tone = column.cell(row, now_ns)
        spans += [Span(fitted(text, column.width, column.is_right), tone), Span(GAP)]
    room = max(0, width - sum(columns(span.text) for span in spans))
    tone = _OUT_OF.get(row.state, "plain")
    text = "…" if row.line is None else _TIME.sub("", row.line)
    return Line(cut((*spans, Span(fitted(text, room), tone)), width), ground="current" if is_current else "plain")


def _columns(rows: Sequence[Row]) -> list[Column]:
    name_width = max([4, *(len(printable(row.label)) for row in rows)])
    node_width = max([4, *(columns(_node(row)) for row in rows)])
    return [
        Column("RANK", min(name_width, 12) + 1, 0, _name, Order.RANK),
        Column("STATE", 9, 0, _state, Order.STATE, is_right=False),
        Column("EXIT", 7, 4, _exit, is_right=False, is_needed=lambda row: row.exit not in ("", "0")),
        Column("NODE", min(node_width, NODE_WIDTH_MAX), 2, lambda row, _: Span(_node(row), "dim"), is_right=False),
        Column("IP", 15, 9, lambda row, _: Span(row.ip, "dim"), is_right=False, is_needed=lambda row: bool(row.ip)),
        Column("PID", 8, 10, lambda row, _: Span(str(row.pid or ""), "dim")),
        Column("STEP", 7, 1, _step, Order.STEP, is_needed=lambda row: row.step is not None),
        Column("AGE", 6, 0, _age, Order.AGE),
        Column("CPU%", 5, 3, _cpu, Order.CPU, is_needed=lambda row: row.use.cpu is not None),
        Column("MEM", 4, 5, _memory, Order.MEMORY, is_needed=lambda row: row.use.memory is not None),
        Column("GPU%", 4, 3, _gpu, is_needed=lambda row: row.use.gpu is not None),
        Column("GMEM", 4, 6, _gpu_memory, is_needed=lambda row: row.use.gpu_memory is not None),
        Column("TIME", 6, 8, _time),
        Column("BYTES", 6, 7, lambda row, _: Span(bytes_text(row.bytes) if row.bytes else "", "dim")),
    ]


def _name(row: Row, now_ns: int) -> Span:
    mark = "▸" if row.part is Part.CULPRIT else ""
    return Span(mark + printable(row.label), "culprit" if mark else "strong")


def _state(row: Row, now_ns: int) -> Span:
    look = look_of(row)
    return Span(f"{look.symbol} {look.word}", look.tone)


def _exit(row: Row, now_ns: int) -> Span:
    text = row.exit.removeprefix("SIG") if row.exit != "0" else ""
    return Span(text, "failed" if row.state is ProcessState.FAILED else "dim")


def _node(row: Row) -> str:
    return printable(row.hostname or row.node)


def _step(row: Row, now_ns: int) -> Span:
    if row.step is None:
        return Span("")
    return Span(count_text(row.step.value), "suspect" if row.mark.value == "behind" else "plain")


def _age(row: Row, now_ns: int) -> Span:
    if row.state is not ProcessState.RUNNING:
        return Span(age_text(row, now_ns), "dim")
    return Span(age_text(row, now_ns), "suspect" if row.mark.value == "silent" else f"heat{heat(row, now_ns)}")


def _cpu(row: Row, now_ns: int) -> Span:
    return Span("" if row.use.cpu is None else f"{row.use.cpu:.0f}")


def _memory(row: Row, now_ns: int) -> Span:
    return Span("" if row.use.memory is None else amount_text(row.use.memory))


def _gpu(row: Row, now_ns: int) -> Span:
    return Span("" if row.use.gpu is None else f"{row.use.gpu:.0f}")


def _gpu_memory(row: Row, now_ns: int) -> Span:
    return Span("" if row.use.gpu_memory is None else amount_text(row.use.gpu_memory))


def _time(row: Row, now_ns: int) -> Span:
    if row.started_ns is None:
        return Span("")
    return Span(duration_text((row.ended_ns or now_ns) - row.started_ns), "dim")
