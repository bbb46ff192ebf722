"""The real logrotate, twenty times a second under load, and archives that are deleted soon after.

Sizes are for continuous integration; RANKLOG_TEST_FULL makes them those that are promised.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

from ranklog_collector.reading.state import Stream
from tests.support.cluster import sized
from tests.support.logfile import are_ascending, numbers_in
from tests.support.pipeline import Pipeline, wait_until
from tests.system.conftest import require

LOGROTATE = shutil.which("logrotate") or "/usr/sbin/logrotate"
PERIOD_S = 0.05
WRITER = """
import os, signal, sys, time
path, seconds = sys.argv[1], float(sys.argv[2])
FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT
turned = False
def turn(*_):
    global turned
    turned = True
signal.signal(signal.SIGHUP, turn)
file = os.open(path, FLAGS)
line, end = 0, time.monotonic() + seconds
while time.monotonic() < end:
    if turned:
        turned = False
        os.close(file)
        file = os.open(path, FLAGS)
    os.write(file, b"".join(b"msgnum:%08d:and the rest of the line\\n" % number for number in range(line, line + 20)))
    line += 20
    time.sleep(0.001)
print(line)
"""


def storm(tmp_path: Path, pipeline: Pipeline, *directives: str) -> int:
    """Write and rotate; returns how many lines were written."""
    seconds = sized(20, 5)
    source = pipeline.sources / "app.log"
    writer = subprocess.Popen([sys.executable, "-c", WRITER, source, str(seconds)], stdout=subprocess.PIPE, text=True)
    with writer:
        wait_until(source.exists, "the log")
        hang_up = f"postrotate\nkill -HUP {writer.pid} 2>/dev/null || true\nendscript"
        settings = "\n".join(["rotate 3", *directives, hang_up if "create" in directives else ""])
        configuration = tmp_path / "logrotate.conf"
        configuration.write_text(f'"{source}" {{\n{settings}\n}}\n')
        configuration.chmod(0o644)
        while writer.poll() is None:
            began = time.monotonic()
            subprocess.run([LOGROTATE, "-f", "-s", tmp_path / "state", configuration], check=True)
            time.sleep(max(0, began + PERIOD_S - time.monotonic()))
        assert writer.stdout is not None
        return int(writer.stdout.read())


def collected(pipeline: Pipeline) -> tuple[Stream, dict[str, bytes]]:
    """The log's stream, and the contents of all streams that hold lines of it.

    What the agent cannot see under its first name, because it was held up for a whole rotation, it finds as an archive.
    """
    streams = [stream for stream in pipeline.state.streams.values() if "app.log" in stream.name]
    contents = {stream.name: (pipeline.run_folder / stream.path).read_bytes() for stream in streams}
    return next(stream for stream in streams if stream.name == "logs/app.log"), contents


@pytest.fixture(autouse=True)
def _logrotate() -> None:
    require(None if Path(LOGROTATE).exists() else "logrotate is missing: run script/install-test-programs")


def test_rotation_by_renaming_loses_no_line(tmp_path: Path) -> None:
    with Pipeline(tmp_path) as pipeline:
        pipeline.await_agent()
        lines = storm(tmp_path, pipeline, "create")
        report = pipeline.finish()
        stream, contents = collected(pipeline)
        found = [number for content in contents.values() for number in numbers_in(content)]
        assert sorted(found) == list(range(lines))
        assert are_ascending(numbers_in(contents[stream.name]))
        assert len(stream.segments) > sized(20, 5) / PERIOD_S / 4, "too few rotations to call it a storm"
        assert not report.problems


def test_rotation_by_copying_loses_only_what_gaps_tell_of(tmp_path: Path) -> None:
    """What is written between copy and cut is lost to everybody; a gap must be recorded where it is missing."""
    with Pipeline(tmp_path) as pipeline:
        pipeline.await_agent()
        lines = storm(tmp_path, pipeline, "copytruncate")
        pipeline.finish()
        stream, contents = collected(pipeline)
        content = contents.pop(stream.name)
        segments = pipeline.state.segments
        ends = [*(extent.pos for extent in stream.extents[1:]), len(content)]
        parts = [content[extent.pos : end] for extent, end in zip(stream.extents, ends, strict=True)]
        found: list[int] = []
        for extent, part in zip(stream.extents, parts, strict=True):
            whole, _, torn = part.rpartition(b"\n")
            numbers = numbers_in(whole + b"\n") if whole else []
            follows = found + numbers[:1]
            is_covered = len(found) == 0 or any(segments[number].gaps for number in before(stream, extent.segment))
            assert is_covered or follows[-1] - follows[-2] == 1, f"{follows[-2:]} without a gap"
            assert all(after - one == 1 for one, after in pairwise(numbers))
            assert not torn or segments[extent.segment].gaps
            found += numbers
        assert are_ascending(found)
        found += [number for archive in contents.values() for number in numbers_in(archive)]
        assert len(found) == len(set(found)), "doubled lines"
        print(f"{lines - len(found)} of {lines} lines lost in {len(stream.segments)} rotations")
        assert len(stream.segments) > sized(20, 5) / PERIOD_S / 4, "too few rotations to call it a storm"


def before(stream: Stream, segment: int) -> list[int]:
    """The segment before this one in the stream."""
    at = stream.segments.index(segment)
    return stream.segments[max(0, at - 1) : at]
