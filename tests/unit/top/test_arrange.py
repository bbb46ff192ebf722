"""Which processes are shown, in which order."""

from __future__ import annotations

import pytest

from ranklog_collector.reading.processes import ProcessState
from ranklog_collector.top.arrange import ORDERS, Choice, Order, arranged
from ranklog_collector.top.frame import Mark, Part, Use
from tests.support.run_writer import ns
from tests.unit.top.rows import row

ROWS = [
    row(0, spoke=99, step=12, use=Use(cpu=90.0, memory=1e9)),
    row(1, spoke=50, step=5, use=Use(cpu=1.0, memory=3e9), node="n1", ip="10.0.0.2", mark=Mark.SILENT),
    row(2, spoke=98, state=ProcessState.FAILED, exit="1", node="n1", ip="10.0.0.2", part=Part.CULPRIT),
    row(3, spoke=None, state=ProcessState.NOT_STARTED, node="", hostname="", ip="", started_ns=None, line=""),
    row(None, is_launcher=True, name="launcher_9", program="mpirun", key="p-9"),
]


def shown(**choice: object) -> list[int | None]:
    return [one.rank for one in arranged(ROWS, Choice(**choice), ns(101))]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (Order.RANK, [0, 1, 2, 3, None]),
        (Order.AGE, [1, 0, 2, 3, None]),
        (Order.STEP, [1, 0, 2, 3, None]),
        (Order.CPU, [1, 0, 2, 3, None]),
        (Order.MEMORY, [1, 0, 2, 3, None]),
        (Order.STATE, [2, 1, 0, 3, None]),
    ],
)
def test_what_deserves_a_look_comes_first_and_the_unknown_last(order: Order, expected: list[int | None]) -> None:
    assert shown(order=order) == expected


@pytest.mark.parametrize("order", ORDERS)
def test_every_order_can_be_turned_round_and_keeps_all(order: Order) -> None:
    turned = shown(order=order, is_reversed=True)
    assert sorted(map(str, turned)) == sorted(map(str, shown()))
    assert turned[-1] is None


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("", [0, 1, 2, 3, None]),
        ("failed", [2]),
        ("FAIL", [2]),
        ("silent", [1]),
        ("launcher", [None]),
        ("not", [3]),
        ("culprit", [2]),
        ("0-1,3", [0, 1, 3]),
        ("n1", [1, 2]),
        ("n*", [0, 1, 2, None]),
        ("10.0.0.2", [1, 2]),
        ("n1 !failed", [1]),
        ("!n1", [0, 3, None]),
        ("no-such-thing", []),
        ("[", []),
        ("!", []),
    ],
)
def test_filters_name_states_nodes_and_ranks(words: str, expected: list[int | None]) -> None:
    assert shown(filter=words) == expected


def test_outliers_are_what_failed_or_stands_out() -> None:
    assert shown(only_standing_out=True) == [1, 2]
