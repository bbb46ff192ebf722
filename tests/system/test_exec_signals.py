"""Under `ranklog exec` a program gets each signal once, whoever it is sent to."""

from __future__ import annotations

import os
import pty
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import programs
from tests.support.executing import EXEC, Executor, Spooled, environment, until

Send = Callable[["subprocess.Popen[bytes]", int], None]


@pytest.fixture
def executor(tmp_path: Path) -> Executor:
    return Executor(Spooled(tmp_path / "spool"))


def counter() -> str:
    """Path of a program that says how many it gets of SIGTERM and SIGINT."""
    return str(programs.compiled("count_terms"))


def start_counter(executor: Executor) -> subprocess.Popen[bytes]:
    process = executor.start(counter(), stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process


def family(process: subprocess.Popen[bytes]) -> list[int]:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [process.pid, *map(int, children)]


def to_exec_only(process: subprocess.Popen[bytes], number: int) -> None:
    """As torchrun and the kubelet do."""
    process.send_signal(number)


def to_the_group(process: subprocess.Popen[bytes], number: int) -> None:
    """As Open MPI and MPICH do, and a shell or a terminal."""
    os.killpg(process.pid, number)


def to_everybody_in_turn(process: subprocess.Popen[bytes], number: int) -> None:
    """As slurmstepd does."""
    for pid in family(process):
        os.kill(pid, number)


def to_the_command_only(process: subprocess.Popen[bytes], number: int) -> None:
    """As people do who look for it with ps."""
    (command,) = [pid for pid in family(process) if Path(f"/proc/{pid}/comm").read_text() == "count_terms\n"]
    os.kill(command, number)


@pytest.mark.parametrize("send", [to_exec_only, to_the_group, to_everybody_in_turn, to_the_command_only])
@pytest.mark.parametrize(("number", "said"), [(signal.SIGTERM, "terms=1 ints=0"), (signal.SIGINT, "terms=0 ints=1")])
def test_a_signal_arrives_once(executor: Executor, send: Send, number: int, said: str) -> None:
    with start_counter(executor) as process:
        send(process, number)
        assert process.stdout is not None
        assert process.stdout.read().decode() == said + "\n"
    assert process.returncode == 0


def test_two_signals_arrive_twice(executor: Executor) -> None:
    with start_counter(executor) as process:
        to_the_group(process, signal.SIGTERM)
        to_exec_only(process, signal.SIGINT)
        assert process.stdout is not None
        assert process.stdout.read() == b"terms=1 ints=1\n"


def test_what_a_program_says_when_it_is_told_to_end_still_reaches_the_launcher(executor: Executor) -> None:
    code = "import signal, time\nsignal.signal(signal.SIGTERM, lambda *_: exit('\\n'.join(map(str, range(100000)))))\n"
    code += "print('ready', flush=True)\ntime.sleep(60)"
    with executor.start(sys.executable, "-c", code, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        until(lambda: executor.spool.log().endswith(b"\n99999\n"), "the program has said all it has to say")
        assert process.stdout.read().endswith(b"\n99999\n")
    assert process.returncode == 1


def test_timeout_ends_a_program_as_it_would_without_us(executor: Executor) -> None:
    words = ["timeout", "1", *executor.argv("sh", "-c", "echo waiting; sleep 600")]
    ended = subprocess.run(words, env=environment(), stdout=subprocess.PIPE, check=False)
    assert (ended.returncode, ended.stdout) == (124, b"waiting\n")
    assert executor.spool.end().signal == signal.SIGTERM


def test_a_signal_that_the_program_does_not_catch_ends_it_and_us(executor: Executor) -> None:
    with executor.start("sh", "-c", "echo waiting; exec sleep 600", stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGUSR1)
    assert process.returncode == -signal.SIGUSR1
    assert executor.spool.end().signal_name == "SIGUSR1"


def test_keys_of_the_terminal_reach_the_program_once(executor: Executor) -> None:
    with Terminal(executor.argv(counter())) as terminal:
        terminal.wait_for(b"ready")
        terminal.press(b"\x03")
        terminal.wait_for(b"terms=0 ints=1")
        assert terminal.end() == 0


def test_a_program_that_is_suspended_suspends_us_and_goes_on_with_us(executor: Executor) -> None:
    code = "import sys; print('rea' + 'dy', flush=True); print('got ' + sys.stdin.readline(), end='', flush=True)"
    with Terminal(["bash", "--norc", "--noprofile", "-i"]) as shell:
        shell.press(shlex.join(executor.argv(sys.executable, "-c", code)).encode() + b"\n")
        shell.wait_for(b"ready")
        shell.press(b"\x1a")
        shell.wait_for(b"Stopped")
        shell.press(b"fg\nhello\n")
        shell.wait_for(b"got hello")
        shell.press(b"exit\n")
        shell.end()


def test_a_program_that_does_not_stop_is_served_on(executor: Executor) -> None:
    code = "import signal, sys\nsignal.signal(signal.SIGTSTP, signal.SIG_IGN)\nprint('ready', flush=True)\n"
    code += "print('got ' + sys.stdin.readline(), end='', flush=True)"
    with Terminal(executor.argv(sys.executable, "-c", code)) as terminal:
        terminal.wait_for(b"ready")
        terminal.press(b"\x1a")
        terminal.press(b"hello\n")
        terminal.wait_for(b"got hello")
        assert terminal.end() == 0


def test_stopping_the_program_alone_does_not_stop_us(executor: Executor) -> None:
    code = "import os; print(os.getpid(), flush=True); input(); print('done', flush=True)"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with executor.start(sys.executable, "-c", code, **pipes) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        os.kill(pid, signal.SIGSTOP)
        until(lambda: _state(pid) == "T", "the program is stopped")
        os.kill(pid, signal.SIGCONT)
        assert process.communicate(b"\n") == (b"done\n", None)


def test_bad_usage_ends_with_2_and_a_usage_line() -> None:
    for words in ([], ["--no-such-option", "x"], ["--run"]):
        ended = subprocess.run([*EXEC, *words], env=environment(), capture_output=True, text=True, check=False)
        assert (ended.returncode, ended.stdout) == (2, "")
        assert ended.stderr.splitlines()[1].startswith("usage: ranklog exec ")
    shown = subprocess.run([*EXEC, "--help"], env=environment(), capture_output=True, text=True, check=True)
    assert "mpirun -n 8 ranklog exec -- python train.py" in shown.stdout


class Terminal:
    """A command at a terminal, in the foreground."""

    def __init__(self, words: list[str]) -> None:
        self._words = words
        self._shown = b""

    def __enter__(self) -> Terminal:
        self.pid, self._ours = pty.fork()
        if self.pid == 0:
            os.execvpe(self._words[0], self._words, environment())
        return self

    def __exit__(self, *_: object) -> None:
        try:
            os.killpg(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass
        os.close(self._ours)

    def press(self, keys: bytes) -> None:
        os.write(self._ours, keys)

    def wait_for(self, text: bytes) -> None:
        while text not in self._shown:
            self._shown += os.read(self._ours, 4096)

    def end(self) -> int:
        _, status = os.waitpid(self.pid, 0)
        return os.waitstatus_to_exitcode(status)


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


@pytest.mark.parametrize("send", [to_exec_only, to_the_group, to_everybody_in_turn])
def test_the_exit_record_says_by_which_signal_a_program_was_asked_to_end_and_when(
    executor: Executor, send: Send
) -> None:
    with start_counter(executor) as process:
        begun_ns = time.time_ns()
        send(process, signal.SIGTERM)
    end = executor.spool.end()
    assert (end.asked_signal, end.exit_code) == (signal.SIGTERM, 0)
    assert end.asked_ns is not None
    assert begun_ns <= end.asked_ns <= end.end_ns


def test_who_ends_by_a_signal_before_exec_has_got_it_was_asked_nevertheless(executor: Executor) -> None:
    """Slurm sends it to one process after the other."""
    with executor.start("sleep", "100", start_new_session=True) as process:
        until(lambda: "sleep\n" in (Path(f"/proc/{pid}/comm").read_text() for pid in family(process)), "it sleeps")
        (command,) = [pid for pid in family(process) if Path(f"/proc/{pid}/comm").read_text() == "sleep\n"]
        process.send_signal(signal.SIGSTOP)
        os.kill(command, signal.SIGTERM)
        until(lambda: _state(command) == "Z", "it has ended")
        process.send_signal(signal.SIGCONT)
        process.send_signal(signal.SIGTERM)
    end = executor.spool.end()
    assert (end.signal, end.asked_signal) == (signal.SIGTERM, signal.SIGTERM)
    assert end.asked_ns is not None
    assert end.asked_ns <= end.end_ns


def test_a_program_that_was_ended_alone_was_not_asked_to(executor: Executor) -> None:
    with executor.start("sh", "-c", "kill -TERM $$"):
        pass
    assert (executor.spool.end().signal, executor.spool.end().asked_signal) == (signal.SIGTERM, None)


def test_a_program_that_ends_by_itself_was_not_asked_to(executor: Executor) -> None:
    executor.run("true")
    assert (executor.spool.end().asked_signal, executor.spool.end().asked_ns) == (None, None)
