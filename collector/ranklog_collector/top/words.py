"""How states, ages and amounts look in few characters. Pure.

No colour is alone in saying anything: each state has a symbol and a letter or word of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

from ranklog_collector.reading.processes import ProcessState
from ranklog_collector.reading.times import duration_text
from ranklog_collector.top.frame import Mark, Row
from ranklog_collector.top.spans import Span

HEATS_S = (10, 60, 300, 1800)
"""From these ages on a silence is a degree hotter."""
SHADES = "·░▒▓█"
"""A rank that runs, by the degree of its silence."""
AGES = (" runs", "10s", "1m", "5m", "30m")
"""What the shades mean."""


@dataclass(frozen=True, slots=True)
class Look:
    """How a state looks."""

    symbol: str
    letter: str
    """Alone in a cell."""
    word: str
    tone: str


LOOKS = {
    ProcessState.RUNNING: Look("●", "·", "run", "running"),
    ProcessState.COMPLETED: Look("✓", "✓", "done", "completed"),
    ProcessState.FAILED: Look("✗", "F", "FAILED", "failed"),
    ProcessState.TERMINATED: Look("▼", "T", "term", "terminated"),
    ProcessState.LOST: Look("?", "L", "LOST", "lost"),
    ProcessState.NOT_STARTED: Look("○", "○", "not yet", "notstarted"),
}
MARKS = {
    Mark.SILENT: Look("◌", "S", "SILENT", "suspect"),
    Mark.BEHIND: Look("◂", "B", "BEHIND", "suspect"),
}
RUN_LOOKS = {
    "notstarted": Span("○ not started", "notstarted"),
    "running": Span("● running", "running"),
    "finalizing": Span("● finalizing", "running"),
    "completed": Span("✓ completed", "good"),
    "failed": Span("✗ failed", "failed"),
    "canceled": Span("▼ canceled", "terminated"),
    "lost": Span("? lost", "lost"),
    "interrupted": Span("? interrupted", "lost"),
}


def look_of(row: Row) -> Look:
    """How a process looks: what makes it stand out, else its state."""
    return MARKS[row.mark] if row.mark is not Mark.NONE else LOOKS[row.state]


def heat(row: Row, now_ns: int) -> int:
    """How hot its silence is, from 0 to 4; only of one that runs."""
    age = row.age_ns(now_ns)
    if age is None or row.state is not ProcessState.RUNNING:
        return 0
    return sum(age >= seconds * 1e9 for seconds in HEATS_S)


def cell_of(row: Row, now_ns: int) -> Span:
    """A process in one character: a letter if it is to be looked at, a shade if it is not."""
    look = look_of(row)
    if row.state is ProcessState.RUNNING and row.mark is Mark.NONE:
        degree = heat(row, now_ns)
        return Span(SHADES[degree], f"heat{degree}")
    return Span(look.letter, look.tone)


def age_text(row: Row, now_ns: int) -> str:
    """How long ago it spoke last."""
    age = None if row.state is ProcessState.NOT_STARTED else row.age_ns(now_ns)
    if age is None:
        return ""
    return "now" if age < 1e9 else duration_text(age)


def amount_text(count: float) -> str:
    """Write bytes in at most four characters: 999K, 1.2G, 12G."""
    value = count / 1000
    for unit in "KMGTP":
        if value < 999.5 or unit == "P":
            return f"{value:.1f}{unit}" if 0 < value < 9.95 and unit in "GTP" else f"{value:.0f}{unit}"
        value /= 1000
    raise AssertionError


def count_text(count: int) -> str:
    """Write a count in at most seven characters."""
    return str(count) if count < 10_000_000 else f"{count / 1e6:.0f}M" if count < 1e12 else f"{count:.1e}"
