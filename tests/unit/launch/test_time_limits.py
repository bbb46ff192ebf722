"""What `timeout` before a command allows it, and whether that was used up."""

from __future__ import annotations

import pytest

from ranklog_collector.launch.time_limits import TimeLimit, time_limit


@pytest.mark.parametrize(
    ("command", "limit"),
    [
        ("timeout 60 mpirun -n 4 train", TimeLimit(60, "timeout 60")),
        ("/usr/bin/timeout -k 5 --signal=INT 1.5h mpirun -n 4 train", TimeLimit(5400, "timeout 1.5h")),
        ("env A=b nice -n 5 timeout 2m ./train", TimeLimit(120, "timeout 2m")),
        ("timeout 0 ./train", None),
        ("timeout soon ./train", None),
        ("timeout --no-such-option 5 ./train", None),
        ("mpirun timeout 60 ./train", None),
        ("timeout", None),
        ("", None),
    ],
)
def test_the_time_that_a_command_is_given(command: str, limit: TimeLimit | None) -> None:
    assert time_limit(command.split()) == limit


@pytest.mark.parametrize(
    ("exit_code", "elapsed_s", "is_reached"), [(124, 60, True), (137, 66, True), (137, 30, False), (143, 60, False)]
)
def test_only_an_exit_code_tells_that_it_was_used_up(exit_code: int, elapsed_s: float, is_reached: bool) -> None:
    assert TimeLimit(60, "timeout 60").is_reached(exit_code, elapsed_s) is is_reached
