"""What launchers, schedulers and the kernel say of a job and of its processes. Pure.

A launcher knows the first end that it has heard of, which need not be the first: it hears of its own node's ranks
sooner. So what it says counts where a rank's own end is not known, and where nothing else decides.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ranklog_collector.core.verdict.events import Case, Weight
from ranklog_collector.core.verdict.evidence import Machine, Member, Moment, Request, Sign
from ranklog_collector.core.verdict.finding import Category, Quote
from ranklog_collector.core.verdict.signatures import Role

TOLD_LAG_NS = 2_000_000_000
"""Who governs the job says what it did at most so much later."""
NOTED_NS = 500_000_000
"""Who sends a signal to all reaches ranks before `ranklog run` has noted it, which takes so long at most."""
KILLERS = frozenset(("hydra-bad-termination",))
"""These launchers kill who is left, and then name the first of their list rather than the first that was killed."""
JOB_ENDS = frozenset((Category.TIME_LIMIT, Category.PREEMPTED, Category.CANCELED))

SHELL_SIGNALS = {134: Category.CRASH, 136: Category.CRASH, 137: Category.KILLED, 139: Category.CRASH}


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
    complained: Moment | None = None
    was_only_said: bool = False
    """Both as of an event."""


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


def of_launchers(case: Case) -> list[Candidate]:
    """What launchers and schedulers say that may have been first, and how they ended themselves."""
    roots = [sign for sign in case.launcher_signs if sign.role is Role.ROOT]
    told = [one for sign in roots if (one := _of_launcher_sign(sign, case)) is not None]
    found = [one for place, one in enumerate(told) if not any(_is_of_same(one, other) for other in told[:place])]
    if not case.ended_well:
        found += [_of_request(request) for request in case.evidence.requests]
    for launcher in case.evidence.launchers:
        if launcher.asked is not None and not _follows_a_failure(launcher.asked, case):
            found.append(Candidate(Weight.JOB, Category.CANCELED, "was asked to end", launcher.asked))
        elif launcher.signal is not None and launcher.ended is not None and not _mirrors(launcher, case):
            summary = f"was ended by {launcher.exit}"
            found.append(Candidate(Weight.KILL, Category.KILLED, summary, launcher.ended, launcher))
    return found


def _of_request(request: Request) -> Candidate:
    moment = Moment(request.time_ns - NOTED_NS, request.time_ns)
    return Candidate(Weight.JOB, request.category, str(request), moment, quotes=request.quotes)


def _is_of_same(one: Candidate, other: Candidate) -> bool:
    """Whether both are about one process."""
    return one.member is not None and one.member is other.member


def _mirrors(launcher: Member, case: Case) -> bool:
    """Whether it ended by the signal that had ended a process of its: srun tells its caller in this way."""
    return any(one.signal == launcher.signal for one in case.members)


def _follows_a_failure(moment: Moment, case: Case) -> bool:
    """Whether something had ended badly by then: whoever sees that may well end the rest."""
    return any(event.weight <= Weight.MUTE and event.moment.is_before(moment) for event in case.events)


def _of_launcher_sign(sign: Sign, case: Case) -> Candidate | None:
    moment = replace(sign.moment, earliest_ns=sign.moment.latest_ns - TOLD_LAG_NS)
    if sign.category in JOB_ENDS:
        return Candidate(Weight.JOB, sign.category, sign.says, moment, quotes=(sign.quote,))
    if sign.category is Category.NODE_LOST:
        machine = machine_of(sign, case)
        if machine is None or machine.event == "lost":
            return None
        return Candidate(Weight.OWN, sign.category, sign.says, moment, machine=machine, quotes=(sign.quote,))
    if sign.category in (Category.IMPORT, Category.USAGE):
        return Candidate(Weight.JOB, sign.category, sign.says, moment, quotes=(sign.quote,))
    member = member_of(sign, case)
    if member is None:
        return None
    if member.ended is not None:
        moment = min(moment, member.ended, key=lambda one: one.latest_ns)
    own = next((one for one in case.events if one.member is member), None)
    if own is not None and own.weight is Weight.OWN:
        return None  # what it said itself tells more, and this may be a copy of it
    if any(one.member is member for one in case.complaints):
        return None
    says = sign.says
    if sign.category is Category.MPI_ABORT and "code" not in sign.facts and member.exit_code is not None:
        says += f" with {member.exit_code}"
    return Candidate(Weight.OWN, sign.category, says, moment, member, quotes=(sign.quote,), error=says)


def machine_of(sign: Sign, case: Case) -> Machine | None:
    """The node that a launcher's message speaks of."""
    name = sign.facts.get("host") or sign.facts.get("ip") or ""
    return next((one for one in case.evidence.machines if name and name in (one.id, one.ip, one.hostname)), None)


def _is_at(member: Member, host: str) -> bool:
    host = host.rpartition("@")[2]
    return (
        host in (member.hostname, member.ip, member.node) or host.partition(".")[0] == member.hostname.partition(".")[0]
    )


# ---- jobs of which nothing but the launcher was captured ------------------------------------------------------------


def named_only(case: Case) -> list[Candidate]:
    """Whom a launcher names whose ranks were not captured."""
    for sign in case.launcher_signs:
        if sign.role in (Role.CONFIRMATION, Role.ROOT) and ("rank" in sign.facts or "pid" in sign.facts):
            return [_of_name(case, sign)]
    return []


def _of_name(case: Case, sign: Sign) -> Candidate:
    rank, pid = sign.facts.get("rank", ""), sign.facts.get("pid", "")
    member = Member(
        f"rank_{rank}" if rank.isdecimal() else f"process_{pid}",
        rank=int(rank) if rank.isdecimal() else None,
        pid=int(pid) if pid.isdecimal() else None,
        hostname=sign.facts.get("host", ""),
        state="Failed",
    )
    if sign.role is Role.ROOT:
        return Candidate(Weight.OWN, sign.category, sign.says, sign.moment, member, quotes=(sign.quote,))
    if sign.category is not Category.UNKNOWN:
        return Candidate(Weight.OWN, sign.category, sign.says, sign.moment, member, quotes=(sign.quote,))
    launcher = case.members[0]
    summary = f"is whom the launcher names, which ended with {launcher.exit or 'nothing yet'}"
    category = SHELL_SIGNALS.get(launcher.exit_code or 0, Category.EXIT_CODE)
    return Candidate(Weight.OWN, category, summary, sign.moment, member, quotes=(sign.quote,))
