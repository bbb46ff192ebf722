"""What `ranklog exec` has read outlives it, whenever it is killed."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from ranklog.capture.hand import Hand


def killed_while(work: Callable[[], object]) -> None:
    """Do it in a child process that is not there any more afterwards."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(0)
    os.waitpid(pid, 0)


@pytest.fixture
def told() -> Callable[[bytes], int]:
    """A descriptor from which some bytes can be read."""

    def tell(data: bytes) -> int:
        reading, writing = os.pipe()
        os.write(writing, data)
        os.close(writing)
        return reading

    return tell


def test_what_was_read_is_left_when_its_reader_is_killed(told: Callable[[bytes], int]) -> None:
    hand, number = Hand(64, 2), told(b"last words\n")

    def read() -> None:
        hand.open([5, 100])
        hand.take(number)

    killed_while(read)
    assert (hand.left(0, 5), hand.left(1, 100)) == (b"last words\n", b"last words\n")


def test_what_has_got_into_a_file_is_not_left_for_it(told: Callable[[bytes], int]) -> None:
    hand, number = Hand(64, 2), told(b"last words\n")

    def read() -> None:
        hand.open([5, 100])
        hand.take(number)

    killed_while(read)
    assert hand.left(0, 5 + 4) == b" words\n"
    assert hand.left(1, 100 + 11) == b""


def test_nothing_is_left_once_it_is_written(told: Callable[[bytes], int]) -> None:
    hand, number = Hand(64, 1), told(b"one\ntwo\n")
    hand.open([0])
    assert hand.take(number) == 8
    assert hand.content() == b"one\ntwo\n"
    hand.empty()
    assert (hand.content(), hand.left(0, 8), hand.left(0, 0)) == (b"", b"", b"")


def test_several_reads_are_one_content_up_to_its_room(told: Callable[[bytes], int]) -> None:
    hand, number = Hand(6, 1), told(b"0123456789")
    hand.open([0])
    assert (hand.take(number), hand.room) == (6, 0)
    assert hand.content() == b"012345"
    hand.empty()
    assert (hand.take(number), hand.content()) == (4, b"6789")
