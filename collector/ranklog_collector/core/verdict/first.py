"""Which event was the first: of what can have been a cause, the earliest by corrected time. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ranklog_collector.core.verdict.events import Case, Complaint, Event, Weight, was_asked
from ranklog_collector.core.verdict.evidence import Machine, Member, Moment
from ranklog_collector.core.verdict.finding import Category
from ranklog_collector.core.verdict.launchers import Candidate, confirming, named_only, of_launchers

SILENCE_NS = 3_000_000_000
"""A node is called lost when it has said nothing for so long."""
FLIGHT_NS = 500_000_000
"""What a node had sent before its end may be heard so much later, on a busy machine."""
CLOSED_LAG_NS = 1_000_000_000
"""That a process was killed may be noticed so much later than its peers complain: the one who notices is busy too."""
CLEANING_NS = 30_000_000_000
"""A process may take so long from closing its connections to its end."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The first, or those of which one was, and what else there was."""

    first: tuple[Candidate, ...]
    others: tuple[Candidate, ...]
    """That were tied with it and are thought to be none, and that came later."""
    was_close: bool = False
    """Whether others lie within the error, and something else than time has decided."""

    @property
    def weight(self) -> Weight:
        """Of the first."""
        return self.first[0].weight


def candidates(case: Case) -> list[Candidate]:
    """All that may have been first, the earliest first."""
    if case.is_uncaptured and (named := named_only(case)):
        return named
    found = [_of_event(event) for event in case.events]
    found += [_of_machine(case, machine) for machine in lost_machines(case)]
    found += of_launchers(case)
    return sorted(found, key=lambda one: one.moment.latest_ns)


def choose(case: Case, found: Sequence[Candidate]) -> Choice | None:
    """Take the first of them that can have been a cause."""
    left = [one for one in found if not _is_in_the_wake(one, case)]
    left = [one for one in left if not _was_survived(one, left)]
    if not left:
        return None
    earliest = min(left, key=lambda one: one.moment.latest_ns)
    tied = [one for one in left if not earliest.moment.is_before(one.moment)]
    weight = min(one.weight for one in tied)
    first = [one for one in tied if one.weight == weight]
    lead = min(first, key=lambda one: one.moment.latest_ns)
    first = [one for one in first if not lead.moment.is_before(one.moment)]
    if weight is Weight.JOB:
        # Who governs the job may say why; a signal does not.
        return Choice(tuple([one for one in first if one.quotes] or first)[:1], tuple(left))
    was_close = len(first) > 1 or len(tied) > len(first)
    first = _narrowed(case, first)
    return Choice(tuple(first), tuple(one for one in found if one not in first), was_close)


def _narrowed(case: Case, tied: list[Candidate]) -> list[Candidate]:
    """Of several that are tied those that were not killed in whole groups, and of these whom a launcher has named."""
    alone = [one for one in tied if one.member is None or not one.member.was_exec_killed] or tied
    if len({one.moment.node for one in alone}) > 1:
        return alone  # a launcher hears of its own node's ranks sooner
    named = [one for one in alone if any(True for _ in confirming(case, one))]
    return named or alone


def lost_machines(case: Case) -> list[Machine]:
    """Nodes that are silent although processes of theirs had not ended."""
    open_nodes = {one.node for one in case.running}
    return [one for one in case.evidence.machines if one.event == "lost" and one.id in open_nodes]


def first_complaint(complaints: Iterable[Complaint]) -> Complaint | None:
    """The earliest of them."""
    return min(complaints, key=lambda one: one.moment.latest_ns, default=None)


def _of_event(event: Event) -> Candidate:
    return Candidate(
        event.weight, event.category, event.summary, event.moment, event.member, quotes=event.quotes, error=event.error
    )


def _of_machine(case: Case, machine: Machine) -> Candidate:
    since = machine.heard_ns if machine.heard_ns is not None else machine.time_ns - SILENCE_NS
    moment = Moment(min(since, machine.time_ns) - FLIGHT_NS, max(since, machine.time_ns), 0)
    return Candidate(Weight.OWN, Category.NODE_LOST, "was lost", moment, machine=machine, error="lost")


def _is_in_the_wake(one: Candidate, case: Case) -> bool:
    """Whether it cannot have been first, because others had complained before.

    Who waits for somebody in vain has been failed by something that came before, whatever happens then. Who sees a
    connection closed has as well, but whoever closed it may have been noticed late.
    """
    others = [two for two in case.complaints if two.member is not one.member]
    if one.weight is Weight.JOB:
        return False
    if any(two.is_timeout and two.moment.is_before(one.moment) for two in others):
        return True
    if one.weight is Weight.ORDERLY:
        return any(not one.moment.is_before(two.moment) for two in others)
    if one.weight in (Weight.KILL, Weight.MUTE, Weight.GONE):
        lag = 0 if early_exits(case) else CLOSED_LAG_NS
        return any(two.moment.latest_ns + lag < one.moment.earliest_ns for two in others)
    return False


def _was_survived(one: Candidate, others: Iterable[Candidate]) -> bool:
    """Whether a process lived on for long with its error, and was only asked to end since another ended by itself."""
    asked = None if one.member is None else one.member.asked
    if asked is None or one.weight is not Weight.OWN or one.moment.latest_ns + CLEANING_NS > asked.earliest_ns:
        return False
    return any(
        two.member is not None
        and two.member is not one.member
        and not was_asked(two.member)
        and two.member.ended is not None
        and two.moment.earliest_ns > one.moment.latest_ns + CLEANING_NS
        and not asked.is_before(two.member.ended)
        for two in others
    )


def early_exits(case: Case) -> list[Member]:
    """Few processes that ended with 0 while others began to complain: their end is what these complain of.

    A program closes its connections first and ends then, which takes as long as it has to clean up.
    """
    complaint = first_complaint(case.complaints)
    if complaint is None:
        return []
    lag = 0 if complaint.is_timeout else CLEANING_NS
    done = [
        one
        for one in case.completed
        if one.ended is not None and one.ended.earliest_ns <= complaint.moment.latest_ns + lag
    ]
    are_few = 2 * len(done) < len(case.members) or (len(case.members) == 2 and len(done) == 1)
    return done if are_few else []
