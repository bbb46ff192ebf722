"""Who stands out among the ranks that run."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from ranklog_collector.reading.processes import ProcessState
from ranklog_collector.top.frame import Mark, Row
from ranklog_collector.top.pace import marked
from tests.unit.top.rows import row


def marks(rows: Sequence[Row], steps_per_s: float = 0.0) -> dict[int | None, Mark]:
    return {one.rank: one.mark for one in marked(rows, steps_per_s) if one.mark is not Mark.NONE}


@pytest.mark.parametrize("ranks", [2, 3, 4, 64, 1000])
def test_one_that_fell_silent_stands_out_among_any_number(ranks: int) -> None:
    assert marks([row(rank, spoke=80 if rank == 1 else 100) for rank in range(ranks)]) == {1: Mark.SILENT}


@pytest.mark.parametrize("ranks", [2, 4, 64])
def test_in_a_job_in_which_all_are_silent_nobody_stands_out(ranks: int) -> None:
    assert marks([row(rank, spoke=1 + rank / 1000) for rank in range(ranks)]) == {}


def test_ranks_that_speak_now_and_then_at_different_times_do_not_stand_out() -> None:
    assert marks([row(rank, spoke=100 - 60 * rank / 64) for rank in range(64)]) == {}


def test_where_only_one_of_many_speaks_the_others_do_not_stand_out() -> None:
    assert marks([row(rank, spoke=100 if rank == 0 else 1) for rank in range(8)]) == {}


def test_short_silence_is_nothing() -> None:
    assert marks([row(rank, spoke=96 if rank == 1 else 100) for rank in range(8)]) == {}


def test_whoever_has_ended_or_starts_the_job_is_not_compared() -> None:
    rows = [row(rank) for rank in range(4)]
    rows += [row(4, spoke=1, state=ProcessState.COMPLETED), row(None, spoke=1, is_launcher=True, name="launcher_1")]
    assert marks(rows) == {}


def test_one_whose_step_stands_still_is_behind() -> None:
    assert marks([row(rank, step=10 if rank == 3 else 50) for rank in range(8)]) == {3: Mark.BEHIND}


def test_a_step_that_was_read_long_ago_accuses_nobody() -> None:
    assert marks([row(rank, step=10 if rank == 3 else 50, is_step_current=rank != 3) for rank in range(8)]) == {}


def test_fast_jobs_may_be_further_apart() -> None:
    rows = [row(rank, step=1000 - 100 * (rank == 3)) for rank in range(8)]
    assert marks(rows, steps_per_s=100) == {}
    assert marks(rows, steps_per_s=10) == {3: Mark.BEHIND}


def test_one_alone_is_compared_with_nobody() -> None:
    assert marks([row(0, spoke=1, step=1)]) == {}
