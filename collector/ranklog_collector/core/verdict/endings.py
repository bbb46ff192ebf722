"""Verdicts on what has happened: from the event that was the first, or from there being none. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ranklog_collector.core.ends import AT_ONCE_NS
from ranklog_collector.core.verdict.absent import never_started
from ranklog_collector.core.verdict.consequences import consequences, wake
from ranklog_collector.core.verdict.culprits import ALIKE, hanging, headline, of_candidate, of_member
from ranklog_collector.core.verdict.early import early_exit_behind, ended_early_saying_else, left_early
from ranklog_collector.core.verdict.events import ORDERLY, Case, Complaint, Weight
from ranklog_collector.core.verdict.evidence import Member
from ranklog_collector.core.verdict.finding import Category, Confidence, Culprit, Status, Verdict
from ranklog_collector.core.verdict.first import Choice, early_exits, first_complaint
from ranklog_collector.core.verdict.launchers import Candidate
from ranklog_collector.core.verdict.nameless import nameless_end
from ranklog_collector.core.verdict.remarks import quiet, remarks, unplaced
from ranklog_collector.core.verdict.scan import raised
from ranklog_collector.core.verdict.standstill import Suspects, silence_ns, stands_still, suspects
from ranklog_collector.core.verdict.words import clock_text, in_kind, introduced, plural, several, span_text

ABOUT_ANYBODY = frozenset(("connection-closed", "connection-timeout"))
"""What programs say in these words need not be about the job's own processes."""
_FROM_OUTSIDE = frozenset((Weight.KILL, Weight.ORDERLY))
_FROM_ABOVE = frozenset((Category.CANCELED, Category.TIME_LIMIT))


def of_choice(case: Case, choice: Choice) -> Verdict:
    """Something was the first."""
    lead = choice.first[0]
    if (stood := _of_standstill_before(case, choice)) is not None:
        return stood
    if _is_from_outside(choice) and (absent := never_started(case, lead.moment.earliest_ns)) is not None:
        return absent
    if lead.member is None and lead.machine is None:
        return _of_job(case, lead)
    if (early := early_exit_behind(case, choice)) is not None:
        return early
    if choice.weight is Weight.ORDERLY or _were_all_killed(case, choice):
        return _of_all_ended(case, choice)
    if choice.weight is Weight.GONE and (len(choice.first) > 1 or len(case.members) == 1):
        return _of_gone(case, [one.member for one in choice.first if one.member is not None])
    alike = _alike(case, choice)
    culprits = tuple(of_candidate(case, one) for one in alike)
    is_tie = len(choice.first) > 1
    return Verdict(
        Status.SUSPECT if lead.machine is not None and case.evidence.is_live else Status.FAILED,
        headline(case, culprits, is_tie, _same_elsewhere(case, choice, alike)),
        lead.category,
        _confidence(case, choice),
        culprits,
        is_tie,
        wake(case, culprits),
        remarks=tuple(remarks(case)),
    )


def _of_gone(case: Case, members: Sequence[Member]) -> Verdict:
    if (nameless := nameless_end(case)) is not None:
        return nameless
    line = f"how {several(members, case.evidence.world_size)} ended was not recorded"
    return Verdict(Status.UNKNOWN, line, Category.UNKNOWN, remarks=(*unplaced(case), *remarks(case)))


def of_complaints(case: Case) -> Verdict | None:
    """All that is said is said about others."""
    complaint = first_complaint(case.complaints)
    if complaint is None:
        return None
    if early := early_exits(case):
        return left_early(case, early, Confidence.LIKELY)
    if (own := _own_fault(case)) is not None:
        return own
    complaining = {one.member.name for one in case.complaints}
    timeouts = [one for one in case.complaints if one.is_timeout]
    if timeouts and (absent := never_started(case)) is not None:
        return absent
    pool = [one for one in case.members if not one.has_completed and one.state != "NotStarted"]
    pool = [one for one in pool if one.name not in complaining] or pool
    found = suspects(case, pool) if timeouts else None
    if found is not None:
        status = Status.SUSPECT if case.evidence.is_live else Status.FAILED
        return _hung(case, found, status, "")
    victims = several([one.member for one in case.complaints], case.evidence.world_size)
    verb = "says" if len(case.complaints) == 1 else "say"
    words = (
        f"{victims} {verb}: {complaint.says}, at {clock_text(complaint.moment.latest_ns)} first; of whom is not known"
    )
    return Verdict(
        Status.SUSPECT if case.evidence.is_live else Status.UNKNOWN,
        words,
        Category.COLLECTIVE,
        None,
        consequences=consequences(case, (), complaint.moment.latest_ns),
        remarks=(*quiet(case), *unplaced(case), *remarks(case)),
    )


def _own_fault(case: Case) -> Verdict | None:
    """What a process says of a peer is about another program if no process of the job had gone: a data base, say."""
    complaint = case.complaints[0]
    others = [one for one in case.members if one is not complaint.member]
    if case.is_uncaptured or complaint.member.ended is None or len(case.complaints) > 1:
        return None
    if others and complaint.quotes[0].signature not in ABOUT_ANYBODY:
        return None
    if others and (complaint.is_timeout or not all(_outlived(one, complaint) for one in others)):
        return None
    summary = raised(complaint.quotes[0].text) or f"ended: {complaint.says}"
    culprits = (of_member(complaint.member, Category.EXCEPTION, summary, complaint.moment, complaint.quotes),)
    return Verdict(
        Status.FAILED,
        headline(case, culprits, False),
        Category.EXCEPTION,
        Confidence.POSSIBLE if others else Confidence.LIKELY,
        culprits,
        consequences=wake(case, culprits),
        remarks=tuple(remarks(case)),
    )


def _outlived(one: Member, complaint: Complaint) -> bool:
    """Whether a process ended because it was asked to after another had complained, and that not of its node."""
    is_meant = complaint.peer and complaint.peer in (one.ip, one.hostname)
    return not is_meant and one.asked is not None and complaint.moment.is_before(one.asked)


def of_nothing(case: Case) -> Verdict:
    """It is over, and nothing that was recorded went wrong."""
    evidence = case.evidence
    absent = [one for one in case.members if one.state == "NotStarted"]
    failed = [one for one in evidence.launchers if one.exit_code]
    if evidence.state == "canceled":
        return Verdict(Status.CANCELED, "the run was canceled", Category.CANCELED, Confidence.CERTAIN)
    if absent and len(absent) < len(case.members):
        line = f"{several(absent)} never started, and why was not recorded"
        return Verdict(Status.UNKNOWN, line, Category.UNKNOWN, remarks=tuple(remarks(case)))
    open_ones = [one for one in case.members if one.ended is None and one.state != "NotStarted"]
    if open_ones:
        return _of_gone(case, open_ones)
    if failed:
        line = f"the launcher {introduced(failed[0], False)} ended with {failed[0].exit}; its ranks did not fail"
        return Verdict(Status.UNKNOWN, line, Category.UNKNOWN, remarks=tuple(remarks(case)))
    if not case.members:
        return Verdict(Status.UNKNOWN, "no process was recorded", Category.UNKNOWN)
    if (odd := ended_early_saying_else(case)) is not None:
        return odd
    line = f"{several(case.members, len(case.members))} ended with 0"
    return Verdict(Status.FINE, line, remarks=tuple(remarks(case)))


# ---- of the job as a whole ------------------------------------------------------------------------------------------


def _of_job(case: Case, lead: Candidate) -> Verdict:
    """Its end was decided elsewhere."""
    is_canceled = lead.category is Category.CANCELED
    line = f"the job {lead.summary} at {clock_text(lead.moment.latest_ns)}"
    return Verdict(
        Status.CANCELED if is_canceled else Status.FAILED,
        line,
        lead.category,
        Confidence.CERTAIN if lead.quotes or case.evidence.state == "canceled" else Confidence.LIKELY,
        consequences=consequences(case, (), lead.moment.latest_ns),
        quotes=lead.quotes,
        remarks=tuple(remarks(case)),
    )


def _were_all_killed(case: Case, choice: Choice) -> bool:
    """Whether all were killed at once, which nobody of them can have done."""
    ended = [one for one in case.members if one.ended is not None and not one.has_completed]
    if _were_all_struck(ended):
        return True
    return choice.weight is Weight.KILL and len(choice.first) > 1 and len(choice.first) == len(ended)


def _were_all_struck(ended: Sequence[Member]) -> bool:
    """Whether somebody has sent all of several the same orderly signal, one by one."""
    times = [one.ended.latest_ns for one in ended if one.ended is not None]
    are_orderly = all(one.was_struck and one.signal in ORDERLY for one in ended)
    return len(times) > 1 and are_orderly and max(times) - min(times) <= AT_ONCE_NS


def _of_all_ended(case: Case, choice: Choice) -> Verdict:
    """Somebody outside ended it, or one of it."""
    lead = min(choice.first, key=lambda one: one.moment.latest_ns)
    ended = [one for one in case.members if one.ended is not None and not one.has_completed]
    were_struck = _were_all_struck(ended)
    members = ended if were_struck else [one.member for one in choice.first if one.member is not None]
    is_canceled = (
        were_struck
        or case.evidence.state == "canceled"
        or any(sign.category is Category.CANCELED for sign in case.launcher_signs)
    )
    spoken = {one.member.name for one in case.complaints} | {one.member.name for one in case.events}
    ended_likewise = [one for one in case.events if one.weight >= Weight.ORDERLY]
    culprits: tuple[Culprit, ...] = ()
    if len(choice.first) == 1 and len(ended_likewise) < 2 and len(spoken) > 1 and not is_canceled:
        culprits = (of_candidate(case, lead),)
        line = headline(case, culprits, False)
        return Verdict(
            Status.FAILED, line, Category.KILLED, Confidence.LIKELY, culprits, consequences=wake(case, culprits)
        )
    who, at = several(members, case.evidence.world_size), clock_text(lead.moment.latest_ns)
    line = f"{who} {plural(lead.summary, len(members))}, from outside, at {at}"
    return Verdict(
        Status.CANCELED if is_canceled or choice.weight is Weight.ORDERLY else Status.FAILED,
        line,
        Category.CANCELED if is_canceled or choice.weight is Weight.ORDERLY else Category.KILLED,
        Confidence.LIKELY,
        consequences=consequences(case, (), lead.moment.latest_ns),
        remarks=tuple(remarks(case)),
    )


def _is_from_outside(choice: Choice) -> bool:
    return choice.first[0].category in _FROM_ABOVE or choice.weight in _FROM_OUTSIDE


def _of_standstill_before(case: Case, choice: Choice) -> Verdict | None:
    """It was ended from outside, but had stood still long before."""
    at = choice.first[0].moment.earliest_ns
    pool = [one for one in case.members if not one.has_completed]
    if not _is_from_outside(choice) or len(pool) < 2 or not stands_still(pool, at):
        return None
    found = suspects(case, pool)
    if found is None:
        return None
    silence = max((silence_ns(one, at) or 0 for one in pool), default=0)
    status = Status.CANCELED if case.evidence.state == "canceled" else Status.FAILED
    return _hung(case, found, status, f"; the job stood still for {span_text(silence)} before it was ended")


def _hung(case: Case, found: Suspects, status: Status, note: str) -> Verdict:
    culprits = hanging(found, is_over=True)
    is_tie = len(culprits) > 1
    return Verdict(
        status,
        headline(case, culprits, is_tie, note),
        Category.HANG,
        found.confidence,
        culprits,
        is_tie,
        wake(case, culprits),
        remarks=tuple(remarks(case)),
    )


# ---- parts ----------------------------------------------------------------------------------------------------------


def _alike(case: Case, choice: Choice) -> list[Candidate]:
    """The first, and of errors that are the job's own all who have the same."""
    lead = choice.first[0]
    if lead.category not in ALIKE:
        return list(choice.first)
    return [*choice.first, *(one for one in choice.others if one.member is not None and _is_same(one, lead))]


def _same_elsewhere(case: Case, choice: Choice, alike: Sequence[Candidate]) -> str:
    lead = choice.first[0]
    same = [one for one in choice.others if one not in alike and one.member is not None and _is_same(one, lead)]
    if not same or not lead.error:
        return ""
    members = [one.member for one in same if one.member is not None]
    delay = min(one.moment.latest_ns for one in same) - lead.moment.latest_ns
    return f"; {several(members)} did the same {span_text(delay)} later"


def _is_same(one: Candidate, other: Candidate) -> bool:
    return in_kind(one.category, one.error) == in_kind(other.category, other.error) and one.category is other.category


def _confidence(case: Case, choice: Choice) -> Confidence:
    lead = choice.first[0]
    if lead.machine is not None or len(choice.first) > 1 or choice.was_close:
        return Confidence.LIKELY
    if lead.weight in (Weight.MUTE, Weight.GONE):
        return Confidence.LIKELY if lead.weight is Weight.MUTE else Confidence.POSSIBLE
    is_alone = not any(one.moment.is_tied_with(lead.moment) for one in choice.others)
    said_before = any(one.member is not lead.member and one.moment.is_before(lead.moment) for one in case.complaints)
    has_ended = lead.member is None or lead.member.ended is not None
    return Confidence.CERTAIN if is_alone and has_ended and not said_before else Confidence.LIKELY
