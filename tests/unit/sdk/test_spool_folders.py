"""All ranks of a node make the same spool at the same time."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from ranklog import layout


def test_ranks_that_make_the_spool_at_once_do_not_get_into_each_others_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = layout.os.mkdir
    both_miss_the_folder_above = threading.Barrier(2)

    def slow_mkdir(path: str, mode: int) -> None:
        try:
            make(path, mode)
        except FileNotFoundError:
            both_miss_the_folder_above.wait(10)
            raise

    monkeypatch.setattr(layout.os, "mkdir", slow_mkdir)
    errors: list[BaseException] = []

    def prepare() -> None:
        try:
            layout.prepare(str(tmp_path / "run"), "procs")
        except layout.SpoolError as error:
            errors.append(error)

    ranks = [threading.Thread(target=prepare) for _ in range(2)]
    for rank in ranks:
        rank.start()
    for rank in ranks:
        rank.join()
    assert errors == []
    assert (tmp_path / "run/procs").is_dir()
