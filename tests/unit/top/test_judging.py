"""When a verdict is sought, and what of it is shown."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ranklog_collector.core.verdict.finding import Category, Consequence, Culprit, Status, Verdict
from ranklog_collector.reading.processes import ProcessState
from ranklog_collector.top.frame import Frame, Mark, Part
from ranklog_collector.top.judging import Judging
from ranklog_collector.top.suspicion import suspicion, with_verdict
from tests.support.run_writer import ns
from tests.unit.top.rows import frame, row

VERDICT = Verdict(
    Status.FAILED,
    "rank 1 failed",
    culprits=(Culprit("rank_1", Category.EXIT_CODE, "failed", 1),),
    consequences=(Consequence("ended by SIGTERM", ("rank_0",), (0,)),),
)


class Seeker:
    """Stands for the child process: it has an answer once it is given one."""

    def __init__(self) -> None:
        self.asked = 0
        self.closed = 0
        self.answer: tuple[Verdict | None] | None = None

    def __call__(self, path: str, run: str) -> Seeker:
        self.asked += 1
        return self

    def result(self) -> tuple[Verdict | None] | None:
        return self.answer

    def close(self) -> None:
        self.closed += 1


@pytest.mark.parametrize(
    "one",
    [
        frame([row(0), row(1, state=ProcessState.FAILED)]),
        frame([row(0), row(1, state=ProcessState.LOST)]),
        frame([row(0), row(1, mark=Mark.SILENT)]),
        frame([row(0), row(1, mark=Mark.BEHIND)]),
        frame([row(0, spoke=80), row(1, spoke=80)]),
        frame([row(0), row(1, state=ProcessState.COMPLETED, ended_ns=ns(50))]),
        frame([row(0)], lost_nodes=("n0",)),
        frame([row(0)], is_written=False),
        frame([row(0, state=ProcessState.COMPLETED)], has_ended=True, state="completed"),
    ],
)
def test_trouble_and_the_end_are_worth_a_verdict(one: Frame) -> None:
    assert suspicion(one) is not None


def test_a_job_that_goes_well_is_not_judged() -> None:
    assert suspicion(frame([row(0), row(1), row(2, state=ProcessState.NOT_STARTED, started_ns=None)])) is None


def test_another_trouble_is_another_suspicion() -> None:
    one = frame([row(0), row(1, state=ProcessState.FAILED)])
    assert suspicion(one) == suspicion(replace(one, now_ns=ns(200), rows=[row(0, spoke=199), one.rows[1]]))
    assert suspicion(one) != suspicion(frame([row(0, state=ProcessState.FAILED), one.rows[1]]))


def test_the_verdict_marks_culprits_and_victims() -> None:
    shown = with_verdict(frame([row(0), row(1), row(2)]), VERDICT, is_judging=False)
    assert [one.part for one in shown.rows] == [Part.VICTIM, Part.CULPRIT, Part.NONE]


def test_a_verdict_is_sought_once_for_the_same_trouble() -> None:
    seeker = Seeker()
    judging = Judging("/r", seek=seeker)
    judging.follow("trouble", is_final=True)
    assert judging.is_seeking
    seeker.answer = (VERDICT,)
    judging.follow("trouble", is_final=True)
    judging.follow("trouble", is_final=True)
    assert (judging.verdict, seeker.asked, seeker.closed) == (VERDICT, 1, 1)


def test_trouble_that_went_away_takes_its_verdict_with_it() -> None:
    seeker = Seeker()
    judging = Judging("/r", seek=seeker)
    judging.follow("trouble", is_final=False)
    seeker.answer = (VERDICT,)
    judging.follow("trouble", is_final=False)
    assert judging.verdict is VERDICT
    judging.follow(None, is_final=False)
    assert judging.verdict is None


def test_seeking_that_failed_leaves_no_verdict_and_is_closed_at_the_end() -> None:
    seeker = Seeker()
    judging = Judging("/r", seek=seeker)
    judging.follow("trouble", is_final=True)
    seeker.answer = (None,)
    judging.follow("trouble", is_final=True)
    assert judging.verdict is None
    judging.close()
    assert seeker.closed == 1
