"""What holds of every verdict, whatever the evidence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ranklog_collector.core.verdict.evidence import Evidence, Member, Step
from ranklog_collector.core.verdict.finding import Category, Status
from ranklog_collector.core.verdict.judge import judge
from tests.unit.verdict.jobs import CLOSED, RAISED, TIMED_OUT, job, mpirun, ns, rank

PATIENT: dict[str, Any] = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
TIMES = st.floats(1, 60)
WORDS = st.sampled_from(
    [
        "step 3 loss 0.1",
        "about to hang",
        CLOSED.format(peer="10.77.0.11"),
        TIMED_OUT,
        RAISED.format(error="ValueError: boom"),
        RAISED.format(error="OSError: [Errno 28] No space left on device"),
        "Abort(42) on node 2 (rank 2 in comm 0): application called MPI_Abort(MPI_COMM_WORLD, 42) - process 2",
        "[node0:00000] *** An error occurred in Socket closed",
    ]
)
ENDS = st.sampled_from(
    [{}, {"code": 0}, {"code": 1}, {"code": 139}, {"signal": 9}, {"signal": 11}, {"signal": 15}, {"signal": 6}]
)
LAUNCHERS_WORDS = st.sampled_from(
    [
        "=   PID 1302 RUNNING AT node1",
        "mpirun noticed that process rank 1 with PID 1301 on node node0 exited on signal 9 (Killed).",
        "slurmstepd: error: *** STEP 1.0 ON node0 CANCELLED AT 2026-11-23T21:25:31 DUE TO TIME LIMIT ***",
        "slurmstepd: error: *** STEP 1.0 ON node0 CANCELLED AT 2026-11-23T21:25:31 ***",
        "MPI_ABORT was invoked on rank 3 in communicator MPI_COMM_WORLD",
        "srun: error: Node failure on node1",
    ]
)


@st.composite
def members(draw: Any, number: int) -> Member:
    said = sorted(draw(st.lists(st.tuples(TIMES, WORDS), max_size=3)), key=lambda one: one[0])
    end = draw(ENDS)
    at = max([draw(TIMES), *(time for time, _ in said)])
    asked = draw(st.none() | TIMES) if end else None
    facts = {
        "rhythm": draw(st.none() | st.just(1.0)),
        "step": draw(st.none() | st.builds(Step, st.just(""), st.none(), st.integers(0, 3))),
    }
    return rank(number, *said, end=at if end else None, asked=None if asked is None else min(asked, at), **end, **facts)


@st.composite
def jobs(draw: Any) -> Evidence:
    everyone = [draw(members(number)) for number in range(draw(st.integers(1, 5)))]
    words = sorted(draw(st.lists(st.tuples(TIMES, LAUNCHERS_WORDS), max_size=2)), key=lambda one: one[0])
    launcher = draw(st.none() | st.just(mpirun(*words, end=70, code=1)))
    state = draw(st.sampled_from(["failed", "completed", "canceled", "lost"]))
    is_live = draw(st.booleans())
    return job(everyone, launcher, state="running" if is_live else state, is_live=is_live, now_ns=ns(80))


@settings(max_examples=100, **PATIENT)
@given(jobs())
def test_nobody_is_accused_without_evidence(evidence: Evidence) -> None:
    found = judge(evidence)
    by_name = {one.name: one for one in (*evidence.members, *evidence.launchers)}
    for culprit in found.culprits:
        one = by_name.get(culprit.name)
        if one is None:
            is_named = any(f"RUNNING AT {culprit.hostname}" in sign.quote.text for sign in _launchers_words(evidence))
            assert culprit.rank is None
            assert culprit.category is Category.NODE_LOST or is_named
        elif culprit.category is Category.EARLY_EXIT:
            assert one.exit_code == 0
        elif culprit.category not in (Category.HANG, Category.LAUNCHER_HANG):
            ended_badly = one.ended is not None and (one.exit_code != 0 or one.signal is not None)
            is_named = any(f"rank {one.rank} " in sign.quote.text for sign in _launchers_words(evidence))
            assert ended_badly or one.signs or is_named


@settings(max_examples=100, **PATIENT)
@given(jobs())
def test_a_verdict_is_whole(evidence: Evidence) -> None:
    found = judge(evidence)
    assert found.headline
    assert "\n" not in found.headline
    assert (found.category is None) == (found.status is Status.FINE)
    if found.culprits:
        assert found.confidence is not None
        assert found.status is not Status.UNKNOWN
    named = {one.name for one in found.culprits}
    assert not any(named & set(one.names) for one in found.consequences)


@settings(max_examples=50, **PATIENT)
@given(jobs(), st.randoms(use_true_random=False))
def test_the_order_in_which_evidence_is_given_does_not_matter(evidence: Evidence, random: Any) -> None:
    shuffled = list(evidence.members)
    random.shuffle(shuffled)
    first, second = judge(evidence), judge(replace(evidence, members=tuple(shuffled)))
    assert {one.name for one in first.culprits} == {one.name for one in second.culprits}
    assert (first.status, first.category) == (second.status, second.category)


def test_of_two_errors_at_one_time_the_lower_ranks_is_told_first() -> None:
    boom = RAISED.format(error="ValueError: boom")
    full = RAISED.format(error="OSError: [Errno 28] No space left on device")
    everyone = [rank(0, (1.0, boom)), rank(1, (1.0, full))]
    there, back = (judge(job(order, state="failed")) for order in (everyone, everyone[::-1]))
    assert [one.name for one in there.culprits] == ["rank_0", "rank_1"]
    assert there == back


def _launchers_words(evidence: Evidence) -> list[Any]:
    return [sign for one in evidence.launchers for sign in one.signs]
