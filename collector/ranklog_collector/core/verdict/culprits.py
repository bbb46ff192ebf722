"""Culprits, and the line that says who they are and what they did. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ranklog_collector.core.ranks import ranks_text
from ranklog_collector.core.verdict.events import Case
from ranklog_collector.core.verdict.evidence import Machine, Member, Moment
from ranklog_collector.core.verdict.finding import Category, Culprit, Quote
from ranklog_collector.core.verdict.launchers import Candidate, confirming
from ranklog_collector.core.verdict.standstill import Suspects
from ranklog_collector.core.verdict.words import (
    called,
    clock_text,
    error_text,
    in_kind,
    introduced,
    node_called,
    plural,
    several,
    short,
    span_text,
)

ALIKE = frozenset((Category.IMPORT, Category.USAGE))
"""What is wrong with the job itself: whoever has started first says it first."""
_WORDS_MAX = 4
"""Of the ranks of a lost node so many are quoted."""


def of_candidate(case: Case, one: Candidate) -> Culprit:
    """The process or node that a candidate speaks of."""
    if one.machine is not None:
        node = of_machine(case, one.machine, one.summary, one.quotes)
        return replace(node, time_ns=one.moment.latest_ns) if one.quotes else node
    assert one.member is not None
    quotes = one.quotes or tuple(sign.quote for sign in confirming(case, one))[:1]
    return of_member(one.member, one.category, one.summary, one.moment, quotes)


def of_member(
    member: Member,
    category: Category,
    summary: str,
    moment: Moment | None = None,
    quotes: tuple[Quote, ...] = (),
) -> Culprit:
    """A process."""
    return Culprit(
        member.name,
        category,
        short(summary),
        rank=member.rank,
        node=member.node,
        ip=member.ip,
        hostname=member.hostname,
        pid=member.pid,
        exit=member.exit,
        time_ns=None if moment is None else moment.latest_ns,
        error_ns=0 if moment is None else moment.spread_ns,
        quotes=quotes,
        last_words=member.last_words,
    )


def of_machine(case: Case, machine: Machine, summary: str, quotes: tuple[Quote, ...] = ()) -> Culprit:
    """A node, with what its processes said last."""
    words = [one.last_words[-1] for one in case.members if one.node == machine.id and one.last_words]
    words.sort(key=lambda quote: quote.time_ns or 0, reverse=True)
    return Culprit(
        machine.id,
        Category.NODE_LOST,
        summary,
        node=machine.id,
        ip=machine.ip,
        hostname=machine.hostname,
        time_ns=machine.heard_ns or machine.time_ns,
        error_ns=machine.error_ns,
        quotes=quotes,
        last_words=tuple(words[:_WORDS_MAX]),
    )


def hanging(found: Suspects, is_over: bool) -> tuple[Culprit, ...]:
    """Processes that the others wait for; the time is that of their last word."""
    return tuple(
        of_member(one, Category.HANG, f"{'hung' if is_over else 'hangs'}: it {found.why}", last_word(one), found.quotes)
        for one in found.members
    )


def last_word(member: Member) -> Moment | None:
    """When it said something last."""
    at = member.last_words[-1].time_ns if member.last_words else member.last_output_ns
    return None if at is None else Moment(at, at, node=member.node)


def headline(case: Case, culprits: Sequence[Culprit], is_tie: bool, note: str = "") -> str:
    """One line: who, where, what, when."""
    first = culprits[0]
    are_several = len({one.node for one in case.members}) > 1
    if first.category is Category.NODE_LOST and first.rank is None:
        return _of_node(case, culprits) + note
    if len(culprits) == 1:
        return f"{introduced(first, are_several)} {first.summary}{_at(first)}{note}"
    who = several(culprits, _ranks(case))
    times = [one.time_ns for one in culprits if one.time_ns is not None]
    spread = f", {span_text(max(times) - min(times))} apart" if len(times) > 1 else ""
    if is_tie and len({in_kind(one.category, one.summary) for one in culprits}) > 1:
        return f"{who}: one of them was first ({called(first)} {first.summary}){_at(first)}{spread}{note}"
    tie = ": nobody can tell which was first" if is_tie and first.category not in ALIKE else ""
    return f"{who} {plural(first.summary, len(culprits))}{_at(first)}{spread}{tie}{note}"


def _of_node(case: Case, culprits: Sequence[Culprit]) -> str:
    machines = [one for one in case.evidence.machines if one.id in {culprit.name for culprit in culprits}]
    first = culprits[0]
    ranks = [one.rank for one in case.running if one.node in {culprit.name for culprit in culprits}]
    known = [rank for rank in ranks if rank is not None]
    held = f" with rank{'s' if len(known) > 1 else ''} {ranks_text(known)}" if known else ""
    names = ", ".join(node_called(machine) for machine in machines) or f"node {first.name}"
    since = f", last heard at {clock_text(first.time_ns)}" if first.time_ns else ""
    return f"{names}{held} {first.summary}{_at(first) if first.quotes else since}"


def _at(one: Culprit) -> str:
    if one.time_ns is None:
        return ""
    if one.category is Category.HANG:
        return f", last heard at {clock_text(one.time_ns)}"
    error = error_text(one.error_ns)
    return f" at {clock_text(one.time_ns)}{' ' + error if error else ''}"


def _ranks(case: Case) -> int:
    return max(case.evidence.world_size or 0, len({one.rank for one in case.members if one.rank is not None}))
