"""The output of a run in one order: chosen, cut, folded, followed while it grows."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ranklog_collector.core import journal
from ranklog_collector.reading.context import Context
from ranklog_collector.reading.folder import RunFolder
from ranklog_collector.reading.grep import Pattern
from ranklog_collector.reading.labels import Labels
from ranklog_collector.reading.logs import PARTIAL_WAIT_S, LogReader
from ranklog_collector.reading.rows import Rows, all_blocks, following
from ranklog_collector.reading.select import Selection, parse_ranks
from tests.support.run_writer import RunWriter, job, ns


def rows_of(
    folder: Path,
    selection: Selection | None = None,
    pattern: str | None = None,
    fold: bool = True,
    tail: int | None = None,
) -> list[str]:
    reader = LogReader(
        RunFolder(str(folder)), selection or Selection(), Pattern(pattern) if pattern is not None else None, tail
    )
    rows = Rows(reader, fold, tail=tail)
    labels = Labels(reader, is_always=True)
    return [(labels.of(row.streams) + row.text).decode() for row in rows.of(all_blocks(reader))]


def raw_of(folder: Path, selection: Selection | None = None, **options: int) -> bytes:
    reader = LogReader(RunFolder(str(folder)), selection or Selection(), tail=options.get("tail"))
    rows = Rows(reader, is_folded=False, is_raw=True, tail=options.get("tail"))
    return b"".join(rows.raw(all_blocks(reader), options.get("head")))


@pytest.fixture
def run(tmp_path: Path) -> RunWriter:
    """Three ranks on two nodes, the second of which has a clock that is two seconds ahead."""
    run = RunWriter(tmp_path / "r", world_size=3)
    run.node("n0", "10.0.0.1")
    run.node("n1", "10.0.0.2")
    run.clock("n1", -2.0)
    for rank, node, ahead in ((0, "n0", 0), (1, "n0", 0), (2, "n1", 2)):
        run.rank(rank, node)
        stream = run.output(rank)
        run.write(stream, b"hello\n", at=ahead + 1 + rank / 100)
        run.write(stream, b"rank %d works\n" % rank, at=ahead + 3 - rank / 10)
        run.write(stream, b"bye\n", at=ahead + 9)
    return run


def test_ranks_are_merged_in_time_order_by_one_clock_and_folded(run: RunWriter) -> None:
    assert rows_of(run.folder) == [
        "[0-2] hello",
        "[2] rank 2 works",
        "[1] rank 1 works",
        "[0] rank 0 works",
        "[0-2] bye",
    ]


def test_without_folding_every_line_stands_alone(run: RunWriter) -> None:
    assert rows_of(run.folder, fold=False)[:3] == ["[0] hello", "[1] hello", "[2] hello"]


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(ranks=parse_ranks("1-9")), ["[2] rank 2 works", "[1] rank 1 works"]),
        (Selection(ranks=parse_ranks("0,2")), ["[2] rank 2 works", "[0] rank 0 works"]),
        (Selection(nodes=("n1",)), ["[2] rank 2 works"]),
        (Selection(nodes=("10.0.0.1",)), ["[1] rank 1 works", "[0] rank 0 works"]),
        (Selection(nodes=("n*",)), ["[2] rank 2 works", "[1] rank 1 works", "[0] rank 0 works"]),
        (Selection(streams=("stdout",), ranks=parse_ranks("1")), ["[1] rank 1 works"]),
        (Selection(streams=("70_driver_log_1.txt",)), ["[1] rank 1 works"]),
        (Selection(streams=("*_log_[12].txt",)), ["[2] rank 2 works", "[1] rank 1 works"]),
        (Selection(streams=("stderr",)), []),
        (Selection(since_ns=ns(2.85)), ["[1] rank 1 works", "[0] rank 0 works"]),
        (Selection(until_ns=ns(2.95)), ["[2] rank 2 works", "[1] rank 1 works"]),
        (Selection(since_ns=ns(2.85), until_ns=ns(2.95)), ["[1] rank 1 works"]),
        (Selection(since_ns=ns(100)), []),
    ],
)
def test_a_selection_restricts_ranks_nodes_streams_and_times(
    run: RunWriter, selection: Selection, expected: list[str]
) -> None:
    assert rows_of(run.folder, selection, "works") == expected


@pytest.mark.parametrize("tail", [0, 1, 2, 3, 100])
def test_the_tail_is_the_last_rows_of_all(run: RunWriter, tail: int) -> None:
    everything = rows_of(run.folder)
    assert rows_of(run.folder, tail=tail) == everything[len(everything) - min(tail, len(everything)) :]


def test_raw_is_byte_for_byte_what_is_in_the_file(run: RunWriter) -> None:
    raw = b"\x1b[31m10%\r20%\xff\0\n\n\nlast without newline"
    stream = run.stream("logs/x.log", role="log", name="logs/x.log")
    run.write(stream, raw)
    assert raw_of(run.folder, Selection(streams=("log",))) == raw
    assert raw_of(run.folder, Selection(streams=("log",)), head=1) == b"\x1b[31m10%\r20%\xff\0\n"
    assert raw_of(run.folder, Selection(streams=("log",)), tail=2) == b"\nlast without newline\n"


def test_raw_lines_of_several_streams_do_not_run_into_each_other(tmp_path: Path) -> None:
    run, (first, second) = job(tmp_path / "r", 2)
    run.write(first, b"open", at=1)
    run.write(second, b"closed\n", at=2)
    assert raw_of(run.folder) == b"open\nclosed\n"


def test_bytes_that_nobody_vouches_for_are_shown_last(run: RunWriter) -> None:
    run.write(1, b"after the collector was killed\n", vouch=False)
    assert rows_of(run.folder)[-1] == "[0] after the collector was killed"


def test_also_if_nothing_of_their_stream_was_vouched_for(tmp_path: Path) -> None:
    run, (first, second) = job(tmp_path / "r", 2)
    run.write(first, b"the collector is killed\n", vouch=False)
    run.write(second, b"early\n", at=1)
    run.node("n0", event="lost", at=5)
    assert rows_of(run.folder) == ["[1] early", "[0] the collector is killed"]
    blocks = list(LogReader(RunFolder(str(run.folder)), Selection()).read())
    assert [block.time for block in blocks] == [ns(1), ns(5)]


def test_a_missing_file_is_told_and_the_others_are_read(run: RunWriter) -> None:
    run.path(2).unlink()
    reader = LogReader(RunFolder(str(run.folder)), Selection())
    assert len(list(reader.read())) > 0
    assert list(reader.notes) == ["azureml-logs/70_driver_log_1.txt is missing"]


def test_stderr_launcher_and_attempts_are_told_apart(tmp_path: Path) -> None:
    run, (out,) = job(tmp_path / "r", 1)
    run.write(out, b"out\n", at=1)
    run.write(run.output(0, "azureml-logs/70_driver_log_0_stderr.txt", "stderr"), b"err\n", at=2)
    run.rank(0, at=3, pid=7)
    run.write(run.output(0, "azureml-logs/70_driver_log_0_attempt2.txt"), b"again\n", at=4)
    launcher = run.rank(None, role="launcher", pid=9)
    run.write(run.stream("azureml-logs/70_mpi_log.txt", role="launcher_log", process=launcher), b"mpirun\n", at=5)
    run.write(run.stream("overall/stdout.txt", role="launcher_stdout", process=launcher), b"all that again\n", at=6)
    run.write(run.stream("logs/own.log", role="log", name="logs/own.log"), b"own\n", at=7)
    assert rows_of(run.folder) == ["[0] out", "[0 err] err", "[0#2] again", "[launcher] mpirun"]
    assert rows_of(run.folder, Selection(streams=("launcher",)))[-1] == "[launcher] all that again"
    assert rows_of(run.folder, Selection(streams=("all",)))[-1] == "[logs/own.log] own"


def test_more_streams_than_a_process_may_open_files_are_merged(tmp_path: Path) -> None:
    run, streams = job(tmp_path / "r", 1200)
    for stream in streams:
        run.write(stream, b"hello\n")
    assert rows_of(run.folder) == ["[0-1199] hello"]


def test_a_journal_that_was_cut_while_it_was_followed_is_no_trouble(tmp_path: Path) -> None:
    run, (stream,) = job(tmp_path / "r", 1)
    size = run.journal_path.stat().st_size
    run.write(run.stream("b.txt"), b"void\n")
    folder = RunFolder(str(run.folder))
    reader = LogReader(folder, Selection())
    assert list(reader.sources) == [1, 2]
    os.truncate(run.journal_path, size)
    run.write(stream, b"one\n")
    run.log(*[journal.Pause("disk full", ns(number)) for number in range(3)])
    folder.refresh()
    assert list(reader.sources) == [1]
    assert [block.piece.data for block in reader.read()] == [b"one\n"]


# ---- following ------------------------------------------------------------------------------------------------------


class Following:
    """A reader that follows a run; whenever it would wait, the next of the given events happens instead."""

    def __init__(
        self,
        run: RunWriter,
        fold: bool = False,
        tail: int | None = None,
        events: int = 100,
        pattern: str | None = None,
        context: Context | None = None,
    ) -> None:
        self.now = 0.0
        folder = RunFolder(str(run.folder))
        wanted = None if pattern is None else Pattern(pattern)
        self.reader = LogReader(folder, Selection(), wanted, tail=tail, clock=lambda: self.now, context=context)
        self.rows = Rows(self.reader, fold, tail=tail, is_grouped=context is not None)
        self.batches = following(folder, self.reader, self.wait)
        self.script: Iterator[None] = iter(())
        self.left = events

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.left -= 1
        assert self.left > 0, "followed for ever"
        next(self.script, None)

    def groups(self, script: Iterator[None]) -> list[list[str]]:
        """What is shown, apart where it does not go on."""
        self.script = script
        groups: list[list[str]] = []
        for row in self.rows.of(self.batches, lambda: self.now):
            if not self.rows.continues(row):
                groups.append([])
            groups[-1] += row.text.decode().split("\n")
        return groups

    def texts(self, script: Iterator[None]) -> list[str]:
        self.script = script
        return [row.text.decode() for row in self.rows.of(self.batches, lambda: self.now)]


def test_following_shows_what_comes_and_ends_with_the_run(tmp_path: Path) -> None:
    run, (first, second) = job(tmp_path / "r", 2)
    run.write(first, b"before\n")

    def script() -> Iterator[None]:
        run.write(second, b"while\n", at=2)
        yield
        run.rank(2)
        run.write(run.output(2), b"newcomer\n", at=3)
        yield
        run.rename(first, "10.0.0.1/log.txt")
        run.write(first, b"renamed\n", at=4)
        yield
        run.write(first, b"last words", at=5)
        run.end()

    assert Following(run).texts(script()) == ["before", "while", "newcomer", "renamed", "last words"]


def test_following_shows_the_lines_around_a_match_whenever_they_came_and_come(tmp_path: Path) -> None:
    run, (stream,) = job(tmp_path / "r", 1)
    run.write(stream, b"a\nb\nc\n")

    def script() -> Iterator[None]:
        for text in (b"d\ner", b"ror 1\n", b"e\n", b"f\nerror 2\ng\nh", b"\ni\nj\nk\nl\n", b"error 3\nm", b"ore\n"):
            run.write(stream, text, at=2)
            yield
        run.end()

    groups = Following(run, pattern="error", context=Context(before=2, after=2)).groups(script())
    assert groups == [
        ["c", "d", "error 1", "e", "f", "error 2", "g", "h"],
        ["k", "l", "error 3", "more"],
    ]


def test_following_shows_a_traceback_whole_that_comes_line_by_line(tmp_path: Path) -> None:
    run, (stream,) = job(tmp_path / "r", 1)
    lines = ["Traceback (most recent call last):", '  File "a.py", line 1', "    f()", "ValueError: x"]

    def script() -> Iterator[None]:
        for line in ["fine", *lines, "fine", "fine"]:
            run.write(stream, f"{line}\n".encode(), at=2)
            yield
        run.end()

    assert Following(run, pattern="Traceback", context=Context(is_whole=True)).groups(script()) == [lines]


def test_a_line_is_not_followed_before_its_bytes_are_vouched_for(tmp_path: Path) -> None:
    run, (stream,) = job(tmp_path / "r", 1)
    run.write(stream, b"sure\n")

    def script() -> Iterator[None]:
        run.path(stream).write_bytes(b"sure\nperhaps\n")
        yield
        run.path(stream).write_bytes(b"sure\n")
        run.log(journal.Reset(stream, 5))
        yield
        run.write(stream, b"something else\n", at=2)
        yield
        run.end()

    assert Following(run).texts(script()) == ["sure", "something else"]


def test_a_line_without_its_end_is_shown_after_a_while_and_then_only_its_rest(tmp_path: Path) -> None:
    run, (stream,) = job(tmp_path / "r", 1)
    following = Following(run)

    def script() -> Iterator[None]:
        run.write(stream, b"done\nabout to ha")
        while following.now < 2 * PARTIAL_WAIT_S:
            yield
        run.write(stream, b"ng\n", at=5)
        yield
        run.write(stream, b"prompt> ", at=6)
        while following.now < 4 * PARTIAL_WAIT_S:
            yield
        run.write(stream, b"\nnext\n", at=9)
        yield
        run.end()

    assert following.texts(script()) == ["done", "about to ha", "ng", "prompt> ", "next"]


def test_a_progress_bar_that_moves_is_not_shown_before_it_rests(tmp_path: Path) -> None:
    run, (stream,) = job(tmp_path / "r", 1)

    def script() -> Iterator[None]:
        for percent in range(5):
            run.write(stream, b"\r%d%%" % percent, at=percent)
            yield
        run.write(stream, b"\rdone\n", at=9)
        yield
        run.end()

    assert Following(run).texts(script()) == ["done"]


def test_following_begins_with_the_tail(tmp_path: Path) -> None:
    run, (stream,) = job(tmp_path / "r", 1)
    run.write(stream, b"1\n2\n3\n4\n")

    def script() -> Iterator[None]:
        run.write(stream, b"5\n", at=2)
        yield
        run.end()

    assert Following(run, tail=2).texts(script()) == ["3", "4", "5"]


def test_a_folded_row_waits_for_late_ranks_but_not_for_ever(tmp_path: Path) -> None:
    run, (first, second) = job(tmp_path / "r", 2)
    following = Following(run, fold=True)

    def script() -> Iterator[None]:
        run.write(first, b"together\n", at=1)
        yield
        run.write(second, b"together\n", at=1.1)
        yield
        run.write(first, b"alone\n", at=2)
        while following.now < 5:
            yield
        run.end()

    assert following.texts(script()) == ["together", "alone"]


def test_a_rewritten_file_is_followed_from_its_new_start(tmp_path: Path) -> None:
    run, _ = job(tmp_path / "r", 1)
    stream = run.stream("logs/state.txt", role="log", name="logs/state.txt")
    run.snapshot(stream, b"old\n")
    folder = RunFolder(str(run.folder))
    reader = LogReader(folder, Selection(streams=("log",)))
    assert [block.piece.data for block in reader.read(is_final=False)] == [b"old\n"]
    run.snapshot(stream, b"new!\n")
    folder.refresh()
    assert [block.piece.data for block in reader.read(is_final=False)] == [b"new!\n"]
