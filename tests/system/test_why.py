"""Real jobs that fail, and what `ranklog why` says of them, while they run and afterwards."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ranklog_collector.reading.processes import processes
from tests.support.pipeline import wait_until
from tests.support.ranklog_run import PATIENCE_S, LiveRun, Result, environment, python, ranklog_run

RANKLOG = str(Path(sys.executable).with_name("ranklog"))
FAILING = """
import os, signal, sys, time
from pathlib import Path
mode, rank = sys.argv[1], int(os.environ["RANK"])
if mode == "import":
    import no_such_module_anywhere
print("step 1 loss 0.5")
Path(f"there-{rank}").touch()
while len(list(Path().glob("there-*"))) < 3:
    time.sleep(0.02)
if rank == 1:
    print("about to", mode)
    if mode == "exception":
        raise ValueError("boom")
    if mode == "segv":
        os.kill(os.getpid(), signal.SIGSEGV)
    if mode == "abort":
        os.abort()
    if mode == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if mode == "terminate":
        os.kill(os.getpid(), signal.SIGTERM)
    if mode == "exit3":
        sys.exit(3)
    if mode == "memory":
        bytearray(1 << 62)
    if mode == "full":
        open("/dev/full", "w").write("x" * 100_000)
    if mode == "exit0":
        sys.exit(0)
time.sleep(600)
"""
ENDINGS = {
    "exception": ("exception", "raised ValueError: boom"),
    "segv": ("crash", "crashed by SIGSEGV"),
    "abort": ("crash", "crashed by SIGABRT"),
    "kill": ("killed", "was killed by SIGKILL"),
    "terminate": ("killed", "was killed by SIGTERM"),
    "exit3": ("exit-code", "exited with code 3"),
    "memory": ("out-of-memory", "could not allocate memory"),
    "full": ("disk-full", "found the disk full"),
}


def why(folder: Path) -> dict[str, Any]:
    done = subprocess.run([RANKLOG, "why", "--json", folder], capture_output=True, check=False, timeout=PATIENCE_S)
    assert done.returncode in (0, 1), done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def job(folder: Path, mode: str) -> Result:
    return ranklog_run(folder, "-q", "-n", "3", "--", *python(FAILING), mode)


@pytest.mark.parametrize("mode", ENDINGS)
def test_the_rank_that_failed_is_named_with_what_it_did(tmp_path: Path, mode: str) -> None:
    result = job(tmp_path, mode)
    category, summary = ENDINGS[mode]
    found = why(result.folder)
    assert [(one["name"], one["summary"]) for one in found["culprits"]] == [("rank_1", summary)], found
    assert (found["status"], found["category"]) == ("failed", category)
    victims = {rank for one in found["consequences"] for rank in one["ranks"]}
    assert victims == {0, 2}
    assert found["headline"].partition(" at ")[0] in " ".join(result.err.split())
    states = [view.state.value for view in processes(result.run.state)]
    assert (result.run.state.state, states) == ("failed", ["Terminated", "Failed", "Terminated"])


def test_a_module_that_no_rank_has_is_nobodys_fault(tmp_path: Path) -> None:
    found = why(job(tmp_path, "import").folder)
    assert (found["category"], found["status"]) == ("import", "failed")
    assert "No module named 'no_such_module_anywhere'" in found["headline"]
    assert len(found["culprits"]) >= 1  # the others may have been ended before they came so far


def test_a_rank_that_leaves_early_is_told_of_while_the_others_run(tmp_path: Path) -> None:
    with LiveRun(tmp_path, "-n", "3", "--", *python(FAILING), "exit0", is_terminal=False) as run:
        run.wait_for("ranklog: folder ")
        (journal,) = wait_for_journal(tmp_path)
        folder = journal.parent
        wait_until(lambda: why(folder)["category"] == "early-exit", "the early exit is told", PATIENCE_S)
        found = why(folder)
        assert (found["status"], [one["name"] for one in found["culprits"]]) == ("suspect", ["rank_1"])
        run.wait_for("rank 1 has ended with 0 while 2 others run")
        account = folder / "overall/execution.txt"
        told = "warning: rank_1 on node"
        wait_until(lambda: told in account.read_text(), "the account of the run tells of it", PATIENCE_S)
        assert "has ended with 0, while 2 others (ranks 0,2) go on" in account.read_text()
        run.send(2)
        result = run.end()
    found = why(result.folder)
    assert found["status"] == "canceled"
    assert any("rank 1 ended with 0, " in remark for remark in found["remarks"])


def wait_for_journal(root: Path) -> list[Path]:
    def there() -> list[Path]:
        return list((root / "runs").glob("*/*/.ranklog"))

    wait_until(there, "the run folder is there", PATIENCE_S)
    return there()


def test_the_environment_of_the_job_is_not_needed(tmp_path: Path) -> None:
    result = job(tmp_path, "kill")
    done = subprocess.run(
        [RANKLOG, "why", "latest"], env=environment(tmp_path), capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("rank 1 (pid ")
    assert f"run default/{result.folder.name}" in done.stdout
