"""What to know beside a verdict, before trusting it. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from ranklog_collector.core.verdict.events import ORDERLY, Case
from ranklog_collector.core.verdict.evidence import Member
from ranklog_collector.core.verdict.launchers import member_of
from ranklog_collector.core.verdict.words import called, clock_text, introduced, several, span_text

EARLY_NS = 1_000_000_000
"""Who ends with 0 so long before the others is worth a remark."""
REMARKS_MAX = 10
_LAST_WORDS_MAX = 60


def remarks(case: Case, is_early_told: bool = False) -> list[str]:
    """Ranks that were never seen, lost output, tracebacks that had no consequence, early ends."""
    found: list[str] = []
    handled: list[tuple[int, Member, str]] = []
    absent = [one for one in case.members if one.state == "NotStarted"]
    if absent:
        found.append(f"nothing was ever heard of {several(absent)}")
    if not is_early_told and (early := _early(case)):
        found.append(early)
    if case.ended_well:
        found += [f"the job {one} at {clock_text(one.time_ns)}" for one in case.evidence.requests]
    struck = [event for event in case.events if event.member.was_struck and event.member.signal in ORDERLY]
    if struck and case.evidence.state != "canceled":
        who = several([event.member for event in struck])
        found.append(f"who sent that signal is not known: nobody has asked for an end, and it was sent to {who} alone")
    for one in case.members:
        if one.lost_bytes:
            found.append(f"{introduced(one, False)} lost {one.lost_bytes} bytes of its output to a full disk")
        if one.has_completed and (said := [sign for sign in one.signs if sign.is_traceback]):
            handled.append((said[0].moment.latest_ns, one, said[0].says))
    if len(handled) == 1:
        found.append(f"{introduced(handled[0][1], False)} printed a traceback, but ended with 0")
    elif handled:
        _, first, says = min(handled, key=lambda one: one[0])
        who = several([one for _, one, _ in handled], len(case.members))
        found.append(f"{who} printed tracebacks, but ended with 0; {called(first)} {says[:_LAST_WORDS_MAX]} first")
    return [*found, *dict.fromkeys(_named_by_pid(case))][:REMARKS_MAX]


def _named_by_pid(case: Case) -> Iterator[str]:
    """Which ranks a launcher speaks of that knows none."""
    for sign in case.launcher_signs:
        member, host = member_of(sign, case), sign.facts.get("host")
        if member is not None and member.rank is not None and host is not None and "rank" not in sign.facts:
            yield f"pid {sign.facts.get('pid')} on {host}, which the launcher names, is rank {member.rank}"


def quiet(case: Case) -> list[str]:
    """Who did not complain."""
    complaining = {one.member.name for one in case.complaints}
    silent = [one for one in case.members if one.name not in complaining and not one.has_completed]
    return [f"{several(silent)} said nothing of the kind"] if silent else []


def unplaced(case: Case) -> list[str]:
    """Whom a launcher names by a pid that no record has."""
    return [
        f"the launcher names pid {pid} on {host}, which no process record has"
        for sign in case.launcher_signs
        if (pid := sign.facts.get("pid", "0")) != "0" and (host := sign.facts.get("host")) and not member_of(sign, case)
    ]


def before_the_others(case: Case) -> list[Member]:
    """The few that ended with 0 well before any other ended."""
    ended = sorted((one.ended.latest_ns, index) for index, one in enumerate(case.members) if one.ended is not None)
    for position in range(min(len(ended) - 1, (len(case.members) - 1) // 2), 0, -1):
        if ended[position - 1][0] + EARLY_NS < ended[position][0]:
            first = [case.members[index] for _, index in ended[:position]]
            return first if all(one.has_completed for one in first) else []
    return []


def _early(case: Case) -> str:
    early = before_the_others(case)
    if not early:
        return ""
    others = [one.ended.latest_ns for one in case.members if one.ended is not None and one not in early]
    before = min(others) - max(one.ended.latest_ns for one in early if one.ended is not None)
    said = early[0].last_words[-1].text if len(early) == 1 and early[0].last_words else ""
    last = f"; its last line: {said[:_LAST_WORDS_MAX]}" if said else ""
    return f"{several(early)} ended with 0, {span_text(before)} before the others{last}"
