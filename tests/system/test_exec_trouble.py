"""`ranklog exec` never harms the program, whatever goes wrong around it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.executing import Executor, Spooled, until

MIB = 1 << 20


@pytest.fixture
def executor(tmp_path: Path) -> Executor:
    return Executor(Spooled(tmp_path / "spool"))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small file system needs root")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


# ---- the launcher ----------------------------------------------------------------------------------------------------


def test_a_launcher_that_does_not_read_holds_nobody_up(executor: Executor) -> None:
    reading, writing = os.pipe()
    words = (sys.executable, "-c", "print('x' * 99 + '\\n' * 1, end='')\nfor i in range(20000): print('y' * 99)")
    with executor.start(*words, stdout=writing) as process:
        assert process.wait() == 0
    assert len(executor.spool.log()) == 20001 * 100
    os.close(writing)
    passed_on = b"".join(iter(lambda: os.read(reading, 65536), b""))
    os.close(reading)
    assert 0 < len(passed_on) <= 65536
    assert executor.spool.log().startswith(passed_on)
    assert passed_on.endswith(b"\n")


def test_a_launcher_that_reads_late_misses_nothing(executor: Executor) -> None:
    with executor.start("seq", "200000", stdout=subprocess.PIPE) as process:
        until(lambda: executor.spool.processes() and len(executor.spool.log()) > MIB, "all output is in the file")
        assert process.stdout is not None
        assert process.stdout.read() == executor.spool.log()
    assert process.returncode == 0


def test_a_launcher_that_goes_away_ends_nobody(executor: Executor) -> None:
    with executor.start("seq", "200000", stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.wait() == 0
    assert executor.spool.log().endswith(b"\n200000\n")


def test_the_start_of_a_line_is_passed_on_without_its_end(executor: Executor) -> None:
    code = "import sys, time; sys.stdout.write('\\r 10%'); sys.stdout.flush(); time.sleep(60)"
    with executor.start(sys.executable, "-c", code, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.read(5) == b"\r 10%"
        process.kill()


def test_lines_of_several_ranks_are_not_torn_where_they_meet(executor: Executor, tmp_path: Path) -> None:
    reading, writing = os.pipe()
    words = ["seq", "-f", "line %06.0f of many that are all of the same length", "1", "20000"]
    processes = [executor.start(*words, stdout=writing) for _ in range(3)]
    os.close(writing)
    with os.fdopen(reading, "rb") as console:
        lines = console.read().splitlines()
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert len(lines) == 60000
    assert {len(line) for line in lines} == {len(b"line 000001 of many that are all of the same length")}


# ---- the disk --------------------------------------------------------------------------------------------------------


def test_a_full_disk_that_is_freed_loses_nothing(small_disk: Path) -> None:
    executor = Executor(Spooled(small_disk / "spool"))
    (small_disk / "ballast").write_bytes(bytes(MIB * 6 // 10))
    lines = "import sys\nfor i in range(8000): print('z' * 99)\nprint('waiting', flush=True)\nsys.stdin.read()"
    words = (sys.executable, "-c", lines)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with executor.start(*words, **pipes) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line == b"waiting\n":
                break
        assert len(executor.spool.log()) < 800_000, "the disk is full"
        (small_disk / "ballast").unlink()
        out, err = process.communicate()
    assert (process.returncode, out) == (0, b"")
    assert executor.spool.log() == b"z" * 99 + b"\n" + (b"z" * 99 + b"\n") * 7999 + b"waiting\n"
    assert executor.spool.end().lost_bytes == 0
    assert err.count(b"No space left on device") == 1


def test_a_disk_that_stays_full_costs_output_but_not_the_program(small_disk: Path) -> None:
    executor = Executor(Spooled(small_disk / "spool"))
    ended = executor.python("for i in range(20000): print('z' * 99)")
    assert ended.returncode == 0
    assert len(ended.stdout) == 2_000_000, "the launcher still gets all"
    end = executor.spool.end()
    assert end.lost_bytes > 0
    assert len(executor.spool.log()) + end.lost_bytes == 2_000_000
    assert ended.stdout.startswith(executor.spool.log())
    assert ended.stderr.count(b"No space left on device") == 1


@pytest.mark.parametrize("place", ["/proc/no/spool", "/dev/null/spool"])
def test_a_spool_that_cannot_be_made_lets_the_program_run_plainly(place: str) -> None:
    executor = Executor(Spooled(Path(place)))
    ended = executor.run("sh", "-c", "echo out; echo err >&2; exit 3")
    assert (ended.returncode, ended.stdout) == (3, b"out\n")
    first, second = ended.stderr.splitlines()
    assert first.startswith(b"ranklog exec: cannot make /")
    assert b"the command runs, but its output is not kept" in first
    assert second == b"err"


def test_a_program_that_runs_plainly_dies_by_itself() -> None:
    ended = Executor(Spooled(Path("/proc/no/spool"))).run("sh", "-c", "kill -KILL $$")
    assert ended.returncode == -signal.SIGKILL


def test_neither_home_nor_the_working_folder_need_be_writable(executor: Executor) -> None:
    ended = executor.having(HOME="/proc").run("echo", "hello", cwd="/proc")
    assert (ended.returncode, ended.stdout, executor.spool.process().cwd) == (0, b"hello\n", "/proc")


def test_a_working_folder_that_is_gone_does_no_harm(executor: Executor, tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    words = ["sh", "-c", 'rmdir "$PWD"; exec "$@"', "sh", *executor.argv("echo", "hello")]
    ended = subprocess.run(words, cwd=tmp_path / "gone", stdout=subprocess.PIPE, check=False)
    assert (ended.returncode, ended.stdout, executor.spool.process().cwd) == (0, b"hello\n", None)


# ---- processes -------------------------------------------------------------------------------------------------------


def test_descendants_that_hold_the_terminal_hold_nobody_up(executor: Executor) -> None:
    began_s = time.monotonic()
    ended = executor.run("sh", "-c", "sleep 600 & echo $!; exit 4")
    os.kill(int(ended.stdout), signal.SIGKILL)
    assert (ended.returncode, executor.spool.end().exit_code) == (4, 4)
    assert time.monotonic() - began_s < 300


def test_killing_exec_kills_the_command_and_loses_none_of_its_words(executor: Executor, tmp_path: Path) -> None:
    code = "import os, sys, time; print(os.getpid()); print('last words'); os.mkdir(sys.argv[1]); time.sleep(600)"
    said = tmp_path / "said"
    with executor.start(sys.executable, "-c", code, str(said), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        until(said.exists, "the command has said its words")
        process.kill()
        pid = int(process.stdout.readline())
        # Killed between writing and noting that it has, it may have said the last piece twice.
        assert process.stdout.read().endswith(b"last words\n")
    until(lambda: _is_dead(pid), "the command has died")
    until(executor.spool.ends, "its end is recorded")
    assert executor.spool.end().signal == signal.SIGKILL
    assert executor.spool.log().endswith(b"\nlast words\n")


def test_killing_the_whole_group_at_once_loses_no_words(executor: Executor) -> None:
    # What MPICH does when a rank calls MPI_Abort.
    code = "import os; print('last words'); os.killpg(0, 9)"
    words = (sys.executable, "-c", code)
    with executor.start(*words, stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        # Passed on twice if exec was killed in the very call that did so: nobody could tell its heir.
        assert process.stdout.read() in (b"last words\n", b"last words\n" * 2)
    assert process.returncode == -signal.SIGKILL
    until(executor.spool.ends, "its end is recorded")
    assert executor.spool.log() == b"last words\n"
    assert executor.spool.end().signal == signal.SIGKILL


def test_nobody_of_ours_is_left(executor: Executor) -> None:
    code = "import os; print(*open(f'/proc/{os.getppid()}/task/{os.getppid()}/children').read().split())\nimport time"
    helpers = executor.python(f"{code}; time.sleep(0.2)").stdout.split()
    assert all(_is_dead(int(pid)) for pid in helpers)


def test_as_first_process_of_a_container_it_ends_and_buries_like_one(executor: Executor) -> None:
    words = ["unshare", "--pid", "--fork", "--mount-proc"]
    if subprocess.run([*words, "true"], capture_output=True, check=False).returncode:
        pytest.skip("namespaces are not allowed here")
    # The orphan is the first process's to bury; the command looks whether that was done.
    script = "sh -c 'sh -c \"exit 0\" & echo $!' ; sleep 0.3; cat /proc/[0-9]*/stat | grep -c ' Z ' ; kill -KILL $$"
    ended = subprocess.run([*words, *executor.argv("sh", "-c", script)], stdout=subprocess.PIPE, check=False)
    assert ended.stdout.split()[-1] == b"0", ended.stdout
    assert ended.returncode == 128 + signal.SIGKILL
    assert executor.spool.end().signal == signal.SIGKILL


def test_a_kill_for_memory_is_known(executor: Executor) -> None:
    group = Path("/sys/fs/cgroup/memory/ranklog-test")
    if not group.parent.is_dir() or os.geteuid() != 0:
        pytest.skip("needs a cgroup for memory, and root")
    group.mkdir(exist_ok=True)
    try:
        (group / "memory.limit_in_bytes").write_text(str(64 * MIB))
        enter = f'echo $$ >{group}/cgroup.procs; exec "$@"'
        eat = executor.argv(sys.executable, "-c", "print('eating'); x = b'x' * 10**9")
        ended = subprocess.run(["sh", "-c", enter, "sh", *eat], stdout=subprocess.PIPE, check=False)
        assert ended.returncode == -signal.SIGKILL
        assert (executor.spool.end().oom_killed, executor.spool.log()) == (True, b"eating\n")
    finally:
        until(lambda: not (group / "cgroup.procs").read_text(), "the group is empty")
        group.rmdir()


def _is_dead(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True
