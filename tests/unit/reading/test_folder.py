"""A run folder tells its run's story at any moment: while it is written, after a crash, damaged, from anywhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ranklog_collector.core import journal
from ranklog_collector.reading.folder import ReadingError, RunFolder
from ranklog_collector.reading.processes import ProcessState, processes
from ranklog_collector.reading.state import RunState
from tests.support.run_writer import RunWriter, job, ns


def eventful(folder: Path) -> RunWriter:
    """A run in which everything happens that a journal can tell."""
    run, (first, second) = job(folder, 2)
    run.clock("n0", -2.0, at=1)
    run.write(first, b"one\n", at=1)
    run.write(second, b"uno\n", at=1.1)
    run.rotate(first)
    run.write(first, b"two\n", at=2)
    run.gap(second, 7)
    run.log(journal.Reset(2, 2))
    run.rename(first, "10.0.0.1/azureml-logs/70_driver_log_0.txt")
    run.write(first, b"three\n", at=3)
    run.clock("n0", -1.0, at=4)
    run.lose(1)
    run.node("n0", event="lost", at=5)
    run.lose(1, event="back", at=6)
    run.snapshot(run.stream("outputs/model.bin", role="output_file"), b"weights")
    run.log(journal.Pause("disk full", ns(7)), journal.Resume("disk full", ns(8)))
    run.exit(0)
    run.exit(1, code=None, signal=9)
    run.end("failed")
    return run


def described(state: RunState) -> object:
    """Everything that a state holds, comparable."""
    return (
        state.run,
        state.state,
        state.is_stopped,
        state.heard,
        state.stray,
        {name: (node.event, node.time, node.clock) for name, node in state.nodes.items()},
        processes(state),
        state.segments,
        {
            number: (one.path, one.size, one.extents, one.timeline.moments(state.clock(one)), one.rewrites)
            for number, one in state.streams.items()
        },
    )


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(0, 10_000), max_size=6))
def test_a_journal_read_bit_by_bit_tells_what_it_tells_at_once(
    cuts: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("run") / "r1"
    whole = eventful(folder).journal_path.read_bytes()
    expected = described(RunFolder(str(folder)).state)

    path = folder / ".ranklog/journal/events.jsonl"
    path.write_bytes(b"")
    growing = RunFolder(str(folder))
    for cut in sorted({min(cut, len(whole)) for cut in cuts} | {len(whole)}):
        with path.open("ab") as file:
            file.write(whole[path.stat().st_size : cut])
        growing.refresh()
        processes(growing.state)
        for stream in growing.state.streams.values():
            stream.timeline.moments(growing.state.clock(stream))
    assert described(growing.state) == expected


def test_refreshing_tells_whether_there_is_news(tmp_path: Path) -> None:
    run, (stream,) = job(tmp_path / "r", 1)
    folder = RunFolder(str(run.folder))
    assert not folder.refresh()
    run.write(stream, b"x\n")
    assert folder.refresh()
    assert folder.state.streams[stream].size == 2


@pytest.mark.parametrize("torn", [b'{"e":"mark","g":1', b'{"e":"mark","g":1}\n', b"\0\0\0\0\n", b"\xff\xfe\n"])
def test_a_torn_end_of_the_journal_is_left_until_it_is_whole(tmp_path: Path, torn: bytes) -> None:
    run, (stream,) = job(tmp_path / "r", 1)
    run.write(stream, b"x\n")
    good = run.journal_path.read_bytes()
    run.journal_path.write_bytes(good + torn)
    folder = RunFolder(str(run.folder))
    assert folder.state.streams[stream].size == 2
    run.journal_path.write_bytes(good)
    run.write(stream, b"y\n")
    folder.refresh()
    assert folder.state.streams[stream].size == 4


def test_a_journal_that_was_cut_and_has_grown_again_is_read_anew(tmp_path: Path) -> None:
    run, (stream,) = job(tmp_path / "r", 1)
    size = run.journal_path.stat().st_size
    run.write(stream, b"void\n", at=1)
    folder = RunFolder(str(run.folder))
    os.truncate(run.journal_path, size)
    run.log(*[journal.Mark(1, 0, 0) for _ in range(10)], journal.State("failed", ns(3)))
    folder.refresh()
    assert folder.state.streams[stream].size == 0
    assert folder.state.state == "failed"


def test_a_line_larger_than_what_is_read_at_once_is_read(tmp_path: Path) -> None:
    run = RunWriter(tmp_path / "r")
    run.rank(0, argv=["x" * (3 << 20)])
    run.end()
    assert RunFolder(str(run.folder)).state.state == "completed"


def test_lines_that_speak_of_what_is_not_known_are_counted_and_skipped(tmp_path: Path) -> None:
    run, (stream,) = job(tmp_path / "r", 1)
    run.log(
        journal.Mark(99, 5, 0),
        journal.Mark(1, -5, 0),
        journal.Mark(1, 1 << 63, 0),
        journal.Mark(1, 5, 1 << 63),
        journal.Extent(1, 0, 1 << 63),
        journal.Reset(99, 0),
        journal.Path(99, "x"),
        journal.Gap(1, -1, None, "?", 0),
        journal.Snapshot(1, 1 << 63, 0, 0),
    )
    run.write(stream, b"fine\n")
    state = RunFolder(str(run.folder)).state
    assert state.stray == 9
    assert state.streams[stream].size == 5


def test_a_sighting_at_an_impossible_time_does_not_end_the_reading(tmp_path: Path) -> None:
    run, (stream,) = job(tmp_path / "r", 1)
    run.write(stream, b"x\n")
    run.log(journal.Mark(1, 2, 0, ((2, 1 << 63),)), journal.Mark(1, 2, 0, ((-(1 << 63), 5),)))
    folder = RunFolder(str(run.folder))
    assert folder.state.streams[stream].timeline.moments(folder.state.clock(folder.state.streams[stream])).times


def test_a_stream_is_found_while_its_renaming_is_only_announced(tmp_path: Path) -> None:
    run, (stream,) = job(tmp_path / "r", 1)
    run.write(stream, b"x\n")
    run.log(journal.Path(stream, "10.0.0.1/azureml-logs/70_driver_log_0.txt"))
    folder = RunFolder(str(run.folder))
    with folder.opened(folder.state.streams[stream]) as file:
        assert os.read(file, 10) == b"x\n"


def test_a_stream_is_found_after_a_renaming_that_was_not_read_yet(tmp_path: Path) -> None:
    run, (stream,) = job(tmp_path / "r", 1)
    run.write(stream, b"x\n")
    folder = RunFolder(str(run.folder))
    run.rename(stream, "elsewhere/log.txt")
    with folder.opened(folder.state.streams[stream]) as file:
        assert os.read(file, 10) == b"x\n"


@pytest.mark.parametrize(
    "path", ["../secret", "/etc/hostname", "link", "folder-link/secret", "fifo", "a/../../secret", ""]
)
def test_nothing_in_a_folder_leads_out_of_it(tmp_path: Path, path: str) -> None:
    (tmp_path / "secret").write_text("secret")
    run, (stream,) = job(tmp_path / "r", 1)
    (run.folder / "link").symlink_to(tmp_path / "secret")
    (run.folder / "folder-link").symlink_to(tmp_path)
    os.mkfifo(run.folder / "fifo")
    run.log(journal.Path(stream, path))
    folder = RunFolder(str(run.folder))
    folder.state.streams[stream].former_paths.clear()
    refused = pytest.raises(OSError, match=r"links are not followed|not a name inside|not a regular file")
    with refused, folder.opened(folder.state.streams[stream]):
        pass


def test_what_is_no_run_folder_is_said_so(tmp_path: Path) -> None:
    said = r"is no run folder: it has no \.ranklog/journal/events\.jsonl; .*`ranklog import .*`"
    with pytest.raises(ReadingError, match=said):
        RunFolder(str(tmp_path))


def test_a_run_folder_that_cannot_be_read_is_not_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "r/.ranklog").mkdir(parents=True)
    (tmp_path / "r/.ranklog/journal").symlink_to("journal")
    with pytest.raises(ReadingError, match=r"r cannot be read: .*links are not followed"):
        RunFolder(str(tmp_path / "r"))


# ---- processes ------------------------------------------------------------------------------------------------------


def test_every_state_of_a_process_is_told(tmp_path: Path) -> None:
    run = RunWriter(tmp_path / "r", world_size=8)
    run.node("n0")
    for rank in range(7):
        run.rank(rank)
    run.write(run.output(0), b"hello\n", at=2)
    run.exit(0, code=0)
    run.exit(1, code=3)
    run.exit(2, code=None, signal=15)
    run.exit(3, code=None, signal=9, oom_killed=True)
    run.lose(4)
    views = processes(RunFolder(str(run.folder)).state)
    assert [(view.rank, view.state.value, view.exit) for view in views] == [
        (0, "Completed", "0"),
        (1, "Failed", "3"),
        (2, "Terminated", "SIGTERM"),
        (3, "Failed", "OOM"),
        (4, "Lost", ""),
        (5, "Running", ""),
        (6, "Running", ""),
        (7, "NotStarted", ""),
    ]
    first = views[0]
    assert (first.bytes, first.last_output_ns, first.started_ns, first.ended_ns) == (6, ns(2), ns(0), ns(10))
    assert (first.node, first.ip, first.pid, first.log) == ("n0", "10.0.0.1", 100, "azureml-logs/70_driver_log_0.txt")


def test_processes_that_nobody_saw_end_are_terminated_once_the_run_has_ended(tmp_path: Path) -> None:
    run, _ = job(tmp_path / "r", 1)
    run.end("failed")
    (view,) = processes(RunFolder(str(run.folder)).state)
    assert view.state is ProcessState.TERMINATED


def test_later_processes_of_a_rank_are_attempts(tmp_path: Path) -> None:
    run, _ = job(tmp_path / "r", 1)
    run.exit(0, at=1, code=1)
    run.rank(0, at=2, pid=200)
    views = processes(RunFolder(str(run.folder)).state)
    assert [(view.name, view.attempt, view.state.value) for view in views] == [
        ("rank_0", 1, "Failed"),
        ("rank_0_attempt2", 2, "Running"),
    ]


def test_times_are_those_of_the_collectors_clock(tmp_path: Path) -> None:
    run, (stream,) = job(tmp_path / "r", 1)
    run.write(stream, b"x\n", at=5)
    run.clock("n0", -2.0, at=3)
    run.exit(0, at=9)
    (view,) = processes(RunFolder(str(run.folder)).state)
    assert (view.started_ns, view.last_output_ns, view.ended_ns) == (ns(-2), ns(3), ns(7))


def test_records_full_of_nonsense_are_survived(tmp_path: Path) -> None:
    run = RunWriter(tmp_path / "r", world_size=10**12)
    run.rank(0, pid=-4, start_ns="soon", hostname=[], local_rank=True, role={})
    run.exit(0, code=-7, signal=12345, end_ns=None, oom_killed="yes")
    run.log(journal.Process("n0", "k", "exited", ns(1), {"rank": 1.5}), journal.Process("n0", "k2", "lost", ns(1)))
    assert processes(RunFolder(str(run.folder)).state)


def test_leaving_marks_out_changes_no_size_no_last_time_and_no_state(tmp_path: Path) -> None:
    run = eventful(tmp_path / "r")
    more = run.stream("logs/more.log", role="log", name="logs/more.log")
    for number in range(50):
        run.write(more, b"line\n", at=number)
        run.write(1, b"other\n", at=number)
    full, quick = RunFolder(str(run.folder)).state, RunFolder(str(run.folder), latest_marks=True).state
    assert processes(quick) == processes(full)
    assert quick.streams[more].timeline.last(quick.clock(quick.streams[more])) == ns(49) - 10**9
    assert len(quick.streams[more].timeline.times) == 1
    for number, stream in full.streams.items():
        assert (quick.streams[number].size, quick.streams[number].extents) == (stream.size, stream.extents)
    for number, segment in full.segments.items():
        assert (quick.segments[number].end, quick.segments[number].closed) == (segment.end, segment.closed)


def test_leaving_marks_out_stops_where_the_journal_is_torn(tmp_path: Path) -> None:
    run, (stream,) = job(tmp_path / "r", 1)
    run.write(stream, b"one\n")
    run.write(stream, b"two\n")
    good = run.journal_path.read_bytes()
    for torn in (b'{"e":"mark","g":1,"end":99', b'{"e":"mark","g":1,"end":\n', b"\0\0\n"):
        run.journal_path.write_bytes(good + torn)
        folder = RunFolder(str(run.folder), latest_marks=True)
        assert folder.state.streams[stream].size == 8
