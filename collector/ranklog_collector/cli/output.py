"""What the reading commands have in common: options, where output goes, how it fails, and tables that fit."""

from __future__ import annotations

import os
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar

import click
import orjson

from ranklog_collector.reading.folder import ReadingError
from ranklog_collector.reading.select import RANKS, parse_ranks
from ranklog_collector.reading.text import printable

Command = TypeVar("Command", bound=Callable[..., None])

# orjson escapes what JSON demands; a terminal obeys these as well.
_UNESCAPED = re.compile(rb"\x7f|\xc2[\x80-\x9f]")
_GAP = 2
STYLES = {
    "Running": "green",
    "running": "green",
    "finalizing": "green",
    "Completed": "dim",
    "completed": "dim",
    "Failed": "bold red",
    "failed": "bold red",
    "Terminated": "yellow",
    "canceled": "yellow",
    "Lost": "bold magenta",
    "lost": "bold magenta",
    "interrupted": "bold magenta",
    "NotStarted": "cyan",
    "notstarted": "cyan",
    "ok": "green",
    "differs": "bold red",
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table; in a narrow terminal those of the highest `rank` are left out first."""

    title: str
    rank: int = 0
    is_right: bool = False


root_option = click.option(
    "--root", metavar="DIR", help="Folder of the run folders.  [default: $RANKLOG_ROOT or ./ranklog-runs]"
)
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")


def ranks_of(_: click.Context, __: click.Parameter, value: str | None) -> RANKS:
    """Read `--rank 0,3-5`; nothing if it was not given."""
    try:
        return () if value is None else parse_ranks(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def reading_command(command: Command) -> Command:
    """Turn what a reading command may run into into words and an exit code."""

    @wraps(command)
    def wrapped(*args: Any, **options: Any) -> None:
        try:
            command(*args, **options)
            sys.stdout.flush()
        except ReadingError as error:
            click.echo(f"ranklog: {printable(str(error))}", err=True)
            sys.exit(1)
        except BrokenPipeError:
            # Whoever read has seen enough. What is still buffered must not fail at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(0)
        except KeyboardInterrupt:
            sys.exit(130)

    return wrapped  # type: ignore[return-value]


def json_line(value: Any) -> bytes:
    """Write a value as one line of JSON."""
    line = orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE)
    return _UNESCAPED.sub(lambda found: b"\\u%04x" % found[0][-1], line)


def print_json(values: Iterable[Any]) -> None:
    """Print values as lines of JSON."""
    sys.stdout.buffer.write(b"".join(json_line(value) for value in values))


def print_table(columns: Sequence[Column], rows: Sequence[Sequence[str]], err: bool = False) -> None:
    """Print a table: as wide as needed in a file or pipe, and as the terminal allows in one."""
    cells = [[printable(cell) for cell in row] for row in rows]
    if (sys.stderr if err else sys.stdout).isatty():
        _print_rich(columns, cells, err)
    else:
        _print_plain(columns, cells, err)


def say(text: str, err: bool = False) -> None:
    """Print a sentence, which a terminal gets broken between words."""
    text = printable(text)
    if (sys.stderr if err else sys.stdout).isatty():
        width = shutil.get_terminal_size().columns
        text = textwrap.fill(text, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
    click.echo(text, err=err)


def _widths(columns: Sequence[Column], cells: list[list[str]]) -> list[int]:
    return [max([len(column.title), *(len(row[index]) for row in cells)]) for index, column in enumerate(columns)]


def _print_plain(columns: Sequence[Column], cells: list[list[str]], err: bool) -> None:
    widths = _widths(columns, cells)
    lines = [[column.title for column in columns], *cells]
    for line in lines:
        padded = [
            cell.rjust(width) if column.is_right else cell.ljust(width)
            for cell, column, width in zip(line, columns, widths, strict=True)
        ]
        click.echo((" " * _GAP).join(padded).rstrip(), err=err)


def _print_rich(columns: Sequence[Column], cells: list[list[str]], err: bool) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    width = shutil.get_terminal_size().columns
    widths = _widths(columns, cells)
    shown = _fitting(columns, widths, width)
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
    for index, size in zip(shown, _narrowed([widths[index] for index in shown], width), strict=True):
        column = columns[index]
        table.add_column(column.title, justify="right" if column.is_right else "left", no_wrap=True, width=size)
    for row in cells:
        table.add_row(*(Text(row[index], style=STYLES.get(row[index], "")) for index in shown))
    Console(width=width, highlight=False, stderr=err).print(table)


def _fitting(columns: Sequence[Column], widths: list[int], available: int) -> list[int]:
    """Choose the columns that fit; those of rank 0 always stay, and get narrower if they must."""
    shown = list(range(len(columns)))
    while sum(widths[index] + _GAP for index in shown) - _GAP > available:
        last = max(shown, key=lambda index: columns[index].rank)
        if columns[last].rank == 0:
            break
        shown.remove(last)
    return shown


def _narrowed(widths: list[int], available: int) -> list[int]:
    """Take what is too much from the widest columns: a number of which a digit is missing tells nothing."""
    widths = list(widths)
    while sum(widths) + _GAP * (len(widths) - 1) > available and max(widths) > 1:
        widths[widths.index(max(widths))] -= 1
    return widths
