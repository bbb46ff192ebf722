"""A run folder as frames: only what is new is read, and what agents and processes said is brought together."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ranklog_collector.core import journal
from ranklog_collector.reading.folder import RunFolder
from ranklog_collector.reading.processes import ProcessState
from ranklog_collector.top.frame import Row
from ranklog_collector.top.gather import Gatherer
from ranklog_collector.top.steps import Step
from tests.support.run_writer import RunWriter, job, ns

EVERYTHING_S = 60.0
NOTHING_S = 0.0


def look(folder: Path, seen: tuple[str, ...] = (), unseen_s: float = EVERYTHING_S) -> list[Row]:
    return list(Gatherer(RunFolder(str(folder), latest_marks=True)).look(seen, unseen_s).rows)


def test_each_process_has_its_last_line_and_step(tmp_path: Path) -> None:
    writer, streams = job(tmp_path / "r", 3)
    writer.write(streams[0], b"step 1\nstep 2 loss 0.3\n\n", at=5)
    writer.write(streams[1], b"half a li", at=6)
    first, second, third = look(writer.folder)
    assert (first.line, first.step, first.last_output_ns) == ("step 2 loss 0.3", Step(2, "step"), ns(5))
    assert (second.line, second.step) == ("half a li", None)
    assert (third.line, third.last_output_ns) == ("", None)


def test_lines_that_nobody_sees_are_read_as_there_is_time(tmp_path: Path) -> None:
    writer, streams = job(tmp_path / "r", 2)
    for stream in streams:
        writer.write(stream, b"hello\n")
    assert [row.line for row in look(writer.folder, ("rank_1",), NOTHING_S)] == [None, "hello"]


def test_growth_is_seen_and_what_has_not_grown_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, streams = job(tmp_path / "r", 2)
    for stream in streams:
        writer.write(stream, b"one\n", at=1)
    folder = RunFolder(str(writer.folder), latest_marks=True)
    gatherer = Gatherer(folder)
    gatherer.look(unseen_s=EVERYTHING_S)
    writer.write(streams[1], b"two\n", at=2)
    folder.refresh()
    reads: list[int] = []
    pread = os.pread

    def counted(file: int, size: int, offset: int) -> bytes:
        reads.append(size)
        return pread(file, size, offset)

    monkeypatch.setattr(os, "pread", counted)
    frame = gatherer.look(unseen_s=EVERYTHING_S)
    assert [row.line for row in frame.rows] == ["one", "two"]
    assert len(reads) == 1


def test_a_collector_that_fell_back_is_followed(tmp_path: Path) -> None:
    writer, streams = job(tmp_path / "r", 1)
    writer.write(streams[0], b"one\n")
    before = writer.journal_path.read_bytes()
    writer.write(streams[0], b"two\n")
    folder = RunFolder(str(writer.folder), latest_marks=True)
    gatherer = Gatherer(folder)
    assert gatherer.look(("rank_0",)).rows[0].line == "two"
    writer.journal_path.write_bytes(before)
    folder.refresh()
    assert gatherer.look(("rank_0",)).rows[0].line == "one"


def test_logged_steps_count_more_than_printed_ones(tmp_path: Path) -> None:
    writer = RunWriter(tmp_path / "r")
    writer.node("n0")
    key = writer.rank(0)
    writer.write(writer.output(0), b"step 3\n")
    points = writer.stream(".ranklog/metrics/n0/a.jsonl", role="metrics", process=key)
    writer.write(points, b'{"t":1,"k":"loss","v":1,"s":41}\n{"t":2,"k":"loss","v":1,"s":42}\n{"t":3,"tag":{"a":"b"}}\n')
    assert look(writer.folder)[0].step == Step(42, "points")


def test_what_agents_observed_is_shown_of_processes_that_run(tmp_path: Path) -> None:
    writer = RunWriter(tmp_path / "r", world_size=2)
    writer.node("n0")
    for rank in (0, 1):
        key = writer.rank(rank, local_rank=rank)
        stream = writer.stream(f".ranklog/metrics/n0/{rank}.jsonl", role="metrics", process=key, name="resources")
        sample = b'{"t":1,"m":{"process/cpu_utilization_percentage":%d,"process/memory_rss_megabytes":100}}\n'
        writer.write(stream, sample % 5 + sample % (50 + rank))
    node = writer.stream(".ranklog/metrics/n0/node.jsonl", role="metrics", name="resources")
    gpus = b'{"t":1,"m":{"system/gpu_0_utilization_percentage":7,"system/gpu_1_utilization_percentage":8}}\n'
    writer.write(node, gpus)
    writer.exit(1)
    first, second = look(writer.folder)
    assert (first.use.cpu, first.use.memory, first.use.gpu) == (50, 100e6, 7)
    assert (second.use.cpu, second.state) == (None, ProcessState.COMPLETED)


def test_of_a_rank_that_was_started_again_the_latest_is_shown_and_launchers_come_last(tmp_path: Path) -> None:
    writer = RunWriter(tmp_path / "r", world_size=2)
    writer.node("n0")
    writer.rank(None, pid=7, role="launcher", argv=["/usr/bin/mpirun"])
    writer.rank(0, pid=10)
    writer.exit(0, code=1)
    writer.rank(0, pid=20, at=11)
    rows = look(writer.folder)
    assert [row.label for row in rows] == ["0#2", "1", "mpirun"]
    assert [row.state for row in rows] == [ProcessState.RUNNING, ProcessState.NOT_STARTED, ProcessState.RUNNING]


def test_the_frame_says_how_the_run_is(tmp_path: Path) -> None:
    writer, streams = job(tmp_path / "r", 2)
    writer.write(streams[0], b"x" * 100)
    writer.gap(streams[0], 5)
    writer.log(journal.Node("n0", "lost", ns(7)))
    frame = Gatherer(RunFolder(str(writer.folder))).look()
    assert (frame.state, frame.has_ended, frame.bytes, frame.lost_nodes) == ("interrupted", False, 100, ("n0",))
    assert any("5 bytes" in alarm for alarm in frame.alarms)
    writer.end("failed")
    frame = Gatherer(RunFolder(str(writer.folder))).look()
    assert (frame.state, frame.has_ended, frame.now_ns) == ("failed", True, ns(20))


def test_hostile_output_is_made_harmless_and_files_that_are_missing_say_nothing(tmp_path: Path) -> None:
    writer, streams = job(tmp_path / "r", 2)
    writer.write(streams[0], b"[red]\x1b[2J\x1b]0;t\x07\xe2\x80\xaebad\xff\x00" + b"y" * 9000)
    writer.write(streams[1], b"gone\n")
    writer.path(streams[1]).unlink()
    first, second = look(writer.folder)
    assert first.line is not None
    assert first.line.isprintable()
    assert second.line is None
