"""Where two texts part ways."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ranklog_collector.core.alike import template
from ranklog_collector.core.parting import WINDOW, Difference, Parting

TEXTS = st.lists(st.sampled_from(["a", "b", "c 1", "c 2", "d"]), max_size=12)


def parted(left: list[str], right: list[str]) -> tuple[list[Difference], int]:
    found = Parting((text.encode() for text in left), (text.encode() for text in right))
    return list(found.differences()), found.alike


def steps(first: int, last: int) -> list[str]:
    return [f"step {number} loss 0.{number}" for number in range(first, last)]


def test_texts_that_differ_in_numbers_only_are_the_same() -> None:
    assert parted(["pid 10", "loss 0.5"], ["pid 11", "loss 0.7"]) == ([], 2)


def test_a_line_that_only_one_has_is_a_difference_and_the_two_go_on_together() -> None:
    differences, alike = parted([*steps(0, 5), "saved", *steps(5, 10)], steps(0, 10))
    (one,) = differences
    assert (one.left, one.right, one.left_line, one.right_line) == ((b"saved",), (), 6, 6)
    assert [left for left, _ in one.common] == [text.encode() for text in steps(2, 5)]
    assert alike == 10


def test_a_line_of_each_side_is_one_difference() -> None:
    differences, _ = parted([*steps(0, 3), "x", *steps(3, 9)], [*steps(0, 3), "y", "z", *steps(3, 9)])
    assert [(one.left, one.right, one.is_for_good) for one in differences] == [((b"x",), (b"y", b"z"), False)]


def test_what_does_not_come_together_again_parts_for_good() -> None:
    differences, alike = parted([*steps(0, 3), *["x"] * 3 * WINDOW], [*steps(0, 3), *["y"] * 3 * WINDOW])
    (one,) = differences
    assert one.is_for_good
    assert len(one.left) == len(one.right) == WINDOW
    assert alike == 3


def test_one_that_ends_earlier_differs_in_the_rest() -> None:
    (one,), _ = parted(steps(0, 5), steps(0, 3))
    assert (one.left, one.right) == (tuple(text.encode() for text in steps(3, 5)), ())


@given(TEXTS, TEXTS)
def test_all_lines_are_alike_or_in_a_difference(left: list[str], right: list[str]) -> None:
    differences, alike = parted(left, right)
    assert alike + sum(len(one.left) for one in differences) == len(left)
    assert alike + sum(len(one.right) for one in differences) == len(right)
    for one in differences:
        for lines, line, whole in ((one.left, one.left_line, left), (one.right, one.right_line, right)):
            assert list(lines) == [text.encode() for text in whole[line - 1 : line - 1 + len(lines)]]


@given(TEXTS, TEXTS)
def test_the_first_difference_is_at_the_same_place_from_either_side(left: list[str], right: list[str]) -> None:
    one, other = parted(left, right)[0], parted(right, left)[0]
    same = [template(text.encode()) for text in left] == [template(text.encode()) for text in right]
    assert (not one) == (not other) == same
    if one:
        assert (one[0].left_line, one[0].right_line) == (other[0].right_line, other[0].left_line)
