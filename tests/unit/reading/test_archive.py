"""Files of a run can be listed and taken along, one or all, also from a folder that means harm."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ranklog_collector.reading import archive
from ranklog_collector.reading.folder import ReadingError, RunFolder
from tests.support.run_writer import RunWriter, job


@pytest.fixture
def run(tmp_path: Path) -> RunWriter:
    run, (first, second) = job(tmp_path / "r1", 2)
    run.write(first, b"zero\n")
    run.close(first)
    run.write(second, b"one\n")
    run.write(run.stream("10.0.0.1/logs/a.txt", role="log", name="logs/a.txt"), b"a")
    (run.folder / "link").symlink_to("/etc/passwd")
    (run.folder / "folder").symlink_to("/etc")
    os.mkfifo(run.folder / "fifo")
    return run


class Pipe(io.RawIOBase):
    """A target that cannot seek and remembers the largest write."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.largest = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.data += data
        self.largest = max(self.largest, len(data))
        return len(data)


def zipped(folder: RunFolder, with_internal: bool = False) -> bytes:
    pipe = Pipe()
    archive.send(folder, archive.files(folder, with_internal), False, pipe)
    return bytes(pipe.data)


def test_files_are_listed_by_path_without_links_and_what_is_internal(run: RunWriter) -> None:
    folder = RunFolder(str(run.folder))
    listed = archive.files(folder)
    assert [(file.path, file.size, file.role, file.process, file.is_complete) for file in listed] == [
        ("10.0.0.1/logs/a.txt", 1, "log", "", False),
        ("azureml-logs/70_driver_log_0.txt", 5, "stdout", "rank_0", True),
        ("azureml-logs/70_driver_log_1.txt", 4, "stdout", "rank_1", False),
    ]
    assert ".ranklog/journal/events.jsonl" in [file.path for file in archive.files(folder, with_internal=True)]


def test_a_zip_holds_all_files_below_the_runs_name(run: RunWriter) -> None:
    with zipfile.ZipFile(io.BytesIO(zipped(RunFolder(str(run.folder))))) as archived:
        assert archived.testzip() is None
        assert archived.namelist() == [
            "r1/10.0.0.1/logs/a.txt",
            "r1/azureml-logs/70_driver_log_0.txt",
            "r1/azureml-logs/70_driver_log_1.txt",
        ]
        assert archived.read("r1/azureml-logs/70_driver_log_0.txt") == b"zero\n"


def test_the_same_folder_gives_the_same_zip(run: RunWriter) -> None:
    folder = RunFolder(str(run.folder))
    assert zipped(folder) == zipped(folder)


def test_a_large_file_is_zipped_in_bounded_memory(run: RunWriter) -> None:
    with (run.folder / "big").open("wb") as file:
        file.truncate(200 << 20)
    pipe = Pipe()
    folder = RunFolder(str(run.folder))
    archive.send(folder, archive.files(folder), False, pipe)
    assert pipe.largest <= archive.BLOCK
    with zipfile.ZipFile(io.BytesIO(bytes(pipe.data))) as archived:
        assert archived.getinfo("r1/big").file_size == 200 << 20


@pytest.mark.parametrize("year", [1901, 1970, 2500])
def test_a_file_of_any_age_can_be_zipped(run: RunWriter, year: int) -> None:
    seconds = (year - 1970) * 31_556_952
    path = run.folder / "old"
    path.write_bytes(b"old")
    os.utime(path, (seconds, seconds))
    assert zipped(RunFolder(str(run.folder)))


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("azureml-logs/70_driver_log_0.txt", ["azureml-logs/70_driver_log_0.txt"]),
        ("azureml-logs", ["azureml-logs/70_driver_log_0.txt", "azureml-logs/70_driver_log_1.txt"]),
        ("10.0.0.1/", ["10.0.0.1/logs/a.txt"]),
        ("*_1.txt", ["azureml-logs/70_driver_log_1.txt"]),
    ],
)
def test_files_are_chosen_by_path_folder_or_pattern(run: RunWriter, wanted: str, expected: list[str]) -> None:
    listed = archive.files(RunFolder(str(run.folder)))
    assert [file.path for file in archive.matching(listed, wanted)] == expected


@pytest.mark.parametrize(
    ("wanted", "hint"),
    [
        ("70_driver_log_1.txt", "there is azureml-logs/70_driver_log_1.txt"),
        ("nope", "ranklog files"),
        ("link", "has no"),
    ],
)
def test_a_file_that_is_not_there_is_told_with_what_is_like_it(run: RunWriter, wanted: str, hint: str) -> None:
    with pytest.raises(ReadingError, match=hint):
        archive.matching(archive.files(RunFolder(str(run.folder))), wanted)


def test_what_is_saved_appears_whole(run: RunWriter, tmp_path: Path) -> None:
    folder = RunFolder(str(run.folder))
    chosen = archive.matching(archive.files(folder), "azureml-logs/70_driver_log_0.txt")
    assert archive.save(folder, chosen, True, str(tmp_path)) == str(tmp_path / "70_driver_log_0.txt")
    assert (tmp_path / "70_driver_log_0.txt").read_bytes() == b"zero\n"
    assert archive.save(folder, chosen, True, str(tmp_path / "mine")) == str(tmp_path / "mine")
    assert archive.save(folder, archive.files(folder), False, str(tmp_path)) == str(tmp_path / "r1.zip")
    assert not list(tmp_path.glob("*.part"))


def test_where_nothing_can_be_saved_is_told(run: RunWriter) -> None:
    folder = RunFolder(str(run.folder))
    with pytest.raises(ReadingError, match="cannot be written"):
        archive.save(folder, archive.files(folder), False, "/proc/nothing/here")


def test_of_a_download_that_fails_nothing_is_left(
    run: RunWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(root: str, path: str) -> Iterator[bytes]:
        yield b"some"
        raise KeyboardInterrupt

    monkeypatch.setattr(archive, "content", interrupted)
    folder = RunFolder(str(run.folder))
    (tmp_path / "out").mkdir()
    with pytest.raises(KeyboardInterrupt):
        archive.save(folder, archive.files(folder), False, str(tmp_path / "out"))
    assert os.listdir(tmp_path / "out") == []
