"""The node's agent is started by one of the node's processes, and by none if it cannot be or need not be."""

from __future__ import annotations

import fcntl
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from ranklog.capture import sidecar
from ranklog.capture.options import parse
from ranklog.capture.plan import Plan
from ranklog.layout import agent_lock_path, agent_path

HERE = os.uname().nodename
ENVIRON = {
    "PATH": "/bin",
    "RANKLOG_AGENT": "auto",
    "RANKLOG_COLLECTOR": "10.0.0.1:7070",
    "RANKLOG_EXPERIMENT": "e",
    "RANKLOG_NODE_IP": "10.0.0.1",
    "OMPI_MCA_ranklog_node_ip": "10.0.0.1",
    "RANKLOG_TOKEN": "secret",
}
Started = list[tuple[list[str], dict[str, str], dict[str, Any]]]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Started:
    """What is started, with nothing started."""
    calls: Started = []

    def spawn(path: str, command: list[str], environ: dict[str, str], **options: Any) -> int:
        assert path == command[0]
        calls.append((command, environ, options))
        return 0

    monkeypatch.setattr(os, "posix_spawn", spawn)
    return calls


def start(run_id: str, folder: str, environ: dict[str, str]) -> None:
    claim = sidecar.claim(folder)
    if claim is not None:
        claim.start(run_id, folder, environ)


def test_it_is_told_of_its_run_and_is_no_member_of_the_job(started: Started, tmp_path: Path) -> None:
    start("r1", str(tmp_path), {**ENVIRON, "RANKLOG_TOKEN_FILE": "/shared/token"})
    ((command, environ, options),) = started
    assert command[:2] == [sys.executable, "-c"]
    assert command[3:] == [
        *("agent", "--collector", "10.0.0.1:7070", "--run", "r1", "--spool", str(tmp_path)),
        *("--experiment", "e", "--token-file", "/shared/token"),
    ]
    assert environ == {"PATH": "/bin", "RANKLOG_TOKEN": "secret"}
    assert options["setsid"] is True


def test_a_launchers_line_is_closed_in_it(started: Started, tmp_path: Path) -> None:
    start("r1", str(tmp_path), {**ENVIRON, "PMI_FD": "77"})
    assert (os.POSIX_SPAWN_CLOSE, 77) in started[0][2]["file_actions"]


def test_one_that_has_the_lock_is_enough(started: Started, tmp_path: Path) -> None:
    (tmp_path / "agents").mkdir()
    with open(agent_lock_path(str(tmp_path), HERE), "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        start("r1", str(tmp_path), ENVIRON)
    assert started == []
    start("r1", str(tmp_path), ENVIRON)
    assert len(started) == 1, "it is gone"


@pytest.mark.parametrize(("pid", "count"), [(os.getpid(), 0), (2**22 + 1, 1)], ids=["it lives", "it is gone"])
def test_one_that_has_announced_itself_is_enough_if_it_lives(
    pid: int, count: int, started: Started, tmp_path: Path
) -> None:
    (tmp_path / "agents").mkdir()
    record = {"run_id": "r1", "hostname": HERE, "pid": pid, "start_ns": 1}
    Path(agent_path(str(tmp_path), HERE)).write_text(json.dumps(record))
    start("r1", str(tmp_path), ENVIRON)
    assert len(started) == count


def test_without_the_extra_there_is_none(started: Started, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sidecar, "NEEDED", ("ranklog_agent", "no_such_module"))
    start("r1", str(tmp_path), ENVIRON)
    assert started == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True),
        ({"RANKLOG_AGENT": ""}, False),
        ({"RANKLOG_AGENT": "none"}, False),
        ({"RANKLOG_COLLECTOR": ""}, False),
    ],
)
def test_it_is_started_only_where_the_job_says_so(changes: dict[str, str], expected: bool) -> None:
    options = parse(["--run", "r1", "--spool", "/tmp/s", "--", "true"])
    assert Plan(options, {**ENVIRON, **changes}).wants_agent is expected
