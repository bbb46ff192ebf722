"""Processes that ended with 0 too early, when these are what the others suffered from. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ranklog_collector.core.verdict.consequences import consequences
from ranklog_collector.core.verdict.culprits import headline, of_member
from ranklog_collector.core.verdict.events import Case, Weight
from ranklog_collector.core.verdict.evidence import Member, Moment
from ranklog_collector.core.verdict.finding import Category, Confidence, Status, Verdict
from ranklog_collector.core.verdict.first import CLOSED_LAG_NS, Choice, may_be_a_victims
from ranklog_collector.core.verdict.launchers import Candidate, member_of
from ranklog_collector.core.verdict.remarks import before_the_others, remarks
from ranklog_collector.core.verdict.signatures import Role
from ranklog_collector.core.verdict.words import in_kind, without_numbers

NOTICED_NS = 50_000_000
"""Of two ends so close either may have been noticed first."""
AT_ONCE_NS = 2_000_000_000
"""Launchers kill who is left, and a single peer fails, within so long after an end that is the cause of it."""


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
    failed = [one for one in case.events if one.weight <= Weight.MUTE or one.member.was_exec_killed]
    errors = {in_kind(one.category, one.error) for one in failed}
    asked = sum(one.weight is Weight.ORDERLY for one in case.events)
    others = len(case.members) - len(done)
    ended = len(failed) + asked
    if len(done) != 1 or len(errors) > 1 or ended + len(case.complaints) < others:
        return None
    is_behind = _is_behind(case, done[0][0])
    if ended < 2 and not (is_behind and first.earliest_ns <= done[0][1].latest_ns + AT_ONCE_NS):
        return None
    if not all(may_be_a_victims(one) or _was_ended_by_launcher(case, one, *done[0]) for one in choice.first):
        return None
    late_ns = done[0][1].earliest_ns - first.latest_ns
    if late_ns > (CLOSED_LAG_NS if is_behind else NOTICED_NS):
        return None
    return left_early(case, [one for one, _ in done], Confidence.POSSIBLE)


def _is_behind(case: Case, one: Member) -> bool:
    """Whether it had not come as far as any of those that failed, by what they told of their steps."""
    others = [two.step for two in case.members if two is not one and two.step is not None and not two.has_completed]
    step = one.step
    if step is None or not others:
        return False
    return all(two.kind == step.kind and two.progress > step.progress for two in others)


def _was_ended_by_launcher(case: Case, one: Candidate, early: Member, end: Moment) -> bool:
    """Whether a launcher ended a process because another had ended with 0: it says so, or did so at once."""
    launchers = case.evidence.launchers
    if one.member is None or not any(two.exit_code for two in launchers) or any(two.asked for two in launchers):
        return False
    is_named = any(sign.role is Role.CONFIRMATION and member_of(sign, case) is early for sign in case.launcher_signs)
    return is_named or (one.member.was_exec_killed and one.moment.earliest_ns <= end.latest_ns + AT_ONCE_NS)


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
