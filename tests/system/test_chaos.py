"""Everything at once: processes killed at random, rotations in a storm, a disk that fills up. No byte may differ.

CI runs small sizes; RANKLOG_CHAOS=full runs the large ones.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.logfile import are_ascending, numbers_in
from tests.support.pipeline import Pipeline, wait_until
from tests.system.conftest import require


@dataclass(frozen=True)
class Size:
    """How much, how often, how long."""

    bytes: int
    kills: int
    storm_s: float
    full_s: float


SIZE = Size(200 << 20, 100, 20, 20) if os.environ.get("RANKLOG_CHAOS") == "full" else Size(24 << 20, 12, 4, 3)
STREAMS = 16

WRITER = """
import os, random, sys, time
folder, streams, total, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
chance = random.Random(7)
files = [os.open(f"{folder}/rank{number}.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT) for number in range(streams)]
written = 0
began = time.monotonic()
while written < total:
    for fd in files:
        written += os.write(fd, chance.randbytes(chance.randrange(1, 60_000)))
    time.sleep(max(0.0, written / total * seconds - (time.monotonic() - began)))
"""

LINES = """
import os, sys, time
path, seconds = sys.argv[1], float(sys.argv[2])
end = time.monotonic() + seconds
number = 0
while time.monotonic() < end:
    # A new open for each bundle: what a program does that is told of rotations.
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(fd, b"".join(b"msgnum:%08d:and the rest of the line\\n" % (number + line) for line in range(20)))
    os.close(fd)
    number += 20
    time.sleep(0.001)
print(number)
"""


@contextmanager
def started(program: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """A program that is gone when the test is."""
    command = [sys.executable, "-c", program, *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def test_kills_at_random_moments_leave_no_byte_different(tmp_path: Path) -> None:
    chance = random.Random(int(os.environ.get("RANKLOG_SEED", "1")))
    with Pipeline(tmp_path) as pipeline:
        seconds = SIZE.kills * 0.35
        with started(WRITER, pipeline.sources, STREAMS, SIZE.bytes, seconds) as writer:
            for _ in range(SIZE.kills):
                time.sleep(chance.uniform(0.05, 0.3))
                victim = chance.choice([pipeline.agent, pipeline.collector])
                victim.kill()
                victim.start()
            assert writer.wait(120) == 0
        pipeline.await_files(*sorted(pipeline.sources.iterdir()), timeout_s=120)
        report = pipeline.finish()
        assert len(report.checks) >= STREAMS


@pytest.mark.parametrize("way", ["create", "copytruncate"])
def test_a_storm_of_logrotate_loses_nothing_that_is_not_recorded(tmp_path: Path, way: str) -> None:
    logrotate = shutil.which("logrotate") or shutil.which("logrotate", path="/usr/sbin")
    require(None if logrotate else "no logrotate: script/install-test-programs brings it")
    with Pipeline(tmp_path) as pipeline:
        source = pipeline.sources / "app.log"
        rules = tmp_path / "rules"
        rules.write_text(f"{source} {{\n  rotate 1000000\n  {way}\n  missingok\n  su root root\n}}\n")
        rules.chmod(0o644)
        pipeline.sources.chmod(0o755)
        pipeline.await_agent()
        with started(LINES, source, SIZE.storm_s) as writer:
            while writer.poll() is None:
                subprocess.run([str(logrotate), "-f", "-s", str(tmp_path / "state"), str(rules)], check=True)
                time.sleep(0.05)
            written = int(writer.communicate()[0])
        kept = [path for path in pipeline.sources.iterdir() if path.name.startswith("app.log")]
        on_disk = sorted(number for path in kept for number in numbers_in(path.read_bytes()))
        pipeline.finish()
        collected = numbers_in(pipeline.collected(source) or b"")
        assert are_ascending(collected), "doubled or out of order"
        missing = set(range(written)) - set(collected)
        if way == "create":
            assert on_disk == list(range(written))
            assert not missing
        else:
            assert set(on_disk) <= set(collected), "bytes that a copy holds"
            assert not missing or "truncated" in pipeline.gaps(source)


def test_a_full_disk_costs_nothing_once_there_is_room(tmp_path: Path) -> None:
    require(None if os.geteuid() == 0 else "mounting a small file system needs root")
    root = tmp_path / "small"
    root.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE.bytes * 2}", "tmpfs", str(root)], check=True)
    try:
        with Pipeline(tmp_path, root=root) as pipeline:
            with started(WRITER, pipeline.sources, STREAMS, SIZE.bytes, SIZE.full_s * 2) as writer:
                wait_until(lambda: pipeline.state.segments, "the first bytes")
                filler = root / "filler"
                subprocess.run(["dd", "if=/dev/zero", f"of={filler}", "bs=64k"], check=False, capture_output=True)
                assert shutil.disk_usage(root).free == 0
                time.sleep(SIZE.full_s)
                filler.unlink()
                assert writer.wait(120) == 0
            pipeline.await_files(*sorted(pipeline.sources.iterdir()), timeout_s=120)
            pipeline.finish()
    finally:
        subprocess.run(["umount", "-l", str(root)], check=True)
