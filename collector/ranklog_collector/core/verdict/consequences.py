"""What happened in the wake of the first event, folded: who suffered the same is named together. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ranklog_collector.core.verdict.events import Case
from ranklog_collector.core.verdict.evidence import Member
from ranklog_collector.core.verdict.finding import Consequence, Culprit, Quote
from ranklog_collector.core.verdict.words import in_kind, short


@dataclass(frozen=True, slots=True)
class _Victim:
    member: Member
    what: str
    key: str
    time_ns: int
    quotes: tuple[Quote, ...]


def consequences(case: Case, culprits: Iterable[str], since_ns: int | None) -> tuple[Consequence, ...]:
    """Fold what befell all but the culprits, who are named; delays are counted from `since_ns`."""
    named = set(culprits)
    groups: dict[str, list[_Victim]] = {}
    for victim in _victims(case):
        if victim.member.name not in named:
            groups.setdefault(victim.key, []).append(victim)
    folded = [_folded(group, since_ns) for group in groups.values()]
    return tuple(sorted(folded, key=lambda one: (one.delay_min_ns is None, one.delay_min_ns or 0, one.what)))


def wake(case: Case, culprits: Sequence[Culprit]) -> tuple[Consequence, ...]:
    """Fold what befell the others after the first of the culprits."""
    times = [one.time_ns for one in culprits if one.time_ns is not None]
    return consequences(case, {one.name for one in culprits}, min(times) if times else None)


def _victims(case: Case) -> list[_Victim]:
    found = [_Victim(one.member, one.says, one.says, one.moment.latest_ns, one.quotes) for one in case.complaints]
    for event in case.events:
        what = short(event.summary).removeprefix("was ")
        key = in_kind(event.category, what)
        found.append(_Victim(event.member, what, key, event.moment.latest_ns, event.quotes))
    return found


def _folded(group: Sequence[_Victim], since_ns: int | None) -> Consequence:
    group = sorted(group, key=lambda one: one.time_ns)
    first = group[0]
    return Consequence(
        first.what,
        tuple(one.member.name for one in group),
        tuple(sorted(one.member.rank for one in group if one.member.rank is not None)),
        None if since_ns is None else first.time_ns - since_ns,
        None if since_ns is None else group[-1].time_ns - since_ns,
        first.quotes,
    )
