"""A process tells where it is when a signal comes that nobody else uses."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

from ranklog import layout
from ranklog.run.answering import SIGNAL

ANSWER = """
import os, signal, sys
{before}
from ranklog.run.answering import answer_in
answer_in(sys.argv[1])
def waiting():
    print("here", flush=True)
    signal.pause()
waiting()
"""


def started(folder: Path, before: str = "") -> subprocess.Popen[str]:
    code = ANSWER.format(before=before)
    process = subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "here\n"
    return process


def ended(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def files(folder: Path) -> list[Path]:
    return list(Path(layout.handlers_folder(str(folder))).glob("*"))


def test_where_a_process_is_stands_in_the_file_that_it_has_named(tmp_path: Path) -> None:
    process = started(tmp_path)
    try:
        (file,) = files(tmp_path)
        assert f"-{process.pid}-" in file.name
        assert file.read_text() == f"{SIGNAL}\n"
        process.send_signal(SIGNAL)
        deadline = time.monotonic() + 30
        while "in waiting" not in file.read_text() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert "in waiting" in file.read_text()
    finally:
        ended(process)


def test_a_handler_of_the_program_is_left_alone(tmp_path: Path) -> None:
    process = started(tmp_path, f"signal.signal({SIGNAL}, lambda *_: print('mine', flush=True))")
    try:
        assert files(tmp_path) == []
        process.send_signal(SIGNAL)
        assert process.stdout is not None
        assert process.stdout.readline() == "mine\n"
    finally:
        ended(process)


def test_a_signal_that_is_ignored_is_left_alone(tmp_path: Path) -> None:
    process = started(tmp_path, f"signal.signal({SIGNAL}, signal.SIG_IGN)")
    ended(process)
    assert files(tmp_path) == []


def test_a_spool_that_cannot_be_written_to_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("no folder")
    process = started(tmp_path / "spool")
    ended(process)
    assert process.returncode == -signal.SIGKILL
