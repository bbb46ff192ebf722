"""What tools say of stacks, and looking at real processes by each of them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from ranklog import layout
from ranklog_agent.core.stacks import (
    Frame,
    Result,
    Thread,
    descendants,
    from_faulthandler,
    from_gdb,
    from_kernel,
    from_py_spy,
    last_line,
    line,
)
from ranklog_agent.io import procfs, stacks
from ranklog_agent.io.stacks import Manner

FAULTHANDLER = """\
Thread 0x00007fd45f0f96c0 [loader] (most recent call first):
  File "/usr/lib/python3.11/threading.py", line 324 in wait
  File "/job/data.py", line 7 in <lambda>

Current thread 0x00007fd46007b740 (most recent call first):
  File "/job/a (b)", line 12.py", line ??? in train
  File "/job/train.py", line 44 in <module>
"""
GDB = """\
[Thread debugging using libthread_db enabled]
Using host libthread_db library "/lib/x86_64-linux-gnu/libthread_db.so.1".
0x00007f0f5f4e4e53 in clock_nanosleep () from /lib/x86_64-linux-gnu/libc.so.6

Thread 2 (Thread 0x7fdbb7ed3700 (LWP 8545) "async progress"):
#0  0x00007fdbb7fa9e53 in epoll_wait (epfd=5, events=0x7f) at ../sysdeps/unix/sysv/linux/epoll_wait.c:30
#1  0x00005575ed9114af in ?? ()

Thread 1 (Thread 0x7fdbb7ed3740 (LWP 8544) "rankc"):
#0  opal_progress () from /usr/lib/x86_64-linux-gnu/libopen-pal.so.40
#1  0x00007fdbb7fa9e53 in PMPI_Allreduce (sendbuf=0x0, op=0x55 <ompi_mpi_op_sum>) from /usr/lib/libmpi.so.40
#2  0x00005575ed910f81 in std::vector<int, std::allocator<int> >::push_back(int const&) (this=0x1) at a.cc:9
#3  0x00005575ed910f81 in main (argc=1) at rankc.c:31
[Inferior 1 (process 8544) detached]
"""


def await_sleep(pid: int) -> None:
    """Wait until a process does what it will do for the rest of its life."""
    deadline = time.monotonic() + 30
    while "nanosleep" not in Path(f"/proc/{pid}/wchan").read_text():
        assert time.monotonic() < deadline, "it does not sleep"
        time.sleep(0.01)


# ---- what tools say -------------------------------------------------------------------------------------------------


def test_py_spy_tells_of_threads_and_frames() -> None:
    frames = [{"name": "all_reduce", "filename": "/x/c10d.py", "line": 3}, {"name": "write", "filename": "libc.so"}]
    said = [
        {"thread_name": "w", "os_thread_id": 8, "frames": []},
        {"thread_name": None, "os_thread_id": 7, "frames": frames},
    ]
    assert from_py_spy(orjson.dumps(said), 7) == (
        Thread("w", False, ()),
        Thread("", True, (Frame("all_reduce", "/x/c10d.py", 3), Frame("write", "libc.so"))),
    )


@pytest.mark.parametrize("said", [b"", b"{}", b"\xff", b"null"])
def test_what_py_spy_never_says_is_an_error(said: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        from_py_spy(said, 1)


@pytest.mark.parametrize("said", [b"[]", b"[1]", b'[{"frames": 3}]'])
def test_nonsense_from_py_spy_is_no_thread(said: bytes) -> None:
    assert from_py_spy(said, 1) == ()


def test_faulthandler_names_the_main_thread_last() -> None:
    assert from_faulthandler(FAULTHANDLER) == (
        Thread(
            "loader",
            False,
            (Frame("wait", "/usr/lib/python3.11/threading.py", 324), Frame("<lambda>", "/job/data.py", 7)),
        ),
        Thread("MainThread", True, (Frame("train", '/job/a (b)", line 12.py'), Frame("<module>", "/job/train.py", 44))),
    )


def test_gdb_tells_of_functions_with_files_or_libraries() -> None:
    other, main = from_gdb(GDB, 8544)
    assert (other.name, other.is_main, main.name, main.is_main) == ("async progress", False, "rankc", True)
    assert other.frames == (Frame("epoll_wait", "../sysdeps/unix/sysv/linux/epoll_wait.c", 30), Frame("??"))
    assert [frame.function for frame in main.frames[:2]] == ["opal_progress", "PMPI_Allreduce"]
    assert main.frames[0].file == "/usr/lib/x86_64-linux-gnu/libopen-pal.so.40"
    assert main.frames[3] == Frame("main", "rankc.c", 31)


def test_the_kernel_tells_of_the_system_call_and_where_in_it() -> None:
    stack = "[<0>] futex_wait_queue+0x60/0x90\n[<0>] do_futex+0x11\n[<0>] do_syscall_64+0x5c/0x90\n"
    names = {202: "futex"}
    assert [one.function for one in from_kernel("202 0x7f 0x1 -1\n", "0", stack, names)] == [
        "futex_wait_queue",
        "do_futex",
        "futex",
    ]
    assert [one.function for one in from_kernel("7 0x1", "do_sys_poll", "", names)] == ["do_sys_poll", "system call 7"]
    assert from_kernel("running\n", "0", "", names) == (Frame("running", "[processor]"),)
    assert from_kernel("", "0", "", names) == ()


# ---- whose stacks ---------------------------------------------------------------------------------------------------


def test_a_process_has_those_below_it_but_for_the_jobs_other_processes() -> None:
    parents = {10: 1, 11: 10, 12: 10, 13: 11, 20: 12, 21: 20}
    assert descendants(10, parents, frozenset({20})) == [10, 11, 12, 13]
    assert descendants(10, {10: 11, 11: 10}, frozenset()) == [10, 11]  # read while pids were used again


# ---- lines ----------------------------------------------------------------------------------------------------------


def test_a_line_holds_the_main_thread_first_and_no_more_than_it_may() -> None:
    deep = tuple(Frame("f" * 1000, "/x/" + "d" * 1000, number) for number in range(10_000))
    threads = (*(Thread("w", False, ()) for _ in range(1000)), Thread("main", True, deep))
    found = orjson.loads(line("r", 5, {"process": "k", "pid": 3}, Result("py-spy", threads)))
    assert found["threads"][0]["main"]
    assert len(found["threads"]) == 256
    frames = found["threads"][0]["frames"]
    assert len(frames) == 257
    assert "9744 calls" in frames[128]["function"]
    assert max(len(frame["function"]) for frame in frames) == 400
    assert (frames[0].get("line"), frames[-1]["line"]) == (None, 9999)


def test_names_that_are_no_unicode_are_escaped() -> None:
    found = orjson.loads(line("r", 5, {"command": "a\udcff"}, Result("proc", (Thread("\udcfe", True, ()),))))
    assert (found["command"], found["threads"][0]["name"]) == ("a\\udcff", "\\udcfe")


def test_the_last_line_says_that_there_is_no_more() -> None:
    assert orjson.loads(last_line("r", 5, 3)) == {"request": "r", "t": 5, "done": True, "processes": 3}


# ---- looking --------------------------------------------------------------------------------------------------------

WAITING = """
import sys, time
sys.path[:0] = {path!r}
if {folder!r}:
    from ranklog.run.answering import answer_in
    answer_in({folder!r})
def waiting():
    print("here", flush=True)
    time.sleep(1000)
waiting()
"""


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    code = WAITING.format(path=sys.path, folder=str(tmp_path))
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "here\n"
    await_sleep(process.pid)
    yield process
    process.kill()
    process.communicate()


def handlers(folder: Path) -> str:
    return layout.handlers_folder(str(folder))


def without(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    program = stacks._program
    monkeypatch.setattr(stacks, "_program", lambda name: None if name in names else program(name))


@pytest.mark.parametrize("is_gentle", [False, True])
def test_py_spy_is_asked_of_python(waiting: subprocess.Popen[str], tmp_path: Path, is_gentle: bool) -> None:
    found = stacks.look(waiting.pid, Manner(False, is_gentle, 30), handlers(tmp_path))
    assert (found.how, found.error) == ("py-spy", "")
    assert [frame.function for frame in found.threads[0].frames] == ["waiting", "<module>"]


def test_native_frames_are_shown_if_they_are_wanted(waiting: subprocess.Popen[str], tmp_path: Path) -> None:
    found = stacks.look(waiting.pid, Manner(True, False, 30), handlers(tmp_path))
    assert found.how == "py-spy"
    assert {"waiting", "time_sleep"} <= {frame.function for frame in found.threads[0].frames}


def test_faulthandler_answers_where_py_spy_cannot(
    waiting: subprocess.Popen[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(monkeypatch, "py-spy")
    for _ in range(2):
        found = stacks.look(waiting.pid, Manner(False, False, 30), handlers(tmp_path))
        assert (found.how, found.error) == ("faulthandler", "py-spy is not installed beside the agent")
        assert [frame.function for frame in found.threads[-1].frames] == ["waiting", "<module>"]
    assert waiting.poll() is None


def test_no_signal_is_sent_to_whom_nothing_is_known_of(
    waiting: subprocess.Popen[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(monkeypatch, "py-spy")
    found = stacks.look(waiting.pid, Manner(False, False, 30), str(tmp_path / "nowhere"))
    assert found.how == "proc"
    assert waiting.poll() is None


def test_no_signal_is_sent_to_who_has_no_handler_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "py-spy")
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"]) as process:
        try:
            ticks = procfs.start_ticks(process.pid)
            assert ticks is not None
            Path(handlers(tmp_path)).mkdir()
            file = Path(handlers(tmp_path), layout.handler_name(os.uname().nodename, process.pid, ticks))
            file.write_text("54\n")  # a lie: by the program before an exec, or by somebody else
            assert stacks.look(process.pid, Manner(False, False, 30), handlers(tmp_path)).how != "faulthandler"
            assert process.poll() is None
        finally:
            process.kill()


def test_gently_nobody_is_sent_a_signal(
    waiting: subprocess.Popen[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(monkeypatch, "py-spy")
    assert stacks.look(waiting.pid, Manner(False, True, 30), handlers(tmp_path)).how == "proc"


@pytest.fixture
def asleep() -> Iterator[int]:
    with subprocess.Popen(["sleep", "1000"]) as process:
        await_sleep(process.pid)
        yield process.pid
        process.kill()


def test_of_what_is_not_python_the_kernel_tells_where_it_waits(asleep: int, tmp_path: Path) -> None:
    found = stacks.look(asleep, Manner(False, False, 30), handlers(tmp_path))
    assert found.how == "proc"
    assert found.threads[0].is_main
    assert "nanosleep" in found.threads[0].frames[-1].function


def test_a_debugger_is_used_if_native_stacks_are_wanted(asleep: int, tmp_path: Path) -> None:
    found = stacks.look(asleep, Manner(True, False, 60), handlers(tmp_path))
    assert found.how == "native"
    assert any("nanosleep" in frame.function for frame in found.threads[0].frames)
    assert stacks.state(asleep) == "S"  # and it was let go of


def test_without_a_debugger_the_kernel_is_asked(asleep: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "gdb")
    found = stacks.look(asleep, Manner(True, False, 30), handlers(tmp_path))
    assert (found.how, found.error) == ("proc", "there is no gdb on this node")


def test_a_tool_that_takes_too_long_is_ended(asleep: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = tmp_path / "gdb"
    slow.write_text("#!/bin/sh\nexec sleep 1000\n")
    slow.chmod(0o755)
    monkeypatch.setattr(stacks, "_program", lambda name: str(slow))
    found = stacks.look(asleep, Manner(True, False, 0.1), handlers(tmp_path))
    assert (found.how, found.error) == ("proc", "gdb took longer than 0.1 s")


def test_a_tool_that_may_not_look_is_told_apart(asleep: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = tmp_path / "gdb"
    refused.write_text("#!/bin/sh\necho 'ptrace: Operation not permitted.' >&2\nexit 1\n")
    refused.chmod(0o755)
    monkeypatch.setattr(stacks, "_program", lambda name: str(refused))
    assert "ptrace is not permitted" in stacks.look(asleep, Manner(True, False, 30), handlers(tmp_path)).error


def test_a_process_that_is_gone_is_said_to_be(tmp_path: Path) -> None:
    with subprocess.Popen(["true"]) as process:
        process.wait()
    assert stacks.look(process.pid, Manner(False, False, 30), handlers(tmp_path)).error == "it has ended meanwhile"
