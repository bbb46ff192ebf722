"""What kubectl tells of pods."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ranklog_collector.importing.formats.found import End, How
from ranklog_collector.importing.formats.pod_status import looks_like, read


def ended(code: int, reason: str = "Error") -> dict[str, Any]:
    return {"terminated": {"exitCode": code, "reason": reason, "finishedAt": "2026-11-24T10:00:09Z"}}


def pod(**status: Any) -> dict[str, Any]:
    about = {"name": "train-worker-1", "namespace": "ml"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": about, "status": {"podIP": "10.0.0.7", **status}}


def end(**how: Any) -> End:
    return End(How(**how), time_ns=1795514409 * 10**9)


def test_each_life_of_a_container_has_its_end() -> None:
    container = {"name": "main", "restartCount": 2, "lastState": ended(137, "OOMKilled"), "state": ended(3)}
    answer = json.dumps({"apiVersion": "v1", "kind": "List", "items": [pod(containerStatuses=[container])]}).encode()
    assert looks_like(answer)
    (found,) = read(answer)
    assert (found.name, found.ip) == ("train-worker-1", "10.0.0.7")
    assert found.ends == {("main", 1): end(signal=9, oom_killed=True), ("main", 2): end(exit_code=3)}


def test_runtimes_tell_of_signals_as_shells_do() -> None:
    (found,) = read(
        json.dumps(pod(containerStatuses=[{"name": "main", "restartCount": 0, "state": ended(139)}])).encode()
    )
    assert found.ends == {("main", 0): end(signal=11)}


def test_what_still_runs_has_no_end() -> None:
    (found,) = read(json.dumps(pod(containerStatuses=[{"name": "main", "state": {"running": {}}}])).encode())
    assert found.ends == {}


@pytest.mark.parametrize(
    "answer",
    [b"", b"[]", b"{", b"3", b'{"items": 3}', b'{"items": [3, {}]}', b'{"metadata": 3, "status": []}', b"\xff" * 9],
)
def test_of_other_json_nothing_is_made(answer: bytes) -> None:
    assert read(answer) == []


def test_nonsense_inside_is_left_out() -> None:
    statuses = [
        3,
        {"name": "a", "restartCount": "x", "state": ended(999)},
        {"state": 3, "lastState": {"terminated": 1}},
    ]
    (found,) = read(json.dumps(pod(containerStatuses=statuses, podIP=None)).encode())
    assert (found.ends, found.ip) == ({}, "")
