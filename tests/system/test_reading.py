"""The reading commands as processes: pipes that close, runs that grow, an interrupt, a terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from tests.support.run_writer import RunWriter, job

RANKLOG = [sys.executable, "-m", "ranklog"]
DEADLINE_S = 20


@contextmanager
def started(*arguments: str, **options: object) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command and make sure that it has ended."""
    process = subprocess.Popen(
        [*RANKLOG, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,  # type: ignore[call-overload]
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def read_line(stream: IO[bytes] | None) -> bytes:
    assert stream is not None
    ready, _, _ = select.select([stream], [], [], DEADLINE_S)
    assert ready, "nothing came"
    return stream.readline()


@contextmanager
def collecting(run: RunWriter) -> Iterator[None]:
    """Hold the folder's lock as a collector does."""
    with (run.folder / ".ranklog/lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.mark.parametrize("command", ["logs", "ps", "files"])
def test_a_pipe_that_closes_early_ends_a_command_quietly(tmp_path: Path, command: str) -> None:
    run, streams = job(tmp_path / "r", 2000)
    for stream in streams:
        run.write(stream, b"one of many lines that together are more than a pipe holds\n" * 20)
    with started(command, str(run.folder)) as process:
        read_line(process.stdout)
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(DEADLINE_S) == 0
        assert process.stderr is not None
        assert process.stderr.read() == b""


def test_a_growing_run_is_followed_to_its_end(tmp_path: Path) -> None:
    run, (first, second) = job(tmp_path / "r", 2)
    run.write(first, b"before\n", at=1)
    with collecting(run), started("logs", str(run.folder), "-f") as process:
        assert read_line(process.stdout) == b"[0] before\n"
        run.write(second, b"while\n", at=2)
        assert read_line(process.stdout) == b"[1] while\n"
        run.write(first, b"both\n", at=3)
        run.write(second, b"both\n", at=3)
        assert read_line(process.stdout) == b"[0-1] both\n"
        run.end()
        assert process.wait(DEADLINE_S) == 0
        assert process.stdout is not None
        assert process.stderr is not None
        assert (process.stdout.read(), process.stderr.read()) == (b"", b"")


def test_following_a_run_that_nobody_writes_says_so_and_waits(tmp_path: Path) -> None:
    run, (stream,) = job(tmp_path / "r", 1)
    with started("logs", str(run.folder), "-f") as process:
        assert b"no collector is writing this run" in read_line(process.stderr)
        run.write(stream, b"a collector came back\n")
        assert read_line(process.stdout) == b"a collector came back\n"
        run.end()
        assert process.wait(DEADLINE_S) == 0


def test_an_interrupt_ends_following_without_a_word(tmp_path: Path) -> None:
    run, (stream,) = job(tmp_path / "r", 1)
    run.write(stream, b"ready\n")
    with collecting(run), started("logs", str(run.folder), "-f") as process:
        read_line(process.stdout)
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE_S) == 130
        assert process.stderr is not None
        assert process.stderr.read() == b""


def on_terminal(*arguments: str, columns: int) -> str:
    """Run a command on a terminal and return what it shows."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    process = subprocess.Popen(
        [*RANKLOG, *arguments], stdout=slave, stderr=slave, env=environment | {"TERM": "xterm-256color"}
    )
    os.close(slave)
    shown = b""
    deadline = time.monotonic() + DEADLINE_S
    while True:
        assert time.monotonic() < deadline
        try:
            data = os.read(master, 65536)
        except OSError:
            break
        if not data:
            break
        shown += data
    os.close(master)
    assert process.wait(DEADLINE_S) == 0
    return shown.decode()


def test_colours_and_tables_are_for_terminals(tmp_path: Path) -> None:
    run, (first, _) = job(tmp_path / "r", 2)
    run.write(first, b"\x1b[31mred\x1b[2J\n")
    run.end()
    assert on_terminal("logs", str(run.folder), columns=80) == "\x1b[36m[0]\x1b[0m \x1b[31mred\x1b[0m\r\n"
    table = on_terminal("ps", str(run.folder), columns=80)
    assert "\x1b[1mPROCESS" in table
    assert "STARTED" not in table
    assert "STARTED" in on_terminal("ps", str(run.folder), columns=200)
    piped = subprocess.run([*RANKLOG, "ps", str(run.folder)], capture_output=True, check=True).stdout
    assert b"\x1b" not in piped


def test_on_a_terminal_alike_lines_are_one_row_and_grave_ones_have_colours(tmp_path: Path) -> None:
    run, streams = job(tmp_path / "r", 64)
    for rank, stream in enumerate(streams):
        run.write(stream, b"ERROR odd\n" if rank == 17 else b"tick 1 took %d ms\n" % (10 + rank), at=1)
    run.end()
    assert on_terminal("logs", str(run.folder), columns=80).replace("\r", "").splitlines() == [
        "\x1b[1m[0-16,18-63]\x1b[0m tick 1 took {10…73} ms",
        "\x1b[31m[17]\x1b[0m \x1b[31mERROR odd\x1b[0m",
    ]
    piped = subprocess.run([*RANKLOG, "logs", str(run.folder)], capture_output=True, check=True).stdout
    assert piped.count(b"\n") == 64


def test_followed_alike_lines_are_one_row(tmp_path: Path) -> None:
    run, streams = job(tmp_path / "r", 4)
    for rank, stream in enumerate(streams):
        run.write(stream, b"loss 0.%d\n" % (rank + 1), at=1)
    with collecting(run), started("logs", "-f", "--fold", "similar", str(run.folder)) as process:
        assert read_line(process.stdout).decode() == "[0-3] loss {0.1…0.4}\n"
        run.end()
        assert process.wait(DEADLINE_S) == 0
