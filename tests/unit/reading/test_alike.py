"""Lines that are alike but for numbers, and what is shown of what differs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranklog_collector.core.alike import Spread, parts_of, template


def spread(*texts: str) -> str:
    made = Spread(parts_of(texts[0].encode()))
    for text in texts[1:]:
        made.add(parts_of(text.encode()))
    return made.text().decode()


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["loss 0.5", "loss 0.25", "loss 3"], "loss {0.25…3}"),
        (["rank 0 on node12", "rank 3 on node7"], "rank {0…3} on node{7…12}"),
        (["lr=-1e-4 x", "lr=2e-3 x"], "lr={-1e-4…2e-3} x"),
        (["pid 10 at 0x7f00", "pid 9 at 0x8a00"], "pid {9…10} at 0x…"),
        (["2026-11-24 15:00:01,200 up", "2026-11-24 15:00:00,100 up"], "2026-11-24 15:00:00,100… up"),
        (["from 10.0.0.2:80", "from 10.0.0.1:80"], "from {10.0.0.1…10.0.0.2}:80"),
        (["/tmp/rank_3/log of 3f2a91c", "/tmp/rank_4/log of 3f2a91d"], "/tmp/rank_{3…4}/log of {3f2a91c…3f2a91d}"),
        (["\x1b[31mloss 1\x1b[0m", "\x1b[31mloss 2\x1b[0m"], "\x1b[31mloss {1…2}\x1b[0m"),
        (["same 1", "same 1"], "same 1"),
    ],
)
def test_numbers_that_differ_are_shown_from_the_least_to_the_most(texts: list[str], expected: str) -> None:
    assert len({template(text.encode()) for text in texts}) == 1
    assert spread(*texts) == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("loss 0.5", "lost 0.5"),
        ("loss 0.5", "loss nan"),
        ("step 10 loss 0.5", "step 11 loss 0.5"),
        ("epoch: 3", "epoch: 4"),
        ('  File "a.py", line 3, in f', '  File "a.py", line 4, in f'),
        ("train.py:88 up", "train.py:99 up"),
        ("exit code 1", "exit code 137"),
        ("got signal 9", "got signal 11"),
    ],
)
def test_what_says_something_else_is_not_alike(one: str, other: str) -> None:
    assert template(one.encode()) != template(other.encode())


@given(
    st.lists(st.lists(st.integers(-(10**9), 10**9) | st.floats(allow_nan=False), min_size=2, max_size=2), min_size=1)
)
def test_the_order_in_which_ranks_come_does_not_matter_but_for_equal_numbers(rows: list[list[float]]) -> None:
    texts = [f"a {row[0]} b {row[1]}" for row in rows]
    alike = [text for text in texts if template(text.encode()) == template(texts[0].encode())]
    made = spread(*alike)
    assert made.startswith("a ")
    assert spread(*alike, *reversed(alike)) == made


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_any_two_texts_of_a_template_can_be_shown_as_one(one: bytes, other: bytes) -> None:
    made = Spread(parts_of(one))
    assert made.text() == one
    if template(one) == template(other):
        made.add(parts_of(other))
        made.text()
