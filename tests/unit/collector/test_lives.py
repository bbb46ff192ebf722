"""A job that is started again is one run of several lives."""

from __future__ import annotations

from ranklog_collector.core.lives import Lives


def places(lives: Lives, *processes: tuple[int | None, int | None, int]) -> list[int]:
    return [lives.place(*process) for process in processes]


def test_ranks_that_come_one_after_the_other_are_one_life() -> None:
    assert places(Lives(), (0, 2, 10), (1, 2, 11)) == [0, 0]


def test_a_rank_that_comes_again_begins_the_next_life_and_the_others_follow() -> None:
    lives = Lives()
    assert places(lives, (0, 2, 10), (1, 2, 11), (1, 2, 20), (0, 2, 21)) == [0, 0, 1, 1]
    assert lives.last.ranks == {0, 1}


def test_one_that_began_before_the_first_that_was_heard_of_is_of_the_same_life() -> None:
    assert places(Lives(), (0, 2, 10), (1, 2, 11), (1, 2, 20), (0, 2, 19)) == [0, 0, 1, 1]


def test_a_life_with_fewer_or_more_ranks_is_another() -> None:
    lives = Lives()
    assert places(lives, (0, 2, 10), (1, 2, 10), (0, 1, 20), (2, 3, 31), (0, 3, 30), (1, 3, 30)) == [0, 0, 1, 2, 2, 2]
    assert lives.last.world_size == 3


def test_what_comes_late_of_an_earlier_life_is_put_there() -> None:
    assert places(Lives(), (0, 2, 10), (0, 2, 20), (1, 2, 20), (1, 2, 11)) == [0, 1, 1, 0]


def test_a_process_without_a_rank_belongs_to_the_life_in_which_it_began() -> None:
    lives = Lives()
    assert places(lives, (None, None, 5), (0, 1, 10), (None, None, 12), (0, 1, 20), (None, None, 25)) == [0, 0, 0, 1, 1]


def test_a_rank_whose_job_tells_no_size_fits_in_any() -> None:
    assert places(Lives(), (0, None, 10), (1, 2, 11), (1, None, 20)) == [0, 0, 1]
