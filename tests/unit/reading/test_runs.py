"""Runs are found by any name that is clear, and who asks for another is told what there is."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from ranklog_collector.reading.folder import ReadingError, RunFolder
from ranklog_collector.reading.rebuild import rebuild
from ranklog_collector.reading.runs import find_runs, open_run, overview, root_folder
from tests.support.run_writer import START, RunWriter, ns


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "runs"
    for number, (experiment, name) in enumerate([("mnist", "alpha-1"), ("mnist", "alpha-2"), ("bert", "beta")]):
        run = RunWriter(root / experiment / name, run_id=name, experiment=experiment)
        text = run.journal_path.read_text().replace(str(START), str(START + number))
        run.journal_path.write_text(text)
    (root / "mnist" / "no-run").mkdir()
    (root / "a file").write_text("")
    return root


def test_runs_are_listed_oldest_first(root: Path) -> None:
    found = [(run.experiment, run.run_id) for run in find_runs(str(root))]
    assert found == [("mnist", "alpha-1"), ("mnist", "alpha-2"), ("bert", "beta")]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("alpha-1", "alpha-1"), ("b", "beta"), ("latest", "beta"), ("mnist/alpha-2", "alpha-2"), ("bert/", "beta")],
)
def test_a_run_is_meant_by_its_id_a_unique_prefix_or_latest(root: Path, name: str, expected: str) -> None:
    assert open_run(name, str(root)).run_id == expected


def test_a_run_is_meant_by_its_folder(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert open_run(str(root / "mnist/alpha-1"), "/nowhere").run_id == "alpha-1"
    monkeypatch.chdir(root / "mnist/alpha-2")
    assert open_run(".", "/nowhere").run_id == "alpha-2"
    with pytest.raises(ReadingError, match="is no run folder"):
        open_run("..", "/nowhere")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("alpha", "'alpha' may be alpha-2, alpha-1; say which"),
        ("gamma", "there is no run 'gamma' in .*; there is beta, alpha-2, alpha-1"),
        ("", "'' may be beta, alpha-2, alpha-1; say which"),
    ],
)
def test_a_name_that_is_unclear_or_unknown_lists_what_there_is(root: Path, name: str, message: str) -> None:
    with pytest.raises(ReadingError, match=message):
        open_run(name, str(root))


def test_of_two_runs_with_one_id_the_experiment_decides(root: Path) -> None:
    RunWriter(root / "bert" / "alpha-1", run_id="alpha-1", experiment="bert")
    with pytest.raises(ReadingError, match=r"may be .*bert/alpha-1"):
        open_run("alpha-1", str(root))
    assert open_run("bert/alpha-1", str(root)).experiment == "bert"


def test_an_empty_or_a_missing_root_is_told(tmp_path: Path) -> None:
    with pytest.raises(ReadingError, match=r"there are no runs in .*--root or RANKLOG_ROOT"):
        open_run("latest", str(tmp_path))
    with pytest.raises(ReadingError, match=r"cannot be read \(No such file or directory\); name the folder"):
        open_run("latest", str(tmp_path / "absent"))


def test_the_root_is_an_option_else_the_environments_else_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANKLOG_ROOT", raising=False)
    assert root_folder(None) == "ranklog-runs"
    monkeypatch.setenv("RANKLOG_ROOT", "/data")
    assert root_folder(None) == "/data"
    assert root_folder("/mine") == "/mine"


def ended(root: Path) -> RunWriter:
    run = RunWriter(root / "e" / "r", run_id="r", experiment="e", world_size=3)
    run.node("n0")
    for rank in range(2):
        run.rank(rank)
        run.exit(rank, code=rank)
    run.end("failed")
    return run


@pytest.mark.parametrize("damage", ["none", "missing", "garbage", "other json", "link"])
def test_a_run_in_one_row_is_the_same_with_and_without_its_summary(tmp_path: Path, damage: str) -> None:
    run = ended(tmp_path)
    summary = run.folder / "run.json"
    if damage == "none":
        rebuild(RunFolder(str(run.folder)))
    elif damage == "garbage":
        summary.write_bytes(b"\xff{")
    elif damage == "other json":
        summary.write_text('{"processes": 7, "end_time": []}')
    elif damage == "link":
        summary.symlink_to("/dev/zero")
    (entry,) = find_runs(str(tmp_path))
    row = overview(entry)
    assert (row.state, row.ended_ns, row.nodes, row.processes, row.failed) == ("failed", ns(20), 1, 3, 1)


def test_of_a_run_whose_journal_is_gone_the_summary_tells_when_it_began(tmp_path: Path) -> None:
    run = ended(tmp_path)
    rebuild(RunFolder(str(run.folder)))
    run.journal_path.write_bytes(b"")
    (entry,) = find_runs(str(tmp_path))
    assert overview(entry).started_ns == START


def test_a_run_that_nobody_writes_and_that_has_not_ended_is_interrupted(tmp_path: Path) -> None:
    run = RunWriter(tmp_path / "e" / "r")
    (entry,) = find_runs(str(tmp_path))
    assert overview(entry).state == "interrupted"
    with (run.folder / ".ranklog/lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert overview(entry).state == "notstarted"
        run.node("n0")
        run.rank(0)
        assert overview(entry).state == "running"


# ---- rebuild --------------------------------------------------------------------------------------------------------


def test_derived_files_are_made_again_and_then_are_right(tmp_path: Path) -> None:
    folder = RunFolder(str(ended(tmp_path).folder))
    assert all(rebuild(folder).values())
    paths = [Path(folder.path) / path for path in rebuild(folder)]
    assert [path.name for path in paths] == ["run.json", "process_status.json", "process_info.json", "execution.txt"]
    before = [path.read_bytes() for path in paths]
    assert not any(rebuild(folder).values())
    paths[1].write_bytes(b"scribble")
    paths[2].unlink()
    assert [path for path, is_changed in rebuild(folder).items() if is_changed] == [
        "azureml-logs/process_status.json",
        "azureml-logs/process_info.json",
    ]
    assert [path.read_bytes() for path in paths] == before


def test_nothing_is_rebuilt_under_a_collectors_hands(tmp_path: Path) -> None:
    run = ended(tmp_path)
    with (run.folder / ".ranklog/lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(ReadingError, match="a collector is writing"):
            rebuild(RunFolder(str(run.folder)))


def test_a_journal_without_its_first_line_is_not_rebuilt_from(tmp_path: Path) -> None:
    run = ended(tmp_path)
    run.journal_path.write_bytes(run.journal_path.read_bytes().partition(b"\n")[2])
    with pytest.raises(ReadingError, match="does not say which run"):
        rebuild(RunFolder(str(run.folder)))


def test_a_journal_that_is_damaged_is_not_rebuilt_from(tmp_path: Path) -> None:
    run = ended(tmp_path)
    data = bytearray(run.journal_path.read_bytes())
    data[len(data) // 2] = 0
    run.journal_path.write_bytes(data)
    with pytest.raises(ReadingError, match="cannot be made again: its journal is damaged at byte"):
        rebuild(RunFolder(str(run.folder)))
    assert not (run.folder / "run.json").exists()
