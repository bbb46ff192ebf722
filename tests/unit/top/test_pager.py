"""A file as pages, and what is searched in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ranklog_collector.reading.folder import RunFolder
from ranklog_collector.top.gather import Gatherer
from ranklog_collector.top.log import Move, Search, Turn, files_of, turned
from ranklog_collector.top.pager import SEARCH_BYTES, Page, page
from tests.support.run_writer import RunWriter, job

HEIGHT = 5


def numbered(count: int) -> bytes:
    return b"".join(b"line %d\n" % number for number in range(count))


class Log:
    """The log of rank 0, as the log screen uses it."""

    def __init__(self, folder: Path, data: bytes) -> None:
        self.writer, streams = job(folder / "r", 1)
        self.stream = streams[0]
        self.writer.write(self.stream, data)
        self.folder = RunFolder(str(self.writer.folder))

    def turned(self, turn: Turn, top: int = 0, by: int = 0) -> Page:
        return turned(self.folder, self.stream, Move(turn, top, by), HEIGHT)

    def found(self, text: str, start: int, is_back: bool = False) -> tuple[int | None, bool]:
        search = Search(self.stream, text, start, is_back)
        while True:
            offset, is_over = search.step(self.folder)
            if offset is not None or is_over:
                return offset, search.is_wrapped


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path, numbered(100))


def test_pages_are_turned(log: Log) -> None:
    last = log.turned(Turn.END)
    assert last.lines == tuple(f"line {number}" for number in range(95, 100))
    assert last.is_end
    up = log.turned(Turn.BY_LINES, last.top, -3)
    assert up.lines[0] == "line 92"
    assert not up.is_end
    assert log.turned(Turn.BY_LINES, up.top, 1).lines[0] == "line 93"
    assert log.turned(Turn.BY_LINES, up.top, 1000).lines == last.lines
    assert log.turned(Turn.BEGIN).lines[0] == "line 0"
    assert log.turned(Turn.BY_LINES, 0, -5).top == 0
    assert log.turned(Turn.STAY, up.top).lines == up.lines
    assert log.turned(Turn.TO, by=up.top).lines == tuple(f"line {number}" for number in range(91, 96))


def test_a_file_that_was_cut_is_shown_as_it_is(log: Log) -> None:
    log.writer.path(log.stream).write_bytes(numbered(2))
    assert log.turned(Turn.STAY, 10_000).lines == ("line 0", "line 1")
    assert log.turned(Turn.BEGIN).lines == ("line 0", "line 1")


def test_lines_end_where_the_file_ends(tmp_path: Path) -> None:
    assert Log(tmp_path, b"a\n\nb").turned(Turn.END).lines == ("a", "", "b")


def test_a_line_of_any_length_is_one_line(tmp_path: Path) -> None:
    shown = Log(tmp_path, b"a\n" + b"x" * (3 << 20) + b"\nb\n").turned(Turn.BEGIN)
    assert (len(shown.lines), shown.lines[0], shown.lines[2]) == (3, "a", "b")
    assert "bytes in this line" in shown.lines[1]


def test_an_empty_file_is_an_empty_page() -> None:
    assert page(lambda offset, size: b"", 0, 0, HEIGHT) == Page(0, (), (), 0)


def test_a_search_finds_the_next_line_and_goes_on_from_the_other_end(log: Log) -> None:
    data = numbered(100)
    assert log.found("line 7", 0) == (data.index(b"line 7\n"), False)
    assert log.found("line 7", data.index(b"line 71")) == (data.index(b"line 71"), False)
    assert log.found("line 3", data.index(b"line 50")) == (data.index(b"line 3\n"), True)
    assert log.found("nothing", 0) == (None, True)
    assert log.found("line 3", data.index(b"line 35"), is_back=True) == (data.index(b"line 34"), False)
    assert log.found("line 9", 0, is_back=True) == (data.index(b"line 99"), True)


def test_a_search_is_for_text_and_capitals_matter_if_there_are_some(tmp_path: Path) -> None:
    log = Log(tmp_path, b"loss=0.5\nLoss (x)\nend\n")
    assert log.found("loss (", 0)[0] == 9
    assert log.found("Loss", 0)[0] == 9
    assert log.found("LOSS", 0)[0] is None
    assert log.found("0x5", 0)[0] is None
    assert log.found("0.5", 0)[0] == 0
    assert log.found("(((a+)+)+$", 0)[0] is None


def test_a_search_through_a_large_file_lets_others_have_their_turn(tmp_path: Path) -> None:
    log = Log(tmp_path, (b"x" * 99 + b"\n") * (3 * SEARCH_BYTES // 100) + b"needle\n")
    search = Search(log.stream, "needle", 0, is_back=False)
    steps = 1
    while search.step(log.folder) == (None, False):
        steps += 1
    assert steps > 3


def test_the_files_of_a_process_are_its_output_and_the_logs_it_wrote(tmp_path: Path) -> None:
    writer = RunWriter(tmp_path / "r")
    writer.node("n0")
    key = writer.rank(0)
    writer.write(writer.stream("logs/own.log", role="log", process=key), b"x\n")
    writer.write(writer.output(0, "azureml-logs/70_driver_log_0_stderr.txt", "stderr"), b"x\n")
    writer.write(writer.output(0), b"x\n")
    writer.stream(".ranklog/metrics/n0/a.jsonl", role="metrics", process=key)
    folder = RunFolder(str(writer.folder))
    (one,) = Gatherer(folder).look().rows
    assert [file.name for file in files_of(folder, one)] == ["stdout", "stderr", "log"]
