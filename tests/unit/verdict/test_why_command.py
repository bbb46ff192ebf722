"""`ranklog why` as people see it."""

from __future__ import annotations

import json
import re
from pathlib import Path

from click.testing import CliRunner, Result

from ranklog_collector.cli.why import why
from tests.support.run_writer import RunWriter, job
from tests.unit.verdict.jobs import CLOSED, RAISED


def run_why(*words: str | Path) -> Result:
    return CliRunner().invoke(why, [str(word) for word in words])


def failed(folder: Path) -> RunWriter:
    run, (first, second) = job(folder, 2)
    run.write(first, b"step 1\nstep 2\n" + RAISED.format(error="ValueError: \x1b[31mboom\x1b[0m").encode(), at=5)
    run.write(second, CLOSED.format(peer="10.0.0.1").encode(), at=6)
    run.exit(0, at=5.5, code=1)
    run.exit(1, at=6.5, code=1)
    run.end("failed")
    return run


def test_the_verdict_comes_first_and_then_what_proves_it(tmp_path: Path) -> None:
    run = failed(tmp_path / "r")
    result = run_why(run.folder)
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert re.fullmatch(r"rank 0 \(pid 100\) raised ValueError: boom at \d\d:\d\d:\d\d\.000 ±150 ms", lines[0])
    assert lines[1] == "failed · exception · certain · run default/r1"
    assert re.fullmatch(r"rank 0 said, \d\d:\d\d:\d\d\.000, azureml-logs/70_driver_log_0\.txt:3", lines[3])
    assert lines[4] == "  | Traceback (most recent call last):"
    assert "  rank 1: connection closed by 10.0.0.1  +1.0 s" in lines
    assert lines[-1] == f"  ranklog logs {run.folder} --rank 0 --tail 50"


def test_a_launchers_words_do_not_stand_for_the_culprits_own(tmp_path: Path) -> None:
    run, (first, second) = job(tmp_path / "r", 2)
    key = run.rank(None, role="launcher", argv=["mpirun"])
    own_log = run.stream("azureml-logs/70_mpi_log.txt", role="launcher_log", process=key)
    run.write(first, b"step 1\n", at=5)
    run.write(second, b"the licence has expired\n", at=5)
    run.exit(1, at=6, code=3)
    run.write(own_log, b"first process to do so was:\n\n  Process name: [[24497,1],1]\n", at=6.2)
    run.exit(0, at=6.5, code=None, signal=15)
    run.end("failed")
    lines = run_why(run.folder).output.splitlines()
    assert lines[0].startswith("rank 1 (pid 101) exited with code 3 at ")
    assert "  |   Process name: [[24497,1],1]" in lines
    assert "  | the licence has expired" in lines


def test_nothing_in_it_plays_with_a_terminal(tmp_path: Path) -> None:
    run, (first, _) = job(tmp_path / "r", 2)
    run.write(first, RAISED.format(error="ValueError: \x1b]0;title\x07 \x9b2J \r evil").encode(), at=5)
    run.exit(0, at=5.5, code=1)
    run.end("failed")
    output = run_why(run.folder).output
    assert all(char.isprintable() or char == "\n" for char in output)


def test_what_is_not_known_is_an_exit_code(tmp_path: Path) -> None:
    run, (stream, _) = job(tmp_path / "r", 2)
    run.write(stream, b"step 1\n", at=1)
    result = run_why(run.folder)
    assert result.exit_code == 1
    assert result.output.splitlines()[1].startswith("unknown · ")


def test_a_job_that_ended_well_is_fine(tmp_path: Path) -> None:
    run, _ = job(tmp_path / "r", 4)
    for rank in range(4):
        run.exit(rank, at=5)
    run.end("completed")
    result = run_why(run.folder)
    assert (result.exit_code, result.output.splitlines()[0]) == (0, "all 4 ranks ended with 0")


def test_json_is_one_object_with_all_of_it(tmp_path: Path) -> None:
    run = failed(tmp_path / "r")
    result = run_why("--json", run.folder)
    found = json.loads(result.output)
    assert (found["run"], found["category"], found["culprits"][0]["rank"]) == ("r1", "exception", 0)
    assert found["consequences"][0]["ranks"] == [1]


def test_several_are_listed_and_quoted_once(tmp_path: Path) -> None:
    run, streams = job(tmp_path / "r", 4)
    for rank, stream in enumerate(streams):
        run.write(stream, RAISED.format(error="ModuleNotFoundError: No module named 'x'").encode(), at=1 + rank / 100)
        run.exit(rank, at=2 + rank / 100, code=1)
    run.end("failed")
    output = run_why(run.folder).output
    assert output.startswith("all 4 ranks raised ModuleNotFoundError: No module named 'x' at ")
    assert output.count("Traceback (most recent call last):") == 1
    assert len(re.findall(r"^  rank \d \(n0\): raised ModuleNotFoundError", output, re.MULTILINE)) == 4


def test_bad_signatures_and_no_such_run_are_said_in_a_line(tmp_path: Path) -> None:
    run = failed(tmp_path / "r")
    bad = tmp_path / "bad.toml"
    bad.write_text("[[signature]]\nname='x'\nrole='root'\npattern='('")
    result = run_why(run.folder, "--signatures", bad)
    assert result.exit_code == 1
    assert "bad.toml: signature 1 ('x'): '(' is no regular expression of RE2" in result.stderr
    assert run_why("no-such-run", "--root", tmp_path).exit_code == 1
    assert run_why().exit_code == 2


def test_a_root_that_was_named_is_named_in_the_next_steps(tmp_path: Path) -> None:
    failed(tmp_path / "root/default/r1")
    output = run_why("latest", "--root", tmp_path / "root").output
    assert f"  ranklog logs r1 --root {tmp_path}/root --rank 0 --tail 50" in output
