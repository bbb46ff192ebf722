"""Processes that ended with 0 too early, when these are what the others suffered from. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ranklog_collector.core.verdict.consequences import consequences
from ranklog_collector.core.verdict.culprits import headline, of_member
from ranklog_collector.core.verdict.events import Case, Weight
from ranklog_collector.core.verdict.evidence import Member
from ranklog_collector.core.verdict.finding import Category, Confidence, Status, Verdict
from ranklog_collector.core.verdict.first import Choice, may_be_a_victims
from ranklog_collector.core.verdict.remarks import before_the_others, remarks
from ranklog_collector.core.verdict.words import without_numbers

NOTICED_NS = 50_000_000
"""Of two ends so close either may have been noticed first."""


def left_early(case: Case, early: Sequence[Member], confidence: Confidence, status: Status = Status.FAILED) -> Verdict:
    """One, or a few, are what the others failed of."""
    culprits = tuple(
        of_member(one, Category.EARLY_EXIT, "ended with 0 while the others worked on", one.ended) for one in early
    )
    is_tie = len(culprits) > 1
    return Verdict(
        Status.SUSPECT if case.evidence.is_live else status,
        headline(case, culprits, is_tie),
        Category.EARLY_EXIT,
        confidence,
        culprits,
        is_tie,
        consequences(case, {one.name for one in culprits}, None),
        remarks=tuple(remarks(case, is_early_told=True)),
    )


def early_exit_behind(case: Case, choice: Choice) -> Verdict | None:
    """One had ended with 0, and then all the others failed in the same way: it is what they failed of."""
    first = choice.first[0].moment
    done = [(one, one.ended) for one in case.completed if one.ended is not None]
    failed = [one for one in case.events if one.weight <= Weight.MUTE]
    errors = {without_numbers(one.error) for one in failed}
    asked = sum(one.weight is Weight.ORDERLY for one in case.events)
    others = len(case.members) - len(done)
    if len(done) != 1 or len(failed) < 2 or len(errors) != 1 or len(failed) + len(case.complaints) + asked < others:
        return None
    if not all(map(may_be_a_victims, choice.first)) or first.latest_ns + NOTICED_NS < done[0][1].earliest_ns:
        return None
    return left_early(case, [one for one, _ in done], Confidence.POSSIBLE)


def ended_early_saying_else(case: Case) -> Verdict | None:
    """All ended with 0, but one before the others, and without the last line that all of these have in common."""
    early = before_the_others(case)
    if len(case.members) < 3 or len(early) != 1 or len(case.completed) < len(case.members):
        return None
    last = {without_numbers(one.last_words[-1].text) for one in case.members if one.last_words and one not in early}
    own = {without_numbers(one.last_words[-1].text) for one in early if one.last_words}
    if len(last) != 1 or not own or own == last:
        return None
    return left_early(case, early, Confidence.POSSIBLE, Status.SUSPECT)
