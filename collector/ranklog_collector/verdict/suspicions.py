"""Whom flight recordings miss in a collective, and whom the latest stacks show elsewhere than the others."""

from __future__ import annotations

from ranklog_collector.core.stacks import Basis, Folding, Group
from ranklog_collector.core.verdict.evidence import Suspicion
from ranklog_collector.core.verdict.finding import Confidence
from ranklog_collector.reading.flight_recorder import flight_recordings
from ranklog_collector.reading.folder import RunFolder
from ranklog_collector.reading.stacks import latest_stacks

_CONFIDENCE = {
    Basis.NOT_WAITING: Confidence.LIKELY,
    Basis.WAITING_ELSEWHERE: Confidence.LIKELY,
    Basis.MINORITY: Confidence.POSSIBLE,
}


def suspicions(folder: RunFolder) -> tuple[Suspicion, ...]:
    """Name them, if there are recordings or stacks and somebody stands out."""
    return (*_by_recordings(folder), *_by_stacks(folder))


def _by_recordings(folder: RunFolder) -> tuple[Suspicion, ...]:
    compared = flight_recordings(folder)
    if compared is None:
        return ()
    return tuple(
        Suspicion(one.ranks, one.summary, Confidence.LIKELY, compared.time_ns)
        for one in compared.findings
        if one.waiting
    )


def _by_stacks(folder: RunFolder) -> tuple[Suspicion, ...]:
    stacks = latest_stacks(folder)
    if stacks is None or stacks.folding.basis is None:
        return ()
    return tuple(
        Suspicion(group.ranks, _why(group, stacks.folding), _CONFIDENCE[stacks.folding.basis], stacks.time_ns)
        for group in stacks.folding.suspects
        if group.ranks
    )


def _why(suspect: Group, folding: Folding) -> str:
    is_in = f"is in {suspect.waits_in or suspect.stack[0]}" if suspect.stack else "has no stack"
    others = [group for group in folding.groups if not group.is_suspect]
    if not others or not others[0].stack:
        return is_in
    verb = "wait in" if others[0].waits_in else "are in"
    return f"{is_in}, the others {verb} {others[0].waits_in or others[0].stack[0]}"
