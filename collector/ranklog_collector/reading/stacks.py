"""The stacks that a run folder holds: those of a request, put together over nodes and folded."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace

from ranklog_collector.core.stacks import Done, Dump, Folding, Member, fold, parse
from ranklog_collector.reading.folder import RunFolder
from ranklog_collector.reading.state import RunState, Stream

ROLE = "stacks"
TAIL_BYTES_MAX = 256 << 20
"""Of a node's file no more than this is read, from its end."""
HEAD_BYTES = 64
"""A line begins with its request."""
RECENT_MAX = 8
"""So many requests are looked for by themselves, which is quicker than to read all."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The stacks of one process. Times are by the collector's clock."""

    member: Member
    node: str
    dump: Dump
    time_ns: int


@dataclass(frozen=True, slots=True)
class StackSet:
    """What came of one request."""

    request: str
    why: str
    """`asked`, or `silence` if the collector asked by itself because the job said nothing."""
    asked_ns: int | None
    """None if the journal does not tell."""
    folding: Folding
    """Of the job's processes, each by the thread that speaks for it."""
    snapshots: tuple[Snapshot, ...]
    """Of each process of the job, by rank, also those of which there is nothing but the reason why."""
    children: tuple[Snapshot, ...] = ()
    """Of processes that those have started."""
    done: frozenset[str] = frozenset()
    """Nodes that have said that there is no more to come."""
    asked: tuple[str, ...] = ()
    """Nodes that were asked."""

    @property
    def time_ns(self) -> int:
        """When the last of them was taken; else when it was asked for them."""
        return max((one.time_ns for one in self.snapshots), default=self.asked_ns or 0)

    @property
    def is_complete(self) -> bool:
        """Whether every node that was asked has answered."""
        return bool(self.asked) and self.done.issuperset(self.asked)


@dataclass(slots=True)
class _Found:
    dumps: list[tuple[str, Dump]] = field(default_factory=list)
    done: set[str] = field(default_factory=set)
    last_ns: int = 0

    @property
    def has_stacks(self) -> bool:
        """Whether there is more than reasons why there are none."""
        return any(dump.stack for _, dump in self.dumps)


def latest_stacks(folder: RunFolder) -> StackSet | None:
    """Give the stacks that were taken last; None if there are none."""
    for request in list(folder.state.stack_requests)[: -RECENT_MAX - 1 : -1]:
        one = _read(folder, request).get(request)
        if one is not None and one.has_stacks:
            return _put_together(folder.state, request, one)
    found = _read(folder)
    with_stacks = [request for request in found if found[request].has_stacks]
    if not with_stacks:
        return None
    latest = max(with_stacks, key=lambda request: found[request].last_ns)
    return _put_together(folder.state, latest, found[latest])


def stacks_of(folder: RunFolder, request: str) -> StackSet | None:
    """Give what has come of a request so far; None if the collector has not taken it yet."""
    found = _read(folder, request).get(request)
    if found is None and request not in folder.state.stack_requests:
        return None
    return _put_together(folder.state, request, found or _Found())


def of_ranks(found: StackSet, ranks: Callable[[int], bool]) -> StackSet:
    """Leave out what is of other ranks than those that are meant."""

    def chosen(snapshots: tuple[Snapshot, ...]) -> tuple[Snapshot, ...]:
        return tuple(one for one in snapshots if one.member.rank is not None and ranks(one.member.rank))

    snapshots = chosen(found.snapshots)
    folding = fold((one.member, one.dump.stack) for one in snapshots)
    return replace(found, snapshots=snapshots, children=chosen(found.children), folding=folding)


# ---- inside ---------------------------------------------------------------------------------------------------------


def _put_together(state: RunState, request: str, found: _Found) -> StackSet:
    entry = state.stack_requests.get(request)
    all_ = [_snapshot(state, node, dump) for node, dump in found.dumps]
    mains = {(one.node, one.dump.process): one for one in all_ if one.dump.parent is None}
    snapshots = tuple(sorted(mains.values(), key=lambda one: _order(one.member)))
    children = tuple(sorted((one for one in all_ if one.dump.parent is not None), key=lambda one: _order(one.member)))
    return StackSet(
        request,
        why=entry.why if entry else "asked",
        asked_ns=entry.time if entry else None,
        folding=fold((one.member, one.dump.stack) for one in snapshots),
        snapshots=snapshots,
        children=children,
        done=frozenset(found.done),
        asked=entry.nodes if entry else (),
    )


def _snapshot(state: RunState, node: str, dump: Dump) -> Snapshot:
    process = state.processes.get(node, dump.process)
    member = Member(process.name, None if process.is_launcher else process.rank) if process else Member(dump.process)
    return Snapshot(member, node, dump, state.node(node).clock.correct(dump.time_ns))


def _read(folder: RunFolder, only: str = "") -> dict[str, _Found]:
    """Read what there is, or of one request only."""
    head = only.encode()
    found: dict[str, _Found] = {}
    for stream in _streams(folder.state):
        clock = folder.state.node(stream.node).clock
        for line in _lines(folder, stream):
            entry = parse(line) if head in line[:HEAD_BYTES] else None
            if entry is None or (only and entry.request != only):
                continue
            one = found.setdefault(entry.request, _Found())
            one.last_ns = max(one.last_ns, clock.correct(entry.time_ns))
            if isinstance(entry, Done):
                one.done.add(stream.node)
            else:
                one.dumps.append((stream.node, entry))
    return found


def _streams(state: RunState) -> Iterable[Stream]:
    return [stream for stream in state.streams.values() if stream.role == ROLE and stream.size]


def _lines(folder: RunFolder, stream: Stream) -> Iterator[bytes]:
    with suppress(OSError), folder.opened(stream) as file:
        start = max(0, stream.size - TAIL_BYTES_MAX)
        with open(os.dup(file), "rb") as opened:
            opened.seek(start)
            data = opened.read(stream.size - start)
        yield from data.split(b"\n")


def _order(member: Member) -> tuple[bool, int, str]:
    return (member.rank is None, member.rank or 0, member.name)
