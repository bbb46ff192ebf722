"""The map: a cell for each process."""

from __future__ import annotations

import pytest

from ranklog_collector.reading.processes import ProcessState
from ranklog_collector.top.cells import Place, by_node, laid_out, map_lines
from ranklog_collector.top.frame import Mark, Row
from tests.support.run_writer import ns
from tests.unit.top.rows import row


def ranks(nodes: int, each: int) -> list[Row]:
    return [row(node * each + nth, node=f"n{node}") for node in range(nodes) for nth in range(each)]


def drawn(rows: list[Row], width: int, height: int | None = None) -> list[str]:
    laid = laid_out(rows, width, height)
    return [line.text for line in map_lines(rows, laid, ns(101), -1, 0, laid.height)]


def test_nodes_stand_beside_each_other() -> None:
    assert drawn(ranks(3, 4), 20) == ["n0 ····   n1 ····", "n2 ····"]


def test_where_room_is_short_names_lose_what_they_have_in_common() -> None:
    rows = [row(rank, node=f"gpu1{rank // 4}") for rank in range(16)]
    assert drawn(rows, 31, height=1) == ["10 ···· 11 ···· 12 ···· 13 ····"]
    assert drawn(rows, 31, height=2) == ["gpu10 ····   gpu11 ····", "gpu12 ····   gpu13 ····"]


def test_the_ranks_of_one_large_node_take_as_many_lines_as_they_need() -> None:
    assert drawn(ranks(1, 25), 13) == ["n0 " + "·" * 10, "   " + "·" * 10, "   " + "·" * 5]


def test_tiny_nodes_have_no_labels_but_lines_of_ranks() -> None:
    assert drawn(ranks(25, 1), 14) == [" 0 " + "·" * 10, "10 " + "·" * 10, "20 " + "·" * 5]


def test_states_are_letters_and_ages_are_shades() -> None:
    rows = [
        row(0),
        row(1, spoke=60),
        row(2, spoke=-300),
        row(3, mark=Mark.SILENT),
        row(4, mark=Mark.BEHIND),
        row(5, state=ProcessState.FAILED),
        row(6, state=ProcessState.LOST),
        row(7, state=ProcessState.TERMINATED),
        row(8, state=ProcessState.COMPLETED),
        row(9, state=ProcessState.NOT_STARTED),
    ]
    assert drawn(rows, 80) == ["n0 ·░▓SBFLT✓○"]


def test_ranks_that_were_dealt_out_over_nodes_stand_with_their_node_and_launchers_nowhere() -> None:
    rows = [row(rank, node=f"n{rank % 2}") for rank in range(8)]
    rows.append(row(None, is_launcher=True))
    assert [one.rank for one in by_node(rows)] == [0, 2, 4, 6, 1, 3, 5, 7]


@pytest.mark.parametrize("width", [1, 5, 20, 80, 200])
@pytest.mark.parametrize("shape", [(1, 1), (1, 1000), (1000, 1), (64, 16), (3, 5)])
def test_every_process_has_a_place_of_its_own_that_is_found_again(width: int, shape: tuple[int, int]) -> None:
    rows = ranks(*shape)
    laid = laid_out(rows, width)
    assert len(set(laid.places)) == len(rows)
    assert all(place.y < laid.height for place in laid.places)
    for number in (0, len(rows) // 2, len(rows) - 1):
        assert laid.at(laid.places[number].x, laid.places[number].y) == number


def test_the_cursor_moves_to_what_is_nearest() -> None:
    laid = laid_out(ranks(4, 4), 20)
    assert laid.places[5] == Place(0, 14)
    assert laid.moved(5, 0, 1) == 13
    assert laid.moved(13, 0, -1) == 5
    assert laid.moved(0, -1, 0) == 0
    assert laid.moved(15, 1, 0) == 15
    assert laid.moved(15, 0, 1) == 15


def test_a_map_of_nobody_is_empty() -> None:
    laid = laid_out([], 80)
    assert (laid.height, laid.moved(0, 0, 1), laid.at(0, 0)) == (0, 0, None)
