"""What lines say of runs rather than of metrics. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ranklog.points.reading import Line

ENDS = frozenset(("completed", "failed", "canceled"))


@dataclass
class Facts:
    """A run, or a child run, by its lines."""

    tags: dict[str, str] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    """`display_name` and `description`."""
    children: list[str] = field(default_factory=list)
    parent: str | None = None
    state: str | None = None
    error: str | None = None
    began_ns: int | None = None
    ended_ns: int | None = None


def gather(lines: Iterable[Line], root: str) -> dict[str, Facts]:
    """Give the facts of each run that lines, in the order of time, are about, by its id; of `root` in any case."""
    found = {root: Facts()}
    for line in lines:
        run_id = line.get("r")
        one = found.setdefault(run_id if isinstance(run_id, str) else root, Facts())
        _take(one, line)
        child = line.get("child")
        if isinstance(child, str):
            one.children.append(child)
            found.setdefault(child, Facts()).parent = run_id if isinstance(run_id, str) else root
    return found


def _take(one: Facts, line: Line) -> None:
    if isinstance(line.get("tag"), dict):
        for name, value in line["tag"].items():
            if value is None:
                one.tags.pop(name, None)
            else:
                one.tags[name] = str(value)
    for known, member in ((one.properties, "property"), (one.params, "param")):
        if isinstance(line.get(member), dict):
            for name, value in line[member].items():
                known.setdefault(name, str(value))
    if isinstance(line.get("set"), dict):
        one.names |= {name: str(value) for name, value in line["set"].items()}
    state = line.get("status")
    if isinstance(state, str):
        one.state, one.error = state, line.get("error")
        one.ended_ns = line["t"] if state in ENDS else None
    one.began_ns = line["t"] if one.began_ns is None else one.began_ns
