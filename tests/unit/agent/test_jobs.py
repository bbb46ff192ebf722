"""What the agent makes of records that no `ranklog exec` has written."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from pathlib import Path

import pytest

from ranklog import spool
from ranklog_agent.core.lifetime import SETTLE_S
from ranklog_agent.core.rules import Rules, preset
from ranklog_agent.io.files import NodeFiles
from ranklog_agent.io.jobs import RANK_WAIT_S, Jobs
from ranklog_agent.io.procfs import Writers
from ranklog_agent.io.settled import Settled
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


# ---- whose job it is ------------------------------------------------------------------------------------------------


def ended(procs: Path, key: str, **more: object) -> None:
    """A process that has come and gone."""
    record = {"key": key, "pid": os.getpid(), "start_ns": 1, "hostname": HERE, **more}
    (procs / f"{key}.json").write_text(json.dumps(record))
    (procs / f"{key}.exit.json").write_text(json.dumps({"key": key, "end_ns": 5, "exit_code": 0}))


def is_over(jobs: Jobs) -> bool:
    list(jobs.scan())
    jobs.lifetime.is_over(0)
    return jobs.lifetime.is_over(SETTLE_S)


def test_who_finds_only_processes_that_have_ended_has_come_to_deliver_what_is_left(tmp_path: Path) -> None:
    (tmp_path / "procs").mkdir()
    ended(tmp_path / "procs", KEY)
    assert is_over(Jobs(str(tmp_path), HERE))


def test_processes_that_an_earlier_agent_has_seen_through_are_no_job(tmp_path: Path) -> None:
    (tmp_path / "procs").mkdir()
    ended(tmp_path / "procs", KEY)
    jobs = Jobs(str(tmp_path), HERE, settled={KEY})
    assert not is_over(jobs)
    assert [checked.fact(_message(raw).process)[1] for raw in jobs.unsent()] == ["started", "exited"]
    ended(tmp_path / "procs", "0-8-2")
    assert is_over(jobs)


def test_processes_of_an_earlier_start_of_the_job_are_no_job(tmp_path: Path) -> None:
    (tmp_path / "procs").mkdir()
    ended(tmp_path / "procs", KEY)
    ended(tmp_path / "procs", "1-7-1", restart=1)
    jobs = Jobs(str(tmp_path), HERE, start=2)
    assert not is_over(jobs)
    ended(tmp_path / "procs", "0-8-2", restart=2)
    assert is_over(jobs)


def test_who_started_a_rank_may_start_more_but_not_who_started_its_launcher(tmp_path: Path) -> None:
    (tmp_path / "procs").mkdir()
    here = {"pid_namespace": os.stat("/proc/self/ns/pid").st_ino, "launcher_pid": os.getpid()}
    ended(tmp_path / "procs", "p-9-1", role="launcher", **here)
    assert is_over(Jobs(str(tmp_path), HERE))
    ended(tmp_path / "procs", KEY, rank=0, **here)
    assert not is_over(Jobs(str(tmp_path), HERE))


def test_the_list_of_those_that_were_seen_through_grows(tmp_path: Path) -> None:
    assert Settled(str(tmp_path)).keys == set()
    Settled(str(tmp_path)).add(["a", "b"])
    Settled(str(tmp_path)).add(["b", "c"])
    assert Settled(str(tmp_path)).keys == {"a", "b", "c"}
    assert (tmp_path / "settled.txt").read_text() == "a\nb\nc\n"


@pytest.mark.parametrize("content", [b"", b"\0\xff\n../x\n\n", b"x" * 5000], ids=["empty", "binary", "long"])
def test_a_damaged_list_names_nobody(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "settled.txt").write_bytes(content)
    assert Settled(str(tmp_path)).keys == set()


def test_a_list_that_cannot_be_kept_stops_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "settled.txt")
    assert Settled(str(tmp_path)).keys == set()
    Settled(str(tmp_path)).add(["a"])
    Settled(str(tmp_path / "missing")).add(["a"])


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """As torchrun makes it before it starts the worker."""
    (tmp_path / "attempt_0/1").mkdir(parents=True)
    log = tmp_path / "attempt_0/1/stdout.log"
    log.touch()
    return log


def is_awaited(jobs: Jobs, log: Path, now_s: float) -> bool:
    (rule,) = preset("torchrun", str(log.parents[2]))
    match = Rules([rule]).match(str(log))
    identity = NodeFiles(Writers(), print, "/nowhere").identity_at(str(log))
    assert match is not None
    assert identity is not None
    is_to_come = jobs.is_rank_to_come(str(log), identity, match, Writers(), now_s)
    if not is_to_come:
        jobs.process_of(str(log), identity, match, Writers())
    return is_to_come


def ranks_told(jobs: Jobs) -> list[tuple[int | None, int | None]]:
    records = [json.loads(_message(raw).process.started) for raw in jobs.unsent()]
    return [(record["rank"], record["local_rank"]) for record in records]


def test_who_writes_to_the_file_of_a_local_rank_tells_its_rank(tmp_path: Path, log: Path) -> None:
    jobs = Jobs(str(tmp_path / "spool"), HERE)
    assert is_awaited(jobs, log, 100.0)
    assert ranks_told(jobs) == []
    with (
        log.open("ab") as out,
        subprocess.Popen(["sleep", "60"], stdout=out, env={**os.environ, "RANK": "5"}) as worker,
    ):
        try:
            assert not is_awaited(jobs, log, 101.0)
        finally:
            worker.kill()
    assert ranks_told(jobs) == [(5, 1)]


def test_a_local_rank_that_nobody_tells_more_of_is_waited_for_no_longer(tmp_path: Path, log: Path) -> None:
    jobs = Jobs(str(tmp_path / "spool"), HERE)
    assert is_awaited(jobs, log, 100.0)
    assert not is_awaited(jobs, log, 100.0 + RANK_WAIT_S)
    assert ranks_told(jobs) == [(None, 1)]
    other = log.with_name("stderr.log")
    other.touch()
    assert not is_awaited(jobs, other, 100.0 + RANK_WAIT_S)
    assert ranks_told(jobs) == []
