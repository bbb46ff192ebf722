"""Which processes are shown, in which order. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatchcase

from ranklog_collector.reading.processes import ProcessState
from ranklog_collector.reading.select import parse_ranks
from ranklog_collector.top.frame import Mark, Part, Row

_RANKS = re.compile(r"\d+(-\d+)?(,\d+(-\d+)?)*")
_WORD_CHARS_MIN = 3
"""So much of a state's name says which one is meant."""
_SEVERITY = (
    ProcessState.FAILED,
    ProcessState.LOST,
    ProcessState.RUNNING,
    ProcessState.NOT_STARTED,
    ProcessState.TERMINATED,
    ProcessState.COMPLETED,
)


class Order(str, Enum):
    """What comes first. The values are what people type."""

    RANK = "rank"
    AGE = "age"
    """Whoever has been silent for longest, of those that run."""
    STEP = "step"
    """Whoever is furthest behind."""
    CPU = "cpu"
    """Whoever is least busy: one that waits for nobody spins, or sleeps."""
    MEMORY = "memory"
    STATE = "state"
    """Whatever is in trouble."""


ORDERS = tuple(Order)


@dataclass(frozen=True, slots=True)
class Choice:
    """What somebody wants to see."""

    order: Order = Order.RANK
    is_reversed: bool = False
    filter: str = ""
    only_standing_out: bool = False

    @property
    def is_restricted(self) -> bool:
        """Whether some may be left out."""
        return bool(self.filter.strip()) or self.only_standing_out


def arranged(rows: Sequence[Row], choice: Choice, now_ns: int) -> list[Row]:
    """Choose and order the rows; what is not known comes last, and launchers after it."""
    tests = [_test(word) for word in choice.filter.split()]
    chosen = [
        row for row in rows if all(test(row) for test in tests) and (row.stands_out or not choice.only_standing_out)
    ]
    value = _VALUES[choice.order]
    keys = {id(row): value(row, now_ns) for row in chosen}
    known = [row for row in chosen if keys[id(row)] is not None and not row.is_launcher]
    others = [row for row in chosen if keys[id(row)] is None and not row.is_launcher]
    known.sort(key=lambda row: keys[id(row)] or 0, reverse=choice.is_reversed)
    if choice.order is Order.RANK:
        others, known = ([], known + others) if not choice.is_reversed else ([], others[::-1] + known)
    return [*known, *others, *(row for row in chosen if row.is_launcher)]


def _age(row: Row, now_ns: int) -> float | None:
    age = row.age_ns(now_ns) if row.state is ProcessState.RUNNING else None
    return None if age is None else -age


def _state(row: Row, now_ns: int) -> float:
    leading = 0 if row.part is Part.CULPRIT else 1
    return (leading * len(_SEVERITY) + _SEVERITY.index(row.state)) * 2 + (row.mark is Mark.NONE)


_VALUES: dict[Order, Callable[[Row, int], float | None]] = {
    Order.RANK: lambda row, now_ns: row.rank,
    Order.AGE: _age,
    Order.STEP: lambda row, now_ns: None if row.step is None else row.step.value,
    Order.CPU: lambda row, now_ns: row.use.cpu,
    Order.MEMORY: lambda row, now_ns: None if row.use.memory is None else -row.use.memory,
    Order.STATE: _state,
}


def _test(word: str) -> Callable[[Row], bool]:
    """What a word of a filter demands: a state or mark, ranks, or a node; `!` before it demands the contrary."""
    if word.startswith("!") and len(word) > 1:
        contrary = _test(word[1:])
        return lambda row: not contrary(row)
    if _RANKS.fullmatch(word):
        ranks = parse_ranks(word)
        return lambda row: row.rank is not None and any(row.rank in some for some in ranks)
    wanted = word.casefold()
    return lambda row: _is_state(row, wanted) or _is_node(row, wanted)


def _is_state(row: Row, wanted: str) -> bool:
    names = (row.state.value.casefold(), row.mark.value, row.part.value, "launcher" if row.is_launcher else "")
    return any(name and name.startswith(wanted) for name in names) and len(wanted) >= _WORD_CHARS_MIN


def _is_node(row: Row, wanted: str) -> bool:
    names = [name.casefold() for name in (row.node, row.hostname, row.ip) if name]
    if "*" in wanted or "?" in wanted:
        return any(fnmatchcase(name, wanted) for name in names)
    return any(wanted == name or name.startswith(wanted) for name in names)
