"""ranklog logs: the output of all ranks in one order."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

import click

from ranklog_collector.cli.log_diff import show_difference
from ranklog_collector.cli.log_text import LogText
from ranklog_collector.cli.output import json_line, json_option, ranks_of, reading_command, root_option, say
from ranklog_collector.core.line_levels import LEVELS
from ranklog_collector.reading.context import Context
from ranklog_collector.reading.fold import LATE_NS, Row
from ranklog_collector.reading.folder import ReadingError, RunFolder
from ranklog_collector.reading.grep import AtLeast, Both, Pattern, PatternError, Wanted
from ranklog_collector.reading.logs import LogReader
from ranklog_collector.reading.losses import gap_texts
from ranklog_collector.reading.rows import Rows, all_blocks, following
from ranklog_collector.reading.runs import open_run, root_folder
from ranklog_collector.reading.select import RANKS, Selection
from ranklog_collector.reading.text import printable
from ranklog_collector.reading.times import clock_time, parse_duration, parse_moment
from ranklog_collector.views.logs import CONTEXT_NS, Levels, log_line
from ranklog_collector.views.moments import EVENTS, moment

_WRITE_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Options:
    """What `ranklog logs` was asked for."""

    run: str
    root: str | None
    ranks: RANKS
    nodes: tuple[str, ...]
    streams: tuple[str, ...]
    grep: str | None
    ignore_case: bool
    invert: bool
    since: str | None
    until: str | None
    tail: int | None
    head: int | None
    follow: bool
    fold: str | None
    raw: bool
    times: str
    level: str | None
    around: str | None
    context: str | None
    before: int | None
    after: int | None
    whole: bool
    diff: tuple[str, str] | None
    as_json: bool

    @property
    def lines(self) -> tuple[int, int]:
        """How many lines are wanted before and after others."""
        both = int(self.context) if self.context is not None and self.context.isdecimal() else 0
        return (both if self.before is None else self.before, both if self.after is None else self.after)


@click.command()
@click.argument("run", metavar="RUN")
@click.option("--rank", "ranks", callback=ranks_of, metavar="0,3-5", help="Only these ranks.")
@click.option("--node", "nodes", multiple=True, metavar="NODE", help="Only this node: id, host name or IP; * matches.")
@click.option(
    "--stream",
    "streams",
    multiple=True,
    metavar="NAME",
    help="stdout, stderr, launcher, log, …, all; or the name or path of a file; * matches.",
)
@click.option("--grep", metavar="REGEX", help="Only lines that match.")
@click.option("-i", "ignore_case", is_flag=True, help="With --grep: upper and lower case are the same.")
@click.option("-v", "invert", is_flag=True, help="With --grep: only lines that do not match.")
@click.option("--since", metavar="TIME", help="10m before the end, +90s after the start, or 2026-01-31T12:00:00Z.")
@click.option("--until", metavar="TIME", help="Likewise.")
@click.option("--tail", type=click.IntRange(min=0), metavar="N", help="Only the last N lines.")
@click.option("--head", type=click.IntRange(min=0), metavar="N", help="Only the first N lines.")
@click.option("-f", "follow", is_flag=True, help="Go on with what comes, until the run ends.")
@click.option("--level", type=click.Choice(LEVELS), help="Only lines that are so grave, or graver.")
@click.option("--around", metavar="TIME|EVENT", help=f"Only what came around a time, or an event: {EVENTS}.")
@click.option("-C", "--context", metavar="N|TIME", help="So many lines around each match, or time with --around.  [5s]")
@click.option("-B", "--before", type=click.IntRange(min=0), metavar="N", help="So many lines before.")
@click.option("-A", "--after", type=click.IntRange(min=0), metavar="N", help="So many lines after.")
@click.option("--whole", is_flag=True, help="With --grep: of a traceback show all lines if one matches.")
@click.option(
    "--diff",
    nargs=2,
    metavar="RANK RANK",
    help="Where two ranks part ways, numbers aside. `majority` stands for most of the other ranks.",
)
@click.option(
    "--fold",
    type=click.Choice(["similar", "exact", "none"]),
    help="Whether lines of several ranks are one row: also if their numbers differ, or if they are equal.  "
    "[default: similar on a terminal, else exact]",
)
@click.option("--no-fold", "fold", flag_value="none", help="The same as --fold none.")
@click.option("--raw", is_flag=True, help="The bytes as they are: nothing added, folded, collapsed or replaced.")
@click.option(
    "-t",
    "--time",
    "times",
    type=click.Choice(["none", "utc", "local", "since"]),
    default="none",
    help="When each line was complete; `since` the run's start.",
)
@root_option
@json_option
@reading_command
def logs(**given: Any) -> None:
    """Show the output of RUN, all ranks in the order of time.

    Equal lines of many ranks are one row ([0-6,8] text), on a terminal also lines whose numbers differ ({least…most}),
    and of a progress bar the last state is shown. With --grep it ends with 1 if no line matches.
    """
    options = Options(**given)
    _check(options)
    wanted = _wanted(options)
    folder = open_run(options.run, root_folder(options.root))
    selection, middle = _selection(folder, options)
    if options.diff is not None:
        sys.exit(show_difference(folder, selection, options.diff, options.as_json, options.head))
    threads = 0 if options.follow else len(os.sched_getaffinity(0))
    reader = LogReader(folder, selection, wanted, options.tail, threads=threads, context=_context(options))
    out = _Output()
    if options.follow and not folder.state.has_ended and not folder.is_written:
        say("note: no collector is writing this run at present; waiting for one", err=True)
    if not options.follow and not reader.sources and folder.state.streams:
        raise ReadingError("no output matches; ranklog ps shows the ranks and nodes, ranklog files the streams")
    count = 0
    with closing(reader):
        for line in islice(_shown(options, folder, reader, out, middle), options.head):
            out.write(line)
            count += 1
        out.flush()
    damage = [folder.damage] if folder.damage else []
    for note in [*damage, *reader.notes, *chain(*gap_texts(folder.state, reader.sources))]:
        say(f"note: {note}", err=True)
    if wanted is not None and not count:
        sys.exit(1)


def _shown(
    options: Options, folder: RunFolder, reader: LogReader, out: _Output, middle: tuple[int, str] | None
) -> Iterator[bytes]:
    is_terminal = sys.stdout.isatty()
    is_plain = options.as_json or options.raw
    colour = not is_plain and is_terminal and not os.environ.get("NO_COLOR")
    batches = following(folder, reader, out.wait) if options.follow else all_blocks(reader)
    has_several = options.follow or len(reader.sources) > 1
    fold = options.fold or ("similar" if is_terminal else "exact")
    is_grouped = not is_plain and options.around is None and any(options.lines)
    rows = Rows(
        reader,
        not is_plain and has_several,
        colour,
        options.raw,
        options.tail,
        is_similar=fold == "similar",
        is_apart=fold == "none",
        is_grouped=is_grouped,
        late_ns=0 if options.follow else LATE_NS,
    )
    if options.as_json:
        levels = Levels()
        return (
            json_line(log_line(folder.run_id, reader.sources[row.streams[0]], row, levels.of(row.streams[0], row.text)))
            for row in rows.of(batches)
        )
    if options.raw:
        return rows.raw(batches, options.head)
    text = LogText(folder, reader, options.times, colour)
    if not has_several and options.head is None and options.tail is None and not is_grouped and middle is None:
        return map(text.block, chain.from_iterable(batches))
    if is_grouped:
        return _parted(rows, rows.of(batches), text)
    return _marked(rows.of(batches), text, middle)


def _parted(rows: Rows, groups: Iterator[Row], text: LogText) -> Iterator[bytes]:
    """Put a separator between groups of lines, as grep does."""
    before: list[int] | None = None
    for group in groups:
        is_apart = not rows.continues(group) or group.streams != before
        yield (b"" if before is None or not is_apart else b"--\n") + text.row(group)
        before = group.streams


def _marked(rows: Iterator[Row], text: LogText, middle: tuple[int, str] | None) -> Iterator[bytes]:
    """Put a line of our own where a moment was."""
    for row in rows:
        if middle is not None and row.time >= middle[0]:
            yield _mark(middle) + text.row(row)
            middle = None
        else:
            yield text.row(row)
    if middle is not None:
        yield _mark(middle)


def _mark(middle: tuple[int, str]) -> bytes:
    return f"-- {clock_time(middle[0])} {printable(middle[1])}\n".encode()


class _Output:
    """Standard output in large writes; what is held is let go before any wait."""

    def __init__(self) -> None:
        self._held: list[bytes] = []
        self._size = 0

    def write(self, data: bytes) -> None:
        self._held.append(data)
        self._size += len(data)
        if self._size >= _WRITE_BYTES:
            self.flush()

    def flush(self) -> None:
        sys.stdout.buffer.write(b"".join(self._held))
        sys.stdout.buffer.flush()
        self._held.clear()
        self._size = 0

    def wait(self, seconds: float) -> None:
        self.flush()
        time.sleep(seconds)


def _check(options: Options) -> None:
    is_search = options.grep is not None or options.level is not None
    if options.grep is None and (options.ignore_case or options.invert):
        raise click.UsageError("-i and -v go with --grep")
    has_context = options.context is not None or options.before is not None or options.after is not None
    if has_context and not is_search and options.around is None:
        raise click.UsageError("-C, -B and -A go with --grep, --level or --around")
    if options.follow and (options.around is not None or options.diff is not None):
        raise click.UsageError("--around and --diff do not go with -f: they look at what is there already")
    if options.raw and any(options.lines):
        raise click.UsageError("-C, -B and -A do not go with --raw")
    if options.around is not None and (options.since is not None or options.until is not None):
        raise click.UsageError("--around does not go with --since and --until")
    is_number = options.context is None or options.context.isdecimal()
    if not is_number and options.around is None:
        raise click.BadParameter(f"{options.context!r} is no number of lines", param_hint="-C")


def _wanted(options: Options) -> Wanted | None:
    least = None if options.level is None else AtLeast(options.level)
    if options.grep is None:
        return least
    try:
        pattern = Pattern(options.grep, options.ignore_case, options.invert)
    except PatternError as error:
        raise click.BadParameter(f"{options.grep!r} is no regular expression: {error}", param_hint="--grep") from error
    return pattern if least is None else Both(pattern, least)


def _context(options: Options) -> Context | None:
    before, after = (0, 0) if options.around is not None else options.lines
    is_whole = options.whole or (options.level is not None and not options.raw)
    return Context(before, after, is_whole, is_parted=options.as_json) if before or after or is_whole else None


def _selection(folder: RunFolder, options: Options) -> tuple[Selection, tuple[int, str] | None]:
    """Which lines are meant; and the moment around which, if there is one."""
    if options.around is None:
        since, until = _moment(folder, options.since), _moment(folder, options.until)
        return Selection(options.ranks, options.nodes, options.streams, since, until), None
    middle = moment(folder, options.around)
    if any(options.lines):
        of_lines = Selection(
            options.ranks, options.nodes, options.streams, around_ns=middle[0], around_lines=options.lines
        )
        return of_lines, middle
    try:
        length = CONTEXT_NS if options.context is None else parse_duration(options.context)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="-C") from error
    since, until = middle[0] - length, middle[0] + length
    return Selection(options.ranks, options.nodes, options.streams, since, until), middle


def _moment(folder: RunFolder, text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return parse_moment(text, folder.started_ns, folder.now_ns())
    except ValueError as error:
        raise click.UsageError(str(error)) from error
