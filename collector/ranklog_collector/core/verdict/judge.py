"""The verdict: from recorded evidence to which process was first, why, and what was only a consequence. Pure.

It reasons in this order. Of all that can have been a cause, the earliest (first.py). If all there is follows from
something that is not among that: a process that ended with 0 too early, or one that the others waited for in vain
(standstill.py). If there is nothing at all: whether the job goes on as it should. What is not proved is not said.
"""

from __future__ import annotations

from dataclasses import replace

from ranklog_collector.core.verdict.endings import of_choice, of_complaints, of_nothing
from ranklog_collector.core.verdict.events import Case, sort_out
from ranklog_collector.core.verdict.evidence import Evidence, Sign
from ranklog_collector.core.verdict.finding import Status, Verdict
from ranklog_collector.core.verdict.first import candidates, choose
from ranklog_collector.core.verdict.living import of_live
from ranklog_collector.core.verdict.next_steps import next_steps


def judge(evidence: Evidence) -> Verdict:
    """Tell why a run is as it is."""
    lives = sorted({one.life for one in evidence.members})
    last = lives[-1] if lives else 0
    verdict = _judge_life(evidence, last, is_last=True)
    remarks = [*evidence.remarks, *verdict.remarks]
    for life in lives[:-1]:
        earlier = _judge_life(evidence, life, is_last=False)
        if earlier.status is not Status.FINE:
            remarks.append(f"attempt {life}: {earlier.headline}")
    attempt = last if len(lives) > 1 else None
    verdict = replace(verdict, attempt=attempt, remarks=tuple(dict.fromkeys(remarks)))
    return replace(verdict, next_steps=next_steps(evidence.run, verdict))


def _judge_life(evidence: Evidence, life: int, is_last: bool) -> Verdict:
    members = tuple(one for one in evidence.members if one.life == life)
    begun = min((one.started_ns for one in members if one.started_ns is not None), default=0) if life else 0
    over = _begun(evidence, life + 1)
    signs = tuple(sign for sign in _launchers_signs(evidence) if begun <= sign.moment.latest_ns and _is_by(sign, over))
    here = evidence if is_last else replace(evidence, is_live=False, state="failed", launchers=())
    return _judge_case(sort_out(here, members, signs))


def _judge_case(case: Case) -> Verdict:
    choice = choose(case, candidates(case))
    verdict = of_choice(case, choice) if choice is not None else of_complaints(case)
    if verdict is not None:
        return verdict
    return of_live(case) if case.evidence.is_live else of_nothing(case)


def _launchers_signs(evidence: Evidence) -> list[Sign]:
    return [sign for launcher in evidence.launchers for sign in launcher.signs]


def _begun(evidence: Evidence, life: int) -> int | None:
    starts = [one.started_ns for one in evidence.members if one.life >= life and one.started_ns is not None]
    return min(starts, default=None)


def _is_by(sign: Sign, over_ns: int | None) -> bool:
    return over_ns is None or sign.moment.latest_ns <= over_ns
