"""What is told of a run at its end."""

from __future__ import annotations

import re
from pathlib import Path

from ranklog_collector.launch.summary import ROWS_MAX, Row, Summary, summarize
from ranklog_collector.reading.folder import RunFolder
from tests.support.run_writer import RunWriter, job

SECOND = 10**9


def summary(run: RunWriter, spool: Path | None = None) -> Summary:
    return summarize(RunFolder(str(run.folder)), str(spool or run.folder / "no spool"))


def test_each_process_has_its_row(tmp_path: Path) -> None:
    run, (first, second) = job(tmp_path / "r", 2)
    run.write(first, b"one\ntwo\n")
    run.write(second, b"no end")
    run.exit(0, at=2)
    run.exit(1, at=10, code=3)
    run.close(first)
    run.close(second)
    run.end("failed")
    found = summary(run)
    assert found.rows == [
        Row("0", "Completed", "0", 2 * SECOND, 2, 8),
        Row("1", "Failed", "3", 10 * SECOND, 1, 6),
    ]
    assert (found.state, found.ranks, found.absent, found.duration_ns) == ("failed", "0-1", "", 20 * SECOND)
    assert (found.files, found.bytes, found.verified) == (2, 14, 14)
    assert found.is_complete


def test_a_launcher_is_called_by_its_name_and_its_messages_count_once(tmp_path: Path) -> None:
    run = RunWriter(tmp_path / "r")
    run.node("n0")
    key = run.rank(None, role="launcher", argv=["/usr/bin/mpirun", "-n", "2"])
    for role, path in (("launcher_log", "mpi"), ("launcher_stdout", "out"), ("launcher_stderr", "err")):
        stream = run.stream(path, role=role, process=key)
        run.write(stream, b"hello\n" if role != "launcher_stderr" else b"")
    assert [(row.who, row.lines, row.bytes) for row in summary(run).rows] == [("mpirun", 1, 6)]


def test_many_ranks_are_put_together_by_how_they_ended(tmp_path: Path) -> None:
    count = ROWS_MAX + 4
    run, streams = job(tmp_path / "r", count)
    for rank, stream in enumerate(streams):
        run.write(stream, b"line\n")
        run.exit(rank, at=1 + rank, code=7 if rank == 5 else 0)
    run.end("failed")
    assert summary(run).rows == [
        Row("0-4,6-19", "Completed", "0", count * SECOND, count - 1, 5 * (count - 1)),
        Row("5", "Failed", "7", 6 * SECOND, 1, 5),
    ]


def test_the_first_to_fail_by_itself_is_named_with_its_last_line(tmp_path: Path) -> None:
    run, (_, bad, *_) = job(tmp_path / "r", 4)
    run.write(bad, b"Traceback (most recent call last):\n  File\nValueError: \x1b[31mno\x1b[0m data\n\n  \n", at=4.9)
    run.exit(0, at=7, code=None, signal=15)
    run.exit(1, at=5, code=1)
    run.exit(2, at=6, code=1)
    run.exit(3, at=7)
    run.end("failed")
    found = summary(run)
    assert re.fullmatch(r"rank 1 \(pid 101\) raised ValueError: no data at \S+ ±\d+ ms", found.failure)
    assert found.failed_rank == 1


def test_a_rank_that_was_killed_is_named_by_its_signal(tmp_path: Path) -> None:
    run, _ = job(tmp_path / "r", 2)
    run.exit(1, at=5, code=None, signal=9, signal_name="SIGKILL")
    run.exit(0, at=6, code=1)
    found = summary(run).failure
    assert found.startswith("rank 1 (pid 101) was killed by SIGKILL at ")
    assert found.endswith("; it said nothing")


def test_memory_that_was_exhausted_is_named(tmp_path: Path) -> None:
    run, _ = job(tmp_path / "r", 1)
    run.exit(0, at=5, code=None, signal=9, oom_killed=True)
    assert summary(run).failure.startswith("rank 0 (pid 100) was killed because memory was exhausted")


def test_a_failure_that_a_restart_has_mended_is_none(tmp_path: Path) -> None:
    run, _ = job(tmp_path / "r", 1)
    run.exit(0, at=5, code=1)
    run.rank(0, at=6, pid=999)
    run.exit(0, at=7)
    found = summary(run)
    assert found.failure == ""
    assert [row.who for row in found.rows] == ["0", "0 #2"]


def test_ranks_that_nobody_has_seen_are_told(tmp_path: Path) -> None:
    run = RunWriter(tmp_path / "r", world_size=4)
    run.node("n0")
    run.rank(0)
    run.rank(1)
    found = summary(run)
    assert (found.ranks, found.absent, found.is_complete) == ("0-1", "2-3", False)


def test_what_has_not_come_is_missing(tmp_path: Path) -> None:
    run, (stream,) = job(tmp_path / "r", 1)
    run.write(stream, b"12345")
    run.exit(0, output_bytes={"src": 7})
    run.end()
    found = summary(run)
    assert not found.is_complete
    assert found.losses == ["rank_0 on n0 wrote 7 bytes to src, of which 2 have not come"]


def test_a_file_whose_end_was_never_confirmed_is_not_called_complete(tmp_path: Path) -> None:
    run, (stream,) = job(tmp_path / "r", 1)
    run.write(stream, b"12345")
    run.end("lost")
    found = summary(run)
    assert (found.losses, found.bytes, found.verified) == ([], 5, 0)
    assert not found.is_complete


def test_of_a_file_that_was_rewritten_only_the_last_version_counts(tmp_path: Path) -> None:
    run, (stream,) = job(tmp_path / "r", 1)
    run.write(stream, b"x")
    run.close(stream)
    whole = run.stream("outputs/m", role="output_file", name="outputs/m")
    run.snapshot(whole, b"first")
    run.snapshot(whole, b"second!")
    found = summary(run)
    assert (found.bytes, found.verified) == (8, 8)


def test_a_run_is_not_complete_as_long_as_its_spool_has_more(tmp_path: Path) -> None:
    source = tmp_path / "spool/streams/0-1-2/stdout.log"
    source.parent.mkdir(parents=True)
    source.write_bytes(b"12345")
    run = RunWriter(tmp_path / "r")
    run.node("n0")
    run.rank(0)
    assert summary(run, tmp_path / "spool").leftover == 5
    stream = run.output(0, source=str(source))
    run.write(stream, b"123")
    run.close(stream)
    assert (summary(run, tmp_path / "spool").leftover, summary(run, tmp_path / "spool").is_complete) == (2, False)
    source.write_bytes(b"123")
    assert summary(run, tmp_path / "spool").is_complete
