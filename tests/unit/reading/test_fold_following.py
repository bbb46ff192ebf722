"""How long a row waits, in following, for other ranks to say the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ranklog_collector.reading.fold import WINDOW_NS
from ranklog_collector.reading.folder import RunFolder
from ranklog_collector.reading.lines import Block
from ranklog_collector.reading.logs import LogReader
from ranklog_collector.reading.rows import Rows
from ranklog_collector.reading.select import Selection
from tests.support.run_writer import RunWriter, job

STEP_S = 0.1
WINDOW_S = WINDOW_NS / 1e9


def shown(run: RunWriter, script: Iterator[None], is_similar: bool = False) -> list[tuple[float, bytes, int]]:
    """Follow a run: when each row came, its text, and how many ranks have it. The script goes on at each step."""
    now = 0.0
    folder = RunFolder(str(run.folder))
    reader = LogReader(folder, Selection())

    def batches() -> Iterator[Iterator[Block]]:
        nonlocal now
        while next(script, "over") is None:
            folder.refresh()
            yield reader.read(is_final=False)
            now += STEP_S

    rows = Rows(reader, is_folded=True, is_similar=is_similar)
    return [(now, row.text, len(row.streams)) for row in rows.of(batches(), lambda: now)]


def test_after_a_long_silence_a_row_waits_for_the_other_ranks_too(tmp_path: Path) -> None:
    run, (first, second) = job(tmp_path / "r", 2)

    def script() -> Iterator[None]:
        for _ in range(round(3 * WINDOW_S / STEP_S)):
            yield
        run.write(first, b"hello\n", at=3)
        yield
        yield
        run.write(second, b"hello\n", at=3.2)
        yield

    assert [row[1:] for row in shown(run, script())] == [(b"hello", 2)]


def test_a_row_that_nobody_joins_is_shown_after_the_window_although_others_speak(tmp_path: Path) -> None:
    run, (first, second, _) = job(tmp_path / "r", 3)

    def script() -> Iterator[None]:
        run.write(first, b"alone\n", at=1)
        for step in range(round(3 * WINDOW_S / STEP_S)):
            yield
            # A clock that stands still: only the reader's own can tell how long ago the row came.
            run.write(second, b"%d\n" % step, at=1)

    rows = shown(run, script())
    assert rows[0][1:] == (b"alone", 1)
    assert rows[0][0] <= WINDOW_S + 2 * STEP_S


def test_alike_lines_wait_for_one_another_but_not_for_ever(tmp_path: Path) -> None:
    run, (first, second, third) = job(tmp_path / "r", 3)

    def script() -> Iterator[None]:
        run.write(first, b"loss 1\n", at=1)
        yield
        run.write(second, b"loss 2\n", at=1.2)
        for _ in range(round(2 * WINDOW_S / STEP_S)):
            yield
        run.write(third, b"loss 3\n", at=1.3)
        yield

    rows = shown(run, script(), is_similar=True)
    assert [row[1:] for row in rows] == [("loss {1…2}".encode(), 2), (b"loss 3", 1)]
    assert rows[0][0] <= WINDOW_S + 3 * STEP_S


def test_a_traceback_that_comes_in_parts_is_shown_whole(tmp_path: Path) -> None:
    run, (first, second) = job(tmp_path / "r", 2)

    def script() -> Iterator[None]:
        run.write(first, b"Traceback (most recent call last):\n", at=1)
        yield
        run.write(second, b"other\n", at=1.1)
        yield
        run.write(first, b'  File "a.py", line 1\nValueError: x\n', at=1.2)
        yield

    whole = b'Traceback (most recent call last):\n  File "a.py", line 1\nValueError: x'
    assert [row[1:] for row in shown(run, script())] == [(whole, 1), (b"other", 1)]
