"""When a job has been silent for so long that it is worth a look."""

from __future__ import annotations

import pytest

from ranklog_collector.core.requests import StackRequest, id_of, parse
from ranklog_collector.core.silence import Silence


def news(silence: Silence, moments: range) -> list[int]:
    return [now for now in moments if silence.is_news(now)]


def test_silence_is_news_when_it_has_lasted_and_each_time_it_has_become_twice_as_long() -> None:
    silence = Silence(10)
    silence.broken(0)
    assert news(silence, range(100)) == [10, 20, 40, 80]


def test_a_word_breaks_the_silence() -> None:
    silence = Silence(10)
    silence.broken(0)
    assert news(silence, range(25)) == [10, 20]
    silence.broken(25)
    assert news(silence, range(25, 50)) == [35, 45]


def test_a_run_of_which_nothing_was_ever_heard_is_silent_from_the_first_look_on() -> None:
    assert news(Silence(10), range(1000, 1015)) == [1010]


def test_without_a_limit_silence_is_never_news() -> None:
    assert news(Silence(0), range(100)) == []


# ---- requests -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "request_", [StackRequest("0" * 16), StackRequest("a" * 16, frozenset({0, 7}), is_native=True, timeout_s=0.5)]
)
def test_a_request_is_read_as_it_was_written(request_: StackRequest) -> None:
    assert id_of(request_.file_name) == request_.id
    assert parse(request_.id, request_.dump()) == request_


@pytest.mark.parametrize("name", ["", ".json", "abc.json", "0" * 16, f".{'0' * 16}.json.new", f"{'0' * 15}G.json"])
def test_a_file_of_another_name_holds_no_request(name: str) -> None:
    assert id_of(name) is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"[]",
        b'{"ask": "money"}',
        b'{"ask": "stacks", "ranks": 3}',
        b'{"ask": "stacks", "ranks": [-1]}',
        b'{"ask": "stacks", "ranks": [true]}',
        b'{"ask": "stacks", "timeout_s": 0}',
        b'{"ask": "stacks", "timeout_s": 1e9}',
        b'{"ask": "stacks", "timeout_s": "1"}',
    ],
)
def test_what_is_no_request_is_none(data: bytes) -> None:
    assert parse("0" * 16, data) is None
