"""A run is read once and then kept, for one reader at a time."""

from __future__ import annotations

from pathlib import Path

import pytest

from ranklog_collector.reading.folder import ReadingError
from ranklog_collector.views import folders
from ranklog_collector.views.folders import Folders, Namings
from tests.support.run_writer import RunWriter, job


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("r1", "r2"):
        job(tmp_path / "real" / "e" / name, 1, run_id=name)
    (tmp_path / "root").symlink_to("real")
    return tmp_path / "root"


def test_a_run_that_was_read_is_kept_and_brought_up_to_date(root: Path) -> None:
    runs = Folders(str(root))
    with runs.opened("r1") as (first, child):
        assert child == ""
    run = RunWriter(root / "e" / "new", run_id="new")
    with runs.opened("r1") as (again, _):
        assert again is first
        with runs.opened("r1") as (other, _):
            assert other is not first
    with runs.opened("r1", latest_marks=False) as (complete, _):
        assert complete is not first
    run.end()
    with runs.opened("new") as (folder, _):
        assert folder.state.has_ended


def test_only_so_many_are_kept(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "KEPT_MAX", 1)
    runs = Folders(str(root))
    with runs.opened("r1") as (first, _):
        pass
    with runs.opened("r2"):
        pass
    with runs.opened("r1") as (again, _):
        assert again is not first


def test_a_run_that_is_gone_is_gone(root: Path) -> None:
    runs = Folders(str(root))
    with runs.opened("r1") as (folder, _):
        Path(folder.path, ".ranklog/journal/events.jsonl").unlink()
    with pytest.raises(ReadingError), runs.opened("r1"):
        pass


def test_names_are_read_again_when_the_journal_has_grown(root: Path) -> None:
    run, _ = job(root / "e" / "r3", 1, run_id="r3")
    namings, path = Namings(), str(run.folder)
    assert namings.of(path) == (None, {})
    stream = run.stream(".ranklog/metrics/n0/k.jsonl", "n0", "metrics", "k")
    run.write(stream, b'{"t":1,"tag":{"a":"b"},"set":{"display_name":"fox"}}\n')
    assert namings.of(path) == ("fox", {"a": "b"})
    assert namings.of(path) == ("fox", {"a": "b"})
