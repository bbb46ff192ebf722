"""`ranklog import` as its users see it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ranklog_collector.cli.import_ import import_
from ranklog_collector.reading.runs import find_runs
from tests.support.run_writer import job

Invoke = Callable[..., Result]
KILLED = "mpirun noticed that process rank 1 with PID 7 on node node1 exited on signal 9 (Killed).\n"


@pytest.fixture
def invoke(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Invoke:
    monkeypatch.setenv("RANKLOG_ROOT", str(tmp_path / "runs"))
    monkeypatch.delenv("RANKLOG_EXPERIMENT", raising=False)
    monkeypatch.chdir(tmp_path)
    for rank in (0, 1):
        folder = tmp_path / "job/log/1" / f"rank.{rank}"
        folder.mkdir(parents=True)
        (folder / "stdout").write_text(f"hello from {rank}\n")
    (tmp_path / "job/mpirun.txt").write_text(KILLED)
    return lambda *arguments: CliRunner().invoke(import_, list(arguments), catch_exceptions=False)


def test_it_tells_what_it_has_made(invoke: Invoke, tmp_path: Path) -> None:
    result = invoke("job", "--run", "r1", "--experiment", "mnist")
    assert result.exit_code == 0
    assert result.output.splitlines() == [
        "run r1: failed; 2 ranks on 2 nodes",
        f"folder {tmp_path}/runs/mnist/r1: 115 B in 3 files, verified",
        "next   ranklog why r1",
    ]


def test_again_it_says_that_the_run_is_there(invoke: Invoke) -> None:
    assert invoke("job", "--name", "again").exit_code == 0
    result = invoke("job", "--name", "again")
    assert result.exit_code == 0
    assert "is there already" in result.output
    assert json.loads(invoke("job", "--name", "again", "--json").output)["imported"] is False
    assert "verified" in invoke("job", "--name", "again", "--force").output


def test_other_files_do_not_replace_a_run(invoke: Invoke, tmp_path: Path) -> None:
    invoke("job", "--run", "r1")
    (tmp_path / "job/log/1/rank.0/stdout").write_text("other\n")
    result = invoke("job", "--run", "r1")
    assert (result.exit_code, "not made of these files" in result.output) == (1, True)
    assert invoke("job", "--run", "r1", "--force").exit_code == 0


def test_a_run_that_was_not_imported_is_never_replaced(invoke: Invoke, tmp_path: Path) -> None:
    job(tmp_path / "runs/default/r1")
    result = invoke("job", "--run", "r1", "--force")
    assert (result.exit_code, "was not imported" in result.output) == (1, True)
    assert (tmp_path / "runs/default/r1/.ranklog/journal/events.jsonl").exists()


def test_a_dry_run_shows_all_and_makes_nothing(invoke: Invoke, tmp_path: Path) -> None:
    result = invoke("job", "--dry-run", "--run", "r1")
    assert [line.split() for line in result.output.splitlines()[1:]] == [
        ["PROCESS", "NODE", "PID", "END", "FROM"],
        ["rank", "0", "unknown", "not", "known", "log/1/rank.0/stdout"],
        ["rank", "1", "node1", "7", "SIGKILL", "log/1/rank.1/stdout"],
        ["launcher", "unknown", "not", "known", "mpirun.txt"],
    ]
    told = json.loads(invoke("job", "--dry-run", "--run", "r1", "--json").output)
    assert (told["run_id"], told["state"], len(told["processes"])) == ("r1", "failed", 3)
    assert not (tmp_path / "runs").exists()


def test_nodes_have_names_and_addresses(invoke: Invoke, tmp_path: Path) -> None:
    result = invoke("job", "--run", "r1", "--node", "head=job/log/1/rank.0", "--node", "node1=10.0.0.2")
    assert result.exit_code == 0
    assert (tmp_path / "runs/default/r1/10.0.0.2/azureml-logs/70_driver_log_1.txt").exists()
    assert (tmp_path / "runs/default/r1/head/azureml-logs/70_driver_log_0.txt").exists()
    assert [run.run_id for run in find_runs(str(tmp_path / "runs"))] == ["r1"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("job", "--node", "n1"), "NAME=FOLDER"),
        (("job", "--node", "n1=nowhere"), "neither a file or folder nor an IP address"),
        (("job", "--rule", "("), "no regular expression"),
        (("job", "--rule", "x"), "has no group"),
        (("job", "--run", "../x"), "use letters"),
        (("job", "--format", "pbs"), "is not one of"),
        ((), "Missing argument"),
    ],
)
def test_what_makes_no_sense_is_refused(invoke: Invoke, arguments: tuple[str, ...], told: str) -> None:
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert told in result.output


def test_what_cannot_be_imported_is_said_without_a_traceback(invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for place in ("empty", "nowhere"):
        result = invoke(place)
        assert result.exit_code == 1
        assert result.output.startswith("ranklog: ")
