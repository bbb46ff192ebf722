"""`ranklog top` at a real terminal, on a real job: it breaks, or hangs, while it is watched."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.ranklog_run import LiveRun, environment, python
from tests.support.run_writer import RunWriter, job

JOB = """
import os, sys, time
rank, trouble = int(os.environ["RANK"]), sys.argv[1]
for step in range(100_000):
    if rank == 2 and os.path.exists("trouble"):
        if trouble == "hang":
            time.sleep(100_000)
        raise RuntimeError("the loss is nan")
    print(f"step {step} of rank {rank}", flush=True)
    time.sleep(0.1)
"""
LEFT = "\x1b[?1049l"
"""Back from the screen of its own."""
ESCAPES = re.compile(r"\x1b\[[0-9;?<>=]*[ -/]*[@-~]|\x1b[()][0-9A-B]|\x1b[=>78]")


class Screen(LiveRun):
    """`ranklog top latest` at a terminal."""

    def __init__(self, root: Path, *words: str) -> None:
        super().__init__(root, *words, program="top")

    def __enter__(self) -> Screen:
        return self

    @property
    def drawn(self) -> str:
        """All that went to the terminal."""
        return super().said

    @property
    def said(self) -> str:
        """What can be read of it, without what only moves the cursor or changes colours."""
        return ESCAPES.sub("", self.drawn)


@contextmanager
def job_of_four(root: Path, trouble: str) -> Iterator[LiveRun]:
    with LiveRun(root, "-n", "4", "--run", "r1", "--", *python(JOB), trouble) as running:
        running.wait_for(r"step \d+ of rank 3")
        yield running


def ranklog(root: Path, *words: str, terminal: str = "xterm") -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("ranklog")), *words]
    return subprocess.run(
        command,
        cwd=root,
        env={**environment(root), "TERM": terminal},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_job_that_breaks_while_it_is_watched(tmp_path: Path) -> None:
    with job_of_four(tmp_path, "exception") as running, Screen(tmp_path, "r1") as top:
        top.wait_for(r"4 processes on 1 node")
        top.wait_for(r"step \d+ of rank 0")
        (tmp_path / "trouble").touch()
        top.wait_for(r"✗ failed")
        top.wait_for(r"WHY \(\w+\): rank 2")
        top.press(b"v")
        top.wait_for(r"RuntimeError: the loss is nan")
        top.press(b"\x03")
        assert top.end().code == 0
        running.end()


def test_a_rank_that_hangs_stands_out_and_is_named_while_the_job_goes_on(tmp_path: Path) -> None:
    with job_of_four(tmp_path, "hang") as running, Screen(tmp_path, "r1") as top:
        top.wait_for(r"4 processes on 1 node")
        (tmp_path / "trouble").touch()
        top.wait_for(r"◌ SILENT")
        top.wait_for(r"SUSPECT \(\w+\): rank 2")
        top.press(b"\x03")
        assert top.end().code == 0
        assert running.process.poll() is None


def test_who_ends_it_gets_the_terminal_back(tmp_path: Path, ended: RunWriter) -> None:
    with Screen(tmp_path, "r1") as top:
        top.wait_for(r"3 processes on 1 node")
        top.send(signal.SIGTERM)
        assert top.end().code == 128 + signal.SIGTERM
        assert LEFT in top.drawn


def test_where_nothing_can_be_drawn_one_line_says_what_to_use(tmp_path: Path) -> None:
    for terminal in ("xterm", "dumb"):
        done = ranklog(tmp_path, "top", "r1", terminal=terminal)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == "ranklog: this is no terminal: use `ranklog ps r1`, or --once for one frame as text\n"


def test_a_terminal_that_cannot_be_drawn_on_is_told_likewise(tmp_path: Path) -> None:
    with LiveRun(tmp_path, "r1", program="top", more={"TERM": "dumb"}) as top:
        result = top.end()
    assert result.code == 2
    assert result.out.count("\n") == 1
    assert "this terminal cannot be drawn on: use `ranklog ps r1`" in result.out


@pytest.fixture
def ended(tmp_path: Path) -> RunWriter:
    writer, streams = job(tmp_path / "runs/default/r1", 3)
    for stream in streams:
        writer.write(stream, b"step 7\n")
    writer.exit(1, code=3)
    writer.end("failed")
    return writer


def test_one_frame_is_printed_as_text(tmp_path: Path, ended: RunWriter) -> None:
    done = ranklog(tmp_path, "top", "r1", "--once", "--sort", "state")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert "✗ failed after 20s" in lines[0]
    assert "WHY" in lines[2]
    assert [line.split()[0].strip("▸") for line in lines[-3:]] == ["1", "0", "2"]
    assert ranklog(tmp_path, "top", "r1", "--once", "--map").stdout.splitlines()[-1] == "0 TFT"


def test_one_frame_is_printed_as_json(tmp_path: Path, ended: RunWriter) -> None:
    done = ranklog(tmp_path, "top", str(ended.folder), "--json", "--filter", "failed")
    (line,) = done.stdout.splitlines()
    frame = json.loads(line)
    assert frame["counts"] == {"Failed": 1, "Terminated": 2}
    assert [(one["rank"], one["exit"], one["step"]) for one in frame["processes"]] == [(1, "3", 7)]
    assert frame["verdict"]["culprits"][0]["rank"] == 1


def test_a_run_that_is_not_there_and_an_order_that_is_none_are_told(tmp_path: Path, ended: RunWriter) -> None:
    done = ranklog(tmp_path, "top", "r2", "--once")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert ranklog(tmp_path, "top", "r1", "--once", "--sort", "size").returncode == 2


def test_a_reader_that_has_seen_enough_is_no_fault(tmp_path: Path, ended: RunWriter) -> None:
    read, write = os.pipe()
    os.close(read)
    command = [str(Path(sys.executable).with_name("ranklog")), "top", str(ended.folder), "--once"]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, timeout=120, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, b"")
