"""Which streams of a run are meant, from when to when, and what each is called."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from ranklog_collector.core.event_files import is_event_file
from ranklog_collector.core.ranks import ranks_text
from ranklog_collector.reading.processes import OUTPUT_ROLES, ProcessView, processes
from ranklog_collector.reading.state import RunState, Stream

_DEFAULT_ROLES = frozenset({"stdout", "stderr", "launcher_log"})
RANKS = tuple[range, ...]


@dataclass(frozen=True, slots=True)
class Selection:
    """What is wanted; an empty field does not restrict. Times are nanoseconds on the collector's clock."""

    ranks: RANKS = ()
    nodes: tuple[str, ...] = ()
    """Patterns of node ids, host names or addresses."""
    streams: tuple[str, ...] = ()
    """Roles (`stdout`, `launcher`, `log`, …), patterns of paths, or `all`."""
    since_ns: int | None = None
    until_ns: int | None = None
    around_ns: int | None = None
    """Of each stream, only `around_lines` before and after this moment."""
    around_lines: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class Source:
    """A stream and where it comes from."""

    stream: int
    role: str
    path: str
    node: str
    rank: int | None
    suffix: str
    """What tells it from other streams of its rank."""
    name: str
    """What it is called if it has no rank."""

    @property
    def kind(self) -> str | None:
        """Streams of the same kind may be folded; None if this one may not."""
        return None if self.rank is None else self.suffix

    @property
    def label(self) -> str:
        """What stands before its lines."""
        return self.name if self.rank is None else f"{self.rank}{self.suffix}"


def label(sources: Iterable[Source]) -> str:
    """What stands before a line that these have in common."""
    first, *others = sources
    if not others:
        return first.label
    return ranks_text(source.rank or 0 for source in (first, *others)) + first.suffix


def parse_ranks(text: str) -> RANKS:
    """Read `0,3-5`. Raises ValueError."""
    ranges = []
    for part in text.split(","):
        found = re.fullmatch(r"\s*(\d{1,9})(?:-(\d{1,9}))?\s*", part)
        if found is None or int(found[2] or found[1]) < int(found[1]):
            raise ValueError(f"{text!r} is no list of ranks such as 0,3-5")
        first = int(found[1])
        ranges.append(range(first, int(found[2] or first) + 1))
    return tuple(ranges)


def chosen(state: RunState, selection: Selection) -> list[Source]:
    """List the streams that are meant, ranks in their order first."""
    owners = {(view.node, view.key): view for view in processes(state) if view.key}
    found = []
    for stream in state.streams.values():
        owner = owners.get((stream.node, stream.process))
        if _is_wanted(state, stream, owner, selection):
            found.append(_source(stream, owner))
    if not selection.streams and any(source.role in _DEFAULT_ROLES for source in found):
        found = [source for source in found if source.role in _DEFAULT_ROLES]
    return sorted(found, key=lambda each: (each.rank is None, each.rank or 0, each.suffix, each.path, each.stream))


def _is_wanted(state: RunState, stream: Stream, owner: ProcessView | None, selection: Selection) -> bool:
    if selection.ranks:
        rank = owner.rank if owner else None
        if rank is None or not any(rank in ranks for ranks in selection.ranks):
            return False
    if selection.nodes:
        node = state.node(stream.node)
        names = (node.id, node.hostname, node.ip)
        if not any(fnmatchcase(name, pattern) for name in names for pattern in selection.nodes):
            return False
    if not selection.streams:
        return stream.role in OUTPUT_ROLES
    return any(_is_named(stream, pattern) for pattern in selection.streams)


def _is_named(stream: Stream, pattern: str) -> bool:
    if pattern == "all":
        return stream.role != "metrics" and not is_event_file(stream.path)
    return (
        stream.role == pattern
        or stream.role.startswith(pattern + "_")
        or fnmatchcase(stream.path, pattern)
        or fnmatchcase(stream.path.rpartition("/")[2], pattern)
    )


def _source(stream: Stream, owner: ProcessView | None) -> Source:
    rank = owner.rank if owner else None
    suffix = f"#{owner.attempt}" if owner and owner.attempt > 1 else ""
    if stream.role == "stderr":
        suffix += " err"
    elif stream.role not in OUTPUT_ROLES:
        suffix += f" {stream.name or stream.role}"
    if owner and owner.role == "launcher":
        # Debian's mpirun.openmpi is, like all the others, mpirun.
        name = (owner.program.partition(".")[0] or "launcher") + (" err" if stream.role == "launcher_stderr" else "")
    elif owner:
        name = f"pid {owner.pid}{suffix}"
    else:
        name = stream.path
    return Source(stream.number, stream.role, stream.path, stream.node, rank, suffix, name)
