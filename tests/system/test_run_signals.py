"""`ranklog run` and signals: what a terminal, a user and a scheduler send, and who gets it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

from ranklog_collector.core.verdict.finding import Category
from ranklog_collector.reading.folder import RunFolder
from ranklog_collector.reading.processes import processes
from ranklog_collector.verdict import judge
from tests.support import programs
from tests.support.pipeline import wait_until
from tests.support.ranklog_run import CTRL_C, LiveRun, command, environment, is_alive, python

PATIENT = programs.script("signals.py")


def test_ctrl_c_reaches_the_job_once_and_is_its_to_heed(tmp_path: Path) -> None:
    with LiveRun(tmp_path, "--", *PATIENT, "4") as run:
        run.wait_for("ready")
        run.press(CTRL_C)
        run.wait_for("stopping; press Ctrl-C again to kill")
        result = run.end()
    assert result.code == 0
    assert result.file("azureml-logs/70_driver_log.txt").count(b"got SIGINT") == 1
    assert b"time is up" in result.file("azureml-logs/70_driver_log.txt")


def test_ctrl_c_twice_kills_the_whole_job_and_keeps_its_output(tmp_path: Path) -> None:
    source = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print("ready", os.getpid(), child.pid, flush=True)
time.sleep(600)
"""
    with LiveRun(tmp_path, "-n", "2", "--", *python(source)) as run:
        run.wait_for(r"(?s)ready \d+ \d+.*ready \d+ \d+")
        run.press(CTRL_C)
        run.wait_for("press Ctrl-C again")
        run.press(CTRL_C)
        result = run.end()
    assert result.code == 130
    pids = [int(pid) for pair in re.findall(r"ready (\d+) (\d+)", result.out) for pid in pair]
    assert len(pids) == 4
    wait_until(lambda: not any(map(is_alive, pids)), "the end of all")
    assert [view.exit for view in processes(result.run.state)] == ["SIGKILL", "SIGKILL"]
    assert "every checksum agrees" in result.out


def test_an_interrupt_that_only_we_get_is_passed_on_once(tmp_path: Path) -> None:
    with LiveRun(tmp_path, "--", *PATIENT, "4") as run:
        run.wait_for("ready")
        run.send(signal.SIGINT)
        result = run.end()
    assert result.file("azureml-logs/70_driver_log.txt").count(b"got SIGINT") == 1


def test_terminate_is_passed_on_and_told_by_the_exit_code(tmp_path: Path) -> None:
    with LiveRun(tmp_path, "-n", "2", "--", *PATIENT, "600", is_terminal=False) as run:
        run.wait_for("(?s)ready.*ready")
        run.send(signal.SIGTERM)
        result = run.end()
    assert result.code == 143
    for rank in range(2):
        assert result.file(f"azureml-logs/70_driver_log_{rank}.txt").endswith(b"got SIGTERM\n")
    assert "every checksum agrees" in result.out
    # Each of them ends with a code of its own.
    assert [(view.state.value, view.exit) for view in processes(result.run.state)] == [("Terminated", "5")] * 2
    assert result.run.state.state == "canceled"


def test_what_timeout_sends_to_us_and_to_our_group_reaches_the_job_once(tmp_path: Path) -> None:
    for seconds in ("4", "16", "64"):  # a busy machine may not have started the job by then
        root = tmp_path / seconds
        root.mkdir()
        words = ["timeout", seconds, *command("--", *PATIENT, "600")]
        done = subprocess.run(words, cwd=root, env=environment(root), capture_output=True, check=False, timeout=120)
        assert done.returncode == 124
        if b"ready" in done.stdout:
            break
    assert done.stdout.count(b"got SIGTERM") == 1
    (journal,) = (root / "runs").glob("*/*/.ranklog")
    folder = RunFolder(str(journal.parent))
    verdict = judge(folder)
    assert (folder.state.state, verdict.category) == ("failed", Category.TIME_LIMIT)
    assert f"reached its time limit (timeout {seconds})" in verdict.headline
    assert verdict.quotes[0].path == "overall/execution.txt"


def test_signals_that_are_none_of_our_business_are_the_jobs(tmp_path: Path) -> None:
    with LiveRun(tmp_path, "--", *PATIENT, "600") as run:
        run.wait_for("ready")
        run.send(signal.SIGUSR1)
        run.wait_for("got SIGUSR1")
        run.press(b"\x1c")  # Ctrl-\
        run.wait_for("got SIGQUIT")
        run.send(signal.SIGTERM)
        assert run.end().code == 143


def test_a_terminal_that_is_closed_ends_the_job(tmp_path: Path) -> None:
    with LiveRun(tmp_path, "-n", "1", "--", *programs.script("ticker.py"), "6000", "0.1") as run:
        run.wait_for("tick 3")
        run.send(signal.SIGHUP)
        assert run.end().code == 129


def test_without_a_job_any_more_ctrl_c_ends_the_waiting(tmp_path: Path) -> None:
    with LiveRun(
        tmp_path, "--drain-timeout", "600", "-n", "1", "--", *programs.script("ticker.py"), "10", "0.1"
    ) as run:
        run.wait_for("tick 3")
        agent = agent_of(run.process.pid)
        os.kill(agent, signal.SIGSTOP)
        try:
            run.wait_for("fetching what is left")
            run.press(CTRL_C)
            assert run.end(60).code == 130
        finally:
            os.kill(agent, signal.SIGCONT) if is_alive(agent) else None


def agent_of(parent: int) -> int:
    found = subprocess.run(["pgrep", "-P", str(parent), "-f", "ranklog agent"], capture_output=True, check=True)
    return int(found.stdout)


def test_a_process_that_is_still_saving_is_not_ended_when_others_have_heeded_ctrl_c(tmp_path: Path) -> None:
    source = """
import os, signal, sys, time
def save(number, frame):
    if os.environ["RANK"] == "1":
        time.sleep(3)
        print("saved", flush=True)
    sys.exit(1)
signal.signal(signal.SIGINT, save)
print("ready", flush=True)
time.sleep(600)
"""
    with LiveRun(tmp_path, "-n", "2", "--no-fold", "--", *python(source)) as run:
        run.wait_for("(?s)ready.*ready")
        run.press(CTRL_C)
        result = run.end()
    assert result.code == 1
    assert result.file("azureml-logs/70_driver_log_1.txt") == b"ready\nsaved\n"
