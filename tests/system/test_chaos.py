"""Load, and everything that can end or fill up meanwhile, at random moments: in the end not one byte differs.

Sizes are for continuous integration; RANKLOG_TEST_FULL makes them those that are promised, RANKLOG_TEST_SEED sets the
dice.
"""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.cluster import sized
from tests.support.pipeline import Pipeline, wait_until
from tests.system.conftest import require

SEED = int(os.environ.get("RANKLOG_TEST_SEED", "1"))

WRITER = """
import os, random, sys, time
folder, streams, size, seconds, seed = sys.argv[1], *map(int, sys.argv[2:6])
dice = random.Random(seed)
files = [os.open(f"{folder}/{number}.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT) for number in range(streams)]
began, written, line = time.monotonic(), 0, 0
while written < size:
    lines = []
    for _ in range(dice.randrange(1, 400)):
        line += 1
        lines.append(b"%010d %s\\n" % (line, b"x" * dice.randrange(100)))
    data = b"".join(lines)
    written += os.write(files[dice.randrange(streams)], data)
    time.sleep(max(0, began + seconds * written / size - time.monotonic()))
"""


@contextmanager
def load(folder: Path, streams: int, size: int, seconds: int) -> Iterator[subprocess.Popen[bytes]]:
    """A program that writes so many bytes over so much time; it has ended well when the block is left."""
    folder.mkdir(exist_ok=True)
    arguments = [str(value) for value in (folder, streams, size, seconds, SEED)]
    with subprocess.Popen([sys.executable, "-c", WRITER, *arguments]) as process:
        try:
            yield process
            assert process.wait(300) == 0
        finally:
            process.kill()


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""


def differing(pipeline: Pipeline, folder: Path) -> list[str]:
    """Files whose collected bytes are not those that were written."""
    collected = pipeline.run_folder / "logs" / folder.name
    return [path.name for path in folder.iterdir() if digest(path) != digest(collected / path.name)]


def test_random_kills_of_agent_and_collector_cost_no_byte(tmp_path: Path) -> None:
    kills, size = sized(100, 15), sized(200 << 20, 30 << 20)
    dice = random.Random(SEED)
    with Pipeline(tmp_path) as pipeline:
        pipeline.await_agent()
        folder = pipeline.sources / "load"
        with load(folder, 16, size, kills):
            for _ in range(kills):
                time.sleep(dice.expovariate(1.5))
                victim = pipeline.agent if dice.random() < 0.5 else pipeline.collector
                victim.kill()
                time.sleep(dice.random() * 0.3)
                victim.start()
        wait_until(lambda: not differing(pipeline, folder), "every byte", 60)
        report = pipeline.finish()
        assert not differing(pipeline, folder)
        assert not report.problems


def test_a_collector_whose_disk_is_full_for_a_while_costs_no_byte_and_needs_no_restart(tmp_path: Path) -> None:
    require("a small file system has to be mounted: this needs root" if os.geteuid() != 0 else None)
    seconds, size = sized(20, 4), sized(200 << 20, 40 << 20)
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={2 * size}", "none", str(disk)], check=True)
    try:
        with Pipeline(tmp_path, root=disk / "runs") as pipeline:
            pipeline.await_agent()
            folder = pipeline.sources / "load"
            collector = pipeline.collector.pid
            with load(folder, 8, size, 2 * seconds):
                time.sleep(seconds / 2)
                fill(disk / "filler")
                time.sleep(seconds)
                (disk / "filler").unlink()
            wait_until(lambda: not differing(pipeline, folder), "every byte", 60)
            assert pipeline.collector.pid == collector
            report = pipeline.finish()
            assert any(entry.kind == "pause" for entry in pipeline.journal), "the disk was never full"
            assert not differing(pipeline, folder)
            assert not report.problems
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def fill(path: Path) -> None:
    """Leave no room on the disk."""
    with path.open("wb", buffering=0) as filler:
        for block in (1 << 20, 1 << 12, 1):
            with suppress(OSError):
                while filler.write(bytes(block)):
                    pass


def test_a_large_backlog_costs_time_but_no_memory(tmp_path: Path) -> None:
    size, limit_kib = sized(5 << 30, 1 << 30), 100 << 10
    with Pipeline(tmp_path) as pipeline:
        pipeline.agent.kill()
        source = pipeline.sources / "backlog.log"
        with source.open("wb") as file:
            block = os.urandom(1 << 20)
            for _ in range(64):
                file.write(block)
            file.truncate(size)
        pipeline.agent.start()
        inside = pipeline.run_folder / "logs" / source.name
        wait_until(lambda: inside.exists() and inside.stat().st_size == size, "the backlog", 120)
        assert peak_kib(pipeline.agent.pid) < limit_kib
        report = pipeline.finish()
        assert not report.problems
        assert sum(check.size for check in report.checks if check.path.endswith(source.name)) == size


def test_ten_thousand_idle_files_cost_little(tmp_path: Path) -> None:
    files, limit_kib = 10_000, 120 << 10
    with Pipeline(tmp_path) as pipeline:
        pipeline.await_agent()
        folder = pipeline.sources / "many"
        for number in range(files):
            below = folder / f"{number % 100}"
            below.mkdir(parents=True, exist_ok=True)
            (below / f"{number}.log").write_bytes(b"file %d\n" % number)
        inside = pipeline.run_folder / "logs" / "many"
        wait_until(lambda: sum(len(names) for _, _, names in os.walk(inside)) == files, f"{files} files", 60)
        one = folder / "7" / "7.log"
        with one.open("ab") as file:
            file.write(b"one of them goes on\n")
        pipeline.await_bytes(one, one.read_bytes())
        assert peak_kib(pipeline.agent.pid) < limit_kib
        report = pipeline.finish()
        assert not report.problems
        assert sum("/many/" in check.path for check in report.checks) == files


def peak_kib(pid: int) -> int:
    """The most memory that a process has had, in KiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))
