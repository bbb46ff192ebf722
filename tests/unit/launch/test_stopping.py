"""What signals to `ranklog run` mean."""

from __future__ import annotations

import signal

from ranklog_collector.launch.stopping import Action, Forward, Hurry, Kill, Say, Stopping


def kinds(actions: list[Action]) -> list[Action | type[Say]]:
    """The actions, whatever the words."""
    return [Say if isinstance(action, Say) else action for action in actions]


def test_ctrl_c_is_left_to_the_job_and_a_second_one_kills_it() -> None:
    stopping = Stopping()
    assert stopping.take(signal.SIGINT, True, 1.0) == [Say("stopping; press Ctrl-C again to kill")]
    assert stopping.exit_code is None
    assert kinds(stopping.take(signal.SIGINT, True, 2.0)) == [Say, Kill()]
    assert stopping.exit_code == 130


def test_an_interrupt_that_no_terminal_sent_is_passed_on() -> None:
    assert kinds(Stopping().take(signal.SIGINT, False, 1.0)) == [Forward(signal.SIGINT), Say]


def test_terminate_is_passed_on_and_decides_the_exit_code() -> None:
    stopping = Stopping()
    assert kinds(stopping.take(signal.SIGTERM, False, 1.0)) == [Forward(signal.SIGTERM), Say]
    assert stopping.exit_code == 143
    assert kinds(stopping.take(signal.SIGTERM, False, 5.0)) == [Say, Kill()]
    assert stopping.exit_code == 143


def test_a_terminal_that_is_closed_has_told_the_job_as_well() -> None:
    stopping = Stopping()
    assert kinds(stopping.take(signal.SIGHUP, True, 1.0)) == [Say]
    assert stopping.exit_code == 129


def test_a_signal_that_is_sent_to_us_and_to_our_group_counts_once() -> None:
    stopping = Stopping()
    assert stopping.take(signal.SIGTERM, False, 1.0)
    assert stopping.take(signal.SIGTERM, False, 1.01) == []
    assert kinds(stopping.take(signal.SIGTERM, False, 2.0)) == [Say, Kill()]


def test_two_keys_pressed_fast_are_two() -> None:
    stopping = Stopping()
    assert stopping.take(signal.SIGINT, True, 1.0)
    assert kinds(stopping.take(signal.SIGINT, True, 1.01)) == [Say, Kill()]


def test_once_the_job_is_over_a_signal_ends_the_waiting() -> None:
    stopping = Stopping(is_job_over=True)
    assert stopping.take(signal.SIGINT, True, 1.0) == [Hurry()]
    assert stopping.exit_code == 130
    assert stopping.take(signal.SIGUSR1, False, 2.0) == []


def test_signals_that_ask_for_something_else_are_the_jobs() -> None:
    stopping = Stopping()
    assert stopping.take(signal.SIGUSR1, False, 1.0) == [Forward(signal.SIGUSR1)]
    assert stopping.take(signal.SIGQUIT, True, 1.0) == []
    assert stopping.exit_code is None
