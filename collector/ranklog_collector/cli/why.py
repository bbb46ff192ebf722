"""ranklog why: which rank failed first, why, and what was only a consequence."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence

import click

from ranklog_collector.cli.output import json_option, print_json, reading_command, root_option
from ranklog_collector.core.verdict.finding import Consequence, Culprit, Quote, Status, Verdict
from ranklog_collector.core.verdict.words import clock_text, error_text, short_ranks, span_text
from ranklog_collector.reading.folder import RunFolder
from ranklog_collector.reading.inside import open_inside
from ranklog_collector.reading.runs import open_run, root_folder
from ranklog_collector.reading.text import printable
from ranklog_collector.verdict import judge
from ranklog_collector.views.verdict import verdict_json

COLOURS = {
    Status.FAILED: "red",
    Status.SUSPECT: "yellow",
    Status.CANCELED: "yellow",
    Status.FINE: "green",
    Status.UNKNOWN: "magenta",
}
CULPRITS_MAX, SECTION_LINES_MAX, QUOTE_LINES_MAX = 4, 12, 40
COUNTED_BYTES_MAX = 256 << 20
"""Lines are counted up to here; further on the offset is told."""
_INDENT = "  "


@click.command()
@click.argument("run", metavar="RUN")
@click.option("--signatures", type=click.Path(exists=True, dir_okay=False), help="More signatures, in TOML.")
@root_option
@json_option
@reading_command
def why(run: str, signatures: str | None, root: str | None, as_json: bool) -> None:
    """Tell why RUN is as it is.

    Who failed first, on which node, the lines that prove it, what was only a consequence, and what to look at next.
    Exits with 1 if that is not known.
    """
    folder = open_run(run, root_folder(root))
    name = run if os.sep in run else folder.run_id
    verdict = judge(folder, shlex.quote(name) + (f" --root {shlex.quote(root)}" if root else ""), signatures)
    if as_json:
        print_json([verdict_json(folder.run_id, verdict)])
    else:
        _Page(folder, sys.stdout.isatty()).print(verdict)
    sys.stdout.flush()
    sys.exit(1 if verdict.status is Status.UNKNOWN else 0)


class _Page:
    """Prints a verdict: as wide as the terminal, or as long as the lines are."""

    def __init__(self, folder: RunFolder, is_terminal: bool) -> None:
        self._folder = folder
        self._width = shutil.get_terminal_size().columns if is_terminal else 0
        self._colour = is_terminal and not os.environ.get("NO_COLOR")

    def print(self, verdict: Verdict) -> None:
        """Print all of it."""
        self._say(verdict.headline, "", colour=COLOURS[verdict.status], bold=True)
        self._say(" · ".join(self._facts(verdict)), "", dim=True)
        if len(verdict.culprits) > 1:
            self._section("one of these" if verdict.is_tie else "these", [_line(one) for one in verdict.culprits])
        for quote in verdict.quotes:
            self._print_quote(quote, "evidence")
        said: set[str] = set()
        for culprit in verdict.culprits[:CULPRITS_MAX]:
            if culprit.summary not in said or not culprit.quotes:
                self._print_quotes(culprit)
            said.add(culprit.summary)
        self._print_consequences(verdict.consequences)
        self._section("remarks", verdict.remarks)
        self._section("next", verdict.next_steps)

    def _facts(self, verdict: Verdict) -> Iterator[str]:
        yield verdict.status.value
        if verdict.category is not None:
            yield verdict.category.value
        if verdict.confidence is not None:
            yield verdict.confidence.value
        if verdict.attempt is not None:
            yield f"start {verdict.attempt + 1}"
        yield f"run {self._folder.experiment}/{self._folder.run_id}"

    def _print_quotes(self, culprit: Culprit) -> None:
        for quote in culprit.quotes:
            self._print_quote(quote, "{} said" if quote.process else "evidence")
        if not culprit.has_said_why:
            for quote in culprit.last_words:
                self._print_quote(quote, "last words of {}" if quote.process else "last words")

    def _print_quote(self, quote: Quote, title: str) -> None:
        at = f", {clock_text(quote.time_ns)}" if quote.time_ns else ""
        click.echo()
        self._say(f"{title.format(quote.process.replace('_', ' '))}{at}, {self._place(quote)}", "", dim=True)
        lines = quote.text.rstrip("\n").split("\n")
        if (left_out := len(lines) - QUOTE_LINES_MAX) > 0:
            half = QUOTE_LINES_MAX // 2
            lines = [*lines[:half], f"… {left_out} lines …", *lines[-half:]]
        for line in lines:
            self._say(line, _INDENT + "| ")

    def _place(self, quote: Quote) -> str:
        """`path:line`, or the offset where counting lines would take long."""
        if quote.offset <= COUNTED_BYTES_MAX:
            try:
                file = open_inside(self._folder.path, quote.path)
                try:
                    return f"{quote.path}:{_count_lines(file, quote.offset) + 1}"
                finally:
                    os.close(file)
            except OSError:
                pass
        return f"{quote.path} at byte {quote.offset}"

    def _print_consequences(self, consequences: Sequence[Consequence]) -> None:
        rows = [(_who(one), one.what, _delays(one)) for one in consequences]
        self._section("consequences", [f"{who}: {what}{'  ' if delay else ''}{delay}" for who, what, delay in rows])

    def _section(self, title: str, lines: Sequence[str]) -> None:
        if not lines:
            return
        click.echo()
        self._say(title, "", bold=True)
        for line in lines[:SECTION_LINES_MAX]:
            self._say(line, _INDENT)
        if (more := len(lines) - SECTION_LINES_MAX) > 0:
            self._say(f"and {more} more; --json has all", _INDENT)

    def _say(self, text: str, indent: str, colour: str | None = None, **style: bool) -> None:
        text = indent + printable(text.expandtabs())
        lines = [text]
        if self._width and len(text) > self._width:
            lines = textwrap.wrap(
                text,
                self._width,
                subsequent_indent=indent + " " * 2,
                replace_whitespace=False,
                break_on_hyphens=False,
            )
        for line in lines:
            click.echo(click.style(line, fg=colour, **style) if self._colour else line)


def _line(one: Culprit) -> str:
    who = f"rank {one.rank}" if one.rank is not None else one.name
    when = f", {clock_text(one.time_ns)} {error_text(one.error_ns)}".rstrip() if one.time_ns else ""
    place = f" ({one.hostname or one.node})" if one.node else ""
    return f"{who}{place}: {one.summary}{when}"


def _who(one: Consequence) -> str:
    if len(one.ranks) == len(one.names):
        return short_ranks(one.ranks)
    more = len(one.names) - 4
    return ", ".join(one.names[:4]) + (f" and {more} more" if more > 0 else "")


def _delays(one: Consequence) -> str:
    if one.delay_min_ns is None or one.delay_max_ns is None:
        return ""
    first, last = _delay(one.delay_min_ns), _delay(one.delay_max_ns)
    return first if first == last else f"{first} … {last}"


def _delay(delay_ns: int) -> str:
    return f"{'-' if delay_ns < 0 else '+'}{span_text(delay_ns)}"


def _count_lines(file: int, offset: int) -> int:
    count = at = 0
    while at < offset and (data := os.pread(file, min(1 << 20, offset - at), at)):
        count += data.count(b"\n")
        at += len(data)
    return count
