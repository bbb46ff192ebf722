"""A cursor is handed back as it came, whoever had it in between; anything else is refused in words."""

from __future__ import annotations

import base64
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranklog_collector.reading.folder import QuestionError
from ranklog_collector.reading.logs import Place
from ranklog_collector.views import cursors

NUMBERS = st.integers(0, cursors.NUMBER_MAX)


@given(st.dictionaries(st.integers(1, 1 << 20), st.builds(Place, NUMBERS, NUMBERS), max_size=20))
def test_places_in_the_output_come_back(places: dict[int, Place]) -> None:
    assert cursors.logs("r1", cursors.of_logs("r1", places)) == places


@given(NUMBERS, st.text(max_size=50))
def test_places_in_a_list_come_back(time_ns: int, name: str) -> None:
    if name.isprintable():
        assert cursors.of(cursors.of_list(time_ns, name)) == (time_ns, name)


def test_a_cursor_is_short_and_fit_for_an_address() -> None:
    places = {number: Place(10_000_000 + number, 0) for number in range(1, 65)}
    cursor = cursors.of_logs("r1", places)
    assert len(cursor) < 64 * 10
    assert cursor.replace("-", "").replace("_", "").isalnum()


def test_a_cursor_of_another_run_or_kind_is_refused() -> None:
    cursor = cursors.of_logs("r1", {1: Place(5, 0)})
    with pytest.raises(QuestionError, match="none of this run"):
        cursors.logs("r2", cursor)
    with pytest.raises(QuestionError, match="none of this list"):
        cursors.of(cursor)
    with pytest.raises(QuestionError, match="none of this run"):
        cursors.logs("r1", cursors.of_list(7, "r1"))


@given(st.binary(max_size=40))
def test_no_bytes_do_harm(data: bytes) -> None:
    cursor = base64.urlsafe_b64encode(data).decode().rstrip("=")
    with suppress(QuestionError):
        cursors.logs("r1", cursor)
    with suppress(QuestionError):
        cursors.of(cursor)


@pytest.mark.parametrize("cursor", ["", "!", "AQ", "=", "é", "A" * 3, "_" * 1000, "AQ==AQ"])
def test_what_is_no_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(QuestionError, match="cursor"):
        cursors.logs("r1", cursor)
