"""Who holds the others up, when a job stands still: by what they say, where they are, and how far they came. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ranklog_collector.core.verdict.events import Case
from ranklog_collector.core.verdict.evidence import Member, Suspicion
from ranklog_collector.core.verdict.finding import Confidence, Quote

SILENT_NS = 5_000_000_000
"""Nobody is called silent before."""
PAUSES = 3
"""Nor before so many times the longest it was silent for until then."""
OFTEN = 4
"""Who has spoken less often has no rhythm."""
_RANKS = re.compile(r"\d{1,9}")
_NUMBERS = re.compile(r"0x[0-9a-fA-F]+|\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")


@dataclass(frozen=True, slots=True)
class Suspects:
    """Processes that the others wait for, probably."""

    members: tuple[Member, ...]
    why: str
    confidence: Confidence
    quotes: tuple[Quote, ...] = ()


def silence_ns(member: Member, at_ns: int) -> int | None:
    """How long it had said nothing, if that is unusual for it."""
    times = _spoke(member, at_ns)
    if times is None:
        return None
    pause = max(later - earlier for earlier, later in pairwise(times))
    silence = at_ns - times[-1]
    return silence if silence > max(SILENT_NS, PAUSES * pause) else None


def stands_still(members: Sequence[Member], at_ns: int) -> bool:
    """Whether all of which it can be told are silent."""
    rhythmic = [one for one in members if _spoke(one, at_ns) is not None]
    return bool(rhythmic) and all(silence_ns(one, at_ns) is not None for one in rhythmic)


def _spoke(member: Member, at_ns: int) -> list[int] | None:
    """When it had said something by then; None if that is not often enough to know what is usual."""
    times = [time for time in member.spoke if time <= at_ns]
    return times if len(times) >= OFTEN else None


def suspects(case: Case, pool: Sequence[Member]) -> Suspects | None:
    """Of `pool` those that the others wait for; None if nothing tells them apart."""
    tests: tuple[Callable[[Case, Sequence[Member]], Suspects | None], ...] = (
        suspected,
        _missed,
        _behind_in_collectives,
        _behind_in_steps,
        _quiet,
        _saying_something_else,
    )
    for test in tests:
        found = test(case, pool)
        if found is not None and 0 < len(found.members) <= max(1, (len(case.members) - 1) // 2):
            return found
    return None


def suspected(case: Case, pool: Sequence[Member]) -> Suspects | None:
    """Of `pool` those that stacks or flight recordings show elsewhere, if they have said nothing since."""
    for one in case.evidence.suspicions:
        members = tuple(member for member in pool if member.rank in one.ranks and not _has_moved(member, one))
        if members:
            return Suspects(members, one.why, one.confidence, one.quotes)
    return None


def _missed(case: Case, pool: Sequence[Member]) -> Suspects | None:
    """Whom those that waited name."""
    waiting = {one.member.name for one in case.complaints if one.is_timeout}
    signs = [sign for one in case.members if one.name in waiting for sign in one.signs if "absent" in sign.facts]
    named = {int(rank) for sign in signs for rank in _RANKS.findall(sign.facts["absent"])}
    members = tuple(one for one in pool if one.rank in named)
    if not members or len(members) < len(named):
        return None
    return Suspects(members, "did not come, as those say who waited", Confidence.LIKELY, (signs[0].quote,))


def _has_moved(member: Member, suspicion: Suspicion) -> bool:
    """Whether it has said something since."""
    since = suspicion.time_ns
    return since is not None and (member.last_output_ns or 0) > since + SILENT_NS


def _behind_in_collectives(case: Case, pool: Sequence[Member]) -> Suspects | None:
    """By the numbers of collectives that NCCL's watchdogs tell."""
    found = _behind(pool, lambda one: _number(one, "enqueued"))
    if found is None:
        found = _behind(pool, lambda one: _number(one, "work"))
    if found is None:
        return None
    members, own, others = found
    return Suspects(members, f"had come to collective {own}, the others to {others}", Confidence.LIKELY)


def _behind_in_steps(case: Case, pool: Sequence[Member]) -> Suspects | None:
    """By the steps that they have logged or printed, in the same words."""
    kinds = Counter(one.step.kind for one in pool if one.step is not None)
    if not kinds:
        return None
    kind, _ = kinds.most_common(1)[0]
    steps = {one.name: one.step for one in pool if one.step is not None and one.step.kind == kind}
    least = min(step.progress for step in steps.values())
    behind = tuple(one for one in pool if one.name in steps and steps[one.name].progress == least)
    others = [step for step in steps.values() if step.progress > least]
    if not others:
        return None
    nearest = min(others, key=lambda step: step.progress)
    return Suspects(behind, f"stopped after {steps[behind[0].name]}, the others after {nearest}", Confidence.LIKELY)


def _quiet(case: Case, pool: Sequence[Member]) -> Suspects | None:
    """Who has not complained, when all the others have."""
    complaining = {one.member.name for one in case.complaints if one.is_timeout}
    quiet = tuple(one for one in pool if one.name not in complaining)
    if not complaining or len(quiet) != 1:
        return None
    return Suspects(quiet, "did not come to the collective that the others waited in", Confidence.LIKELY)


def _saying_something_else(case: Case, pool: Sequence[Member]) -> Suspects | None:
    """Whose last line is another than that of the others, which is the same for all of them."""
    last = {one.name: _without_numbers(one.last_words[-1].text) for one in case.members if one.last_words}
    complaining = {one.member.name: one for one in case.complaints}
    before = {name: text for name, text in last.items() if name not in complaining}
    counts = Counter(before.values())
    if len(before) < 3 or not counts:
        return None
    usual, count = counts.most_common(1)[0]
    odd = tuple(one for one in pool if one.name in before and before[one.name] != usual)
    if not odd or count < 2 or count + len(odd) < len(before):
        return None
    return Suspects(odd, "said something else last than the others", Confidence.POSSIBLE)


def _behind(
    pool: Iterable[Member], progress: Callable[[Member], int | None]
) -> tuple[tuple[Member, ...], int, int] | None:
    """Those that came least far, how far that is, and how far the others came."""
    reached = [(one, at) for one in pool if (at := progress(one)) is not None]
    if len(reached) < 2:
        return None
    least = min(at for _, at in reached)
    behind = tuple(one for one, at in reached if at == least)
    others = [at for _, at in reached if at > least]
    return (behind, least, min(others)) if others else None


def _number(member: Member, fact: str) -> int | None:
    for sign in reversed(member.signs):
        value = sign.facts.get(fact)
        if value is not None and value.isdecimal():
            return int(value)
    return None


def _without_numbers(text: str) -> str:
    return _NUMBERS.sub("#", text).strip()
