"""The verdict: from recorded evidence to which process was first, why, and what was only a consequence. Pure.

It reasons in this order. Of all that can have been a cause, the earliest (first.py). If all there is follows from
something that is not among that: a process that ended with 0 too early, or one that the others waited for in vain
(standstill.py). If there is nothing at all: whether the job goes on as it should. What is not proved is not said.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ranklog_collector.core.verdict.endings import of_choice, of_complaints, of_nothing
from ranklog_collector.core.verdict.events import Case, sort_out
from ranklog_collector.core.verdict.evidence import Evidence, Member, Sign
from ranklog_collector.core.verdict.finding import Status, Verdict
from ranklog_collector.core.verdict.first import candidates, choose
from ranklog_collector.core.verdict.living import of_live
from ranklog_collector.core.verdict.next_steps import next_steps
from ranklog_collector.core.verdict.scan import REPORTER
from ranklog_collector.core.verdict.signatures import Role


def judge(evidence: Evidence) -> Verdict:
    """Tell why a run is as it is."""
    # Of events at one time the first in line is told first: who that is must not depend on what was read first.
    in_order = sorted(evidence.members, key=lambda one: (one.rank is None, one.rank or 0, one.name))
    evidence = replace(evidence, members=tuple(in_order))
    lives = _lives(evidence)
    verdict = _judge_life(evidence, lives, len(lives) - 1)
    remarks = [*evidence.remarks, *verdict.remarks]
    for number in range(len(lives) - 1):
        earlier = _judge_life(evidence, lives, number)
        if earlier.status is not Status.FINE:
            remarks.append(f"start {number + 1} of {len(lives)}: {earlier.headline}")
    attempt = len(lives) - 1 if len(lives) > 1 else None
    verdict = replace(verdict, attempt=attempt, remarks=tuple(dict.fromkeys(remarks)))
    return replace(verdict, next_steps=next_steps(evidence.run, verdict))


def _lives(evidence: Evidence) -> list[tuple[Member, ...]]:
    """The processes of each life of the job: one begins after something of the one before has ended."""
    lives: list[tuple[Member, ...]] = []
    for life in sorted({one.life for one in evidence.members}):
        members = tuple(one for one in evidence.members if one.life == life)
        ended = [one.ended_ns for one in lives[-1] if one.ended_ns is not None] if lives else []
        if lives and not (ended and min(ended) < _begun(members)):
            lives[-1] = (*lives[-1], *members)
        else:
            lives.append(members)
    # If nothing of the ranks was captured, there is what their launcher says.
    return lives or [evidence.launchers]


def _judge_life(evidence: Evidence, lives: list[tuple[Member, ...]], number: int) -> Verdict:
    members = lives[number]
    begun = _begun(members) if number else 0
    over = _begun(lives[number + 1]) if number + 1 < len(lives) else None
    launchers = tuple(one for one in evidence.launchers if one.ended_ns is None or one.ended_ns > begun)
    said = [
        sign
        for launcher in launchers
        for sign in launcher.signs
        if begun <= sign.moment.latest_ns and (over is None or sign.moment.latest_ns <= over)
    ]
    signs = tuple(sign for sign in said if sign.is_launchers)
    members = tuple(_with_reports(one, said) for one in members)
    requests = tuple(one for one in evidence.requests if begun <= one.time_ns and (over is None or one.time_ns <= over))
    here = replace(evidence, launchers=launchers, requests=requests)
    if over is not None:
        here = replace(here, is_live=False, state="failed", launchers=())
    return _judge_case(sort_out(here, members, signs))


def _with_reports(member: Member, said: Iterable[Sign]) -> Member:
    """A process with what it had its launcher say: Open MPI 5 has no other way for its messages."""
    if member.rank is None or any(sign.role in (Role.ROOT, Role.CONSEQUENCE) for sign in member.signs):
        return member
    own = [replace(sign, lines_after=0) for sign in said if sign.facts.get(REPORTER) == str(member.rank)]
    return replace(member, signs=(*member.signs, *own))


def _judge_case(case: Case) -> Verdict:
    choice = choose(case, candidates(case))
    verdict = of_choice(case, choice) if choice is not None else of_complaints(case)
    if verdict is not None:
        return verdict
    return of_live(case) if case.evidence.is_live else of_nothing(case)


def _begun(members: tuple[Member, ...]) -> int:
    return min((one.started_ns for one in members if one.started_ns is not None), default=0)
