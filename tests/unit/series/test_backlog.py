"""When a run is worth to be sealed."""

from __future__ import annotations

from ranklog_collector.core.backlog import LAST_BYTES, SEAL_BYTES, Backlog, Collected


def going(*sizes: int) -> dict[str, Collected]:
    return {"a": Collected(dict(enumerate(sizes)), is_ended=False)}


def ended(*sizes: int) -> dict[str, Collected]:
    return {"a": Collected(dict(enumerate(sizes)), is_ended=True)}


def test_a_run_is_sealed_each_time_a_stream_has_grown_enough() -> None:
    backlog = Backlog()
    assert backlog.due(going(SEAL_BYTES - 1, SEAL_BYTES - 1)) == []
    assert backlog.due(going(SEAL_BYTES, 0)) == ["a"]
    assert backlog.due(going(2 * SEAL_BYTES - 1, SEAL_BYTES - 1)) == []
    assert backlog.due(going(2 * SEAL_BYTES, SEAL_BYTES - 1)) == ["a"]


def test_the_end_of_a_run_seals_the_rest_once() -> None:
    backlog = Backlog()
    assert backlog.due(going(SEAL_BYTES)) == ["a"]
    assert backlog.due(ended(SEAL_BYTES + 1)) == ["a"]
    assert backlog.due(ended(SEAL_BYTES + 1)) == []
    assert backlog.due(ended(SEAL_BYTES + 1 + LAST_BYTES)) == ["a"]


def test_a_small_run_is_never_sealed() -> None:
    backlog = Backlog()
    assert backlog.due(ended(LAST_BYTES - 1, LAST_BYTES - 1)) == []
    assert backlog.due(ended(LAST_BYTES)) == ["a"]


def test_what_was_asked_of_somebody_who_is_gone_is_asked_again() -> None:
    backlog = Backlog()
    assert backlog.due(going(SEAL_BYTES)) == ["a"]
    backlog.forget()
    assert backlog.due(going(SEAL_BYTES)) == ["a"]


def test_a_closed_run_is_forgotten() -> None:
    backlog = Backlog()
    assert backlog.due(going(SEAL_BYTES)) == ["a"]
    assert backlog.due({}) == []
    assert backlog.due(going(SEAL_BYTES)) == ["a"]
