"""ranklog runs, ps, files, download, verify, rebuild: a run folder from outside."""

from __future__ import annotations

import os
import sys

import click

from ranklog_collector.cli import show
from ranklog_collector.cli.output import (
    Column,
    json_option,
    print_json,
    print_table,
    reading_command,
    root_option,
    say,
)
from ranklog_collector.core.event_files import is_event_file
from ranklog_collector.reading import archive
from ranklog_collector.reading.folder import ReadingError, RunFolder
from ranklog_collector.reading.notes import notes
from ranklog_collector.reading.processes import processes
from ranklog_collector.reading.rebuild import rebuild as rebuild_folder
from ranklog_collector.reading.runs import find_runs, open_run, overview, root_folder
from ranklog_collector.reading.times import bytes_text, clock_time
from ranklog_collector.reading.verify import verify as verify_folder
from ranklog_collector.views.files import file_views
from ranklog_collector.views.processes import process_views
from ranklog_collector.views.runs import run_row

run_argument = click.argument("run", metavar="RUN")


def has_points(folder: RunFolder) -> bool:
    """Whether anything was logged; if not, what reads points need not be imported."""
    return any(stream.role == "metrics" or is_event_file(stream.path) for stream in folder.state.streams.values())


@click.command()
@root_option
@json_option
@reading_command
def runs(root: str | None, as_json: bool) -> None:
    """List the runs, oldest first."""
    found = [overview(entry) for entry in find_runs(root_folder(root))]
    if as_json:
        print_json(map(run_row, found))
        return
    if not found:
        say(f"there are no runs in {root_folder(root)}; name the folder of runs with --root or RANKLOG_ROOT")
        return
    columns = [
        Column("RUN"),
        Column("EXPERIMENT", 6),
        Column("STATE"),
        Column("STARTED", 2),
        Column("TIME", 4, is_right=True),
        Column("NODES", 5, is_right=True),
        Column("PROCESSES", 3, is_right=True),
        Column("FAILED", 1, is_right=True),
    ]
    print_table(columns, [show.run_row(one) for one in found])


@click.command()
@run_argument
@root_option
@json_option
@reading_command
def ps(run: str, root: str | None, as_json: bool) -> None:
    """Show the processes of RUN: where each runs, how it is or how it ended, and when it last said something."""
    folder = open_run(run, root_folder(root), latest_marks=True)
    if as_json:
        print_json(process_views(folder))
        return
    views = processes(folder.state)
    now = folder.now_ns()
    columns = [
        Column("PROCESS"),
        Column("RANK", 9, is_right=True),
        Column("NODE", 3),
        Column("IP", 7),
        Column("PID", 5, is_right=True),
        Column("STATE"),
        Column("EXIT"),
        Column("STARTED", 8),
        Column("TIME", 4, is_right=True),
        Column("BYTES", 2, is_right=True),
        Column("LAST LINE", 1, is_right=True),
    ]
    print_table(columns, [show.process_row(view, now) for view in views])
    say(show.summary(folder, views, now))
    for note in notes(folder):
        say(f"note: {note}")


@click.command()
@run_argument
@click.option("--all", "with_internal", is_flag=True, help="Also what ranklog keeps for itself in .ranklog.")
@root_option
@json_option
@reading_command
def files(run: str, with_internal: bool, root: str | None, as_json: bool) -> None:
    """List the files of RUN."""
    folder = open_run(run, root_folder(root), latest_marks=True)
    if as_json:
        print_json(file_views(folder, with_internal=with_internal))
        return
    found = archive.files(folder, with_internal)
    columns = [
        Column("SIZE", is_right=True),
        Column("CHANGED", 3),
        Column("ROLE", 2),
        Column("PROCESS", 1),
        Column("PATH"),
    ]
    rows = [[bytes_text(one.size), clock_time(one.changed_ns), one.role, one.process, one.path] for one in found]
    print_table(columns, rows)


@click.command()
@run_argument
@click.argument("path", required=False)
@click.option("-o", "--output", metavar="FILE|DIR|-", help="Where to; - is standard output.  [default: here]")
@click.option("--all", "with_internal", is_flag=True, help="Also what ranklog keeps for itself in .ranklog.")
@root_option
@json_option
@reading_command
def download(
    run: str, path: str | None, output: str | None, with_internal: bool, root: str | None, as_json: bool
) -> None:
    """Copy the file PATH of RUN; or all files as a zip, or those that the folder or pattern PATH means."""
    folder = open_run(run, root_folder(root), latest_marks=True)
    found = archive.files(folder, with_internal or (path or "").startswith(".ranklog"))
    chosen = found if path is None else archive.matching(found, path)
    is_single = path is not None and [file.path for file in chosen] == [path.strip("/")]
    if output == "-":
        if sys.stdout.isatty() and not is_single:
            raise click.UsageError("a zip is nothing for a terminal; name a file with -o")
        archive.send(folder, chosen, is_single, sys.stdout.buffer)
        return
    target = archive.save(folder, chosen, is_single, output or ".")
    size = os.path.getsize(target)
    if as_json:
        print_json([{"path": target, "files": len(chosen), "bytes": size}])
    else:
        say(f"{target}: {len(chosen)} file{'s' if len(chosen) != 1 else ''}, {bytes_text(size)}")


@click.command()
@run_argument
@click.option("--sources", is_flag=True, help="Also compare with the source files, where they are on this machine.")
@root_option
@json_option
@reading_command
def verify(run: str, sources: bool, root: str | None, as_json: bool) -> None:
    """Prove that RUN holds every byte that its journal vouches for, and tell what is missing.

    Ends with 1 if bytes differ, or are known to have been lost.
    """
    folder = open_run(run, root_folder(root))
    report = verify_folder(folder, sources)
    if has_points(folder):
        from ranklog_collector.series.damage import point_notes

        try:
            report.notes += point_notes(folder)
        except ReadingError as error:
            report.notes.append(f"points were not looked at: {error}")
    if as_json:
        print_json([show.report_json(report)])
    else:
        show.print_report(report, sources)
    if not report.is_intact:
        sys.stdout.flush()
        sys.exit(1)


@click.command()
@run_argument
@root_option
@json_option
@reading_command
def rebuild(run: str, root: str | None, as_json: bool) -> None:
    """Make the derived files of RUN again from its journal and its points."""
    folder = open_run(run, root_folder(root))
    changed = rebuild_folder(folder)
    from ranklog_collector.series.rebuild import made_again  # what reads points takes time to import

    changed |= made_again(folder)
    if as_json:
        print_json({"path": path, "changed": is_changed} for path, is_changed in changed.items())
        return
    for path, is_changed in changed.items():
        say(f"{path}: {'made again' if is_changed else 'right already'}")
