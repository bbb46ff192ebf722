"""ranklog metrics: what a run has logged, for people, and for programs."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from typing import Any

import click

from ranklog_collector.cli.output import (
    Column,
    json_option,
    print_table,
    ranks_of,
    reading_command,
    root_option,
    say,
)
from ranklog_collector.cli.plot import number_text, plot, sparkline
from ranklog_collector.cli.rows import print_rows, save_rows
from ranklog_collector.core.ranks import ranks_text
from ranklog_collector.reading.folder import RunFolder
from ranklog_collector.reading.rules import complaint
from ranklog_collector.reading.runs import open_child, root_folder
from ranklog_collector.reading.select import RANKS
from ranklog_collector.reading.text import printable
from ranklog_collector.reading.times import clock_time
from ranklog_collector.series.read import aggregate, catalog, facts, records, series
from ranklog_collector.series.shapes import Aggregate, Metric, Record, Series
from ranklog_collector.series.sparks import sparks
from ranklog_collector.views.metrics import aggregate_view, metric_view, record_view, series_view

POINTS = 1000
SHOWN = 20
"""Rows that a person is shown."""
SPARK = 24
HEIGHT = 10
_TEXT_MAX = 24
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Options:
    """What `ranklog metrics` was asked for."""

    run: str
    key: str | None
    root: str | None
    ranks: RANKS
    by: str
    points: int | None
    values: bool
    resources: bool
    as_json: bool
    as_csv: bool
    parquet: str | None

    @property
    def is_for_people(self) -> bool:
        """Whether nothing else is wanted."""
        return not (self.as_json or self.as_csv or self.parquet)

    @property
    def rank(self) -> int | None:
        """The one rank that is wanted, if it is one."""
        only = [rank for ranks in self.ranks for rank in ranks[:2]]
        return only[0] if len(only) == 1 else None

    def wants(self, rank: int | None) -> bool:
        """Whether a process of this rank is."""
        return not self.ranks or any(rank in ranks for ranks in self.ranks if rank is not None)


@click.command()
@click.argument("run", metavar="RUN")
@click.argument("key", required=False)
@click.option("--rank", "ranks", callback=ranks_of, metavar="0,3-5", help="Each of these ranks by itself.")
@click.option("--by", type=click.Choice(["step", "time"]), default="step", show_default=True, help="The axis.")
@click.option("--points", type=click.IntRange(min=2), metavar="N", help="About so many rows; extremes are kept.")
@click.option("--values", is_flag=True, help="Each point as it was logged, in the order of time.")
@click.option("--resources", is_flag=True, help="What agents observed: CPU, memory, … (without KEY: besides).")
@click.option("--csv", "as_csv", is_flag=True, help="Comma-separated values.")
@click.option("--parquet", metavar="FILE", help="Write a Parquet file.")
@root_option
@json_option
@reading_command
def metrics(**given: Any) -> None:
    """Show what RUN has logged: all metrics, or KEY over all ranks at each step.

    RUN may be a child run. If there is no metric KEY it ends with 1.
    """
    options = Options(**given)
    folder, child = open_child(options.run, root_folder(options.root), latest_marks=True)
    if options.key is None and not options.values:
        _catalog(options, folder, child)
    elif options.values:
        _values(options, folder, child)
    elif options.ranks:
        _series(options, folder, child, options.key or "")
    else:
        _aggregate(options, folder, child, options.key or "")


def _put(options: Options, rows: list[Row]) -> None:
    if options.parquet:
        save_rows(rows, options.parquet)
        say(f"{options.parquet}: {len(rows)} row{'s' if len(rows) != 1 else ''}", err=True)
    if options.as_json or options.as_csv:
        print_rows(rows, options.as_csv)


# ---- all metrics -----------------------------------------------------------------------------------------------------


def _catalog(options: Options, folder: RunFolder, child: str) -> None:
    found = catalog(folder, child, options.resources)
    if not options.is_for_people:
        _put(options, [metric_view(one) for one in found])
        return
    lines = {False: sparks(folder, SPARK, child), True: sparks(folder, SPARK, child, True) if options.resources else {}}
    columns = [
        Column("METRIC"),
        Column("KIND", 6),
        Column(""),
        Column("LAST", is_right=True),
        Column("MIN", 2, is_right=True),
        Column("MEAN", 4, is_right=True),
        Column("MAX", 2, is_right=True),
        Column("STEPS", 5, is_right=True),
        Column("COUNT", 1, is_right=True),
        Column("RANKS", 3),
    ]
    drawn = {(of_agents, key): sparkline(one.tolist()) for of_agents in lines for key, one in lines[of_agents].items()}
    print_table(columns, [_catalog_row(one, drawn[one.is_resource, one.key]) for one in found])
    if why := complaint(folder):
        say(f"note: there are no printed metrics: {why}")
    said = facts(folder, child)
    if not found:
        say("nothing has been logged yet" if not options.resources else "nothing has been logged or observed yet")
    if said.lost:
        say(f"note: {_lines(said.lost)} of points could not be written where they were logged; they are lost")
    if said.damaged:
        say(f"note: {_lines(said.damaged)} of points damaged, and skipped or read in part")


def _lines(count: int) -> str:
    return f"{count} line{'s' if count != 1 else ''}"


def _catalog_row(one: Metric, line: str) -> list[str]:
    return [
        one.key,
        "printed" if one.is_printed else one.kind,
        line,
        _value_text(one.last),
        number_text(one.min),
        number_text(one.mean),
        number_text(one.max),
        str(one.last_step) if one.first_step == one.last_step else f"{one.first_step}-{one.last_step}",
        str(one.count),
        ranks_text(one.ranks),
    ]


def _value_text(value: Any) -> str:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return number_text(value)
    text = printable(str(value))
    return text if len(text) <= _TEXT_MAX else text[: _TEXT_MAX - 1] + "…"


# ---- one metric ------------------------------------------------------------------------------------------------------


def _aggregate(options: Options, folder: RunFolder, child: str, key: str) -> None:
    if not options.is_for_people:
        _put(options, _rows_of(aggregate_view(folder, key, options.by, child, _points(options), options.resources)))
        return
    found = aggregate(folder, key, options.by, POINTS, child, options.resources)
    if not found.total:
        _values(options, folder, child)
        return
    _print_plot(found.min.tolist(), found.mean.tolist(), found.max.tolist())
    columns = [
        Column("STEP" if options.by == "step" else "TIME", is_right=True),
        Column("MIN", 1, is_right=True),
        Column("MEAN", is_right=True),
        Column("MAX", 1, is_right=True),
        Column("STD", 5, is_right=True),
        Column("P50", 4, is_right=True),
        Column("P99", 4, is_right=True),
        Column("COUNT", 3, is_right=True),
        Column("MIN RANK", 2, is_right=True),
        Column("MAX RANK", 2, is_right=True),
    ]
    shown = aggregate(folder, key, options.by, options.points or SHOWN, child, options.resources)
    print_table(columns, [_aggregate_row(shown, row) for row in range(len(shown.x))])
    if options.by == "step":
        say(f"{key}: {found.total} step{'s' if found.total != 1 else ''}, {len(shown.x)} of them shown")


def _aggregate_row(found: Aggregate, row: int) -> list[str]:
    x = int(found.x[row])
    numbers = (found.min, found.mean, found.max, found.std, found.p50, found.p99)
    return [
        str(x) if found.by == "step" else clock_time(x),
        *(number_text(float(column[row])) for column in numbers),
        str(found.count[row]),
        *("" if column[row] < 0 else str(column[row]) for column in (found.min_rank, found.max_rank)),
    ]


def _series(options: Options, folder: RunFolder, child: str, key: str) -> None:
    points = _points(options)
    asked = series(folder, key, options.rank, child, points, options.by, options.resources)
    found = [one for one in asked if options.wants(one.rank)]
    if not options.is_for_people:
        _put(options, [row for one in found for row in _rows_of(series_view(one))])
        return
    columns = [
        Column("PROCESS"),
        Column("NODE", 4),
        Column("", 1),
        Column("LAST", is_right=True),
        Column("MIN", 2, is_right=True),
        Column("MAX", 2, is_right=True),
        Column("STEPS", 3, is_right=True),
        Column("COUNT", 3, is_right=True),
    ]
    if len(found) == 1:
        values = found[0].value.tolist()
        _print_plot(values, values, values)
    print_table(columns, [_series_row(one) for one in found])


def _series_row(one: Series) -> list[str]:
    values = one.value.tolist()
    count = len(values)
    few = [values[part * count // min(SPARK, count)] for part in range(min(SPARK, count))]
    return [
        one.process,
        one.node,
        sparkline(few),
        number_text(values[-1]) if values else "",
        number_text(min(values)) if values else "",
        number_text(max(values)) if values else "",
        f"{one.step[0]}-{one.step[-1]}" if values else "",
        str(one.total),
    ]


def _values(options: Options, folder: RunFolder, child: str) -> None:
    found = records(folder, options.key, options.rank, child, None, options.points, options.resources).records
    found = [one for one in found if options.wants(one.rank)]
    if not options.is_for_people:
        _put(options, [record_view(one) for one in found])
        return
    columns = [
        Column("TIME", 3),
        Column("PROCESS", 1),
        Column("METRIC", 4),
        Column("STEP", 2, is_right=True),
        Column("KIND", 5),
        Column("VALUE"),
    ]
    print_table(columns, [_record_row(one) for one in found])


def _record_row(one: Record) -> list[str]:
    return [clock_time(one.time_ns), one.process, one.key, str(one.step), one.kind, printable(str(one.value))]


def _points(options: Options) -> int:
    return options.points or POINTS


def _rows_of(columns: Row) -> list[Row]:
    """Turn lists of equal length into rows; what is no list is the same in each."""
    total = columns.pop("total")
    lengths = {len(column) for column in columns.values() if isinstance(column, list)}
    del total, columns["by" if "by" in columns else "attempt"]
    return [
        {name: column[row] if isinstance(column, list) else column for name, column in columns.items()}
        for row in range(max(lengths, default=0))
    ]


def _print_plot(low: list[float], mean: list[float], high: list[float]) -> None:
    """Draw on a terminal, with room for a table below."""
    if sys.stdout.isatty():
        size = shutil.get_terminal_size()
        for line in plot(low, mean, high, size.columns, min(HEIGHT, max(4, size.lines // 3))):
            click.echo(line)
