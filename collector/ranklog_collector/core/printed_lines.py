"""Lines of output to points, by rules. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ranklog_collector.core.point_values import SCALAR
from ranklog_collector.core.points import Names, Parsed
from ranklog_collector.core.printed_rules import Rule, compiled, one_of

STATE_BYTES_MAX = 4096
"""Of a line, as it is drawn once, no more is looked at."""
NAME_BYTES_MAX = 200
_ESCAPE = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|[@-Z\\-_])")
_STATE = re.compile(rb"[^\r\b]+")
_STEP_MAX = (1 << 63) - 1
_PAIR = frozenset(("name", "value"))

Metric = tuple[str, "int | float"]
Found = tuple["int | None", list[Metric]]
"""The step, if there is one, and metrics."""


class Matcher:
    """Rules, ready to be applied to lines: the first one that finds something takes the line."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = [_Ready(rule) for rule in rules]
        self._any = one_of([rule.when or rule.pattern for rule in rules])

    def parse(self, data: bytes, offset: int, names: Names, moment: Callable[[int], int]) -> Parsed:
        """Read whole lines, the first of which is at `offset`; `moment` tells when the byte before an offset came."""
        parsed = Parsed()
        rows, end = parsed.rows, offset
        for line in data.split(b"\n")[:-1]:
            begin, end = end, end + len(line) + 1
            place = 0
            for found_end, (step, metrics) in self._found(line):
                time = moment(begin + found_end)
                for key, value in metrics:
                    rows.names.append(names.number("", key))
                    rows.kinds.append(SCALAR)
                    rows.times.append(time)
                    rows.at.append(begin)
                    rows.places.append(place)
                    rows.steps.append(step)
                    rows.values.append(value)
                    place += 1
        return parsed

    def _found(self, line: bytes) -> list[tuple[int, Found]]:
        """What a line says, and where; one that is drawn repeatedly counts in its last state, or that of each step."""
        if b"\r" not in line and b"\b" not in line:
            found = self.find(line)
            return [(len(line) + 1, found)] if found is not None else []
        states = [(state.end(), state[0]) for state in _STATE.finditer(line) if state[0].strip()]
        of_step: dict[int | None, tuple[int, Found]] = {}
        for index, (end, state) in enumerate(states):
            found = self.find(state)
            if found is not None and (found[0] is not None or index + 1 == len(states)):
                of_step[found[0]] = (end, found)
        return list(of_step.values())

    def find(self, line: bytes) -> Found | None:
        """What a line says that is drawn once; None if nothing."""
        state = plain(line)
        matching: list[int] = sorted(self._any.Match(state) or ())
        for index in matching:
            found = self._rules[index].find(state)
            if found is not None:
                return found
        return None


class _Ready:
    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._when = compiled(rule.when) if rule.when else None
        self._pattern = compiled(rule.pattern)

    def find(self, state: bytes) -> Found | None:
        """Apply the rule to a line."""
        groups: list[dict[str, Any]] = []
        if self._when is not None:
            matched = self._when.search(state)
            if matched is None:
                return None
            groups.append(matched.groupdict())
        groups += [match.groupdict() for match in self._pattern.finditer(state)]
        step = next((step for one in groups if (step := _step(one.get("step"))) is not None), None)
        ignored = self._rule.ignore
        points = {name: value for one in groups for name, value in _metrics(one) if name not in ignored}
        return (step, [(self._rule.prefix + name, value) for name, value in points.items()]) if points else None


def plain(state: bytes) -> bytes:
    """What is looked at of a line, without what only colours it or moves the cursor."""
    state = state[:STATE_BYTES_MAX]
    return _ESCAPE.sub(b"", state) if b"\x1b" in state else state


def _metrics(groups: dict[str, bytes | None]) -> Iterator[Metric]:
    name = groups.get("name")
    if name and len(name) <= NAME_BYTES_MAX and (value := _number(groups.get("value"))) is not None:
        yield name.decode(errors="replace"), value
    for group, text in groups.items():
        if group not in _PAIR and group != "step" and (value := _number(text)) is not None:
            yield group, value


def _number(text: bytes | None) -> int | float | None:
    if not text:
        return None
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return None


def _step(text: bytes | None) -> int | None:
    number = _number(text)
    return number if isinstance(number, int) and abs(number) <= _STEP_MAX else None
