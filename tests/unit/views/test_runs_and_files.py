"""Runs in pages and with what their points say; their files; what changes between two looks."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ranklog_collector.reading.folder import AmbiguousError, NotThereError, QuestionError, RunFolder
from ranklog_collector.reading.runs import RunEntry, find_run, find_runs, open_run
from ranklog_collector.store.local import LOCK
from ranklog_collector.views.changes import data, difference, look, merged
from ranklog_collector.views.files import file_views
from ranklog_collector.views.processes import process_views
from ranklog_collector.views.runs import run_page, run_view
from tests.support.run_writer import RunWriter, job
from tests.unit.series.conftest import Job


@contextmanager
def written(folder: Path) -> Iterator[None]:
    """A collector holds the folder."""
    with (folder / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for number in range(5):
        run = RunWriter(tmp_path / f"e{number % 2}" / f"r{number}", run_id=f"r{number}", experiment=f"e{number % 2}")
        run.node("n0")
        run.rank(0)
        if number < 4:
            run.exit(0, code=number % 2)
            run.end("failed" if number % 2 else "completed")
    return tmp_path


def ids(page: dict[str, list[dict[str, str]]]) -> list[str]:
    return [run["run_id"] for run in page["runs"]]


def test_runs_come_newest_first_in_pages_to_which_new_ones_do_no_harm(root: Path) -> None:
    # All began at the same time: then their names decide.
    page = run_page(find_runs(str(root)), limit=2)
    assert ids(page) == ["r4", "r3"]
    RunWriter(root / "e0" / "r9", run_id="r9", experiment="e0")
    second = run_page(find_runs(str(root)), limit=2, cursor=page["cursor"])
    third = run_page(find_runs(str(root)), limit=2, cursor=second["cursor"])
    assert (ids(second), ids(third), third["cursor"]) == (["r2", "r1"], ["r0"], None)


def test_runs_are_chosen_by_experiment_and_state(root: Path) -> None:
    entries = find_runs(str(root))
    assert ids(run_page(entries, experiment="e1")) == ["r3", "r1"]
    assert ids(run_page(entries, states=["completed"])) == ["r2", "r0"]
    assert ids(run_page(entries, states=["interrupted", "failed"], limit=2)) == ["r4", "r3"]
    with pytest.raises(QuestionError):
        run_page(entries, cursor="nonsense")


def test_a_run_that_has_just_been_removed_is_left_out(root: Path) -> None:
    entries = find_runs(str(root))
    shutil.rmtree(root / "e1" / "r3")
    assert ids(run_page(entries)) == ["r4", "r2", "r1", "r0"]


def test_runs_that_are_known_are_not_looked_into_again(root: Path) -> None:
    known: dict[str, RunEntry] = {}
    first = find_runs(str(root), known)
    (root / "e0" / "r0" / ".ranklog" / "journal" / "events.jsonl").write_bytes(b"damaged now\n")
    assert find_runs(str(root), known) == first
    RunWriter(root / "e1" / "r5", run_id="r5", experiment="e1")
    assert [run.run_id for run in find_runs(str(root), known)] == ["r0", "r1", "r2", "r3", "r4", "r5"]


def test_a_child_run_is_found_in_its_parents_folder(root: Path) -> None:
    runs = find_runs(str(root))
    entry, child = find_run("e1/r1.0badcafe.00000001", runs, str(root))
    assert (entry.run_id, child) == ("r1", "r1.0badcafe.00000001")
    assert open_run("r1.0badcafe", str(root)).run_id == "r1"
    for name in ("r1.0badcaf", "r1.0BADCAFE", "r7.0badcafe", "../e1/r1", str(root / "e1" / "r1")):
        with pytest.raises(NotThereError):
            find_run(name, runs, str(root))
    with pytest.raises(AmbiguousError):
        find_run("r", runs, str(root))


def test_a_run_that_is_called_like_a_child_is_itself(root: Path) -> None:
    RunWriter(root / "e1" / "r1.0badcafe", run_id="r1.0badcafe", experiment="e1")
    assert find_run("r1.0badcafe", find_runs(str(root)), str(root))[1] == ""


def test_a_run_tells_what_its_points_say(tmp_path: Path) -> None:
    said = Job(tmp_path / "r1")
    said.writer.node("n0")
    key = said.rank(0)
    said.log(key, at=1, tag={"team": "vision"}, set={"display_name": "swift fox", "description": "a trial"})
    said.log(key, at=2, child="r1.0badcafe")
    said.log(key, at=3, r="r1.0badcafe", tag={"alpha": "0.1"}, set={"display_name": "first"})
    said.log(key, at=4, r="r1.0badcafe", status="failed", error="diverged")
    said.log(key, at=5, param={"alpha": "0.1"}, property={"commit": "abc"})
    view = run_view(said.open())
    assert (view["display_name"], view["description"], view["tags"]) == ("swift fox", "a trial", {"team": "vision"})
    assert (view["params"], view["properties"]) == ({"alpha": "0.1"}, {"commit": "abc"})
    assert view["children"] == [{"run_id": "r1.0badcafe", "display_name": "first", "state": "failed"}]
    child = run_view(said.open(), "r1.0badcafe")
    assert (child["run_id"], child["state"], child["error"]) == ("r1.0badcafe", "failed", "diverged")
    assert (child["tags"], child["children"], child["is_live"]) == ({"alpha": "0.1"}, [], False)
    assert child["started"] < child["ended"]
    with pytest.raises(NotThereError):
        run_view(said.open(), "r1.00000000")
    (row,) = run_page([RunEntry("r1", "default", str(tmp_path / "r1"), 1)])["runs"]
    assert (row["display_name"], row["tags"]) == ("swift fox", {"team": "vision"})


def test_files_tell_whether_more_may_come(tmp_path: Path) -> None:
    run, (first, second) = job(tmp_path / "r1", 2)
    run.write(first, b"zero\n")
    run.close(first)
    run.write(second, b"one\n")
    (run.folder / "run.json").write_text("{}")
    with written(run.folder):
        found = {file["path"]: file for file in file_views(RunFolder(str(run.folder)))}
    assert {path: (file["is_growing"], file["rank"]) for path, file in found.items()} == {
        "azureml-logs/70_driver_log_0.txt": (False, 0),
        "azureml-logs/70_driver_log_1.txt": (True, 1),
        "run.json": (False, None),
    }
    assert not any(file["is_growing"] for file in file_views(RunFolder(str(run.folder))))
    assert [file["path"] for file in file_views(RunFolder(str(run.folder)), "azureml-logs/70_driver_log_1")] == [
        "azureml-logs/70_driver_log_1.txt"
    ]


def test_what_has_changed_is_told_by_kind(tmp_path: Path) -> None:
    run, (first, second) = job(tmp_path / "r1", 2)
    points = run.stream(".ranklog/metrics/n0/k.jsonl", "n0", "metrics", "k")
    folder = RunFolder(str(run.folder), latest_marks=True)
    with written(run.folder):
        before = look(folder)
        assert not difference(folder, before, look(folder, before))
        run.write(first, b"x\n")
        folder.refresh()
        after = look(folder, before)
        assert difference(folder, before, after) == {"logs": {"azureml-logs/70_driver_log_0.txt"}}
        run.write(points, b"{}\n")
        run.close(second)
        run.exit(1)
        run.rename(first, "10.0.0.1/azureml-logs/70_driver_log_0.txt")
        folder.refresh()
        before, after = after, look(folder, after)
        assert difference(folder, before, after) == {
            "processes": {"rank_1"},
            "files": {"azureml-logs/70_driver_log_1.txt", "10.0.0.1/azureml-logs/70_driver_log_0.txt"},
            "metrics": {"k"},
        }
        run.end()
        folder.refresh()
        before, after = after, look(folder, after)
    # rank 0 never said how it ended.
    assert difference(folder, before, after) == {"run": set(), "processes": {"rank_0"}}
    assert after.has_ended
    assert after.run == {"run_id": "r1", "state": "completed", "is_live": False}


def test_several_changes_are_told_as_one_and_never_too_many_names() -> None:
    one = {"logs": frozenset({"a"}), "run": frozenset[str]()}
    assert merged([one, {"logs": frozenset({"b"})}, {}]) == {"run": set(), "logs": {"a", "b"}}
    assert merged([]) == {}
    many = frozenset(f"{number:04}" for number in range(1000))
    told = data("logs", many, None)  # type: ignore[arg-type]
    assert (len(told["paths"]), told["is_all"]) == (100, False)
    assert data("processes", frozenset({"rank_0"}), None) == {"processes": ["rank_0"], "is_all": True}  # type: ignore[arg-type]


def test_processes_are_as_ps_tells_them(tmp_path: Path) -> None:
    run, _ = job(tmp_path / "r1", 1)
    run.exit(0, at=10, code=None, signal=11)
    (view,) = process_views(RunFolder(str(run.folder)))
    assert (view["name"], view["state"], view["exit"], view["duration_s"]) == ("rank_0", "Failed", "SIGSEGV", 10.0)
