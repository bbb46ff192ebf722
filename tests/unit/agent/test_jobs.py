"""What the agent makes of records that no `ranklog exec` has written."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from ranklog import spool
from ranklog_agent.io.jobs import Jobs
from ranklog_collector.ingest import checked
from ranklog_proto.v1 import ingest_pb2 as pb

HERE = socket.gethostname()
KEY = "0-7-1"


@pytest.fixture
def procs(tmp_path: Path) -> Path:
    folder = tmp_path / "procs"
    folder.mkdir()
    record = {"key": KEY, "pid": os.getpid(), "start_ns": 1, "hostname": HERE}
    (folder / f"{KEY}.json").write_text(json.dumps(record))
    return folder


def told(folder: Path) -> list[str]:
    """What the agent tells, each of which the collector must take."""
    jobs = Jobs(str(folder), HERE)
    list(jobs.scan())
    list(jobs.scan())
    return [checked.fact(_message(raw).process)[1] for raw in jobs.unsent()]


def _message(raw: bytes) -> pb.FromAgent:
    message = pb.FromAgent()
    message.ParseFromString(raw)
    return message


def test_an_exit_record_is_told(procs: Path) -> None:
    (procs / f"{KEY}.exit.json").write_text(json.dumps({"key": KEY, "end_ns": 5, "exit_code": 0}))
    assert told(procs.parent) == ["started", "exited"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"key": "0-8-1", "end_ns": 5}',
        b'{"key": "0-7-1"}',
        b'{"key": "0-7-1", "end_ns": 5, "more": ' + b"[" * 600 + b"]" * 600 + b"}",
        b'{"key": "0-7-1", "end_ns": 5, "more": "' + b"x" * spool.RECORD_BYTES_MAX + b'"}',
    ],
    ids=["empty", "cut", "no object", "another's", "no end", "deep", "large"],
)
def test_an_exit_record_that_the_collector_would_refuse_is_not_told(procs: Path, content: bytes) -> None:
    (procs / f"{KEY}.exit.json").write_bytes(content)
    assert told(procs.parent) == ["started"]


@pytest.mark.parametrize(
    "more", ["x" * spool.RECORD_BYTES_MAX, json.loads("[" * 600 + "]" * 600)], ids=["large", "deep"]
)
def test_a_process_record_that_the_collector_would_refuse_is_not_told(procs: Path, more: object) -> None:
    record = {"key": "1-8-1", "pid": 8, "start_ns": 1, "hostname": HERE, "more": more}
    (procs / "1-8-1.json").write_text(json.dumps(record))
    assert told(procs.parent) == ["started"]
