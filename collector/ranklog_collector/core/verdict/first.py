"""Which event was the first: of what can have been a cause, the earliest by corrected time. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from ranklog_collector.core.verdict.events import Case, Complaint, Event, Weight
from ranklog_collector.core.verdict.evidence import Machine, Member, Moment, Sign
from ranklog_collector.core.verdict.finding import Category, Quote
from ranklog_collector.core.verdict.signatures import Role

SILENCE_NS = 3_000_000_000
"""A node is called lost when it has said nothing for so long."""
CLOSED_LAG_NS = 1_000_000_000
"""That a process was killed may be noticed so much later than its peers complain: the one who notices is busy too."""
CLEANING_NS = 30_000_000_000
"""A process may take so long from closing its connections to its end."""
TOLD_LAG_NS = 2_000_000_000
"""Who governs the job says what it did at most so much later."""
KILLERS = frozenset(("hydra-bad-termination",))
"""These launchers kill who is left, and then name the first of their list rather than the first that was killed."""
JOB_ENDS = frozenset((Category.TIME_LIMIT, Category.PREEMPTED, Category.CANCELED))


@dataclass(frozen=True, slots=True)
class Candidate:
    """What may have been first: a process, a node, or an end of the job as a whole (neither)."""

    weight: Weight
    category: Category
    summary: str
    moment: Moment
    member: Member | None = None
    machine: Machine | None = None
    quotes: tuple[Quote, ...] = ()
    error: str = ""


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
    found = [_of_event(event) for event in case.events]
    found += [_of_machine(case, machine) for machine in lost_machines(case)]
    found += _of_launchers(case)
    return sorted(found, key=lambda one: one.moment.latest_ns)


def choose(case: Case, found: Sequence[Candidate]) -> Choice | None:
    """Take the first of them that can have been a cause."""
    left = [one for one in found if not _is_in_the_wake(one, case)]
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
    named = [one for one in alone if any(True for _ in confirming(case, one))]
    return named or alone


def lost_machines(case: Case) -> list[Machine]:
    """Nodes that are silent although processes of theirs had not ended."""
    open_nodes = {one.node for one in case.running}
    return [one for one in case.evidence.machines if one.event == "lost" and one.id in open_nodes]


def member_of(sign: Sign, case: Case) -> Member | None:
    """The process that a launcher's message speaks of: by rank, else by pid and host."""
    rank, pid, host = sign.facts.get("rank"), sign.facts.get("pid"), sign.facts.get("host")
    if rank is not None and rank.isdecimal():
        return next((one for one in case.members if one.rank == int(rank)), None)
    if pid is None or not pid.isdecimal():
        return None
    same = [one for one in case.members if int(pid) in (one.pid, one.exec_pid) and (host is None or _is_at(one, host))]
    return same[0] if len(same) == 1 else None


def confirming(case: Case, one: Candidate) -> Iterator[Sign]:
    """What launchers say of a process's end."""
    for sign in case.launcher_signs:
        if sign.role is not Role.CONFIRMATION or (one.weight is Weight.KILL and sign.signature in KILLERS):
            continue
        if one.member is not None and member_of(sign, case) is one.member:
            yield sign


def first_complaint(complaints: Iterable[Complaint]) -> Complaint | None:
    """The earliest of them."""
    return min(complaints, key=lambda one: one.moment.latest_ns, default=None)


def _is_at(member: Member, host: str) -> bool:
    host = host.rpartition("@")[2]
    return (
        host in (member.hostname, member.ip, member.node) or host.partition(".")[0] == member.hostname.partition(".")[0]
    )


def _of_event(event: Event) -> Candidate:
    return Candidate(
        event.weight, event.category, event.summary, event.moment, event.member, quotes=event.quotes, error=event.error
    )


def _of_machine(case: Case, machine: Machine) -> Candidate:
    since = machine.heard_ns if machine.heard_ns is not None else machine.time_ns - SILENCE_NS
    moment = Moment(min(since, machine.time_ns), max(since, machine.time_ns), 0)
    return Candidate(Weight.OWN, Category.NODE_LOST, "was lost", moment, machine=machine, error="lost")


def _of_launchers(case: Case) -> list[Candidate]:
    roots = [sign for sign in case.launcher_signs if sign.role is Role.ROOT]
    found = [one for sign in roots if (one := _of_launcher_sign(sign, case)) is not None]
    for launcher in case.evidence.launchers:
        if launcher.asked is not None and not _follows_a_failure(launcher.asked, case):
            found.append(Candidate(Weight.JOB, Category.CANCELED, "was asked to end", launcher.asked))
        elif launcher.signal is not None and launcher.ended is not None:
            summary = f"was ended by {launcher.exit}"
            found.append(Candidate(Weight.KILL, Category.KILLED, summary, launcher.ended, launcher))
    return found


def _follows_a_failure(moment: Moment, case: Case) -> bool:
    """Whether something had ended badly by then: whoever sees that may well end the rest."""
    return any(event.weight <= Weight.MUTE and event.moment.is_before(moment) for event in case.events)


def _of_launcher_sign(sign: Sign, case: Case) -> Candidate | None:
    moment = replace(sign.moment, earliest_ns=sign.moment.latest_ns - TOLD_LAG_NS)
    if sign.category in JOB_ENDS:
        return Candidate(Weight.JOB, sign.category, sign.says, moment, quotes=(sign.quote,))
    if sign.category is Category.NODE_LOST:
        machine = _machine(sign, case)
        if machine is None or machine.event == "lost":
            return None
        return Candidate(Weight.OWN, sign.category, sign.says, moment, machine=machine, quotes=(sign.quote,))
    member = member_of(sign, case)
    if member is None and "rank" in sign.facts:
        return None
    if member is not None and member.ended is not None:
        moment = min(moment, member.ended, key=lambda one: one.latest_ns)
    own = next((one for one in case.events if member is not None and one.member is member), None)
    if own is not None and own.weight is Weight.OWN and own.category is not sign.category:
        return None  # what it said itself tells more
    if any(one.member is member for one in case.complaints):
        return None
    return Candidate(Weight.OWN, sign.category, sign.says, moment, member, quotes=(sign.quote,), error=sign.says)


def _machine(sign: Sign, case: Case) -> Machine | None:
    name = sign.facts.get("host") or sign.facts.get("ip") or ""
    return next((one for one in case.evidence.machines if name and name in (one.id, one.ip, one.hostname)), None)


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
    if one.weight in (Weight.KILL, Weight.MUTE):
        lag = 0 if early_exits(case) else CLOSED_LAG_NS
        return any(two.moment.latest_ns + lag < one.moment.earliest_ns for two in others)
    return False


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
