"""Moments of a run by their names: its start and end, its first failure, a node that was lost, a rank's end."""

from __future__ import annotations

import re

from ranklog_collector.reading.folder import QuestionError, RunFolder
from ranklog_collector.reading.processes import processes
from ranklog_collector.reading.times import parse_moment
from ranklog_collector.verdict.gather import judge

EVENTS = "start, end, failure, lost, rank 3"
_RANK = re.compile(r"rank[ _]?(\d{1,9})(?: (start|end))?")


def moment(folder: RunFolder, text: str) -> tuple[int, str]:
    """Read the name of an event, or a time; returns it and what it is. Raises QuestionError."""
    name = text.strip().lower()
    if name == "start":
        return folder.started_ns, "the start"
    if name == "end":
        return folder.now_ns(), "the end" if folder.state.has_ended else "now"
    if name == "failure":
        return _failure(folder)
    if name == "lost":
        return _loss(folder)
    if (found := _RANK.fullmatch(name)) is not None:
        return _of_rank(folder, int(found[1]), found[2] or "end")
    try:
        return parse_moment(text, folder.started_ns, folder.now_ns()), text
    except ValueError as error:
        raise QuestionError(f"{error}, nor an event ({EVENTS})") from error


def _failure(folder: RunFolder) -> tuple[int, str]:
    verdict = judge(folder)
    known = [one for one in verdict.culprits if one.time_ns is not None]
    if not known:
        raise QuestionError(f"the moment of a failure is not known: {verdict.headline}")
    first = min(known, key=lambda one: one.time_ns or 0)
    return first.time_ns or 0, f"{first.name} {first.summary}"


def _loss(folder: RunFolder) -> tuple[int, str]:
    lost = [node for node in folder.state.nodes.values() if node.event == "lost"]
    if not lost:
        raise QuestionError("no node was lost")
    node = min(lost, key=lambda one: one.time)
    return node.time, f"{node.id} was lost"


def _of_rank(folder: RunFolder, rank: int, what: str) -> tuple[int, str]:
    views = [view for view in processes(folder.state) if view.rank == rank]
    if not views:
        raise QuestionError(f"there is no rank {rank}")
    time = views[0].started_ns if what == "start" else views[-1].ended_ns or views[-1].last_output_ns
    if time is None:
        raise QuestionError(f"the {what} of rank {rank} is not known")
    is_over = what == "start" or views[-1].ended_ns is not None
    return time, f"the {what if is_over else 'last word'} of rank {rank}"
