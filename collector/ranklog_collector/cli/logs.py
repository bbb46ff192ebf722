"""ranklog logs: the output of all ranks in one order."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, islice
from typing import Any

import click

from ranklog_collector.cli.output import json_line, json_option, reading_command, root_option, say
from ranklog_collector.reading.fold import Row
from ranklog_collector.reading.folder import ReadingError, RunFolder
from ranklog_collector.reading.grep import Pattern, PatternError
from ranklog_collector.reading.labels import Labels
from ranklog_collector.reading.lines import Block
from ranklog_collector.reading.logs import LogReader
from ranklog_collector.reading.losses import gap_texts
from ranklog_collector.reading.rows import Rows, all_blocks, following
from ranklog_collector.reading.runs import open_run, root_folder
from ranklog_collector.reading.select import RANKS, Selection, parse_ranks
from ranklog_collector.reading.text import shown
from ranklog_collector.reading.times import clock_time, parse_moment
from ranklog_collector.views.logs import log_line

_WRITE_BYTES = 1 << 16
# Many lines came at one time, and writing a time takes longer than everything else about a line.
_clock_time = lru_cache(1000)(clock_time)


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
    no_fold: bool
    raw: bool
    times: str
    as_json: bool


def _ranks(context: click.Context, parameter: click.Parameter, value: str | None) -> RANKS:
    try:
        return () if value is None else parse_ranks(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@click.command()
@click.argument("run", metavar="RUN")
@click.option("--rank", "ranks", callback=_ranks, metavar="0,3-5", help="Only these ranks.")
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
@click.option("--no-fold", is_flag=True, help="Show equal lines of several ranks one by one.")
@click.option("--raw", is_flag=True, help="The bytes as they are: nothing added, folded, collapsed or replaced.")
@click.option(
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

    Equal lines of many ranks are one row ([0-6,8] text), and of a progress bar the last state is shown. With --grep it
    ends with 1 if no line matches.
    """
    options = Options(**given)
    pattern = _pattern(options)
    folder = open_run(options.run, root_folder(options.root))
    since, until = _moment(folder, options.since), _moment(folder, options.until)
    selection = Selection(options.ranks, options.nodes, options.streams, since, until)
    threads = 0 if options.follow else len(os.sched_getaffinity(0))
    reader = LogReader(folder, selection, pattern, options.tail, threads=threads)
    out = _Output()
    if options.follow and not folder.state.has_ended and not folder.is_written:
        say("note: no collector is writing this run at present; waiting for one", err=True)
    if not options.follow and not reader.sources and folder.state.streams:
        raise ReadingError("no output matches; ranklog ps shows the ranks and nodes, ranklog files the streams")
    count = 0
    with closing(reader):
        for line in islice(_shown(options, folder, reader, out), options.head):
            out.write(line)
            count += 1
        out.flush()
    for note in [*reader.notes, *chain(*gap_texts(folder.state, reader.sources))]:
        say(f"note: {note}", err=True)
    if pattern is not None and not count:
        sys.exit(1)


def _shown(options: Options, folder: RunFolder, reader: LogReader, out: _Output) -> Iterator[bytes]:
    is_plain = options.as_json or options.raw
    colour = not is_plain and sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    batches = following(folder, reader, out.wait) if options.follow else all_blocks(reader)
    is_folded = not (is_plain or options.no_fold) and (options.follow or len(reader.sources) > 1)
    rows = Rows(reader, is_folded, colour, options.raw, options.tail)
    if options.as_json:
        return (json_line(log_line(folder.run_id, reader.sources[row.streams[0]], row)) for row in rows.of(batches))
    if options.raw:
        return rows.raw(batches, options.head)
    text = _Text(folder, reader, options.times, colour)
    if not is_folded and options.head is None and options.tail is None:
        return map(text.block, chain.from_iterable(batches))
    return map(text.line, rows.of(batches))


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


class _Text:
    """Rows as people read them: time, who says it, what."""

    def __init__(self, folder: RunFolder, reader: LogReader, times: str, colour: bool) -> None:
        self._labels = Labels(reader, colour)
        self._start_ns = folder.started_ns
        self._times = times
        self._colour = colour

    def line(self, row: Row) -> bytes:
        """One row as a line."""
        return b"%b%b%b\n" % (self._time(row.time), self._labels.of(row.streams), row.text)

    def block(self, block: Block) -> bytes:
        """All lines of a block at once."""
        prefix = self._time(block.time) + self._labels.of([block.stream])
        text = shown(block.piece.data, self._colour)
        if prefix:
            text = prefix + text.removesuffix(b"\n").replace(b"\n", b"\n" + prefix)
        return text if text.endswith(b"\n") and not prefix else text + b"\n"

    def _time(self, time_ns: int) -> bytes:
        if self._times == "none":
            return b""
        if self._times == "since":
            return f"{(time_ns - self._start_ns) / 1e9:+.3f} ".encode()
        if self._times == "utc":
            return (_clock_time(time_ns, utc=True).replace(" ", "T") + "Z ").encode()
        return (_clock_time(time_ns) + " ").encode()


def _pattern(options: Options) -> Pattern | None:
    if options.grep is None:
        if options.ignore_case or options.invert:
            raise click.UsageError("-i and -v go with --grep")
        return None
    try:
        return Pattern(options.grep, options.ignore_case, options.invert)
    except PatternError as error:
        raise click.BadParameter(f"{options.grep!r} is no regular expression: {error}", param_hint="--grep") from error


def _moment(folder: RunFolder, text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return parse_moment(text, folder.started_ns, folder.now_ns())
    except ValueError as error:
        raise click.UsageError(str(error)) from error
