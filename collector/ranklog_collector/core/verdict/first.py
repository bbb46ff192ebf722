"""Which event was the first: of what can have been a cause, the earliest by corrected time. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ranklog_collector.core.verdict.events import Case, Complaint, Event, Weight, was_asked
from ranklog_collector.core.verdict.evidence import Machine, Member, Moment
from ranklog_collector.core.verdict.finding import Category
from ranklog_collector.core.verdict.launchers import Candidate, confirming, named_only, of_launchers
from ranklog_collector.core.verdict.words import in_kind

SILENCE_NS = 3_000_000_000
"""A node is called lost when it has said nothing for so long."""
FLIGHT_NS = 500_000_000
"""What a node had sent before its end may be heard so much later, on a busy machine."""
CLOSED_LAG_NS = 1_000_000_000
"""That a process was killed may be noticed so much later than its peers complain: the one who notices is busy too."""
EXIT_NS = 100_000_000
"""A process that exits closes its connections so long before its end."""
LINGERING_NS = 300_000_000
"""Who has raised an error and is still there so long after may have dealt with it."""
CLEANING_NS = 30_000_000_000
"""A process may take so long from closing its connections to its end."""
_ENDS_OF_VICTIMS = frozenset((Category.EXCEPTION, Category.EXIT_CODE, Category.CRASH, Category.COLLECTIVE))


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
    left = [one for one in left if not _was_dealt_with(one, left)]
    left = [one for one in left if not _was_cleaned_up(one, case)]
    if not left:
        return None
    earliest = min(left, key=lambda one: one.moment.latest_ns)
    if (odd := unlike_the_others(left, earliest)) is not None:
        return Choice((odd,), tuple(one for one in found if one is not odd), was_close=True)
    tied = [one for one in left if not earliest.moment.is_before(one.moment)]
    weight = min(one.weight for one in tied)
    first = [one for one in tied if one.weight == weight]
    lead = min(first, key=lambda one: one.moment.latest_ns)
    first = [one for one in first if not lead.moment.is_before(one.moment)]
    if weight is Weight.JOB:
        # Who governs the job may say why, also that a node was given up; a signal does not.
        told = [one for one in tied if one.quotes and (one in first or one.machine is not None)]
        return Choice(tuple(told or first)[:1], tuple(left))
    if weight is Weight.OWN and all(map(may_be_a_victims, first)):
        # It may be how a lost peer is told of, and the one that ended without a word the peer.
        until = earliest.moment.latest_ns + EXIT_NS
        mute = [one for one in left if one.weight in (Weight.MUTE, Weight.KILL) and one.moment.earliest_ns <= until]
        first += [one for one in mute if _alone(one)]
    elif weight is Weight.MUTE:
        first += [one for one in tied if one.weight is Weight.KILL and _alone(one)]
    if weight is Weight.OWN and all(map(_lingered, first)):
        first += _ended_by_an_error(left, first)
    was_close = len(first) > 1 or len(tied) > len(first)
    first = _narrowed(case, first)
    return Choice(tuple(first), tuple(one for one in found if one not in first), was_close)


def _narrowed(case: Case, tied: list[Candidate]) -> list[Candidate]:
    """Of several that are tied those that were not killed in whole groups, and of these whom a launcher has named."""
    alone = [one for one in tied if _alone(one)] or tied
    if len({one.moment.node for one in alone}) > 1:
        return alone  # a launcher hears of its own node's ranks sooner
    named = [one for one in alone if any(True for _ in confirming(case, one))]
    return named or alone


def unlike_the_others(left: Sequence[Candidate], earliest: Candidate) -> Candidate | None:
    """The only one that ended otherwise than all those that ended in one and the same way at about the same time.

    What several do at once has one cause, and is their way to tell of it, in whatever words.
    """
    until = earliest.moment.latest_ns + CLOSED_LAG_NS
    ended = [one for one in left if one.weight <= Weight.KILL and one.moment.earliest_ns <= until and _alone(one)]
    kinds = Counter(_kind(one) for one in _one_a_rank(ended))
    odd = [one for one in ended if kinds[_kind(one)] == 1 and _is_near(one, earliest)]
    same = [one for one in ended if kinds[_kind(one)] > 1]
    if len(odd) != 1 or len(kinds) != 2 or not same or not all(map(may_be_a_victims, same)):
        return None
    return odd[0] if odd[0].member is not None else None


def _one_a_rank(many: Iterable[Candidate]) -> Iterable[Candidate]:
    """A rank's process inside another one of it ends as that does."""
    found: dict[tuple[bool, int], Candidate] = {}
    for place, one in enumerate(many):
        rank = None if one.member is None else one.member.rank
        found.setdefault((rank is None, place if rank is None else rank), one)
    return found.values()


def may_be_a_victims(one: Candidate) -> bool:
    """Whether a process may end so because a peer has gone, in words that no signature knows."""
    return one.member is not None and one.category in _ENDS_OF_VICTIMS


def _is_near(one: Candidate, earliest: Candidate) -> bool:
    """Whether it may have been before another: an end may be noticed late."""
    if not earliest.moment.is_before(one.moment):
        return True
    return one.member is not None and one.moment is one.member.ended


def _kind(one: Candidate) -> tuple[Category, str]:
    return (one.category, in_kind(one.category, one.error))


def _alone(one: Candidate) -> bool:
    """Whether it is not that a process was killed in a group, whatever ended one afterwards that had said why."""
    return one.weight < Weight.KILL or one.member is None or not one.member.was_exec_killed


def lost_machines(case: Case) -> list[Machine]:
    """Nodes that are silent although processes of theirs had not ended."""
    open_nodes = {one.node for one in case.running}
    return [one for one in case.evidence.machines if one.event == "lost" and one.id in open_nodes]


def first_complaint(complaints: Iterable[Complaint]) -> Complaint | None:
    """The earliest of them."""
    return min(complaints, key=lambda one: one.moment.latest_ns, default=None)


def _of_event(event: Event) -> Candidate:
    return Candidate(
        event.weight,
        event.category,
        event.summary,
        event.moment,
        event.member,
        quotes=event.quotes,
        error=event.error,
        complained=event.complained,
        was_only_said=event.was_only_said,
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


def _lingered(one: Candidate) -> bool:
    """Whether a process was still there after its error when somebody asked it to end: it may have dealt with it."""
    asked = None if one.member is None else one.member.asked
    return asked is not None and one.moment.latest_ns + LINGERING_NS < asked.earliest_ns


def _ended_by_an_error(left: Iterable[Candidate], first: Sequence[Candidate]) -> list[Candidate]:
    """The first of the others that an error of its own did end: for that one they may have been asked to end."""
    until = max(one.member.asked.latest_ns for one in first if one.member is not None and one.member.asked is not None)
    ended = [
        one
        for one in left
        if one.member is not None
        and one.member.ended is not None
        and one.member.ended.earliest_ns <= until
        and one.weight is Weight.OWN
        and one.complained is None
        and not was_asked(one.member)
    ]
    return sorted(ended, key=lambda one: one.moment.latest_ns)[:1]


def _was_survived(one: Candidate, others: Iterable[Candidate]) -> bool:
    """Whether a process lived on for long with its error, and was only asked to end since another ended by itself."""
    asked = None if one.member is None else one.member.asked
    if asked is None or one.weight is not Weight.OWN or one.moment.latest_ns + CLEANING_NS > asked.earliest_ns:
        return False
    return any(
        two.member is not None
        and two.member is not one.member
        and not was_asked(two.member)
        and _alone(two)
        and two.member.ended is not None
        and two.moment.earliest_ns > one.moment.latest_ns + CLEANING_NS
        and not asked.is_before(two.member.ended)
        for two in others
    )


def _was_cleaned_up(one: Candidate, case: Case) -> bool:
    """Whether a process was killed in a group, as launchers do in the end, when another's end may have been before."""
    return (
        one.weight is Weight.KILL
        and not _alone(one)
        and any(not event.member.was_exec_killed and not one.moment.is_before(event.moment) for event in case.events)
    )


def _was_dealt_with(one: Candidate, others: Iterable[Candidate]) -> bool:
    """Whether a process lived on after what it said until others failed it or asked it, and one had ended by then."""
    until = one.complained
    if until is None and one.was_only_said and one.member is not None:
        until = one.member.asked
    return until is not None and any(
        two.member is not one.member
        and two.member is not None
        and two.complained is None
        and not two.was_only_said
        and two.weight <= Weight.KILL
        and _alone(two)
        and two.moment.earliest_ns <= until.latest_ns + CLOSED_LAG_NS
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
