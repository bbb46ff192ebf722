"""Stacks for people: the groups, the tree, and what could not be had."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import click

from ranklog_collector.cli.output import say
from ranklog_collector.core.ranks import ranks_text
from ranklog_collector.reading.text import printable
from ranklog_collector.reading.times import clock_time, parse_iso
from ranklog_collector.views.shapes import Json

PIPE_WIDTH = 10_000
SYSTEM = ("/site-packages/", "/dist-packages/", "/lib/python", "<frozen", "[kernel]", "[system call]", "/lib/", "/usr/")
"""What is in the path of a file that is none of the job's own."""
HOWS = {
    "faulthandler": "Python's faulthandler wrote these by itself; py-spy was not to be used",
    "native": "native stacks, by gdb",
    "proc": "no stack: only what the kernel tells, the system call and where it waits",
}
REASONS = {
    "not-waiting": "the others wait for {them} in {usual}",
    "waiting-elsewhere": "the others are in {usual}",
    "minority": "the others are all in one place",
}


@dataclass(slots=True)
class _Part:
    """A piece of the tree without a fork: calls that all its members are in."""

    count: int
    ranks: str
    frames: list[str] = field(default_factory=list)
    below: list[_Part] = field(default_factory=list)


def print_stacks(view: Json, with_threads: bool) -> None:
    """Print them, as wide as the terminal."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else PIPE_WIDTH
    processes, groups = view["processes"], view["groups"]
    taken = sum(bool(one["threads"]) for one in processes)
    when = clock_time(parse_iso(view["time"]))
    reason = ", because the job said nothing for long" if view["why"] == "silence" else ""
    stacks = f"stacks of {_count(taken, 'process', 'processes')}" if taken else "no stacks"
    say(f"{stacks} at {when}{reason}" + (f": {_count(len(groups), 'group')}" if groups else ""))
    if groups:
        click.echo("")
    usual = next((group["waits_in"] for group in groups if group["waits_in"]), "")
    labels = [_label(group) for group in groups]
    column = max(map(len, labels), default=0) + 2
    for group, label in zip(groups, labels, strict=True):
        _print_group(group, label, column, width, _reason(view["basis"], group, usual))
    if view["tree"]:
        click.echo("")
        for line in _tree_lines(view["tree"]):
            click.echo(_cut(printable(line), width))
    if with_threads:
        _print_threads(processes, width)
    _print_children(view["children"], width)
    for note in _notes(view):
        say(f"note: {note}")


# ---- groups ---------------------------------------------------------------------------------------------------------


def _print_group(group: Json, label: str, column: int, width: int, reason: str) -> None:
    calls = " ← ".join(_telling(group["frames"]))
    _print_wrapped(f"{label.ljust(column)}{calls}", width, column)
    if reason:
        _print_wrapped(f"{' ' * column}▲ {reason}", width, column + 2)


def _print_wrapped(text: str, width: int, indent: int) -> None:
    for line in textwrap.wrap(printable(text), width, subsequent_indent=" " * indent, drop_whitespace=True) or [""]:
        click.echo(line)


def _label(group: Json) -> str:
    ranks, names = group["ranks"], group["processes"]
    if not ranks:
        return _names(names)
    return f"{_count(len(names), 'rank')} [{ranks_text(ranks)}]"


def _reason(basis: str | None, group: Json, usual: str) -> str:
    if not group["is_suspect"] or basis not in REASONS:
        return ""
    them = "it" if len(group["processes"]) == 1 else "them"
    return "the odd one out: " + REASONS[basis].format(them=them, usual=usual)


def _telling(frames: Sequence[Json]) -> Iterator[str]:
    """Tell of a stack where it is, and from where in the job's own program that was called."""
    yield frame_text(frames[0])
    for frame in frames[1:]:
        if not any(part in frame["file"] for part in SYSTEM) and frame["file"]:
            yield frame_text(frame)
            return


def frame_text(frame: Json) -> str:
    """`all_reduce (distributed_c10d.py:2897)`."""
    name = str(frame["file"]).rpartition("/")[2]
    place = f"{name}:{frame['line']}" if frame["line"] else name
    return f"{frame['function']} ({place})" if place else str(frame["function"])


# ---- the tree -------------------------------------------------------------------------------------------------------


def _tree_lines(tree: Sequence[Json]) -> Iterator[str]:
    waiting = [("", "", part) for part in reversed(_parts(tree))]
    while waiting:
        before, edge, part = waiting.pop()
        ranks = f" [{part.ranks}]" if part.ranks else ""
        yield f"{before}{edge}{part.count}{ranks}"
        inside = before + {"├ ": "│ ", "└ ": "  "}.get(edge, "")
        for frame in part.frames:
            yield f"{inside}{'│' if part.below else ' '} {frame}"
        last = len(part.below) - 1
        waiting += [(inside, "└ " if i == last else "├ ", one) for i, one in reversed(list(enumerate(part.below)))]


def _parts(tree: Sequence[Json]) -> list[_Part]:
    """Put calls that follow each other without a fork together."""
    top: list[_Part] = []
    path: list[tuple[int, _Part]] = []
    for index, call in enumerate(tree):
        while path and path[-1][0] >= call["depth"]:
            path.pop()
        above = path[-1][1] if path else None
        is_continued = above is not None and above.count == call["count"] and tree[index - 1]["depth"] < call["depth"]
        if above is not None and is_continued and not above.below:
            above.frames.append(frame_text(call))
            path.append((call["depth"], above))
            continue
        part = _Part(call["count"], call["ranks"], [frame_text(call)])
        (top if above is None else above.below).append(part)
        path.append((call["depth"], part))
    return top


# ---- the rest -------------------------------------------------------------------------------------------------------


def _print_threads(processes: Iterable[Json], width: int) -> None:
    for process in processes:
        click.echo("")
        click.echo(_cut(printable(f"{process['process']}, pid {process['pid']}: {process['command']}"), width))
        for thread in process["threads"]:
            click.echo(_cut(printable(f"  thread {thread['name'] or '?'}"), width))
            for frame in thread["frames"]:
                click.echo(_cut(printable(f"    {frame_text(frame)}"), width))


def _print_children(children: Sequence[Json], width: int) -> None:
    if not children:
        return
    click.echo("")
    say("processes that these have started:")
    folded: dict[str, list[str]] = {}
    for child in children:
        main = next((one for one in child["threads"] if one["is_main"] and one["frames"]), None)
        where = " ← ".join(_telling(main["frames"])) if main else child["error"] or "no stack"
        folded.setdefault(where, []).append(f"pid {child['pid']} of {child['process']}")
    for where, names in folded.items():
        _print_wrapped(f"  {_names(names)}: {where}", width, 4)


def _notes(view: Json) -> Iterator[str]:
    said: dict[str, list[Json]] = {}
    for process in view["processes"]:
        text = HOWS.get(process["how"] or "", "")
        if process["error"]:
            text = f"{text} ({process['error']})" if text else process["error"]
        if text:
            said.setdefault(text, []).append(process)
    for text, processes in said.items():
        yield f"{_who(processes)}: {text}"
    for node in view["waiting_for"]:
        yield f"node {node} has not answered in time"


def _who(processes: Sequence[Json]) -> str:
    ranks = [one["rank"] for one in processes if one["rank"] is not None]
    if len(ranks) < len(processes):
        return _names([one["process"] for one in processes])
    return f"rank{'' if len(ranks) == 1 else 's'} {ranks_text(ranks)}"


def _names(names: Sequence[Any], most: int = 3) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(str, names[:most])) + more


def _count(number: int, one: str, several: str = "") -> str:
    return f"{number} {one if number == 1 else several or one + 's'}"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(1, width - 1)] + "…"
