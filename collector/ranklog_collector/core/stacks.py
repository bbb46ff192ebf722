"""Stacks of many processes: read from lines, folded into groups and one tree, and the odd ones out named.

A stack is a tuple of frames, the innermost first. Lines are as docs/reference/stacks.md has them; they come from a
node, perhaps damaged, perhaps hostile: what is none is skipped, what is too much is cut.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import orjson

from ranklog_collector.core.waiting import waits_in

THREADS_MAX = 512
FRAMES_MAX = 512
TEXT_MAX = 500
"""Letters of a name, a path or an error."""
NAMELESS = "??"
"""What a function is called of which only the address is known: that is another one in each process."""

_ADDRESS = re.compile(r"0x[0-9a-f]+")


@dataclass(frozen=True, slots=True)
class Frame:
    """One call. Without Python's help there is no line (0), and perhaps no file."""

    function: str
    file: str = ""
    line: int = 0

    def __str__(self) -> str:
        """For people: `all_reduce (distributed_c10d.py:2897)`."""
        name = self.file.rpartition("/")[2]
        place = f"{name}:{self.line}" if self.line else name
        return f"{self.function} ({place})" if place else self.function


Stack = tuple[Frame, ...]


@dataclass(frozen=True, slots=True)
class Thread:
    """One thread of a process."""

    name: str
    is_main: bool
    frames: Stack


@dataclass(frozen=True, slots=True)
class Dump:
    """What was found out of one process. Times are by the node's clock."""

    request: str
    process: str
    """The key of the job's process: this one's own, or that of which this is a child."""
    pid: int
    time_ns: int
    how: str = ""
    """`py-spy`, `faulthandler`, `native` (a debugger) or `proc` (what the kernel tells); empty if there is nothing."""
    threads: tuple[Thread, ...] = ()
    error: str = ""
    parent: int | None = None
    """The pid of the process of which this is a child; None for the main one."""
    command: str = ""
    state: str = ""
    """A letter, as ps has it: R runs, S sleeps, D waits for a disk or a device, T is stopped."""

    @property
    def stack(self) -> Stack:
        """That of the thread that speaks for the process: the main one, else the first of which there is one."""
        with_frames = [thread for thread in self.threads if thread.frames]
        main = next((thread for thread in with_frames if thread.is_main), None)
        chosen = main or (with_frames[0] if with_frames else None)
        return chosen.frames if chosen else ()


@dataclass(frozen=True, slots=True)
class Done:
    """A node has answered a request as far as it could."""

    request: str
    time_ns: int


@dataclass(frozen=True, slots=True)
class Member:
    """Whose stack it is: a process's name, as `ranklog ps` has it, and its rank."""

    name: str
    rank: int | None = None


class Basis(str, Enum):
    """Why somebody is thought to be the odd one out."""

    NOT_WAITING = "not-waiting"
    """The others wait for it in a collective, and it is elsewhere."""
    WAITING_ELSEWHERE = "waiting-elsewhere"
    """All wait, most of them in one collective, it in another."""
    MINORITY = "minority"
    """Most are in one place, it is not; nobody is known to wait."""


@dataclass(frozen=True, slots=True)
class Group:
    """Members with the very same stack."""

    stack: Stack
    members: tuple[Member, ...]
    waits_in: str = ""
    """Name of the collective in which they wait, if they do."""
    is_suspect: bool = False

    @property
    def ranks(self) -> tuple[int, ...]:
        """Those of the members that have one."""
        return tuple(member.rank for member in self.members if member.rank is not None)

    @property
    def names(self) -> tuple[str, ...]:
        """Those of all members."""
        return tuple(member.name for member in self.members)


@dataclass(slots=True)
class Branch:
    """A call in the tree: all members that are in it, and what they called from there."""

    frame: Frame
    members: list[Member] = field(default_factory=list)
    calls: dict[Frame, Branch] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Folding:
    """All stacks: groups, the largest first, and the tree of calls from the outermost on."""

    groups: tuple[Group, ...]
    tree: tuple[Branch, ...]
    basis: Basis | None = None
    """Of the suspicion; None if nobody stands out."""

    @property
    def suspects(self) -> tuple[Group, ...]:
        """The odd ones out."""
        return tuple(group for group in self.groups if group.is_suspect)


def fold(stacks: Iterable[tuple[Member, Stack]]) -> Folding:
    """Fold stacks; empty ones are left out."""
    by_stack: dict[Stack, list[Member]] = {}
    for member, stack in stacks:
        if stack:
            by_stack.setdefault(stack, []).append(member)
    groups = [
        Group(stack, tuple(sorted(members, key=_order)), waits_in(_names(stack))) for stack, members in by_stack.items()
    ]
    groups.sort(key=lambda group: (-len(group.members), _order(group.members[0])))
    basis, suspects = _suspicion(groups)
    marked = [Group(one.stack, one.members, one.waits_in, is_suspect=one in suspects) for one in groups]
    return Folding(tuple(marked), _tree(marked), basis)


def parse(line: bytes) -> Dump | Done | None:
    """Read a line; None if it is none."""
    try:
        loaded = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(loaded, dict):
        return None
    request, process, time_ns = _text(loaded.get("request")), _text(loaded.get("process")), _number(loaded.get("t"))
    if not request or time_ns is None:
        return None
    if loaded.get("done") is True:
        return Done(request, time_ns)
    pid = _number(loaded.get("pid"))
    if not process or pid is None:
        return None
    return Dump(
        request,
        process,
        pid,
        time_ns,
        how=_text(loaded.get("how")),
        threads=tuple(_threads(loaded.get("threads"))),
        error=_text(loaded.get("error")),
        parent=_number(loaded.get("parent")),
        command=_text(loaded.get("command")),
        state=_text(loaded.get("state"))[:1],
    )


# ---- inside ---------------------------------------------------------------------------------------------------------


def _suspicion(groups: Sequence[Group]) -> tuple[Basis | None, Sequence[Group]]:
    """Tell who stands out, and why; `groups` has the largest first."""
    if len(groups) < 2:
        return None, ()
    total = sum(len(group.members) for group in groups)
    waiting = [group for group in groups if group.waits_in]
    elsewhere = [group for group in groups if not group.waits_in]
    are_waiting = sum(len(group.members) for group in waiting)
    if waiting and elsewhere:
        return (Basis.NOT_WAITING, elsewhere) if 2 * are_waiting >= total else (None, ())
    if waiting:
        return _odd_waiters(waiting, total)
    most = len(groups[0].members)
    return (Basis.MINORITY, groups[1:]) if 3 * most >= 2 * total else (None, ())


def _odd_waiters(waiting: Sequence[Group], total: int) -> tuple[Basis | None, Sequence[Group]]:
    """Tell who waits in another collective than most; where in one they wait does not matter."""
    counts: dict[str, int] = {}
    for group in waiting:
        counts[group.waits_in] = counts.get(group.waits_in, 0) + len(group.members)
    usual = max(counts, key=lambda name: counts[name])
    others = [group for group in waiting if group.waits_in != usual]
    return (Basis.WAITING_ELSEWHERE, others) if others and 2 * counts[usual] > total else (None, ())


def _tree(groups: Iterable[Group]) -> tuple[Branch, ...]:
    top: dict[Frame, Branch] = {}
    for group in groups:
        calls = top
        for frame in reversed(group.stack):
            branch = calls.setdefault(frame, Branch(frame))
            branch.members.extend(group.members)
            calls = branch.calls
    return tuple(top.values())


def _names(stack: Stack) -> list[tuple[str, str]]:
    return [(frame.function, frame.file) for frame in stack]


def _order(member: Member) -> tuple[bool, int, str]:
    return (member.rank is None, member.rank or 0, member.name)


def _threads(value: Any) -> Iterable[Thread]:
    for one in value[:THREADS_MAX] if isinstance(value, list) else ():
        if isinstance(one, dict):
            yield Thread(_text(one.get("name")), one.get("main") is True, tuple(_frames(one.get("frames"))))


def _frames(value: Any) -> Iterable[Frame]:
    for one in value[:FRAMES_MAX] if isinstance(value, list) else ():
        if isinstance(one, dict) and _text(one.get("function")):
            function = _text(one["function"])
            yield Frame(
                NAMELESS if _ADDRESS.fullmatch(function) else function,
                _text(one.get("file")),
                _number(one.get("line")) or 0,
            )


def _text(value: Any) -> str:
    return value[:TEXT_MAX] if isinstance(value, str) else ""


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
