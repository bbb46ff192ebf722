"""What PyTorch's flight recorder has noted of collectives, compared over ranks: who did not come, who called another.

A rank's recording is a ring of entries, one for each collective that it has called, whether or not it has ended. A
process group counts its collectives; those of one number belong together.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

ENTRIES_MAX = 100_000
GROUPS_MAX = 10_000
RANKS_MAX = 100_000
TEXT_MAX = 200
NUMBER_MAX = 1 << 62
COMPLETED = "completed"
SAME_SIZES = frozenset({"all_reduce", "allreduce", "broadcast", "reduce"})
"""Collectives to which each rank must bring as much as the others."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One collective, as one rank has called it."""

    number: int
    """In its process group."""
    name: str
    """`all_reduce`."""
    sizes: str
    is_completed: bool


@dataclass(frozen=True, slots=True)
class Group:
    """A process group, as a rank knows it."""

    name: str
    description: str
    ranks: tuple[int, ...]
    """Its members; none if the recording does not tell."""


@dataclass(frozen=True, slots=True)
class Recording:
    """What one rank has noted."""

    rank: int
    groups: Mapping[str, Group]
    entries: Mapping[str, tuple[Entry, ...]]
    """By the group's name."""


class Kind(str, Enum):
    """What is wrong with a collective."""

    MISSING = "missing"
    """Some ranks have not called it, while others wait in it."""
    MISMATCH = "mismatch"
    """Some ranks have called another one, or brought something of another size."""
    STUCK = "stuck"
    """All ranks are in it, and it does not end: it is not they but what is between them."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A collective that does not end."""

    kind: Kind
    group: str
    """Description of the process group, or its name."""
    number: int
    name: str
    """What most ranks have called."""
    ranks: tuple[int, ...]
    """Whose fault it is; all of them if it is nobody's (STUCK)."""
    waiting: tuple[int, ...]
    """The others."""
    unrecorded: tuple[int, ...]
    """Members of which there is no recording: they may have been gone before."""
    instead: str = ""
    """What `ranks` have called (MISMATCH), or called last (MISSING)."""

    @property
    def summary(self) -> str:
        """What happened, without saying who: `did not call all_reduce #17 of default_pg (last called barrier #16)`."""
        what = f"{self.name} #{self.number} of {self.group}"
        if self.kind is Kind.STUCK:
            return f"all are in {what}, which does not end"
        if self.kind is Kind.MISMATCH:
            return f"called {self.instead} where the others called {what}"
        return f"did not call {what}" + (f" (last called {self.instead})" if self.instead else "")


def read(rank: int, loaded: Any) -> Recording:
    """Read a recording from the values in its file. Raises ValueError if it is none."""
    if not isinstance(loaded, dict) or not isinstance(loaded.get("entries"), list):
        raise ValueError("it has no entries")
    config = loaded.get("pg_config")
    groups = {}
    for name, about in list(config.items())[:GROUPS_MAX] if isinstance(config, dict) else ():
        if isinstance(about, dict):
            ranks = tuple(int(one) for one in re.findall(r"\d{1,9}", str(about.get("ranks"))[: RANKS_MAX * 8]))
            groups[_text(name)] = Group(_text(name), _text(about.get("desc")), tuple(sorted(set(ranks[:RANKS_MAX]))))
    entries: dict[str, list[Entry]] = defaultdict(list)
    for one in loaded["entries"][-ENTRIES_MAX:]:
        found = _entry(one)
        if found is not None:
            entries[found[0]].append(found[1])
    return Recording(rank, groups, {name: tuple(found) for name, found in entries.items()})


def compare(recordings: Iterable[Recording]) -> list[Finding]:
    """Tell of each process group the collective at which it stands, if it does; the worst first."""
    by_group: dict[tuple[str, tuple[int, ...]], list[Recording]] = defaultdict(list)
    for recording in recordings:
        for name in {*recording.groups, *recording.entries}:
            group = recording.groups.get(name)
            by_group[name, group.ranks if group else ()].append(recording)
    found = [finding for (name, ranks), members in by_group.items() if (finding := _of_group(name, ranks, members))]
    order = list(Kind)
    return sorted(found, key=lambda one: (order.index(one.kind), -len(one.waiting), one.group, one.number))


# ---- inside ---------------------------------------------------------------------------------------------------------


def _of_group(name: str, ranks: tuple[int, ...], members: list[Recording]) -> Finding | None:
    calls = {one.rank: {entry.number: entry for entry in one.entries.get(name, ())} for one in members}
    description = next((one.groups[name].description for one in members if name in one.groups), "")
    about = description if description not in ("", "undefined") else f"process group {name}"
    unrecorded = tuple(sorted(set(ranks) - set(calls)))
    open_ = [number for each in calls.values() for number, entry in each.items() if not entry.is_completed]
    odd = _first_mismatch(calls)
    blocked = min(open_, default=None)
    if odd is not None and (blocked is None or odd <= blocked):
        return _mismatch(about, odd, calls, unrecorded)
    if blocked is None:
        return None
    last = {rank: max(each, default=0) for rank, each in calls.items()}
    behind = sorted(rank for rank in calls if last[rank] < blocked)
    there = sorted(rank for rank in calls if last[rank] >= blocked)
    called = _usual(calls[rank][blocked].name for rank in there if blocked in calls[rank])
    if not behind:
        kind = Kind.MISSING if unrecorded else Kind.STUCK
        guilty = unrecorded or tuple(there)
        return Finding(kind, about, blocked, called, guilty, tuple(there) if unrecorded else (), unrecorded)
    before = {f"{calls[rank][last[rank]].name} #{last[rank]}" if last[rank] else "" for rank in behind}
    instead = before.pop() if len(before) == 1 else ""
    return Finding(Kind.MISSING, about, blocked, called, tuple(behind), tuple(there), unrecorded, instead)


def _first_mismatch(calls: Mapping[int, Mapping[int, Entry]]) -> int | None:
    """The first number under which not all have called the same."""
    by_number: dict[int, set[tuple[str, str]]] = defaultdict(set)
    for each in calls.values():
        for number, entry in each.items():
            by_number[number].add(_manner(entry))
    return min((number for number, manners in by_number.items() if len(manners) > 1), default=None)


def _mismatch(
    about: str, number: int, calls: Mapping[int, Mapping[int, Entry]], unrecorded: tuple[int, ...]
) -> Finding | None:
    manners = {rank: _manner(each[number]) for rank, each in calls.items() if number in each}
    counts = Counter(manners.values())
    usual, most = counts.most_common(1)[0]
    odd = tuple(sorted(rank for rank, manner in manners.items() if manner != usual))
    if most <= len(odd):  # nobody can tell who is right
        odd = tuple(sorted(manners))
    waiting = tuple(sorted(set(manners) - set(odd)))
    different = {manners[rank] for rank in odd} - {usual}
    others = sorted({_said(manner) if manner[0] == usual[0] else manner[0] for manner in different})
    name = _said(usual) if any(manner[0] == usual[0] for manner in different) else usual[0]
    return Finding(Kind.MISMATCH, about, number, name, odd, waiting, unrecorded, " or ".join(others[:3]))


def _manner(entry: Entry) -> tuple[str, str]:
    return entry.name, entry.sizes if entry.name in SAME_SIZES else ""


def _said(manner: tuple[str, str]) -> str:
    return f"{manner[0]} of {manner[1]}" if manner[1] else manner[0]


def _usual(names: Iterable[str]) -> str:
    return max(Counter(names).items(), key=lambda one: (one[1], one[0]), default=("a collective", 0))[0]


def _entry(one: Any) -> tuple[str, Entry] | None:
    """The group's name and the entry; None if it is none, or is of two ranks only (send and recv)."""
    if not isinstance(one, dict) or one.get("is_p2p") is True:
        return None
    group, number, name = one.get("process_group"), one.get("collective_seq_id"), one.get("profiling_name")
    if not isinstance(group, (list, tuple)) or not group or not isinstance(name, str):
        return None
    if not isinstance(number, int) or isinstance(number, bool) or not 0 < number < NUMBER_MAX:
        return None
    sizes = one.get("input_sizes")
    plain = name.rpartition(":")[2][:TEXT_MAX]
    is_completed = one.get("state") == COMPLETED or one.get("retired") is True
    return _text(group[0]), Entry(number, plain, _sizes(sizes), is_completed)


def _sizes(value: Any) -> str:
    """Sizes of tensors as text; empty if they are none, or too many."""
    tensors = value if isinstance(value, (list, tuple)) and len(value) <= 8 else ()
    texts = []
    for one in tensors:
        if not isinstance(one, (list, tuple)) or len(one) > 16 or not all(type(size) is int for size in one):
            return ""
        texts.append("×".join(str(size) for size in one if size < NUMBER_MAX))
    return ", ".join(texts)[:TEXT_MAX]


def _text(value: Any) -> str:
    return value[:TEXT_MAX] if isinstance(value, str) else str(value)[:TEXT_MAX] if type(value) is int else ""
