"""A reader that cannot keep up leaves lines out, knows how many, and shows none twice."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from ranklog_collector.reading.folder import RunFolder
from ranklog_collector.reading.grep import Pattern
from ranklog_collector.reading.logs import LogReader
from ranklog_collector.reading.select import Selection
from tests.support.run_writer import job


def numbers(start: int, end: int) -> bytes:
    return b"".join(b"%d\n" % number for number in range(start, end))


def test_what_is_shown_and_what_is_left_out_are_all_lines(tmp_path: Path) -> None:
    run, (much, little) = job(tmp_path / "r", 2)
    run.write(much, numbers(0, 1000))
    run.write(little, numbers(0, 5))
    folder = RunFolder(str(run.folder))
    reader = LogReader(folder, Selection())
    assert reader.skip(10) == 990
    left = {block.stream: block.piece.data for block in reader.read()}
    assert left == {much: numbers(990, 1000), little: numbers(0, 5)}
    assert reader.skip(10) == 0


def test_a_reading_that_was_broken_off_goes_on_where_it_was(tmp_path: Path) -> None:
    run, (first, second) = job(tmp_path / "r", 2)
    for at in range(4):
        run.write(first, numbers(at, at + 1), at=at)
        run.write(second, numbers(at, at + 1), at=at)
    reader = LogReader(RunFolder(str(run.folder)), Selection())
    begun = list(islice(reader.read(), 3))
    texts: dict[int, bytes] = {first: b"", second: b""}
    for block in [*begun, *reader.read()]:
        texts[block.stream] += block.piece.data
    assert len(begun) == 3
    assert texts == {first: numbers(0, 4), second: numbers(0, 4)}


def test_lines_that_do_not_match_are_not_read_again(tmp_path: Path) -> None:
    run, (stream,) = job(tmp_path / "r", 1)
    run.write(stream, numbers(0, 1000))
    reader = LogReader(RunFolder(str(run.folder)), Selection(), Pattern("^500$"))
    assert [block.piece.data for block in reader.read(is_final=False)] == [b"500\n"]
    assert reader.skip(0) == 0
