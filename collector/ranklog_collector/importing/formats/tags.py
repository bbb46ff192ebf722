"""Consoles on which a launcher has put tags before its ranks' output, taken apart again.

Open MPI 4 and hydra tag each piece that they read, wherever in a line it begins; a rank's stream is the pieces with its
tag, one behind the other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import lru_cache
from typing import NamedTuple

LINE_MAX = 1 << 20
"""A longer line is handed on in pieces."""
STYLES = ("openmpi", "mpich", "slurm", "torchrun")
_END_OF_DATE = tuple(b"%c" % digit for digit in b"0123456789]")
_BLOCK = 4096
"""Programs whose output is a pipe write blocks of this or a multiple of it, so there a line may be torn."""
_RANK_MAX = 1 << 20
_SHARE_OF_TAGGED = 0.25

_OPEN_MPI = re.compile(
    rb"\[(?P<job>[\w.@-]+),(?P<rank>\d{1,7})\](?:\[(?P<node>[\w.-]+):(?P<pid>\w+)\])?<(?P<stream>std(?:out|err|diag))>:"
)
_DATE = re.compile(rb"\[?([A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4})\]?\Z")
"""Stands right before a tag."""
_DATE_MAX = 26
_AT_START = {
    "mpich": re.compile(rb"\[(?P<rank>\d{1,7})\] ?"),
    "slurm": re.compile(rb" *(?P<rank>\d{1,7}): ?"),
    "torchrun": re.compile(rb"\[(?:default|rank|trainer|worker)?(?P<rank>\d{1,7})\]:"),
}
_TORN_MPICH = re.compile(rb"\[(\d{1,7})\] ")
_ROLE = re.compile(rb"^\[(?P<role>default|trainer|worker)\d+\]:", re.MULTILINE)
_NESTED_RANK = re.compile(
    rb"^\[(?:default|trainer|worker)(?P<local>\d{1,7})\]:\[rank(?P<rank>\d{1,7})\]:", re.MULTILINE
)
_LAUNCHERS_OWN = (b"slurmstepd",)
_MONTHS = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")


class Piece(NamedTuple):
    """Consecutive bytes of one owner's output."""

    rank: int | None
    """None: the launcher's own. Local to the console's node where the style says so."""
    stream: str
    data: bytes
    local_ns: int | None = None
    """The wall clock's reading that stood before it, as if it were in UTC."""
    time_ns: int | None = None
    """When a container's runtime got it."""


_Owner = tuple[int | None, str]
_LAUNCHER: _Owner = (None, "stdout")


@dataclass(frozen=True, slots=True)
class Style:
    """How a console is tagged."""

    launcher: str
    has_blank: bool = False
    """Whether a blank stands behind each tag.

    Of Open MPI's it belongs to the tag. PyTorch itself writes `[rank3]: `, which then is the rank's own text.
    """
    is_xml: bool = False
    is_local: bool = False
    """Whether the ranks are those of one node, counted from 0."""


def detect(sample: bytes, launcher: str = "") -> Style | None:
    """Tell how a console is tagged, by some of its bytes that begin with a line; None if it is not.

    `launcher` is whose console it is, if that is known: then ranks may be missing.
    """
    if launcher in ("", "openmpi") and (tags := list(_OPEN_MPI.finditer(sample))):
        ends = [tag.end() for tag in tags if tag.end() < len(sample)]
        return Style("openmpi", has_blank=all(sample[end : end + 1] == b" " for end in ends))
    lines = [line for line in sample.split(b"\n") if line.strip()]
    for name, tag in _AT_START.items():
        if launcher not in ("", name):
            continue
        ranks = [int(found["rank"]) for found in map(tag.match, lines) if found is not None]
        # Numbers in the program's own output are no ranks: those are all there are from 0 on.
        is_dense = set(ranks) == set(range(max(ranks, default=0) + 1)) or launcher == name or name == "torchrun"
        if ranks and is_dense and len(ranks) > _SHARE_OF_TAGGED * len(lines):
            is_local = name == "torchrun" and _ROLE.search(sample) is not None
            return Style(name, _is_blank_after(name, lines), is_local=is_local)
    return None


def _is_blank_after(name: str, lines: list[bytes]) -> bool:
    ends = [(line, found.end()) for line in lines if (found := _AT_START[name].match(line))]
    return name == "torchrun" and all(line[end : end + 1] == b" " for line, end in ends)


def base_of(sample: bytes) -> int | None:
    """The global rank of a torchrun console's local rank 0, if PyTorch's own tags behind torchrun's tell it."""
    bases = {int(found["rank"]) - int(found["local"]) for found in _NESTED_RANK.finditer(sample)}
    return bases.pop() if len(bases) == 1 and min(bases) >= 0 else None


def zone_ns(last_local_ns: int | None, mtime_ns: int) -> int:
    """Local time minus UTC, in quarters of an hour: the last stamp in a file is about as old as the file."""
    quarter = 15 * 60 * 1_000_000_000
    return 0 if last_local_ns is None else round((last_local_ns - mtime_ns) / quarter) * quarter


@dataclass(slots=True)
class Tagged:
    """Takes one console apart. Feed it all bytes in order, then `finish`."""

    style: Style
    nodes: dict[int, str] = field(default_factory=dict)
    """What the tags say of the ranks: where they run …"""
    pids: dict[int, int] = field(default_factory=dict)
    """… and as which process."""
    _rest: bytes = b""
    _owner: _Owner = _LAUNCHER
    """Of the line that is not at its end, if there is one."""
    _is_inside: bool = False
    """Whether there is one."""
    _sizes: dict[int, int] = field(default_factory=dict)

    def feed(self, data: bytes) -> Iterator[Piece]:
        """Take the next bytes."""
        block = self._rest + data
        end = block.rfind(b"\n") + 1
        if len(block) - end >= LINE_MAX:
            end = len(block)
        self._rest = block[end:]
        return self._take(block[:end])

    def finish(self) -> Iterator[Piece]:
        """There are no more bytes."""
        rest, self._rest = self._rest, b""
        return self._take(rest)

    def _take(self, block: bytes) -> Iterator[Piece]:
        """Take whole lines, or as much of one as it may be kept waiting for."""
        if self.style.launcher == "openmpi":
            yield from self._open_mpi(block)
            return
        for line in block.splitlines(keepends=True) if b"\r" not in block else _lines(block):
            yield from self._at_start(line)

    def _open_mpi(self, block: bytes) -> Iterator[Piece]:
        owner, at, local_ns = self._owner, 0, None
        for tag in _OPEN_MPI.finditer(block):
            start, end = tag.span()
            _, digits, node, pid, stream = tag.groups()
            if node == b"unknown":
                continue  # PRRTE flushes what it has of ranks that are gone
            date = (
                _DATE.search(block, max(at, start - _DATE_MAX), start)
                if block[start - 1 : start] in _END_OF_DATE
                else None
            )
            if date is not None:
                start = date.start()
            if start > at:
                yield from self._until_tag(owner, block[at:start], local_ns)
            rank = int(digits)
            owner, at = (rank, "stdout" if stream == b"stdout" else "stderr"), end
            local_ns = None if date is None else _local_ns(date[1])
            if self.style.has_blank and block[at : at + 1] == b" ":
                at += 1
            if node:
                self.nodes[rank] = node.decode()
                if pid.isdigit():
                    self.pids[rank] = int(pid)
        self._owner = owner
        if at < len(block):
            yield from self._until_tag(owner, block[at:], local_ns)
        elif block.endswith(b"\n"):
            self._owner = _LAUNCHER

    def _until_tag(self, owner: _Owner, data: bytes, local_ns: int | None) -> Iterator[Piece]:
        """What stands between two tags: the rest of the owner's line, and lines of the launcher."""
        end = data.find(b"\n") + 1 if owner != _LAUNCHER else 0
        if owner == _LAUNCHER or not end or end == len(data):
            yield Piece(*owner, data, local_ns)
        else:
            yield Piece(*owner, data[:end], local_ns)
            yield Piece(*_LAUNCHER, data[end:])
        self._owner = _LAUNCHER if end else owner

    def _at_start(self, line: bytes) -> Iterator[Piece]:
        owner, at = self._owner, 0
        tag = _AT_START[self.style.launcher].match(line) if not self._is_inside else None
        if tag is not None and int(tag["rank"]) <= _RANK_MAX and not line.startswith(_LAUNCHERS_OWN, tag.end()):
            owner, at = (int(tag["rank"]), "stdout"), 0 if self.style.has_blank else tag.end()
        if self.style.launcher == "mpich":
            for torn in _TORN_MPICH.finditer(line, at):
                if owner[0] is not None and self._is_torn(owner[0], torn.start() - at):
                    yield self._counted(owner, line[at : torn.start()])
                    owner, at = (int(torn[1]), "stdout"), torn.end()
        if at < len(line):
            yield self._counted(owner, line[at:])
        self._is_inside = not line.endswith(b"\n")
        self._owner = owner if self._is_inside else _LAUNCHER

    def _is_torn(self, rank: int, more: int) -> bool:
        """Whether a line of `rank` may have been cut here, to go on behind its own tag."""
        return (self._sizes.get(rank, 0) + more) % _BLOCK == 0

    def _counted(self, owner: _Owner, data: bytes) -> Piece:
        if owner[0] is not None:
            self._sizes[owner[0]] = self._sizes.get(owner[0], 0) + len(data)
        return Piece(*owner, data)


def _lines(data: bytes) -> list[bytes]:
    lines = [line + b"\n" for line in data.split(b"\n")]
    last = lines.pop()[:-1]
    return [*lines, last] if last else lines


@lru_cache(maxsize=16)
def _local_ns(date: bytes) -> int | None:
    """Read `Mon Nov 23 21:18:50 2026`."""
    _, month, day, clock, year = date.split()
    try:
        hour, minute, second = map(int, clock.split(b":"))
        moment = datetime(int(year), _MONTHS.index(month) + 1, int(day), hour, minute, second, tzinfo=timezone.utc)
    except ValueError:
        return None
    return int(moment.timestamp()) * 1_000_000_000
