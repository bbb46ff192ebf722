"""The reading commands: what they print, to people and to programs, and how they end."""

from __future__ import annotations

import fcntl
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from ranklog_collector.cli.logs import logs
from ranklog_collector.cli.output import Column, print_table
from ranklog_collector.cli.read import download, files, ps, rebuild, runs, verify
from ranklog_collector.cli.stacks import stacks
from ranklog_collector.reading.folder import RunFolder
from ranklog_collector.reading.rebuild import rebuild as rebuild_folder
from tests.support.run_writer import RunWriter

Invoke = Callable[..., Result]
HOSTILE = "n\x1b]0;owned\x07\x9b\u202e"


@pytest.fixture
def invoke(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Invoke:
    monkeypatch.setenv("RANKLOG_ROOT", str(tmp_path / "runs"))
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.chdir(tmp_path)

    def call(command: click.Command, *arguments: str) -> Result:
        return CliRunner().invoke(command, list(arguments), catch_exceptions=False)

    return call


@pytest.fixture
def run(tmp_path: Path) -> RunWriter:
    run = RunWriter(tmp_path / "runs/mnist/r1", run_id="r1", experiment="mnist", world_size=4)
    run.node("n0", "10.0.0.1")
    run.node("n1", "10.0.0.2")
    run.clock("n1", 0.25)
    for rank in range(3):
        run.rank(rank, f"n{rank // 2}")
        stream = run.output(rank)
        run.write(stream, b"\x1b[32mepoch 1\x1b[0m\n", at=1)
        run.write(stream, b"loss 0.%d\n" % rank, at=2 + rank / 10)
        run.close(stream)
    run.exit(0, at=10)
    run.exit(1, at=11, code=None, signal=9)
    run.node("n1", "10.0.0.2", event="lost", at=12)
    run.lose(2, at=12)
    run.end("failed", at=20)
    return run


def records(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_runs_are_listed(run: RunWriter, invoke: Invoke) -> None:
    assert invoke(runs).stdout.splitlines()[1].split() == (
        ["r1", "mnist", "failed", "2026-09-21", "14:13:20", "20s", "2", "4", "1"]
    )
    (row,) = records(invoke(runs, "--json"))
    assert (row["run_id"], row["state"], row["started"]) == ("r1", "failed", "2026-09-21T14:13:20.000000000Z")


def test_where_no_run_is_this_is_said(invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    result = invoke(runs)
    assert (result.exit_code, result.stdout[:21]) == (0, "there are no runs in ")
    assert invoke(runs, "--json").stdout == ""


def test_ps_shows_each_process_a_summary_and_what_to_know(run: RunWriter, invoke: Invoke) -> None:
    lines = invoke(ps, "latest").stdout.splitlines()
    assert lines[0].split() == (
        ["PROCESS", "RANK", "NODE", "IP", "PID", "STATE", "EXIT", "STARTED", "TIME", "BYTES", "LAST", "LINE"]
    )
    assert [line.split()[:6] for line in lines[1:4]] == [
        ["rank_0", "0", "n0", "10.0.0.1", "100", "Completed"],
        ["rank_1", "1", "n0", "10.0.0.1", "101", "Failed"],
        ["rank_2", "2", "n1", "10.0.0.2", "102", "Lost"],
    ]
    assert "SIGKILL" in lines[2]
    assert lines[4].split() == ["rank_3", "3", "NotStarted", "0", "B"]
    assert lines[5] == (
        "mnist/r1 failed after 20s; 2 nodes, 4 processes: 1 not started, 1 completed, 1 failed, 1 lost; 78 B"
    )
    assert lines[6] == "note: node n1 (10.0.0.2) is lost since 2026-09-21 14:13:32.000"
    assert lines[7] == "note: the clock of node n1 is 0.250 s behind the collector's; times are corrected"


def test_ps_as_json_has_everything(run: RunWriter, invoke: Invoke) -> None:
    rows = records(invoke(ps, "r1", "--json"))
    assert [(row["rank"], row["state"], row["exit"]) for row in rows] == [
        (0, "Completed", "0"),
        (1, "Failed", "SIGKILL"),
        (2, "Lost", ""),
        (3, "NotStarted", ""),
    ]
    assert rows[2]["last_output"] == "2026-09-21T14:13:22.450000000Z"


def test_logs_are_merged_and_folded_without_colours_in_a_pipe(run: RunWriter, invoke: Invoke) -> None:
    result = invoke(logs, "r1")
    assert result.stdout == "[0-2] epoch 1\n[0] loss 0.0\n[1] loss 0.1\n[2] loss 0.2\n"
    assert (result.stderr, result.exit_code) == ("", 0)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--rank", "1"], "epoch 1\nloss 0.1\n"),
        (["--rank", "0,2", "--no-fold"], "[0] epoch 1\n[2] epoch 1\n[0] loss 0.0\n[2] loss 0.2\n"),
        (["--grep", "LOSS", "-i", "--rank", "1-2"], "[1] loss 0.1\n[2] loss 0.2\n"),
        (["--grep", "epoch", "-v", "--node", "n0"], "[0] loss 0.0\n[1] loss 0.1\n"),
        (["--head", "2"], "[0-2] epoch 1\n[0] loss 0.0\n"),
        (["--tail", "2"], "[1] loss 0.1\n[2] loss 0.2\n"),
        (["--since", "+2.05s", "--until", "+2.2s"], "[1] loss 0.1\n"),
        (["--since", "2026-09-21T14:13:22.3Z"], "[2] loss 0.2\n"),
        (["--rank", "0", "--raw"], "\x1b[32mepoch 1\x1b[0m\nloss 0.0\n"),
        (["--rank", "0", "--raw", "--head", "1"], "\x1b[32mepoch 1\x1b[0m\n"),
        (["--head", "1", "--time", "since"], "+1.000 [0-2] epoch 1\n"),
        (["--head", "1", "--time", "utc"], "2026-09-21T14:13:21.000Z [0-2] epoch 1\n"),
        (["--rank", "0", "--head", "1", "--time", "local"], "2026-09-21 14:13:21.000 epoch 1\n"),
        (["--head", "0"], ""),
    ],
)
def test_logs_are_restricted_and_written_as_asked(
    run: RunWriter, invoke: Invoke, arguments: list[str], expected: str
) -> None:
    assert invoke(logs, "r1", *arguments).stdout == expected


def test_logs_as_json_are_lines_with_their_place(run: RunWriter, invoke: Invoke) -> None:
    rows = records(invoke(logs, "r1", "--json", "--rank", "2"))
    assert rows == [
        {
            "run": "r1",
            "rank": 2,
            "node": "n1",
            "stream": "stdout",
            "path": "azureml-logs/70_driver_log_2.txt",
            "time": f"2026-09-21T14:13:2{second}0000000Z",
            "offset": offset,
            "level": None,
            "text": text,
        }
        for second, offset, text in (("1.25", 0, "epoch 1"), ("2.45", 17, "loss 0.2"))
    ]
    assert records(invoke(logs, "r1", "--json", "--raw", "--rank", "2"))[0]["text"] == "\x1b[32mepoch 1\x1b[0m"


def test_logs_tell_of_gaps_and_missing_files_beside_the_output(run: RunWriter, invoke: Invoke) -> None:
    run.gap(1, 10)
    run.path(2).unlink()
    result = invoke(logs, "r1")
    assert "loss 0.0" in result.stdout
    assert result.stderr.splitlines() == [
        "note: azureml-logs/70_driver_log_1.txt is missing",
        "note: azureml-logs/70_driver_log_0.txt: 10 bytes of /src are lost for good (truncated)",
    ]


def test_following_a_run_that_has_ended_ends(run: RunWriter, invoke: Invoke) -> None:
    assert invoke(logs, "r1", "-f").stdout == "[0-2] epoch 1\n[0] loss 0.0\n[1] loss 0.1\n[2] loss 0.2\n"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["r1", "--grep", "nothing like it"], 1),
        (["r1", "--rank", "77"], 1),
        (["nope"], 1),
        (["r1", "--grep", "("], 2),
        (["r1", "--rank", "x"], 2),
        (["r1", "--since", "yesterday"], 2),
        (["r1", "-v"], 2),
        (["r1", "--tail", "-1"], 2),
        ([], 2),
    ],
)
def test_logs_end_with_1_if_it_is_not_so_and_with_2_if_it_was_asked_wrongly(
    run: RunWriter, invoke: Invoke, arguments: list[str], code: int
) -> None:
    result = invoke(logs, *arguments)
    assert result.exit_code == code
    assert result.stdout == ""


@pytest.mark.parametrize("command", [ps, logs, files, download, verify, rebuild])
def test_a_run_that_is_not_there_is_told_with_those_that_are(
    run: RunWriter, invoke: Invoke, command: click.Command
) -> None:
    result = invoke(command, "nope")
    assert result.exit_code == 1
    assert result.stderr.startswith("ranklog: there is no run 'nope'")
    assert result.stderr.endswith("; there is r1\n")


def test_files_are_listed(run: RunWriter, invoke: Invoke) -> None:
    assert invoke(files, "r1").stdout.splitlines()[1].split()[-3:] == (
        ["stdout", "rank_0", "azureml-logs/70_driver_log_0.txt"]
    )
    rows = records(invoke(files, "r1", "--json", "--all"))
    assert rows[0]["path"] == ".ranklog/journal/events.jsonl"
    assert rows[1]["is_complete"] is True


def test_one_file_or_all_are_downloaded(run: RunWriter, invoke: Invoke, tmp_path: Path) -> None:
    one = invoke(download, "r1", "azureml-logs/70_driver_log_1.txt", "-o", "-")
    assert one.stdout_bytes == run.path(2).read_bytes()
    assert invoke(download, "r1").stdout == f"./r1.zip: 3 files, {(tmp_path / 'r1.zip').stat().st_size} B\n"
    with zipfile.ZipFile(io.BytesIO(invoke(download, "r1", "-o", "-").stdout_bytes)) as archived:
        assert len(archived.namelist()) == 3
    assert invoke(download, "r1", "nope").exit_code == 1


def test_a_damaged_journal_is_told_wherever_it_is_read(run: RunWriter, invoke: Invoke) -> None:
    run.journal_path.write_bytes(b"\0\n\n")
    damage = "its journal is empty or damaged: it does not say which run it is"
    assert invoke(ps, str(run.folder)).stdout.splitlines()[-1] == f"note: {damage}"
    assert invoke(logs, str(run.folder)).stderr == f"note: {damage}\n"
    told = invoke(verify, str(run.folder))
    assert (told.exit_code, f"problem: {damage}" in told.stdout) == (1, True)


def test_verify_ends_with_1_if_anything_is_wrong(run: RunWriter, invoke: Invoke) -> None:
    result = invoke(verify, "r1")
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (
        0,
        "r1: 3 files, 3 segments, 78 B: every byte is as it was sent",
    )
    run.path(1).write_bytes(b"x" * 26)
    result = invoke(verify, "r1")
    assert result.exit_code == 1
    assert "problem: azureml-logs/70_driver_log_0.txt: the bytes differ somewhere from 0 to 16" in result.stdout
    report = json.loads(invoke(verify, "r1", "--json", "--sources").stdout)
    assert (report["intact"], len(report["segments"])) == (False, 3)


def test_rebuild_tells_what_it_made(run: RunWriter, invoke: Invoke) -> None:
    assert "run.json: made again" in invoke(rebuild, "r1").stdout
    assert [row["changed"] for row in records(invoke(rebuild, "r1", "--json"))] == [False] * 4


def test_names_from_the_job_reach_no_terminal_as_they_are(tmp_path: Path, invoke: Invoke) -> None:
    run = RunWriter(tmp_path / "runs/e/r2", run_id=f"r2{HOSTILE}", experiment=HOSTILE)
    run.node(HOSTILE, HOSTILE, reason=HOSTILE)
    run.rank(0, HOSTILE)
    run.write(run.output(0, f"logs/{HOSTILE}.txt"), b"x\n")
    run.write(run.stream("logs/y.txt", role=HOSTILE, name=HOSTILE), b"y\n")
    run.gap(1, 5, HOSTILE)
    run.clock(HOSTILE, 5.0)
    rebuild_folder(RunFolder(str(run.folder)))
    said = ""
    for command, *arguments in (
        (runs,),
        (runs, "--json"),
        (ps, "r2"),
        (ps, "r2", "--json"),
        (files, "r2"),
        (files, "r2", "--json"),
        (verify, "r2"),
        (verify, "r2", "--json"),
        (logs, "r2", "--stream", "all"),
        (logs, "r2", "--stream", "all", "--json"),
        (logs, "nope"),
        (download, "r2", "nope"),
        (rebuild, "r2"),
    ):
        result = invoke(command, *arguments)
        said += result.output
    assert all(char == "\n" or ord(char) >= 32 for char in said)
    assert not {"\x7f", "\x9b"} & set(said)
    table = "".join(invoke(command, "r2").output for command in (ps, files, verify))
    assert "\u202e" not in table


def test_why_nobody_can_be_asked_for_stacks_is_told(tmp_path: Path, invoke: Invoke) -> None:
    run = RunWriter(tmp_path / "runs/mnist/r2", run_id="r2", experiment="mnist")
    run.node("n0", "10.0.0.1")
    run.rank(0)
    with (run.folder / ".ranklog/lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        result = invoke(stacks, "r2", "--rank", "7")
        assert result.stderr.startswith("ranklog: none of these ranks of run r2 is running; --stored shows older")
        run.lose(0)
        result = invoke(stacks, "r2")
        assert result.stderr.startswith("ranklog: no process of run r2 can be asked: their nodes are lost; --stored")
    assert result.exit_code == 1


# ---- tables on a terminal -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [40, 80, 200])
def test_a_table_fits_its_terminal(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    columns = [Column("FIRST"), Column("SECOND", 1), Column("THIRD", 2)]
    print_table(columns, [["a" * 30, "b" * 30, "c" * 30]])
    lines = click.unstyle(capsys.readouterr().out).splitlines()
    assert all(len(line.rstrip()) <= width for line in lines)
    assert lines[0].split() == {40: ["FIRST"], 80: ["FIRST", "SECOND"], 200: ["FIRST", "SECOND", "THIRD"]}[width]


def test_what_a_narrow_terminal_lacks_is_taken_from_the_widest_column(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    print_table([Column("SIZE", is_right=True), Column("PATH")], [["1.8 kB", "logs/" + "x" * 30]])
    assert click.unstyle(capsys.readouterr().out).splitlines()[1].split("  ") == ["1.8 kB", "logs/xxxxxx…"]
