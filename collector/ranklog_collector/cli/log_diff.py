"""ranklog logs --diff: where one rank parts ways with another, or with the rest."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from itertools import islice

import click

from ranklog_collector.cli.output import json_line, say
from ranklog_collector.core.alike import Spread, parts_of
from ranklog_collector.core.parting import Difference, Parting
from ranklog_collector.reading.differ import most, parting
from ranklog_collector.reading.folder import RunFolder
from ranklog_collector.reading.select import Selection

MAJORITY = "majority"
SHOWN_MAX = 10
LINES_MAX = 8
"""Of each side of a difference."""
_RED, _GREEN = 31, 32


def show_difference(
    folder: RunFolder, selection: Selection, sides: tuple[str, str], as_json: bool, limit: int | None
) -> bool:
    """Print where two ranks differ; returns whether they do. Raises ReadingError."""
    left = _rank(sides[0])
    note = ""
    if sides[1] == MAJORITY:
        right, count, total = most(folder, selection, left)
        note = f"rank {right} stands for {count} of {total} others, which begin alike"
    else:
        right = _rank(sides[1])
    found = parting(folder, selection, left, right)
    if as_json:
        return _print_json(found, left, right, limit)
    if note:
        say(note)
    shown = SHOWN_MAX if limit is None else limit
    first: Difference | None = None
    last: Difference | None = None
    count = 0
    for count, last in enumerate(found.differences(), 1):
        first = first or last
        if count <= shown:
            sys.stdout.buffer.write(b"".join(_lines(last, left, right, is_first=count == 1)))
    say(_summary(found, left, right, first, last, count, shown))
    return count > 0


def _rank(text: str) -> int:
    if not text.isdecimal() or len(text) > 9:
        raise click.BadParameter(f"{text!r} is no rank", param_hint="--diff")
    return int(text)


def _print_json(found: Parting, left: int, right: int, limit: int | None) -> bool:
    has_any = False
    for one in islice(found.differences(), limit):
        has_any = True
        line = {
            "ranks": [left, right],
            "lines": [one.left_line, one.right_line],
            "common": [_text(text) for text, _ in one.common],
            "left": list(map(_text, one.left)),
            "right": list(map(_text, one.right)),
            "for_good": one.is_for_good,
        }
        sys.stdout.buffer.write(json_line(line))
    return has_any


def _text(line: bytes) -> str:
    return line.decode(errors="replace")


def _lines(one: Difference, left: int, right: int, is_first: bool) -> Iterator[bytes]:
    if not is_first:
        yield b"--\n"
    labels = (f"[{left},{right}]", f"[{left}]", f"[{right}]")
    width = max(map(len, labels))
    colours = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    both, mine, theirs = (label.ljust(width) for label in labels)
    for text, other in one.common:
        spread = Spread(parts_of(text))
        spread.add(parts_of(other))
        yield f"{both} ".encode() + spread.text() + b"\n"
    yield from _side(mine, one.left, _RED if colours else 0)
    yield from _side(theirs, one.right, _GREEN if colours else 0)


def _side(label: str, texts: Sequence[bytes], colour: int) -> Iterator[bytes]:
    for text in texts[:LINES_MAX]:
        line = label.encode() + b" " + text
        yield b"\x1b[%dm%b\x1b[0m\n" % (colour, line) if colour else line + b"\n"
    if len(texts) > LINES_MAX:
        yield f"{label} … {len(texts) - LINES_MAX} more lines\n".encode()


def _summary(
    found: Parting, left: int, right: int, first: Difference | None, last: Difference | None, count: int, shown: int
) -> str:
    if first is None or last is None:
        return f"ranks {left} and {right} say the same but for numbers: {found.alike:,} lines"
    text = f"ranks {left} and {right} are the same up to line {first.left_line - 1:,}"
    if first.left_line != first.right_line:
        text += f" (of {left})"
    if count > shown:
        text += f"; {count - shown:,} more differences are not shown (--head {count})"
    if last.is_for_good:
        text += f"; from lines {last.left_line:,} and {last.right_line:,} on they go their own ways"
    else:
        text += f"; {found.alike:,} lines are the same"
    return text
