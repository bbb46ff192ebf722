"""The line at the bottom of the terminal: how the job is doing, in at most one line's width."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ranklog_collector.core.ends import EARLY_NS
from ranklog_collector.reading.processes import ProcessState, ProcessView, current

SILENT_S = 10.0
"""A rank that says nothing for so long is worth a word."""
SEPARATOR = " · "
ELLIPSIS = "…"


@dataclass(frozen=True)
class Progress:
    """What there is to tell. `phase` stands for all about processes once they are over; `bar` is a rank's own bar."""

    views: Sequence[ProcessView]
    lines: int
    now_ns: int
    elapsed_s: float
    phase: str = ""
    bar: str = ""


def progress_line(progress: Progress, width: int) -> str:
    """Write it down, shortened to the width."""
    own = current(progress.views)
    parts = [progress.phase] if progress.phase else [_states(own), _silence(own, progress.now_ns)]
    parts.insert(1, f"{progress.lines:,} line{'s' if progress.lines != 1 else ''}")
    parts.append(elapsed_text(progress.elapsed_s))
    if progress.bar:
        parts.append(progress.bar)
    return shortened(SEPARATOR.join(part for part in parts if part), width)


def left_early(views: Sequence[ProcessView], now_ns: int) -> dict[str, str]:
    """Say of each of the few ranks that have ended with 0 for a while, by their names, that the others run."""
    own = [view for view in current(views) if view.rank is not None]
    running = sum(view.state is ProcessState.RUNNING for view in own)
    done = [view for view in own if view.state is ProcessState.COMPLETED]
    if not running or 2 * len(done) >= len(own):
        return {}
    others = f"{running} others run" if running > 1 else "1 other runs"
    return {
        view.name: f"rank {view.rank} has ended with 0 while {others}"
        for view in done
        if view.ended_ns is not None and now_ns - view.ended_ns > EARLY_NS
    }


def elapsed_text(seconds: float) -> str:
    """Write a time as 00:12 or 1:00:12."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes:02}:{rest:02}"


def shortened(text: str, width: int) -> str:
    """Cut a text to so many columns of a terminal."""
    if sum(map(_columns, text)) <= width:
        return text
    room = width - 1
    for position, char in enumerate(text):
        room -= _columns(char)
        if room < 0:
            return text[:position] + ELLIPSIS
    return text


def _columns(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _states(own: Sequence[ProcessView]) -> str:
    counts = Counter(view.state for view in own)
    if not own:
        return "starting"
    words = [f"{counts[ProcessState.RUNNING]}/{len(own)} running"] if len(own) > 1 else []
    ended = (ProcessState.FAILED, ProcessState.TERMINATED, ProcessState.LOST)
    words += [f"{counts[state]} {state.value.lower()}" for state in ended if counts[state]]
    if len(own) == 1 and not words:
        words.append(own[0].state.value.lower())
    return SEPARATOR.join(words)


def _silence(own: Sequence[ProcessView], now_ns: int) -> str:
    """Name the rank that has been silent for longest, or all if all are."""
    running = [view for view in own if view.state is ProcessState.RUNNING]
    silences = {view.name: _silent_s(view, now_ns) for view in running}
    silent = {name: seconds for name, seconds in silences.items() if seconds >= SILENT_S}
    if not silent:
        return ""
    longest = max(silent, key=lambda name: silent[name])
    if len(silent) == len(running):
        who, seconds = "", min(silent.values())
    else:
        who, seconds = longest.replace("_", " ") + " ", silent[longest]
    more = f" (+{len(silent) - 1})" if 1 < len(silent) < len(running) else ""
    return f"{who}silent {_duration(seconds)}{more}"


def _silent_s(view: ProcessView, now_ns: int) -> float:
    since = max(view.last_output_ns or 0, view.started_ns or 0)
    return (now_ns - since) / 1e9 if since else 0.0


def _duration(seconds: float) -> str:
    return f"{int(seconds)} s" if seconds < 100 else f"{int(seconds / 60)} min"
