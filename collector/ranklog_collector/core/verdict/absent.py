"""Ranks that should be there, of which nobody has ever heard, and for which the others waited. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ranklog_collector.core.verdict.consequences import consequences
from ranklog_collector.core.verdict.culprits import of_member
from ranklog_collector.core.verdict.events import Case
from ranklog_collector.core.verdict.evidence import Member
from ranklog_collector.core.verdict.finding import Category, Confidence, Quote, Status, Verdict
from ranklog_collector.core.verdict.words import several, span_text

WAITED_NS = 15_000_000_000
"""Who says nothing for so long from the start waits."""
_LAUNCHING = frozenset((Category.NODE_LOST, Category.IMPORT))


def never_started(case: Case, at_ns: int | None = None) -> Verdict | None:
    """Name them, if the others came to nothing: they said so, or at `at_ns` all of them had long been silent.

    If the others have done any step, the absent are not needed, or only not recorded.
    """
    absent = [one for one in case.members if one.state == "NotStarted"]
    present = [one for one in case.members if one.state != "NotStarted" and one.rank is not None]
    if not absent or not present or any(one.step is not None for one in present):
        return None
    waited = None if at_ns is None else min(at_ns - _last_ns(one) for one in present)
    if waited is not None and waited < WAITED_NS:
        return None
    is_live = case.evidence.is_live
    summary = "has not started" if is_live else "never started"
    return Verdict(
        Status.SUSPECT if is_live else Status.FAILED,
        _headline(case, absent, present, waited),
        Category.NOT_STARTED,
        Confidence.LIKELY if waited is None else Confidence.POSSIBLE,
        tuple(of_member(one, Category.NOT_STARTED, summary, quotes=_why(case)) for one in absent),
        consequences=consequences(case, [one.name for one in absent], None),
    )


def _headline(case: Case, absent: Sequence[Member], present: Sequence[Member], waited: int | None) -> str:
    of = f" of {case.evidence.world_size}" if case.evidence.world_size else ""
    are_many, do_many = len(absent) > 1, len(present) > 1
    if case.evidence.is_live:
        verb, waiting = (
            "have not started" if are_many else "has not started",
            "have waited" if do_many else "has waited",
        )
    else:
        verb, waiting = "never started", "waited"
    how_long = "" if waited is None else f" for {span_text(waited)}, saying nothing"
    them = "them" if are_many else "it"
    return f"{several(absent)}{of} {verb}; {several(present)} {waiting} for {them}{how_long}"


def _last_ns(member: Member) -> int:
    """When it said something last, else when it started."""
    return member.last_output_ns or member.started_ns or 0


def _why(case: Case) -> tuple[Quote, ...]:
    """What the launcher says of processes that it could not start."""
    return tuple(sign.quote for sign in case.launcher_signs if sign.category in _LAUNCHING)[:1]
