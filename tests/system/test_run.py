"""`ranklog run`: the job is as it would be without, all that it says comes home, and the user is told what matters."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ranklog_collector.launch.sidecar import RESTARTS_MAX
from ranklog_collector.reading.processes import processes
from ranklog_collector.reading.verify import verify
from tests.support import programs
from tests.support.pipeline import wait_until
from tests.support.ranklog_run import LiveRun, Result, command, environment, is_alive, python, ranklog_run
from tests.system.conftest import require

DRIVER_LOG = "azureml-logs/70_driver_log.txt"


def assert_complete(result: Result) -> None:
    """Everything the job wrote is in the run folder, and the user is told so."""
    report = verify(result.run)
    assert report.is_intact, report
    assert "every checksum agrees" in result.err + result.out


# ---- one process ----------------------------------------------------------------------------------------------------


def test_output_goes_to_stdout_and_our_words_to_stderr(tmp_path: Path) -> None:
    result = ranklog_run(tmp_path, "--", "printf", "one\\ntwo\\n")
    assert (result.code, result.out) == (0, "one\ntwo\n")
    assert result.file(DRIVER_LOG) == b"one\ntwo\n"
    assert re.search(r"ranklog: run printf-\d{8}T\d{6}Z-[0-9a-f]{4}\n", result.err)
    assert "completed after" in result.err
    assert_complete(result)


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("pass", 0),
        ("raise SystemExit(7)", 7),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 128 + signal.SIGKILL),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", 128 + signal.SIGSEGV),
    ],
)
def test_the_exit_code_is_the_commands(tmp_path: Path, source: str, code: int) -> None:
    result = ranklog_run(tmp_path, "--", *python(source))
    assert result.code == code
    assert (f"exit code {code}\n" in result.err) == (code != 0)


def test_a_command_that_does_not_exist_is_told_as_a_shell_does(tmp_path: Path) -> None:
    result = ranklog_run(tmp_path, "--", "no-such-program")
    assert result.code == 127
    assert "no-such-program: command not found" in result.out + result.err


def test_options_of_the_command_are_its_own(tmp_path: Path) -> None:
    assert ranklog_run(tmp_path, "echo", "-n", "--quiet", "x").out.strip() == "--quiet x"


def test_the_last_failure_is_told_with_its_last_line(tmp_path: Path) -> None:
    result = ranklog_run(tmp_path, "--", *python("print('begin'); raise ValueError('no data')"))
    assert re.search(r"failure +process \d+ raised ValueError: no data at ", result.err)


def test_stdin_is_the_commands(tmp_path: Path) -> None:
    assert ranklog_run(tmp_path, "--", "cat", stdin=b"from stdin\n").out == "from stdin\n"


def test_the_command_knows_its_run(tmp_path: Path) -> None:
    names = ("RUN_ID", "EXPERIMENT", "SPOOL", "COLLECTOR", "ROOT")
    source = f"import os, json; print(json.dumps({{n: os.environ['RANKLOG_' + n] for n in {names!r}}}))"
    result = ranklog_run(tmp_path, "--experiment", "e1", "--name", "mine", "--", *python(source))
    told = json.loads(result.out)
    assert result.folder == tmp_path / "runs" / "e1" / told["RUN_ID"]
    assert told["RUN_ID"].startswith("mine-")
    assert told["EXPERIMENT"] == "e1"
    assert told["SPOOL"] == str(tmp_path / "spool" / told["RUN_ID"])
    assert told["ROOT"] == str(tmp_path / "runs")
    assert re.fullmatch(r"127\.0\.0\.1:\d+", told["COLLECTOR"])


def test_what_is_home_is_not_kept_twice(tmp_path: Path) -> None:
    ranklog_run(tmp_path, "--", "true")
    assert list((tmp_path / "spool").iterdir()) == []
    ranklog_run(tmp_path, "--keep-spool", "--", "true")
    assert len(list((tmp_path / "spool").iterdir())) == 1


def test_quiet_shows_the_summary_only(tmp_path: Path) -> None:
    result = ranklog_run(tmp_path, "--quiet", "--", "echo", "hello")
    assert result.out == ""
    assert "completed after" in result.err
    assert result.file(DRIVER_LOG) == b"hello\n"


def test_raw_shows_bytes_as_they_are(tmp_path: Path) -> None:
    assert ranklog_run(tmp_path, "--raw", "--", "printf", "10%%\\r20%%\\n").out == "10%\r20%\n"


def test_a_root_that_cannot_be_made_is_told_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = ranklog_run(tmp_path, "--root", "file/x", "--", "touch", str(tmp_path / "started"))
    assert result.code == 2
    assert "ranklog: cannot make the folder" in result.err
    assert not (tmp_path / "started").exists()


def test_a_reader_that_has_had_enough_does_not_end_the_job(tmp_path: Path) -> None:
    words = command("--", *python("for n in range(20000): print(n)"))
    done = subprocess.run(
        ["bash", "-c", '"$@" | head -n 1; exit "${PIPESTATUS[0]}"', "-", *words],
        cwd=tmp_path,
        env=environment(tmp_path),
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert (done.returncode, done.stdout) == (0, b"0\n")
    assert Result(tmp_path, 0, "", "").file(DRIVER_LOG).endswith(b"\n19999\n")


# ---- files that the job writes --------------------------------------------------------------------------------------


def test_logs_and_outputs_of_this_run_come_along_and_those_of_earlier_ones_do_not(tmp_path: Path) -> None:
    for name in ("logs/old.log", "outputs/old.bin"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("old")
        os.utime(tmp_path / name, (1_000_000_000, 1_000_000_000))
    script = "mkdir user_logs; echo a > logs/a.log; echo b > user_logs/b.log; echo c > outputs/c.bin; echo d > d.log"
    result = ranklog_run(tmp_path, "--watch", "*.log", "--", "sh", "-c", script)
    assert result.file("logs/a.log") == b"a\n"
    assert result.file("user_logs/b.log") == b"b\n"
    assert result.file("outputs/c.bin") == b"c\n"
    assert result.file("logs/d.log") == b"d\n"
    assert not list(result.folder.rglob("old.*"))
    assert_complete(result)


def test_the_working_folder_can_be_left_alone(tmp_path: Path) -> None:
    result = ranklog_run(tmp_path, "--no-watch", "--", "sh", "-c", "mkdir logs; echo a > logs/a.log")
    assert not (result.folder / "logs" / "a.log").exists()


def test_run_folders_below_a_watched_folder_are_not_swallowed_by_themselves(tmp_path: Path) -> None:
    result = ranklog_run(tmp_path, "--root", "logs/runs", "--", "echo", "hello")
    assert result.code == 0
    (folder,) = (tmp_path / "logs/runs/default").iterdir()
    assert not (folder / "logs" / "runs").exists()


# ---- several processes ----------------------------------------------------------------------------------------------


def test_n_processes_are_ranks_that_can_find_each_other(tmp_path: Path) -> None:
    names = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR")
    source = f"import os; print(*(os.environ[name] for name in {names!r}))"
    result = ranklog_run(tmp_path, "-n", "3", "--", *python(source))
    assert result.code == 0
    assert sorted(result.out.splitlines()) == [f"[{rank}]   {rank} {rank} 3 3 127.0.0.1" for rank in range(3)]
    assert result.file("azureml-logs/70_driver_log_2.txt") == b"2 2 3 3 127.0.0.1\n"
    assert_complete(result)


FAILING = """
import os, sys, time
print("begin", os.getpid())
if os.environ["RANK"] == "2":
    sys.exit(9)
time.sleep(float(sys.argv[1]))
print("survived")
"""


def test_one_process_that_fails_ends_the_others(tmp_path: Path) -> None:
    result = ranklog_run(tmp_path, "-n", "4", "--", *python(FAILING), "600")
    assert result.code == 9
    assert re.search(r"failure +rank 2 \(pid \d+\) exited with code 9 at .*; its last line: begin", result.err)
    states = {view.rank: view.state.value for view in processes(result.run.state)}
    assert states == {0: "Terminated", 1: "Terminated", 2: "Failed", 3: "Terminated"}
    assert_complete(result)


def test_the_others_can_be_let_run_on(tmp_path: Path) -> None:
    result = ranklog_run(tmp_path, "-n", "3", "--no-kill", "--", *python(FAILING), "2")
    assert result.code == 9
    assert result.out.count("survived") == 2


def test_processes_that_do_not_heed_terminate_are_killed(tmp_path: Path) -> None:
    source = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)" + FAILING
    with LiveRun(tmp_path, "-n", "3", "--", *python(source), "600", is_terminal=False) as run:
        result = run.end()
    assert result.code == 9
    assert not any(is_alive(int(pid)) for pid in re.findall(r"begin (\d+)", result.out))


# ---- much output, and trouble ---------------------------------------------------------------------------------------


def test_a_pipe_gets_every_line_of_fast_ranks_in_order(tmp_path: Path) -> None:
    lines = 100_000
    source = f"import os\nfor n in range({lines}): print(os.environ['RANK'], 'line', n)"
    result = ranklog_run(tmp_path, "-n", "4", "--", *python(source))
    assert result.code == 0
    shown = result.out.splitlines()
    for rank in range(4):
        expected = [f"{rank} line {number}" for number in range(lines)]
        assert [line[6:] for line in shown if line.startswith(f"[{rank}]")] == expected
        assert result.file(f"azureml-logs/70_driver_log_{rank}.txt").decode().splitlines() == expected
    assert len(shown) == 4 * lines
    assert_complete(result)


def test_an_agent_that_is_killed_is_started_again_and_nothing_is_lost(tmp_path: Path) -> None:
    with LiveRun(tmp_path, "-n", "2", "--", *programs.script("ticker.py"), "60", "0.1", is_terminal=False) as run:
        run.wait_for("tick 5")
        (agent,) = children_of(run.process.pid, "ranklog agent")
        os.kill(agent, signal.SIGKILL)
        run.wait_for("the agent was ended by SIGKILL; it is started again")
        run.wait_for("tick 40")
        result = run.end()
    assert result.code == 0
    assert result.file("azureml-logs/70_driver_log_1.txt").endswith(b"rank 1 tick 59\nrank 1 finished\n")
    assert_complete(result)


def test_an_agent_that_cannot_live_is_given_up_and_the_job_goes_on(tmp_path: Path) -> None:
    waiting = "until [ -e go ]; do sleep 0.1; done; echo finished"
    with LiveRun(tmp_path, "--", "sh", "-c", waiting, is_terminal=False) as run:
        for _ in range(1 + RESTARTS_MAX):
            wait_until(lambda: children_of(run.process.pid, "ranklog agent"), "an agent")
            (agent,) = children_of(run.process.pid, "ranklog agent")
            os.kill(agent, signal.SIGKILL)
            wait_until(lambda pid=agent: not is_alive(pid), "its end")
        run.wait_for("the job goes on without it")
        (tmp_path / "go").touch()
        result = run.end()
    assert result.code == 0
    assert "still has what the job wrote" in result.out
    (output,) = (tmp_path / "spool").glob("*/streams/*/stdout.log")
    assert output.read_text().endswith("finished\n")


def test_a_full_disk_is_told_and_the_job_goes_on(tmp_path: Path, small_disk: Path) -> None:
    source = """
import os, time
for n in range(40): print(n, "x" * 1_000_000)
while not os.path.exists("go"): time.sleep(0.1)
"""
    words = ["--root", str(small_disk), "--drain-timeout", "2", "--quiet", "--", *python(source)]
    with LiveRun(tmp_path, *words, is_terminal=False) as run:
        run.wait_for("the run folder cannot be written now: is the disk full")
        (tmp_path / "go").touch()
        result = run.end()
    assert result.code == 0
    assert "have not been fetched" in result.out
    (output,) = (tmp_path / "spool").glob("*/streams/*/stdout.log")
    assert output.stat().st_size > 40_000_000


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(disk)]
    mounted = subprocess.run(words, capture_output=True, check=False)
    require("cannot mount a small file system" if mounted.returncode else None)
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_the_agent_does_not_outlive_a_run_that_is_killed(tmp_path: Path) -> None:
    with LiveRun(tmp_path, "--drain-timeout", "1", "-n", "1", "--", *programs.script("ticker.py"), "30", "0.1") as run:
        run.wait_for("tick 3")
        (agent,) = children_of(run.process.pid, "ranklog agent")
        run.process.kill()
        wait_until(lambda: not is_alive(agent), "the agent's end", 60)


def children_of(parent: int, words: str) -> list[int]:
    """Processes whose parent is this one and whose command line has these words in it."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat, line = (folder / "stat").read_bytes(), (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if int(stat.rpartition(b")")[2].split()[1]) == parent and words in line.replace(b"\0", b" ").decode():
            found.append(int(folder.name))
    return found
