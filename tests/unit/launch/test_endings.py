"""What `ranklog run` exits with."""

from __future__ import annotations

import pytest

from ranklog_collector.launch.endings import Ending, exit_code

DONE, FAILED, KILLED, DUMPED = 0, 3 << 8, 9, 11 | 0x80


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (DONE, 0, "exited with code 0"),
        (FAILED, 3, "exited with code 3"),
        (KILLED, 137, "was ended by SIGKILL"),
        (DUMPED, 139, "was ended by SIGSEGV"),
        (50, 178, "was ended by signal 50"),
    ],
)
def test_an_ending_has_a_code_and_words(status: int, code: int, words: str) -> None:
    assert (Ending(status).exit_code, Ending(status).words) == (code, words)


def test_the_first_failure_decides() -> None:
    assert exit_code([Ending(DONE), Ending(FAILED), Ending(KILLED)], None) == 3
    assert exit_code([Ending(DONE), Ending(DONE)], None) == 0


def test_processes_that_were_told_to_end_have_not_failed() -> None:
    assert exit_code([Ending(15, was_asked=True), Ending(FAILED)], None) == 3


def test_what_a_signal_asked_for_goes_before() -> None:
    assert exit_code([Ending(FAILED)], 143) == 143
