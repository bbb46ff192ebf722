"""Whatever bytes a file holds and whatever it is called, the run folder holds the same bytes."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.pipeline import Pipeline, wait_until


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """One agent and one collector for all tests of this file; each test has a folder of its own."""
    with Pipeline(tmp_path_factory.mktemp("live")) as pipeline:
        pipeline.await_agent()
        yield pipeline
        pipeline.finish()


@pytest.fixture
def folder(live: Pipeline, request: pytest.FixtureRequest) -> Path:
    """The test's own part of the watched folder."""
    folder: Path = live.sources / request.node.name.replace("/", "_")[:100]
    folder.mkdir()
    return folder


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"x",
        b"no newline",
        b"\n\n\n  \n\t\n",
        b"dos\r\nmac\runix\n",
        b"nul \0 inside\n\0\0\0",
        b"\xff\xfe not UTF-8 \xc3\x28 \xed\xa0\x80\n",
        b"\xef\xbb\xbfbyte order mark\n",
        "\x1b[31mred\x1b[0m \x1b]0;title\x07 🚀 日本語\n".encode(),
        bytes(range(256)) * 4,
        b"-" * 1023,
    ],
    ids=lambda content: f"{len(content)}-{content[:6]!r}",
)
def test_any_bytes_arrive_unchanged(live: Pipeline, folder: Path, content: bytes) -> None:
    source = folder / "a.log"
    source.write_bytes(content)
    live.await_bytes(source, content)


def test_a_progress_bar_is_seen_while_it_moves(live: Pipeline, folder: Path) -> None:
    """No newline ever comes; every redraw is there before the next one is written."""
    source = folder / "bar.log"
    with source.open("wb", buffering=0) as bar:
        for percent in range(0, 101, 5):
            bar.write(b"\rtraining: %3d%%|%-20s|" % (percent, b"#" * (percent // 5)))
            live.await_files(source)
        bar.write(b"\rstill at it".join(b"%06d" % count for count in range(2500)))  # 40 kB more of it
        live.await_files(source)


def test_last_words_without_a_newline_outlive_a_killed_process(live: Pipeline, folder: Path) -> None:
    source = folder / "killed.log"
    program = "import os; os.write(1, b'line\\nloss is nan, giving u'); os.kill(os.getpid(), 9)"
    with source.open("wb") as output:
        assert subprocess.run([sys.executable, "-c", program], stdout=output).returncode == -9
    live.await_bytes(source, b"line\nloss is nan, giving u")


def test_very_long_lines_arrive_whole_between_short_ones(live: Pipeline, folder: Path) -> None:
    source = folder / "long.log"
    source.write_bytes(b"short\n" + b"x" * 200_000 + b"\nshort\n" + b"y" * 10_000_000 + b"\nshort\n")
    live.await_files(source)


def test_ranks_that_print_the_same_banner_stay_apart(live: Pipeline, folder: Path) -> None:
    banner = b"".join(b"== framework 2.1, line %d of the banner ==\n" % line for line in range(60))
    sources = [folder / f"rank{rank}.log" for rank in range(64)]
    for source in sources:
        source.write_bytes(banner)
    for rank, source in enumerate(sources):
        with source.open("ab") as file:
            file.write(b"I am rank %d\n" % rank)
    live.await_files(*sources)


def test_files_with_equal_contents_are_different_files(live: Pipeline, folder: Path) -> None:
    sources = [folder / name for name in ("one.log", "two.log", "sub/one.log")]
    for source in sources:
        source.parent.mkdir(exist_ok=True)
        source.write_bytes(b"the same\n" * 200)
    live.await_files(*sources)


@pytest.mark.parametrize(
    "name",
    [
        b"with spaces and 'quotes\".log",
        b"two\nlines.log",
        b"tab\tand\x07bell",
        "ünïcödé-日本.log".encode(),
        b"latin1-\xe9\xff.log",
        b"back\\slash.log",
        b"percent%20.log",
        b"-rf",
        b".hidden",
        b"*?[x].log",
        b"n" * 255,
        "ß".encode() * 127,
    ],
    ids=lambda name: repr(name[:20])[1:],
)
def test_any_file_name_is_found_and_mirrored(live: Pipeline, folder: Path, name: bytes) -> None:
    source = os.fsencode(folder) + b"/" + name
    with open(source, "wb") as file:
        file.write(b"first\n")
        file.flush()
        live.await_bytes(source, b"first\n")
        file.write(b"second\n")
    live.await_bytes(source, b"first\nsecond\n")


def test_names_that_look_alike_on_the_wire_are_not_mixed(live: Pipeline, folder: Path) -> None:
    """A byte that is no UTF-8 is spelled out; another file may have just that spelling for its name."""
    raw, spelled = os.fsencode(folder) + b"/a\xff.log", os.fsencode(folder) + b"/a\\xff.log"
    for source, content in ((raw, b"raw\n" * 9), (spelled, b"spelled\n" * 9)):
        Path(os.fsdecode(source)).write_bytes(content)
    inside = live.run_folder / "logs" / folder.name

    def contents() -> list[bytes]:
        return sorted(path.read_bytes() for path in inside.glob("*")) if inside.exists() else []

    wait_until(lambda: contents() == [b"raw\n" * 9, b"spelled\n" * 9], "two files")


def test_holes_arrive_as_the_zeros_they_read_as(live: Pipeline, folder: Path) -> None:
    source = folder / "sparse.log"
    with source.open("wb") as file:
        file.write(b"head\n")
        file.seek(3 << 20)
        file.write(b"tail\n")
    live.await_files(source)


def test_what_is_no_regular_file_is_left_alone(live: Pipeline, folder: Path) -> None:
    os.mkfifo(folder / "fifo")
    (folder / "folder.log").mkdir()
    (folder / "dangling").symlink_to("nowhere")
    (folder / "loop").symlink_to("loop")
    (folder / "parent").symlink_to(folder)
    (folder / "terminal").symlink_to("/dev/tty")
    (folder / "zero").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as listener:
        os.chdir(folder)  # a socket's path must be short
        try:
            listener.bind("socket")
        finally:
            os.chdir("/")
        regular = folder / "regular.log"
        regular.write_bytes(b"still here\n")
        live.await_files(regular)
        inside = live.run_folder / "logs" / folder.name
        assert [path.name for path in inside.rglob("*")] == ["regular.log"]


def test_small_appends_at_any_boundary_arrive_in_order(live: Pipeline, folder: Path) -> None:
    source = folder / "drip.log"
    dice = random.Random(7)
    content = dice.randbytes(20_000)
    with source.open("wb", buffering=0) as file:
        start = 0
        while start < len(content):
            end = start + dice.randrange(1, 400)
            file.write(content[start:end])
            start = end
            if dice.random() < 0.1:
                time.sleep(0.002)
    live.await_bytes(source, content)


def test_two_hundred_files_that_live_for_50_ms_lose_nothing(live: Pipeline, folder: Path) -> None:
    program = """
import os, sys, time
for number in range(200):
    path = f"{sys.argv[1]}/short-{number}.log"
    with open(path, "wb", buffering=0) as file:
        for line in range(3):
            file.write(b"file %d line %d\\n" % (number, line))
            time.sleep(0.015)
    time.sleep(0.005)
    os.unlink(path)
"""
    subprocess.run([sys.executable, "-c", program, str(folder)], check=True)
    for number in range(200):
        expected = b"".join(b"file %d line %d\n" % (number, line) for line in range(3))
        live.await_bytes(folder / f"short-{number}.log", expected)


def test_files_of_two_watched_folders_with_the_same_names_stay_apart(tmp_path: Path) -> None:
    left, right = tmp_path / "left", tmp_path / "right"
    written = {left: b"", right: b""}
    with Pipeline(tmp_path, "--watch", f"{left}/**", "--watch", f"{right}/**") as pipeline:
        for life in range(3):
            if life:
                pipeline.agent.start()
            for folder in (left, right) if life % 2 else (right, left):
                folder.mkdir(exist_ok=True)
                line = b"%s in life %d\n" % (folder.name.encode(), life)
                with (folder / "train.log").open("ab") as file:
                    file.write(line)
                written[folder] += line
                pipeline.await_bytes(folder / "train.log", written[folder])
            if life == 2:
                break
            pipeline.agent.kill()
            if life == 1:  # nobody sees that the file which came first is gone, and a new one will be there
                (right / "train.log").unlink()
        pipeline.finish()
