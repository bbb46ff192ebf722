"""Where runs are read from when nobody says it in the call."""

from __future__ import annotations

from pathlib import Path

import pytest

from ranklog.errors import UnreachableError
from ranklog.source import choose


def test_a_url_comes_before_folders(tmp_path: Path) -> None:
    environ = {"RANKLOG_URL": "http://head:8080", "RANKLOG_ROOT": str(tmp_path)}
    assert choose.choose(environ).url == "http://head:8080"


def test_what_is_named_in_the_call_comes_first(tmp_path: Path) -> None:
    environ = {"RANKLOG_URL": "http://head:8080"}
    assert choose.choose(environ, root=str(tmp_path)).url == f"file://{tmp_path}"
    assert choose.choose(environ, url="http://other:1").url == "http://other:1"


def test_folders_are_read_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose.choose({"RANKLOG_ROOT": str(tmp_path / "a")}).url == f"file://{tmp_path / 'a'}"
    monkeypatch.chdir(tmp_path)
    assert choose.choose({}).url == f"file://{tmp_path / 'ranklog-runs'}"


def test_a_root_that_is_not_there_yet_has_no_runs(tmp_path: Path) -> None:
    assert choose.folder(str(tmp_path / "none")).runs() == []


def test_without_the_collectors_package_it_is_said_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "entry_points", lambda **_: ())
    with pytest.raises(UnreachableError, match=r"pip install 'ranklog\[collector\]'.*RANKLOG_URL"):
        choose.folder("/runs")
