"""Which event files are a job's, who writes them, and what they are called."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from ranklog_agent.core.event_files import Origin, is_event_file, origin, run_path
from ranklog_agent.core.rules import Match, Mode, Rule
from ranklog_agent.io.event_files import held_open, in_usual_places
from ranklog_agent.io.files import NodeFiles
from ranklog_agent.io.jobs import Jobs
from ranklog_agent.io.procfs import Writers

NAME = "events.out.tfevents.1700000000.node0"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (f"{NAME}.7182.0", Origin(True, 7182)),
        (f"{NAME}.7182.0.v2", Origin(True, 7182)),
        (f"{NAME}.7182.0my-suffix", Origin(True)),
        (NAME, Origin(True)),
        ("events.out.tfevents.1700000000.node00.7.0", Origin(False)),
        ("events.out.tfevents.1700000000.other.7.0", Origin(False)),
        ("my.tfevents", Origin()),
        (f"{NAME}.99999999999999999999.0", Origin(True)),
    ],
)
def test_names_tell_host_and_process(name: str, expected: Origin) -> None:
    assert origin(f"/a/b/{name}", "node0") == expected


def test_a_folder_does_not_make_an_event_file() -> None:
    assert is_event_file("/a/events.out.tfevents.1.h")
    assert not is_event_file("/a/tfevents/model.pt")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/job/runs/a/e", "logs/runs/a/e"),
        ("/job/logs/a/e", "logs/a/e"),
        ("/job/outputs/a/e", "outputs/a/e"),
        ("/job/logs", "logs/logs"),
        ("/elsewhere/e", "logs/elsewhere/e"),
        ("/jobs/e", "logs/jobs/e"),
        ("/job/sub/runs/e", "logs/runs/e"),
    ],
)
def test_a_file_is_named_by_its_place_below_a_working_folder(path: str, expected: str) -> None:
    assert run_path(path, ["/job", "/job/sub"]) == expected


def test_usual_places_are_searched_but_not_run_folders_nor_what_is_old(tmp_path: Path) -> None:
    for folder in ("runs/a", "lightning_logs/version_0", "runs/exp/r1/logs/runs", "elsewhere"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / NAME).write_bytes(b"")
    (tmp_path / "runs/exp/r1/.ranklog").mkdir()
    (tmp_path / "runs/a/model.pt").write_bytes(b"")
    (tmp_path / "runs/old").mkdir()
    (tmp_path / "runs/old" / NAME).write_bytes(b"")
    os.utime(tmp_path / "runs/old" / NAME, (1000, 1000))
    (tmp_path / "runs/link").symlink_to(tmp_path / "elsewhere")
    found = {os.path.relpath(path, tmp_path) for path in in_usual_places({str(tmp_path): 2000 * 10**9})}
    assert found == {f"runs/a/{NAME}", f"lightning_logs/version_0/{NAME}"}


def test_what_a_trainer_puts_into_the_folder_that_it_was_told_of_is_found(tmp_path: Path) -> None:
    for folder in ("my-model/runs/Nov24", "here/lightning_logs/version_0", "my-model/other", ".git/runs"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / NAME).write_bytes(b"")
    found = {os.path.relpath(path, tmp_path) for path in in_usual_places({str(tmp_path): 0})}
    assert found == {f"my-model/runs/Nov24/{NAME}", f"here/lightning_logs/version_0/{NAME}"}


def test_what_a_process_writes_is_found_anywhere_and_what_it_reads_is_not(tmp_path: Path) -> None:
    (tmp_path / "read.tfevents").write_bytes(b"")
    with open(tmp_path / "written.tfevents", "wb"), open(tmp_path / "read.tfevents", "rb"), open(tmp_path / "x", "wb"):
        assert list(held_open([os.getpid(), 1 << 22])) == [str(tmp_path / "written.tfevents")]


def recorded(jobs: Jobs, key: str, pid: int, rank: int | None, role: str = "rank") -> None:
    record = {"version": 1, "key": key, "pid": pid, "start_ns": 5, "hostname": "node0", "role": role, "rank": rank}
    record |= {"cwd": "/job", "pid_namespace": os.stat("/proc/self/ns/pid").st_ino}
    folder = Path(jobs.spool_folder) / "procs"
    folder.mkdir(exist_ok=True)
    (folder / f"{key}.json").write_bytes(orjson.dumps(record))
    assert [one.key for one in jobs.scan()] == [key]


def owner(jobs: Jobs, path: Path) -> str:
    path.touch()
    writers = Writers()
    identity = NodeFiles(writers, print, "/nowhere").identity_at(str(path))
    assert identity is not None
    return jobs.process_of(str(path), identity, Match(Rule(str(path), None, Mode.TAIL), "log", "logs/x"), writers)


def test_a_file_belongs_to_the_rank_whose_pid_its_name_has_or_to_the_ancestor_of_that(tmp_path: Path) -> None:
    jobs = Jobs(str(tmp_path), "node0")
    recorded(jobs, "0-900000001-5", 900_000_001, 0)
    recorded(jobs, f"1-{os.getpid()}-5", os.getpid(), 1)
    assert jobs.working_folders == {"/job": 5}
    assert owner(jobs, tmp_path / f"{NAME}.900000001.0") == "0-900000001-5"
    assert owner(jobs, tmp_path / f"{NAME}.900000009.0") == ""
    code = "import sys; file = open(sys.argv[1], 'wb'); print(flush=True); sys.stdin.read()"
    path = tmp_path / NAME
    with subprocess.Popen([sys.executable, "-c", code, path], stdin=-1, stdout=-1) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert owner(jobs, tmp_path / f"{NAME}.{child.pid}.0") == f"1-{os.getpid()}-5"
        assert owner(jobs, path) == f"1-{os.getpid()}-5"
        assert jobs.may_write(f"{NAME}.{child.pid}.0", jobs.family())
        assert not jobs.may_write(f"{NAME}.{os.getppid()}.0", jobs.family())
        assert not jobs.may_write("events.out.tfevents.1.other.7.0", jobs.family())
        child.communicate()


def test_a_file_of_nobody_known_is_the_only_process_s(tmp_path: Path) -> None:
    jobs = Jobs(str(tmp_path), "node0")
    recorded(jobs, "p-900000000-5", 900_000_000, None, "launcher")
    recorded(jobs, "0-900000001-5", 900_000_001, 0)
    assert owner(jobs, tmp_path / f"{NAME}.900000009.0") == "0-900000001-5"
