"""`ranklog exec` changes nothing for a program but where its output goes."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from tests.support import programs
from tests.support.executing import Executor, Spooled, environment, until

ALL_BYTES = bytes(range(256))


@pytest.fixture
def executor(tmp_path: Path) -> Executor:
    return Executor(Spooled(tmp_path / "spool"))


# ---- bytes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [ALL_BYTES * 64, b"x" * 1_000_000, bytes(5000), b"a\r\nb\n\rc\r" * 2000, b"", b"\x04", b"\x03\x1a\x1c"],
    ids=["all", "no newline", "nul", "carriage returns", "nothing", "end of file", "keys"],
)
def test_every_byte_is_kept_and_passed_on(executor: Executor, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "content").write_bytes(content)
    ended = executor.run("cat", str(tmp_path / "content"))
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert executor.spool.log() == content
    assert ended.stdout == content
    end = executor.spool.end()
    assert list(end.output_bytes.values()) == [len(content)]
    assert end.lost_bytes == 0


def test_stdout_and_stderr_are_in_one_file_in_their_true_order(executor: Executor) -> None:
    ended = executor.python("import os\nfor i in range(2000): os.write(1 + i % 2, b'%d\\n' % i)")
    expected = b"".join(b"%d\n" % number for number in range(2000))
    assert executor.spool.log() == expected
    assert ended.stdout == expected


def test_stderr_is_kept_apart_on_demand(executor: Executor) -> None:
    code = "import os\nfor i in range(2000): os.write(1, b'%d\\n' % i); os.write(2, b'%d!\\n' % i)"
    ended = executor.having("--split", "--name", "x_%r.txt").python(code)
    out = b"".join(b"%d\n" % number for number in range(2000))
    err = b"".join(b"%d!\n" % number for number in range(2000))
    assert (executor.spool.log("stdout"), executor.spool.log("stderr")) == (out, err)
    assert (ended.stdout, ended.stderr) == (out, err)
    assert [stream.name for stream in executor.spool.process().streams] == ["x_x.txt", "x_x_stderr.txt"]


@pytest.mark.parametrize("way", ["option", "variable"])
def test_nothing_is_passed_on_if_that_is_wanted(executor: Executor, way: str) -> None:
    quiet = executor.having("--quiet") if way == "option" else executor.having(RANKLOG_QUIET="1")
    ended = quiet.run("echo", "hello")
    assert (ended.stdout, ended.stderr) == (b"", b"")
    assert executor.spool.log() == b"hello\n"


def test_output_goes_to_a_file_behind_what_is_there(executor: Executor, tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as out:
        out.write(b"before\n")
        out.flush()
        executor.run("echo", "one", stdout=out)
        executor.run("echo", "two", stdout=out)
        out.write(b"after\n")
    # The position is shared with everybody who has the file, as without us.
    assert (tmp_path / "out").read_bytes() == b"before\none\ntwo\nafter\n"


def test_output_goes_to_a_socket(executor: Executor) -> None:
    import socket

    ours, theirs = socket.socketpair()
    with ours, theirs:
        ended = executor.run("echo", "hello", stdout=theirs)
        assert (ended.returncode, ours.recv(100)) == (0, b"hello\n")


# ---- the end ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [0, 1, 2, 77, 255])
def test_the_exit_code_is_the_commands(executor: Executor, code: int) -> None:
    assert executor.run("sh", "-c", f"exit {code}").returncode == code
    end = executor.spool.end()
    assert (end.exit_code, end.signal, end.oom_killed) == (code, None, False)
    assert end.max_rss_bytes is not None
    assert end.max_rss_bytes > 0


@pytest.mark.parametrize("name", ["SIGTERM", "SIGKILL", "SIGINT", "SIGUSR1", "SIGPIPE", "SIGSEGV", "SIGRTMIN"])
def test_it_dies_of_the_commands_signal(executor: Executor, name: str) -> None:
    number = int(getattr(signal, name))
    ended = executor.run("sh", "-c", f"echo last words; kill -{number} $$")
    assert (ended.returncode, ended.stdout) == (-number, b"last words\n")
    end = executor.spool.end()
    assert (end.signal, end.signal_name, end.exit_code) == (number, name, None)


def test_a_crash_leaves_one_core_file_and_not_two(executor: Executor, tmp_path: Path) -> None:
    pattern = Path("/proc/sys/kernel/core_pattern").read_text()
    if pattern.startswith(("|", "/")):
        pytest.skip("core files do not go into the working folder here")
    (tmp_path / "cores").mkdir()
    ended = executor.run("sh", "-c", "ulimit -c unlimited; kill -SEGV $$", cwd=tmp_path / "cores")
    assert ended.returncode == -signal.SIGSEGV
    assert executor.spool.end().core_dumped is True
    assert len(list((tmp_path / "cores").iterdir())) == 1


def test_a_command_that_is_not_there_is_said_to_be_so_as_by_a_shell(executor: Executor) -> None:
    ended = executor.run("no-such-command", "x")
    assert ended.returncode == 127
    assert ended.stdout == executor.spool.log() == b"ranklog exec: no-such-command: command not found\n"
    assert executor.spool.end().exit_code == 127


def test_a_command_that_cannot_be_executed_is_said_to_be_so_as_by_a_shell(executor: Executor, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    ended = executor.run(str(tmp_path / "file"))
    assert ended.returncode == 126
    assert ended.stdout == f"ranklog exec: {tmp_path}/file: Permission denied\n".encode()


def test_a_script_that_does_not_say_what_it_is_for_is_the_shells(executor: Executor, tmp_path: Path) -> None:
    (tmp_path / "script").write_text("echo script $1\n")
    (tmp_path / "script").chmod(0o755)
    assert executor.run(str(tmp_path / "script"), "x").stdout == b"script x\n"
    assert executor.having(PATH=f"{tmp_path}:/bin").run("script", "y").stdout == b"script y\n"


@pytest.mark.parametrize("kind", ["python", "static"])
def test_a_program_that_is_killed_keeps_its_last_words(executor: Executor, kind: str) -> None:
    words = [str(programs.compiled("last_words", "gcc", "-static"))]
    if kind == "python":
        words = [sys.executable, "-c", "import os; print('first line'); print('last words'); os.kill(os.getpid(), 9)"]
    ended = executor.run(*words)
    assert ended.returncode == -signal.SIGKILL
    assert executor.spool.log() == ended.stdout == b"first line\nlast words\n"


# ---- what the program sees -------------------------------------------------------------------------------------------


def test_stdin_is_the_commands(executor: Executor) -> None:
    assert executor.run("cat", input=ALL_BYTES * 1000).stdout == ALL_BYTES * 1000
    assert executor.run("sh", "-c", "readlink /proc/self/fd/0", stdin=subprocess.DEVNULL).stdout == b"/dev/null\n"


def test_whoever_writes_to_stdin_learns_that_nobody_reads_it(executor: Executor) -> None:
    with executor.start("sh", "-c", "exec <&-; sleep 60", stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        assert process.stdin is not None
        file = process.stdin.fileno()
        until(lambda: _is_broken(file), "the pipe is broken")
        process.kill()


def _is_broken(file: int) -> bool:
    try:
        os.write(file, b"x")
    except BrokenPipeError:
        return True
    return False


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_descriptors_do_no_harm(executor: Executor, closed: str) -> None:
    command = executor.argv("sh", "-c", "echo out; echo err >&2; readlink /proc/$$/fd/0 || echo closed")
    ended = subprocess.run(
        ["sh", "-c", f'exec "$@" {closed}', "sh", *command],
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    expected = b"out\nerr\n" + (b"closed\n" if "<&-" in closed else b"/dev/null\n")
    assert (ended.returncode, executor.spool.log()) == (0, expected)
    assert ended.stdout == (expected if closed in ("<&-", "2>&-") else b"")


def test_the_command_stays_in_its_session_and_group(executor: Executor) -> None:
    code = "import os; print(os.getsid(0), os.getpgid(0), os.getppid())"
    with executor.start(sys.executable, "-c", code, stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        assert [int(word) for word in process.stdout.read().split()] == [process.pid] * 3


def test_other_descriptors_are_the_commands_and_nobody_elses(executor: Executor) -> None:
    reading, writing = os.pipe()
    code = f"import os, time; os.write({writing}, b'told\\n'); os.close({writing}); time.sleep(60)"
    words = (sys.executable, "-c", code)
    with executor.start(*words, pass_fds=[writing], stdout=subprocess.DEVNULL) as process:
        os.close(writing)
        with os.fdopen(reading, "rb") as told:
            assert told.read() == b"told\n", "and then the end of the file, while the command goes on"
        process.kill()


def test_signals_are_as_they_were(executor: Executor) -> None:
    show = "from signal import *; print(getsignal(SIGHUP), getsignal(SIGTERM), *pthread_sigmask(SIG_BLOCK, ()))"
    change = "import os, sys; from signal import *; signal(SIGHUP, SIG_IGN); pthread_sigmask(SIG_BLOCK, [SIGUSR1]); "
    change += "os.execvp(sys.argv[1], sys.argv[1:])"
    words = [sys.executable, "-c", change, *executor.argv(sys.executable, "-c", show)]
    ended = subprocess.run(words, env=environment(), capture_output=True, check=True)
    assert ended.stdout == b"1 0 10\n", "SIG_IGN, SIG_DFL, SIGUSR1"
    assert executor.run("sh", "-c", "kill -PIPE $$; echo ignored").returncode == -signal.SIGPIPE


def test_without_a_terminal_colours_stay_away_unless_the_user_wants_them(executor: Executor) -> None:
    show = ("sh", "-c", "echo $TERM $NO_COLOR; stty size <&1")
    assert executor.having(TERM="xterm").run(*show).stdout == b"dumb 1\n24 80\n"
    assert executor.having(TERM="xterm", FORCE_COLOR="1").run(*show).stdout == b"xterm\n24 80\n"


def test_the_command_knows_its_run_its_spool_and_its_key(executor: Executor) -> None:
    said = executor.run("sh", "-c", "echo $RANKLOG_RUN_ID $RANKLOG_SPOOL $RANKLOG_PROCESS").stdout.decode().split()
    assert said == ["r1", str(executor.spool.folder), executor.spool.process().key]


def test_the_record_says_who_the_command_is(executor: Executor) -> None:
    ranked = executor.having(OMPI_COMM_WORLD_RANK="3", OMPI_COMM_WORLD_SIZE="4", PMIX_NAMESPACE="16")
    ended = ranked.run("sh", "-c", "echo $$ $PPID", "a", "\udcff")
    record = executor.spool.process()
    assert [record.pid, record.exec_pid] == [int(word) for word in ended.stdout.split()]
    assert (record.role, record.rank, record.world_size, record.launcher) == ("rank", 3, 4, "openmpi")
    assert (record.hostname, record.cwd) == (os.uname().nodename, os.getcwd())
    assert record.argv == ("sh", "-c", "echo $$ $PPID", "a", "\\xff")
    assert record.pid_namespace == os.stat("/proc/self/ns/pid").st_ino
    assert record.key.startswith(f"3-{record.pid}-")
    assert executor.spool.end().key == record.key


def test_a_launcher_is_recorded_as_one_and_tells_its_ranks_the_run(executor: Executor, tmp_path: Path) -> None:
    (tmp_path / "mpirun").write_text("#!/bin/sh\necho $OMPI_MCA_ranklog_run_id\necho problem >&2\necho end\n")
    (tmp_path / "mpirun").chmod(0o755)
    ended = executor.run(str(tmp_path / "mpirun"), "-n", "2", "x")
    assert (ended.stdout, ended.stderr) == (b"r1\nend\n", b"problem\n")
    record, spool = executor.spool.process(), executor.spool
    assert (record.role, record.rank) == ("launcher", None)
    assert spool.log("launcher_stdout") == b"r1\nend\n"
    assert spool.log("launcher_stderr") == b"problem\n"
    assert sorted(spool.log("launcher_log").splitlines()) == [b"end", b"problem", b"r1"]


# ---- a terminal in front ---------------------------------------------------------------------------------------------


def test_a_real_terminal_is_passed_through(executor: Executor) -> None:
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (33, 77))
    code = "import os; os.write(1, b'%d %d %s\\n' % (*os.get_terminal_size(1), os.environ['TERM'].encode()))"
    ended = executor.having(TERM="xterm").python(code, stdout=theirs)
    os.close(theirs)
    assert ended.returncode == 0
    assert executor.spool.log() == b"77 33 xterm\n"
    assert os.read(ours, 100) == b"77 33 xterm\r\n", "the newline is the outer terminal's doing"
    os.close(ours)


def test_a_terminal_that_changes_its_size_changes_the_commands(executor: Executor) -> None:
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (33, 77))
    code = (
        "import os, signal\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGWINCH])\n"
        "os.write(1, b'%d\\n' % os.get_terminal_size(1)[0])\n"
        "signal.sigwait([signal.SIGWINCH])\n"
        "os.write(1, b'%d\\n' % os.get_terminal_size(1)[0])\n"
    )
    with executor.start(sys.executable, "-c", code, stdout=theirs) as process:
        until(lambda: executor.spool.processes() and executor.spool.log() == b"77\n", "the first size")
        termios.tcsetwinsize(theirs, (33, 99))
        process.send_signal(signal.SIGWINCH)
        assert process.wait() == 0
    assert executor.spool.log() == b"77\n99\n"
    os.close(ours)
    os.close(theirs)
