"""Progress bars in following: not a line for every redraw, yet not unseen."""

from __future__ import annotations

from pathlib import Path

from ranklog_collector.reading.folder import RunFolder
from ranklog_collector.reading.logs import PARTIAL_WAIT_S, LogReader
from ranklog_collector.reading.select import Selection
from tests.support.run_writer import RunWriter, job


class Watched:
    """A reader that holds bars, and a clock that moves by hand."""

    def __init__(self, run: RunWriter) -> None:
        self.now = 0.0
        self.folder = RunFolder(str(run.folder))
        self.reader = LogReader(self.folder, Selection(), clock=lambda: self.now, holds_bars=True)

    def news(self, after_s: float = 0.0, is_final: bool = False) -> bytes:
        self.now += after_s
        self.folder.refresh()
        return b"|".join(block.piece.data for block in self.reader.read(is_final))


def test_a_bar_is_yielded_at_its_end_and_can_be_seen_before(tmp_path: Path) -> None:
    run, (stream,) = job(tmp_path / "r", 1)
    watched = Watched(run)
    run.write(stream, b"begin\n\r10%", at=1)
    assert watched.news() == b"begin\n"
    assert watched.reader.bars == {stream: b"\r10%"}
    run.write(stream, b"\r20%", at=9)
    assert watched.news(5 * PARTIAL_WAIT_S) == b""
    assert watched.news(5 * PARTIAL_WAIT_S) == b""
    assert watched.reader.bars == {stream: b"\r10%\r20%"}
    run.write(stream, b"\r30%\nnext\n", at=10)
    assert watched.news() == b"\r10%\r20%\r30%\nnext\n"
    assert watched.reader.bars == {}


def test_a_bar_that_never_ended_is_yielded_in_the_end(tmp_path: Path) -> None:
    run, (stream,) = job(tmp_path / "r", 1)
    watched = Watched(run)
    run.write(stream, b"\r10%")
    assert watched.news() == b""
    assert watched.news(is_final=True) == b"\r10%"


def test_a_prompt_is_no_bar(tmp_path: Path) -> None:
    run, (stream,) = job(tmp_path / "r", 1)
    watched = Watched(run)
    run.write(stream, b"really? ")
    assert watched.news() == b""
    assert watched.news(2 * PARTIAL_WAIT_S) == b"really? "
