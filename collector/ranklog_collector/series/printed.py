"""Metrics that a job only prints: which streams of a run have some by its rules."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from zlib import crc32

from ranklog_collector.core.event_files import is_event_file
from ranklog_collector.core.points import Names, Parsed
from ranklog_collector.core.printed_lines import Matcher
from ranklog_collector.core.printed_presets import PRESETS
from ranklog_collector.core.printed_rules import ALL, AUTO, Rule, Rules
from ranklog_collector.reading.folder import ReadingError, RunFolder
from ranklog_collector.reading.rules import rules_of
from ranklog_collector.reading.select import RANKS, parse_ranks
from ranklog_collector.reading.state import Stream

_NOT_OUTPUT = frozenset(("metrics", "artifact"))
_VERSION = 1
"""Of how rules are applied: if another one finds other points, segments that this one has made are none."""
_KNOWN_MAX = 100_000


@dataclass(frozen=True, slots=True)
class Printed:
    """A stream whose lines may say something."""

    stream: Stream
    matcher: Matcher
    manner: str
    folder: str

    def parse(self, data: bytes, offset: int, names: Names) -> Parsed:
        """Read whole lines, the first of which is at `offset`."""
        # Whoever reads points has left out most of what the journal tells of times.
        timed = _timed(self.folder)
        timed.refresh()
        stream = timed.state.streams.get(self.stream.number, self.stream)
        positions, times = stream.timeline.positions, stream.timeline.times

        def moment(end: int) -> int:
            return times[min(bisect_left(positions, end), len(times) - 1)] if times else 0

        return self.matcher.parse(data, offset, names, moment)


def printed(folder: RunFolder, is_silent: bool) -> Iterator[Printed]:
    """Tell the streams that rules are about; `is_silent` is whether the run has logged nothing by other means."""
    try:
        rules = _all(rules_of(folder), is_silent)
    except ReadingError:
        return  # who lists metrics tells it; it must not hide what was logged
    if not rules:
        return
    choice = _choice(rules)
    for stream in folder.state.streams.values():
        if stream.role in _NOT_OUTPUT or stream.snapshot is not None or is_event_file(stream.path):
            continue
        process = folder.state.processes.get(stream.node, stream.process)
        chosen = choice.of(stream.role, stream.path, process.rank if process else None)
        if chosen is not None:
            yield Printed(stream, chosen.matcher, chosen.manner, folder.path)


@dataclass(frozen=True, slots=True)
class _Chosen:
    matcher: Matcher
    manner: str


class _Choice:
    """Of some rules those that are about a stream; it is asked for every stream each time that anything is asked."""

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        self._rules = [(rule, parse_ranks(rule.ranks) if rule.ranks else None) for rule in rules]
        self._known: dict[tuple[str, str, int | None], _Chosen | None] = {}

    def of(self, role: str, path: str, rank: int | None) -> _Chosen | None:
        key = (role, path, rank)
        if key not in self._known:
            if len(self._known) >= _KNOWN_MAX:
                self._known.clear()
            own = tuple(rule for rule, ranks in self._rules if _is_about(rule, ranks, role, path, rank))
            self._known[key] = _chosen(own) if own else None
        return self._known[key]


def _is_about(rule: Rule, ranks: RANKS | None, role: str, path: str, rank: int | None) -> bool:
    if not any(role == one or fnmatchcase(path, one) for one in rule.streams):
        return False
    return ranks is None or any(rank in some for some in ranks)


def _all(rules: Rules, is_silent: bool) -> tuple[Rule, ...]:
    names = rules.presets
    if names in (ALL, AUTO):
        names = tuple(PRESETS) if names == ALL or is_silent else ()
    return (*rules.rules, *(rule for name in names for rule in PRESETS[name]))


@lru_cache(maxsize=8)
def _choice(rules: tuple[Rule, ...]) -> _Choice:
    return _Choice(rules)


@lru_cache(maxsize=64)
def _chosen(rules: tuple[Rule, ...]) -> _Chosen:
    return _Chosen(Matcher(rules), f"printed {_VERSION} {crc32(repr(rules).encode()):08x}")


@lru_cache(maxsize=4)
def _timed(path: str) -> RunFolder:
    """A run folder with all times."""
    return RunFolder(path)
