"""Verdicts on a job that goes on, and of which nothing has failed so far. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ranklog_collector.core.ends import EARLY_NS
from ranklog_collector.core.verdict.absent import never_started
from ranklog_collector.core.verdict.culprits import hanging, headline, of_member
from ranklog_collector.core.verdict.events import Case
from ranklog_collector.core.verdict.evidence import Member
from ranklog_collector.core.verdict.finding import Category, Confidence, Status, Verdict
from ranklog_collector.core.verdict.standstill import SILENT_NS, Suspects, silence_ns, stands_still, suspected, suspects
from ranklog_collector.core.verdict.words import called, introduced, several, span_text

LAUNCHER_NS = 10_000_000_000
"""A launcher whose ranks have all ended for so long hangs."""


def of_live(case: Case) -> Verdict:
    """Tell whether it goes on as it should."""
    absent = never_started(case, case.evidence.now_ns) if case.running else None
    return (
        absent
        or _launcher_hangs(case)
        or _stands_still(case)
        or _ended_early(case)
        or _falls_behind(case)
        or _fine(case)
    )


def _launcher_hangs(case: Case) -> Verdict | None:
    evidence = case.evidence
    waiting = [one for one in evidence.launchers if one.state == "Running"]
    ends = [one.ended.latest_ns for one in case.members if one.ended is not None]
    if not waiting or not ends or len(ends) < len(case.members) or evidence.now_ns - max(ends) < LAUNCHER_NS:
        return None
    culprit = of_member(waiting[0], Category.LAUNCHER_HANG, "does not end although all its ranks have")
    since = span_text(evidence.now_ns - max(ends))
    line = f"launcher {introduced(waiting[0], False)} has not ended, all its ranks have {since} ago"
    return Verdict(Status.SUSPECT, line, Category.LAUNCHER_HANG, Confidence.CERTAIN, (culprit,))


def _stands_still(case: Case) -> Verdict | None:
    now = case.evidence.now_ns
    running = [one for one in case.running if one.state == "Running"]
    if not running or not stands_still(running, now):
        return None
    silence = min(value for one in running if (value := silence_ns(one, now)) is not None)
    note = f"; nobody has said anything for {span_text(silence)}"
    done = [one for one in case.completed if one.ended is not None]
    if done and 2 * len(done) < len(case.members):
        return _early(case, done, note)
    found = suspects(case, running)
    if found is not None and len(running) > 1:
        return _hang(case, found, note)
    line = f"{several(running, case.evidence.world_size)}: no word for {span_text(silence)}, which is unusual"
    return Verdict(Status.SUSPECT, line, Category.HANG, Confidence.POSSIBLE)


def _hang(case: Case, found: Suspects, note: str) -> Verdict:
    culprits = hanging(found, is_over=False)
    is_tie = len(culprits) > 1
    line = headline(case, culprits, is_tie, note)
    return Verdict(Status.SUSPECT, line, Category.HANG, found.confidence, culprits, is_tie)


def _ended_early(case: Case) -> Verdict | None:
    now = case.evidence.now_ns
    done = [one for one in case.completed if one.ended is not None and now - one.ended.latest_ns > EARLY_NS]
    running = [one for one in case.running if one.state == "Running"]
    if not done or not running or 2 * len(case.completed) >= len(case.members):
        return None
    return _early(case, done, f"; {several(running)} still run{'s' if len(running) == 1 else ''}")


def _early(case: Case, done: Sequence[Member], note: str) -> Verdict:
    culprits = tuple(of_member(one, Category.EARLY_EXIT, "ended with 0", one.ended) for one in done)
    line = headline(case, culprits, False, note)
    return Verdict(Status.SUSPECT, line, Category.EARLY_EXIT, Confidence.POSSIBLE, culprits)


def _falls_behind(case: Case) -> Verdict | None:
    """Few have been silent for unusually long while the others go on."""
    now = case.evidence.now_ns
    running = [one for one in case.running if one.state == "Running"]
    silent = [one for one in running if silence_ns(one, now) is not None]
    if not silent or len(running) < 3 or 2 * len(silent) >= len(running):
        return None
    since = max(one.last_output_ns or 0 for one in silent)
    if not any((one.last_output_ns or 0) > since + SILENT_NS // 2 for one in running):
        return None  # they are about to be silent as well
    culprits = tuple(
        of_member(one, Category.HANG, f"has said nothing for {span_text(silence_ns(one, now) or 0)}") for one in silent
    )
    note = "; the others go on" if len(silent) == 1 else f" ({called(silent[0])} first); the others go on"
    line = headline(case, culprits, False, note)
    return Verdict(Status.SUSPECT, line, Category.HANG, Confidence.POSSIBLE, culprits, len(culprits) > 1)


def _fine(case: Case) -> Verdict:
    running = [one for one in case.running if one.state == "Running"]
    if not case.members:
        return Verdict(Status.FINE, "no process has started yet")
    absent = [one for one in case.members if one.state == "NotStarted"]
    remarks = [f"nothing has been heard of {several(absent)} yet"] if absent else []
    seen = suspected(case, running)
    if seen is not None and seen.confidence is Confidence.LIKELY:
        # Of a job that seldom speaks nobody can tell whether it stands still, but whoever asked for stacks may.
        remarks.append(f"by its stacks or flight recordings, {several(seen.members)} {seen.why}")
    if not running:
        return Verdict(Status.FINE, "nothing has gone wrong so far", remarks=tuple(remarks))
    verb = "runs" if len(running) == 1 else "run"
    line = f"{several(running, case.evidence.world_size)} {verb}; nothing has gone wrong so far"
    return Verdict(Status.FINE, line, remarks=tuple(remarks))
