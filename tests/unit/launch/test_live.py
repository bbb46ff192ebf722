"""What the user sees while the job runs, from a run folder that grows."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import pytest

from ranklog_collector.launch.live import LiveView, Look
from tests.support.pipeline import wait_until
from tests.support.run_writer import RunWriter, job

PLAIN = Look(("stdout", "launcher_log"), is_terminal=False, is_folded=False)
TERMINAL = Look(("stdout", "launcher_log"), is_terminal=True)
Capture = pytest.CaptureFixture[str]


class Shown:
    """A view on a run, and all that it has written so far."""

    def __init__(self, run: RunWriter, look: Look, capture: Capture) -> None:
        self.view = LiveView(str(run.folder), look)
        self._capture = capture
        self._out = ""

    @property
    def out(self) -> str:
        self._out += self._capture.readouterr().out
        return self._out

    def wait_for(self, text: str) -> None:
        wait_until(lambda: text in self.out, f"{text!r} in {self._out!r}")

    def finish(self) -> str:
        is_over = threading.Event()
        self.view.finish(is_over.set)
        assert is_over.wait(30)
        return self.out


def test_output_comes_as_it_is_written_and_says_whose_it_is(tmp_path: Path, capfd: Capture) -> None:
    run, (first, second) = job(tmp_path / "r", 2)
    shown = Shown(run, PLAIN, capfd)
    run.write(first, b"one\n")
    shown.wait_for("[0]   one\n")
    run.write(second, b"two\nlast words")
    run.end()
    assert shown.finish() == "[0]   one\n[1]   two\n[1]   last words\n"


def test_a_launcher_speaks_under_its_name(tmp_path: Path, capfd: Capture) -> None:
    run, (rank,) = job(tmp_path / "r", 1)
    key = run.rank(None, role="launcher", argv=["/usr/bin/mpirun.openmpi"])
    run.write(run.stream("mpi", role="launcher_log", process=key), b"hello\n", at=1)
    run.write(rank, b"world\n", at=2)
    run.end()
    assert Shown(run, PLAIN, capfd).finish() == "[mpirun] hello\n[0] world\n"


def test_without_a_terminal_every_line_is_shown(tmp_path: Path, capfd: Capture) -> None:
    run, streams = job(tmp_path / "r", 3)
    for stream in streams:
        run.write(stream, b"same\n" * 1000)
    run.end()
    assert Shown(run, PLAIN, capfd).finish().count("same\n") == 3000


def test_a_terminal_gets_equal_lines_of_ranks_once(tmp_path: Path, capfd: Capture) -> None:
    run, streams = job(tmp_path / "r", 3)
    for stream in streams:
        run.write(stream, b"same\n")
    run.end()
    assert "[0-2] same\n" in Shown(run, TERMINAL, capfd).finish()


def test_a_terminal_has_a_line_at_its_bottom_that_is_gone_in_the_end(tmp_path: Path, capfd: Capture) -> None:
    run, (stream, _) = job(tmp_path / "r", 2)
    shown = Shown(run, TERMINAL, capfd)
    shown.wait_for("2/2 running · 0 lines")
    run.write(stream, b"hello\n")
    shown.wait_for("2/2 running · 1 line")
    run.end()
    assert on_screen(shown.finish()) == ["[0]   hello", ""]


def test_a_bar_of_a_rank_is_shown_at_the_bottom_until_it_ends(tmp_path: Path, capfd: Capture) -> None:
    run, (stream,) = job(tmp_path / "r", 1)
    shown = Shown(run, TERMINAL, capfd)
    run.write(stream, b"\r10%")
    shown.wait_for("[0] 10%")
    run.write(stream, b"\r20%", at=2)
    shown.wait_for("[0] 20%")
    run.write(stream, b"\r30%\n", at=3)
    run.end()
    assert on_screen(shown.finish()) == ["[0] 30%", ""]


def test_our_own_words_go_to_stderr_unless_there_is_a_terminal(tmp_path: Path, capfd: Capture) -> None:
    run, _ = job(tmp_path / "r", 1)
    view = LiveView(str(run.folder), PLAIN)
    view.note("something")
    is_over = threading.Event()
    view.finish(is_over.set)
    assert is_over.wait(30)
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "ranklog: something\n")


def test_if_quiet_only_our_own_words_are_shown(tmp_path: Path, capfd: Capture) -> None:
    run, (stream,) = job(tmp_path / "r", 1)
    run.write(stream, b"hello\n")
    shown = Shown(run, Look(("stdout",), is_terminal=True, is_quiet=True), capfd)
    shown.view.note("something")
    assert on_screen(shown.finish()) == ["ranklog: something", ""]


def test_raw_bytes_are_shown_as_they_are(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    run, (stream,) = job(tmp_path / "r", 1)
    run.write(stream, b"\x1b[31m\xff\x00\r1\r2\n")
    run.end()
    view = LiveView(str(run.folder), Look(("stdout",), is_terminal=False, is_folded=False, is_raw=True))
    is_over = threading.Event()
    view.finish(is_over.set)
    assert is_over.wait(30)
    assert capfdbinary.readouterr().out == b"\x1b[31m\xff\x00\r1\r2\n"


def on_screen(written: str) -> list[str]:
    """The lines that stay: what is erased is not among them."""
    return re.sub(r"[^\n]*\r\x1b\[K", "", written).split("\n")
