"""Files that were made to mislead who reads them."""

from __future__ import annotations

import os
from pathlib import Path

from ranklog_agent.io.files import NAME_LETTERS_MAX, NodeFiles
from ranklog_agent.io.jobs import Jobs
from ranklog_agent.io.procfs import Writers


def test_a_path_that_the_wire_cannot_carry_is_told_once_and_left_alone(tmp_path: Path) -> None:
    complaints: list[tuple[str, str]] = []
    files = NodeFiles(Writers(), lambda path, why: complaints.append((path, why)), str(tmp_path / "spool"))
    folder = os.fsencode(tmp_path)
    while len(os.fsdecode(folder)) < NAME_LETTERS_MAX // 3:
        folder += b"/" + b"\xff" * 200
        os.mkdir(folder)
    path = os.fsdecode(folder + b"/file")
    Path(path).write_bytes(b"content")
    assert files.open(path) is None
    assert files.open(path) is None
    assert complaints == [(path, f"its name has more than {NAME_LETTERS_MAX} letters")]


def test_a_pipe_among_the_records_holds_nobody_up(tmp_path: Path) -> None:
    (tmp_path / "procs").mkdir()
    os.mkfifo(tmp_path / "procs" / "0-1-1.json")
    (tmp_path / "procs" / "0-1-2.json").mkdir()
    assert list(Jobs(str(tmp_path), "node0").scan()) == []
