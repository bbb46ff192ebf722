"""Files that are renamed, cut, replaced, deleted and made again under the agent's eyes, and behind its back."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.logfile import LogFile, are_ascending, numbers_in
from tests.support.pipeline import Pipeline, wait_until

PACE_S = 0.05
"""How long each file is there before it is rotated away."""
UNOBSERVED_S = 3.0
"""Longer than the agent waits before it asks whether a file without a name still has a writer."""


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[Pipeline]:
    with Pipeline(tmp_path) as pipeline:
        pipeline.await_agent()
        yield pipeline


def only_stream(pipeline: Pipeline, name: str) -> bytes:
    """All that was collected under names like this, which must be one file."""
    streams = [stream for stream in pipeline.state.streams.values() if name in stream.name]
    assert len(streams) == 1, [stream.name for stream in streams]
    return (pipeline.run_folder / streams[0].path).read_bytes()


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def restart(pipeline: Pipeline) -> None:
    pipeline.agent.start()
    pipeline.await_agent()


# ---- renamed --------------------------------------------------------------------------------------------------------


def test_rotation_by_renaming_out_of_the_folder_loses_nothing(pipeline: Pipeline, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    archive.mkdir()
    log = LogFile(pipeline.sources / "app.log")
    for number in range(10):
        log.write(10_000)
        time.sleep(PACE_S)
        log.path.rename(archive / f"app.log.{number}")
        log.write(500)  # the writer has not been told yet
        log.reopen()
    log.write(100)
    pipeline.await_bytes(log.path, bytes(log.written))
    log.close()
    assert not pipeline.finish().problems


def test_archives_inside_the_folder_are_not_collected_again(pipeline: Pipeline) -> None:
    log = LogFile(pipeline.sources / "app.log")
    for _ in range(6):
        log.write(2_000)
        time.sleep(PACE_S)
        for number in range(4, 0, -1):
            older = pipeline.sources / f"app.log.{number}"
            if older.exists():
                older.rename(pipeline.sources / f"app.log.{number + 1}")
        log.path.rename(pipeline.sources / "app.log.1")
        log.write(50)
        log.reopen()
    log.write(100)
    pipeline.await_bytes(log.path, bytes(log.written))
    log.close()
    pipeline.finish()
    assert only_stream(pipeline, "app.log") == log.written


def test_what_is_written_to_a_renamed_file_much_later_is_delivered(pipeline: Pipeline, tmp_path: Path) -> None:
    log = LogFile(pipeline.sources / "app.log")
    log.write(10)
    pipeline.await_bytes(log.path, bytes(log.written))
    straggler = os.open(log.path, os.O_WRONLY | os.O_APPEND)
    log.path.rename(tmp_path / "app.log.1")
    log.reopen()
    log.write(10)
    pipeline.await_bytes(log.path, bytes(log.written))
    time.sleep(UNOBSERVED_S)
    late = b"still here\n"
    os.write(straggler, late)
    pipeline.await_bytes(log.path, bytes(log.written) + late)
    os.close(straggler)
    log.close()
    assert not pipeline.finish().problems


def test_a_file_that_was_renamed_while_no_agent_ran_is_continued(pipeline: Pipeline) -> None:
    log = LogFile(pipeline.sources / "app.log")
    log.write(1_000)
    pipeline.await_bytes(log.path, bytes(log.written))
    pipeline.agent.kill()
    log.write(10)
    log.path.rename(pipeline.sources / "app.log.1")
    log.write(10)
    log.reopen()
    log.write(10)
    restart(pipeline)
    pipeline.await_bytes(log.path, bytes(log.written))
    log.close()
    pipeline.finish()
    assert only_stream(pipeline, "app.log") == log.written


def test_rotations_behind_the_agents_back_are_found_in_order(pipeline: Pipeline) -> None:
    log = LogFile(pipeline.sources / "app.log")
    log.write(100)
    pipeline.await_bytes(log.path, bytes(log.written))
    pipeline.agent.kill()
    first, second = pipeline.sources / "app.log.1", pipeline.sources / "app.log.2"
    log.path.rename(first)
    log.write(100)
    log.reopen()
    log.write(100)
    restart(pipeline)
    pipeline.await_bytes(log.path, bytes(log.written))
    pipeline.agent.kill()
    first.rename(second)
    log.path.rename(first)
    log.write(100)
    log.reopen()
    log.write(100)
    restart(pipeline)
    pipeline.await_bytes(log.path, bytes(log.written))
    log.close()
    pipeline.finish()
    assert only_stream(pipeline, "app.log") == log.written


# ---- deleted, replaced ----------------------------------------------------------------------------------------------


def test_a_file_that_is_deleted_and_made_again_is_collected_twice_whole(pipeline: Pipeline) -> None:
    log = LogFile(pipeline.sources / "app.log")
    for _ in range(5):
        log.write(3_000)
        time.sleep(PACE_S)
        log.path.unlink()
        log.write(100)  # into the file without a name
        log.reopen()
        log.write(10)
    pipeline.await_bytes(log.path, bytes(log.written))
    log.close()
    assert not pipeline.finish().problems


def test_what_is_written_long_after_the_file_was_deleted_is_delivered(pipeline: Pipeline) -> None:
    log = LogFile(pipeline.sources / "app.log")
    log.write(10)
    pipeline.await_bytes(log.path, bytes(log.written))
    log.path.unlink()
    time.sleep(UNOBSERVED_S)
    log.write(10)
    pipeline.await_bytes(log.path, bytes(log.written))
    log.close()
    assert not pipeline.finish().problems


def test_a_deleted_file_that_nobody_writes_to_is_let_go(pipeline: Pipeline) -> None:
    log = LogFile(pipeline.sources / "app.log")
    log.write(1_000)
    pipeline.await_bytes(log.path, bytes(log.written))
    inode = log.path.stat().st_ino
    log.path.unlink()
    log.close()

    def held() -> list[Path]:
        folder = Path(f"/proc/{pipeline.agent.pid}/fd")
        return [one for one in folder.iterdir() if one.exists() and one.stat().st_ino == inode]

    wait_until(lambda: not held(), "the agent lets go of the file")
    assert not pipeline.finish().problems


@pytest.mark.parametrize("lines", [3, 5_000], ids=["shorter", "longer"])
def test_a_file_that_is_replaced_by_another_is_followed_by_the_new_one(pipeline: Pipeline, lines: int) -> None:
    log = LogFile(pipeline.sources / "app.log")
    log.write(1_000)
    pipeline.await_bytes(log.path, bytes(log.written))
    new = LogFile(pipeline.sources.parent / "new", tag="other")
    new.write(lines)
    os.replace(new.path, log.path)
    new.write(1)
    pipeline.await_bytes(log.path, bytes(log.written + new.written))
    log.close()
    new.close()
    assert not pipeline.finish().problems


def test_another_file_with_the_same_inode_and_the_same_banner_is_another_file(pipeline: Pipeline) -> None:
    """While no agent looks, the file is deleted, and the system gives its inode to the next one."""
    banner = b"".join(b"== the banner, line %d ==\n" % line for line in range(100))
    source = pipeline.sources / "app.log"
    source.write_bytes(banner + b"first\n")
    pipeline.await_files(source)
    inode = source.stat().st_ino
    pipeline.agent.kill()
    source.unlink()
    for _ in range(50):
        source.write_bytes(banner + b"second run, which is longer than the first\n")
        if source.stat().st_ino == inode:
            break
        source.rename(pipeline.sources.parent / f"other-{time.monotonic_ns()}")
    restart(pipeline)
    pipeline.await_bytes(source, banner + b"first\n" + source.read_bytes())
    report = pipeline.finish()
    assert [check.size for check in report.checks if check.path.endswith("app.log")] == [
        len(banner + b"first\n"),
        source.stat().st_size,
    ]


# ---- cut ------------------------------------------------------------------------------------------------------------


def test_copytruncate_under_load_doubles_nothing_and_heals_from_the_copies(pipeline: Pipeline) -> None:
    """What is written between the copy and the cut nobody can have; everything else is there once, in order.

    A copy of what came and went between two looks may be collected under its own name.
    """
    source = pipeline.sources / "app.log"
    program = f"""
import os, sys, time
fd = os.open({str(source)!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
for start in range(0, 100_000, 20):
    os.write(fd, b"".join(b"msgnum:%08d:and the rest of the line\\n" % (start + line) for line in range(20)))
    time.sleep(0.0001)
"""
    writer = subprocess.Popen([sys.executable, "-c", program])
    copies: list[Path] = []
    try:
        while writer.poll() is None and len(copies) < 5:
            wait_until(lambda: writer.poll() is not None or _size(source) > 200_000, "lines")
            copy = pipeline.sources / f"app.log.{len(copies)}"
            shutil.copyfile(source, copy)
            os.truncate(source, 0)
            copies.append(copy)
        assert writer.wait(60) == 0
    finally:
        writer.kill()
    kept = sorted(number for path in (*copies, source) for number in numbers_in(path.read_bytes()))
    assert are_ascending(kept)
    pipeline.finish()
    streams = [stream for stream in pipeline.state.streams.values() if "app.log" in stream.name]
    parts = [numbers_in((pipeline.run_folder / stream.path).read_bytes()) for stream in streams]
    assert all(map(are_ascending, parts))
    collected = sorted(number for part in parts for number in part)
    assert are_ascending(collected)
    assert set(kept) <= set(collected)
    assert len(collected) == 100_000 or "truncated" in pipeline.gaps(source)


def test_copies_of_a_cut_file_are_not_collected_again_after_a_restart_either(pipeline: Pipeline) -> None:
    log = LogFile(pipeline.sources / "app.log")
    for number in range(3):
        log.write(1_000)
        pipeline.await_bytes(log.path, bytes(log.written))
        shutil.copyfile(log.path, pipeline.sources / f"app.log.{number}")
        os.truncate(log.path, 0)
        log.write(5)
        pipeline.await_bytes(log.path, bytes(log.written))
        pipeline.agent.kill()
        restart(pipeline)
    log.close()
    pipeline.finish()
    assert only_stream(pipeline, "app.log") == log.written


def test_a_rotation_by_copy_behind_the_agents_back_loses_only_what_was_not_copied(pipeline: Pipeline) -> None:
    log = LogFile(pipeline.sources / "app.log")
    log.write(1_000)
    pipeline.await_bytes(log.path, bytes(log.written))
    pipeline.agent.kill()
    log.write(1_000)
    shutil.copyfile(log.path, pipeline.sources / "app.log.1")
    os.truncate(log.path, 0)
    log.write(10)
    restart(pipeline)
    pipeline.await_bytes(log.path, bytes(log.written))
    log.close()
    pipeline.finish()
    assert only_stream(pipeline, "app.log") == log.written


def test_a_file_that_was_cut_and_grew_beyond_its_old_size_unseen_starts_a_new_segment(pipeline: Pipeline) -> None:
    header = b"".join(b"# the same header, line %d\n" % line for line in range(40))
    source = pipeline.sources / "app.log"
    source.write_bytes(header + b"".join(b"old %06d\n" % line for line in range(1_000)))
    before = source.read_bytes()
    pipeline.await_bytes(source, before)
    pipeline.agent.kill()
    source.write_bytes(header + b"".join(b"new %06d\n" % line for line in range(3_000)))
    restart(pipeline)
    pipeline.await_bytes(source, before + source.read_bytes())
    assert "truncated" in pipeline.gaps(source) or "vanished" in pipeline.gaps(source)
    pipeline.finish()


def test_a_writer_that_does_not_append_leaves_a_hole_after_a_cut(pipeline: Pipeline) -> None:
    source = pipeline.sources / "app.log"
    with source.open("wb", buffering=0) as file:
        file.write(b"before the cut\n" * 100)
        pipeline.await_files(source)
        os.truncate(source, 0)
        file.write(b"after it\n")
        expected = b"before the cut\n" * 100 + bytes(1500) + b"after it\n"
        pipeline.await_bytes(source, expected)
    pipeline.finish()


def test_half_a_line_before_a_restart_is_joined_by_its_rest(pipeline: Pipeline) -> None:
    log = LogFile(pipeline.sources / "app.log")
    log.write_bytes(b"half a li")
    pipeline.await_bytes(log.path, b"half a li")
    pipeline.agent.kill()
    log.write_bytes(b"ne\n")
    restart(pipeline)
    pipeline.await_bytes(log.path, b"half a line\n")
    log.close()
    assert not pipeline.finish().problems


# ---- written over ---------------------------------------------------------------------------------------------------


def test_bytes_that_are_written_over_in_place_begin_a_new_segment(pipeline: Pipeline) -> None:
    """What was mirrored is not the file any more: both versions are kept, one after the other, and it is recorded."""
    source = pipeline.sources / "app.log"
    source.write_bytes(b"a" * 10_000)
    pipeline.await_files(source)
    with source.open("r+b") as file:
        file.seek(100)
        file.write(b"B" * 50)
    changed = source.read_bytes()
    pipeline.await_bytes(source, b"a" * 10_000 + changed)
    with source.open("ab") as file:
        file.write(b"and it goes on\n")
    pipeline.await_bytes(source, b"a" * 10_000 + source.read_bytes())
    pipeline.finish()


def test_bytes_that_are_written_over_while_the_file_grows_are_noticed_in_the_end(pipeline: Pipeline) -> None:
    source = pipeline.sources / "app.log"
    with source.open("w+b", buffering=0) as file:
        file.write(b"-------- bytes\n")
        for line in range(200):
            file.seek(0, os.SEEK_END)
            file.write(b"line %06d\n" % line)
            file.seek(0)
            file.write(b"%08d" % line)
    final = source.read_bytes()
    pipeline.finish()
    collected = only_stream(pipeline, "app.log")
    assert collected.endswith(final)
