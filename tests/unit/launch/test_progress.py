"""The line at the bottom of the terminal."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ranklog_collector.launch.progress import Progress, elapsed_text, left_early, progress_line, shortened
from ranklog_collector.reading.processes import ProcessState, ProcessView

NOW = 1_000_000_000_000
RUNNING, COMPLETED, FAILED = ProcessState.RUNNING, ProcessState.COMPLETED, ProcessState.FAILED
LAUNCHER = ProcessView("launcher_1", "launcher", None, RUNNING, key="l", last_output_ns=NOW)


def rank(number: int, state: ProcessState = RUNNING, silent_s: float = 0, attempt: int = 1) -> ProcessView:
    last_ns = NOW - round(silent_s * 1e9)
    return ProcessView(
        f"rank_{number}", "rank", number, state, attempt, key=f"{number}-{attempt}", last_output_ns=last_ns
    )


def line(*views: ProcessView, width: int = 80, **more: Any) -> str:
    return progress_line(Progress(views, **{"lines": 1234, "now_ns": NOW, "elapsed_s": 12.9, **more}), width)


def test_before_anything_has_started() -> None:
    assert line(lines=0) == "starting · 0 lines · 00:12"


def test_ranks_that_run_are_counted_and_the_launcher_is_none() -> None:
    assert line(LAUNCHER, *map(rank, range(4))) == "4/4 running · 1,234 lines · 00:12"


def test_ranks_that_have_not_come_yet_count_too() -> None:
    assert line(rank(0), rank(1, ProcessState.NOT_STARTED)) == "1/2 running · 1,234 lines · 00:12"


def test_a_failure_is_named() -> None:
    assert line(rank(0), rank(1, FAILED), rank(2, COMPLETED)) == "1/3 running · 1 failed · 1,234 lines · 00:12"


def test_a_single_process_needs_no_count() -> None:
    alone = ProcessView("process_7", "process", None, RUNNING, key="p", last_output_ns=NOW)
    assert line(alone, lines=1) == "running · 1 line · 00:12"


def test_a_rank_that_is_silent_is_named() -> None:
    assert line(rank(0), rank(1, silent_s=12), rank(2)) == "3/3 running · 1,234 lines · rank 1 silent 12 s · 00:12"


def test_of_several_silent_ranks_the_one_that_is_so_for_longest_is_named() -> None:
    assert "rank 2 silent 5 min (+1)" in line(rank(0), rank(1, silent_s=12), rank(2, silent_s=301))


def test_if_all_are_silent_nobody_stands_out() -> None:
    assert "· silent 12 s ·" in line(rank(0, silent_s=12), rank(1, silent_s=40))


def test_a_restarted_rank_counts_once() -> None:
    replaced = replace(rank(0, FAILED), is_current=False)
    assert line(replaced, rank(0, attempt=2), rank(1)).startswith("2/2 running · 1,234")


def test_once_the_job_is_over_the_line_tells_what_goes_on() -> None:
    assert line(rank(0, COMPLETED), phase="fetching what is left") == "fetching what is left · 1,234 lines · 00:12"


def test_a_ranks_own_bar_has_the_rest_of_the_line() -> None:
    found = line(rank(0), rank(1), bar="[0] 45%|####    |", width=49)
    assert found == "2/2 running · 1,234 lines · 00:12 · [0] 45%|####…"


def test_few_that_have_ended_with_0_for_a_while_are_told_of() -> None:
    done = replace(rank(2, COMPLETED), ended_ns=NOW - 4 * 10**9)
    assert left_early([rank(0), rank(1), done, rank(3)], NOW) == {
        "rank_2": "rank 2 has ended with 0 while 3 others run"
    }
    assert left_early([rank(0), rank(1), done, rank(3)], NOW - 2 * 10**9) == {}
    assert left_early([rank(0), done], NOW) == {}
    assert left_early([done, replace(done, rank=1), replace(done, rank=0)], NOW) == {}


def test_times_are_those_of_a_clock() -> None:
    assert [elapsed_text(seconds) for seconds in (0, 59.9, 60, 3600, 360_000)] == [
        "00:00", "00:59", "01:00", "1:00:00", "100:00:00"
    ]  # fmt: skip


def test_wide_characters_take_two_columns() -> None:
    assert shortened("日本語", 6) == "日本語"
    assert shortened("日本語", 5) == "日本…"
    assert shortened("日本語", 4) == "日…"


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126)), st.integers(1, 100))
def test_a_shortened_text_fits(text: str, width: int) -> None:
    found = shortened(text, width)
    assert len(found) <= width
    assert found == text or found.endswith("…")
