"""Stacks as tools tell them, made into the lines that are shipped (docs/reference/stacks.md)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

TIMEOUT_S, TIMEOUT_S_MAX = 10.0, 300.0
THREADS_MAX = 256
FRAMES_MAX = 256
"""Of a thread: its innermost and its outermost ones."""
TEXT_MAX = 400

_PYTHON_THREAD = re.compile(
    r"(?:Current thread|Thread) 0x[0-9a-f]+(?: \[(?P<name>[^]]*)\])? \(most recent call first\):"
)
_PYTHON_FRAME = re.compile(r'  File "(?P<file>.*)", line (?P<line>\d+|\?\?\?) in (?P<function>.*)')
_NATIVE_THREAD = re.compile(r'Thread \d+ \(.*?\(?LWP (?P<tid>\d+)\)?(?: "(?P<name>[^"]*)")?\)+:')
_NATIVE_FRAME = re.compile(
    r"#\d+ +(?:0x[0-9a-f]+ in )?(?P<function>.+?)(?: \(.*\))?"
    r"(?: at (?P<file>\S+?):(?P<line>\d+)| from (?P<library>\S+))?"
)
_KERNEL_FRAME = re.compile(r"\[<[0-9a-fx]+>\] (?P<function>[\w.]+)")
_KERNEL_ENTRY = re.compile(r"(entry_SYSCALL|do_syscall|x64_sys_call|el0|invoke_syscall|__(x64|arm64|se)_sys_)\w*")


@dataclass(frozen=True, slots=True)
class DumpRequest:
    """For stacks of this node's processes."""

    request: str
    processes: frozenset[str]
    """Their keys; none: all."""
    is_native: bool
    is_gentle: bool
    timeout_s: float
    """For one process."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One call."""

    function: str
    file: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class Thread:
    """One thread; its innermost frame comes first."""

    name: str
    is_main: bool
    frames: tuple[Frame, ...]


@dataclass(frozen=True, slots=True)
class Result:
    """What could be found out of a process; `how` is py-spy, faulthandler, native, proc, or empty for nothing."""

    how: str = ""
    threads: tuple[Thread, ...] = ()
    error: str = ""
    """Why it is not more, for people."""

    def but(self, error: str) -> Result:
        """The same, with what went wrong before."""
        return replace(self, error="; ".join(filter(None, (error, self.error))))


# ---- what tools say -------------------------------------------------------------------------------------------------


def from_py_spy(data: bytes, pid: int) -> tuple[Thread, ...]:
    """Read what `py-spy dump --json` prints. Raises ValueError."""
    loaded: Any = orjson.loads(data)
    if not isinstance(loaded, list):
        raise ValueError("py-spy printed no list")
    threads = []
    for one in loaded:
        if isinstance(one, dict) and isinstance(one.get("frames"), list):
            name = one.get("thread_name")
            is_main = one.get("os_thread_id") == pid or name == "MainThread"
            frames = [
                Frame(str(each.get("name")), str(each.get("filename") or ""), _line(each.get("line")))
                for each in one["frames"]
                if isinstance(each, dict)
            ]
            threads.append(Thread(str(name or ""), is_main, tuple(frames)))
    return tuple(threads)


def from_faulthandler(text: str) -> tuple[Thread, ...]:
    """Read what Python's faulthandler writes: the main thread is the oldest, and comes last."""
    found: list[tuple[str, list[Frame]]] = []
    for line in text.splitlines():
        thread, frame = _PYTHON_THREAD.match(line), _PYTHON_FRAME.fullmatch(line)
        if thread is not None:
            found.append((thread["name"] or "", []))
        elif frame is not None and found:
            number = int(frame["line"]) if frame["line"].isdigit() else 0
            found[-1][1].append(Frame(frame["function"], frame["file"], number))
    last = len(found) - 1
    return tuple(
        Thread(name or ("MainThread" if index == last else ""), index == last, tuple(frames))
        for index, (name, frames) in enumerate(found)
    )


def from_gdb(text: str, pid: int) -> tuple[Thread, ...]:
    """Read what gdb's `thread apply all backtrace` prints."""
    found: list[tuple[str, bool, list[Frame]]] = []
    for line in text.splitlines():
        thread, frame = _NATIVE_THREAD.fullmatch(line), _NATIVE_FRAME.fullmatch(line)
        if thread is not None:
            found.append((thread["name"] or "", int(thread["tid"]) == pid, []))
        elif frame is not None and found:
            file = frame["file"] or frame["library"] or ""
            found[-1][2].append(Frame(frame["function"], file, int(frame["line"] or 0)))
    return tuple(Thread(name, is_main, tuple(frames)) for name, is_main, frames in found)


def from_kernel(syscall: str, wchan: str, stack: str, names: Mapping[int, str]) -> tuple[Frame, ...]:
    """What /proc/PID/{syscall,wchan,stack} say of a thread; `names` are those of system calls."""
    frames = [Frame(found["function"], "[kernel]") for found in _KERNEL_FRAME.finditer(stack)]
    frames = [frame for frame in frames if not _KERNEL_ENTRY.fullmatch(frame.function)]
    if not frames and wchan.strip() not in ("", "0"):
        frames = [Frame(wchan.strip(), "[kernel]")]
    first = syscall.split(" ", 1)[0].strip()
    if first == "running":
        return (Frame("running", "[processor]"),)
    if first.isdigit():
        number = int(first)
        frames.append(Frame(names.get(number, f"system call {number}"), "[system call]"))
    return tuple(frames)


# ---- whose stacks ---------------------------------------------------------------------------------------------------


def descendants(pid: int, parents: Mapping[int, int], others: frozenset[int]) -> list[int]:
    """A process and those below it, by generation and age; but for `others`, the job's other processes, and theirs."""
    children: dict[int, list[int]] = {}
    for child in sorted(parents):
        children.setdefault(parents[child], []).append(child)
    found, index = [pid], 0
    while index < len(found):
        found += [child for child in children.get(found[index], ()) if child not in others and child not in found]
        index += 1
    return found


# ---- lines ----------------------------------------------------------------------------------------------------------


def line(request: str, time_ns: int, about: Mapping[str, object], result: Result) -> bytes:
    """The line about one process; `about` tells which one."""
    threads = [
        {"name": _cut(thread.name), "main": thread.is_main, "frames": [_fields(one) for one in _ends(thread.frames)]}
        for thread in sorted(result.threads, key=lambda one: not one.is_main)[:THREADS_MAX]
    ]
    fields = {
        "request": request,
        "t": time_ns,
        **about,
        "how": result.how,
        "threads": threads,
        "error": result.error[:TEXT_MAX] or None,
    }
    return _dumped(fields)


def last_line(request: str, time_ns: int, processes: int) -> bytes:
    """The line that says that there is no more to come of a request."""
    return _dumped({"request": request, "t": time_ns, "done": True, "processes": processes})


def _dumped(fields: Mapping[str, object]) -> bytes:
    try:
        return orjson.dumps(fields, option=orjson.OPT_APPEND_NEWLINE)
    except orjson.JSONEncodeError:  # names that are no Unicode
        return orjson.dumps(_plain(fields), option=orjson.OPT_APPEND_NEWLINE)


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list) else value


def _ends(frames: Sequence[Frame]) -> Sequence[Frame]:
    if len(frames) <= FRAMES_MAX:
        return frames
    half = FRAMES_MAX // 2
    left_out = Frame(f"… {len(frames) - 2 * half} calls …")
    return [*frames[:half], left_out, *frames[-half:]]


def _fields(frame: Frame) -> dict[str, object]:
    fields: dict[str, object] = {"function": _cut(frame.function)}
    if frame.file:
        fields["file"] = _cut(frame.file)
    if frame.line:
        fields["line"] = frame.line
    return fields


def _cut(text: str) -> str:
    """A path's end tells more than its beginning."""
    return text if len(text) <= TEXT_MAX else "…" + text[1 - TEXT_MAX :]


def _line(value: object) -> int:
    return value if isinstance(value, int) and 0 <= value < 1 << 31 else 0
