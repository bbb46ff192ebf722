"""`ranklog top` on a large run that goes on: until its first picture, its CPU for each look, answers to keys."""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import big_folder
from bench.command import run
from bench.figures import Figures, in_short, machine, medians, percentiles, say, tell
from bench.processes import BenchError
from ranklog_collector.core import journal
from ranklog_collector.core.layout import JOURNAL
from ranklog_collector.store.local import LOCK

PATIENCE_S = 60.0
SETTLE_S = 4.0
DOWN = b"j"
_EXIT = b'"event":"exited"'
_LINE = b"2026-09-21 INFO train.py:173 [rank %04d] step %d loss 0.25\n"


def main() -> None:
    """Measure and tell."""
    parser = argparse.ArgumentParser(prog="python -m bench.top", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ranks", type=int, default=1024)
    parser.add_argument("--size", type=float, default=2000, metavar="MB")
    parser.add_argument("--seconds", type=float, default=15, help="for which CPU is measured")
    parser.add_argument("--keys", type=int, default=60)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ranklog-bench-") as root:
        folder = os.path.join(root, "default", "big")
        say(f"writing {options.ranks} ranks, {options.size:.0f} MB")
        big_folder.write(folder, options.ranks, int(options.size * 1e6))
        rounds = []
        with _going_on(folder, options.ranks):
            for number in range(options.rounds):
                rounds.append(_round(folder, options.ranks, options.seconds, options.keys))
                say(f"round {number + 1}: {in_short(rounds[-1])}")
    tell({**machine("top"), "rounds": options.rounds, "ranks": options.ranks, "mb": options.size, **medians(rounds)})


def _round(folder: str, ranks: int, seconds: float, keys: int) -> Figures:
    with _Terminal(["ranklog", "top", folder]) as terminal:
        first_s = terminal.wait_for(rb"%s processes on" % f"{ranks:,}".encode())
        first_cpu_s = terminal.cpu_s()
        time.sleep(SETTLE_S)
        cpu_s, written = terminal.cpu_s(), terminal.written
        time.sleep(seconds)
        per_look = 1000 * (terminal.cpu_s() - cpu_s) / seconds
        bytes_per_look = (terminal.written - written) / seconds
        answers, cpu_s, began_s = [], terminal.cpu_s(), time.perf_counter()
        for number in range(1, keys + 1):
            answers.append(terminal.press(DOWN, rb"rank %d\b" % number))
            time.sleep(0.13)
        looks_ms = (time.perf_counter() - began_s) * per_look
        per_key = (1000 * (terminal.cpu_s() - cpu_s) - looks_ms) / keys
        size_mb = terminal.resident_mb()
        terminal.press(b"m", b"30m")
        time.sleep(SETTLE_S)
        cpu_s = terminal.cpu_s()
        time.sleep(seconds / 3)
        map_look = 1000 * (terminal.cpu_s() - cpu_s) / (seconds / 3)
    return {
        "first_frame_s": first_s,
        "first_frame_cpu_s": first_cpu_s,
        "cpu_ms_per_look": per_look,
        "cpu_ms_per_look_of_map": map_look,
        "bytes_drawn_per_look": bytes_per_look,
        "cpu_ms_per_key": per_key,
        **{f"key_{name}": value for name, value in percentiles(answers).items()},
        "resident_mb": size_mb,
    }


@contextmanager
def _going_on(folder: str, ranks: int) -> Iterator[None]:
    """Let a run go on: nobody has ended, a collector has the folder, and each rank says a line every second."""
    journal_path = os.path.join(folder, JOURNAL)
    data = Path(journal_path).read_bytes()
    with open(journal_path, "r+b") as file:
        file.truncate(data.rfind(b"\n", 0, data.index(_EXIT)) + 1)
    sizes = [os.path.getsize(os.path.join(folder, big_folder.log_path(rank))) for rank in range(ranks)]
    stopping = threading.Event()
    lock = os.open(os.path.join(folder, LOCK), os.O_CREAT | os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)

    def go_on() -> None:
        step = 20_000
        while not stopping.wait(1.0):
            step += 10
            with open(journal_path, "ab") as file:
                for rank in range(ranks):
                    line = _LINE % (rank, step)
                    with open(os.path.join(folder, big_folder.log_path(rank)), "ab") as log:
                        log.write(line)
                    sizes[rank] += len(line)
                    seen = ((sizes[rank], time.time_ns()),)
                    file.write(journal.dump(journal.Mark(rank + 1, sizes[rank], 0, seen)))

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()
        os.close(lock)


class _Terminal:
    """A program at a terminal of 80 x 24."""

    def __init__(self, argv: list[str]) -> None:
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        program = os.path.join(os.path.dirname(sys.executable), argv[0])
        self._began_s = time.perf_counter()
        self._child = subprocess.Popen(
            [program, *argv[1:]],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, "TERM": "xterm-256color"},
            start_new_session=True,
        )
        os.close(theirs)
        self._ours = ours
        self.written = 0

    def __enter__(self) -> _Terminal:
        self._reading = threading.Event()
        self._data = b""
        self._arrived = threading.Condition()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        os.write(self._ours, b"q")
        try:
            self._child.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._child.send_signal(signal.SIGKILL)
            self._child.wait()
            raise BenchError("ranklog top did not end when it was asked to") from None
        finally:
            self._reading.set()
            self._thread.join()
            os.close(self._ours)

    def wait_for(self, pattern: bytes, since_s: float | None = None) -> float:
        """Wait until something was written; tells how long that took."""
        until_s = time.perf_counter() + PATIENCE_S
        with self._arrived:
            while not re.search(pattern, self._data):
                if time.perf_counter() > until_s or self._child.poll() is not None:
                    raise BenchError(f"ranklog top did not show {pattern!r}")
                self._arrived.wait(0.5)
        return time.perf_counter() - (self._began_s if since_s is None else since_s)

    def press(self, key: bytes, pattern: bytes) -> float:
        """Press a key, and wait until its effect is written."""
        with self._arrived:
            self._data = b""
        began_s = time.perf_counter()
        os.write(self._ours, key)
        return self.wait_for(pattern, began_s)

    def cpu_s(self) -> float:
        """What it has used so far, without its children."""
        with open(f"/proc/{self._child.pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_mb(self) -> float:
        """Memory that it has."""
        with open(f"/proc/{self._child.pid}/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

    def _read(self) -> None:
        while not self._reading.is_set():
            if not select.select([self._ours], [], [], 0.2)[0]:
                continue
            try:
                data = os.read(self._ours, 1 << 16)
            except OSError:  # the other end of a terminal is gone
                return
            self.written += len(data)
            with self._arrived:
                self._data += data
                self._arrived.notify_all()


if __name__ == "__main__":
    run(main)
