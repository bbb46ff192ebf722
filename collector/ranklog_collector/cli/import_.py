"""ranklog import: what launchers left behind becomes a run folder, after the fact."""

from __future__ import annotations

import ipaddress
import os
import re
import shlex
import sys

import click

from ranklog.layout import safe_name
from ranklog_collector.cli.output import Column, json_option, print_json, print_table, reading_command, root_option, say
from ranklog_collector.importing.load import Done, Prospect, Request, is_import, load, prospect
from ranklog_collector.importing.model import ImportingError, Plan, Process
from ranklog_collector.importing.survey import AUTO, FORMATS
from ranklog_collector.reading.folder import is_written
from ranklog_collector.reading.runs import root_folder
from ranklog_collector.reading.times import bytes_text

_REMARKS_MAX = 10


def _nodes(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    nodes = []
    for value in values:
        name, equals, what = value.partition("=")
        if not (equals and name.isprintable() and name and what):
            raise click.BadParameter(f"{value!r} is not NAME=FOLDER or NAME=ADDRESS")
        if not os.path.lexists(what):
            try:
                what = str(ipaddress.ip_address(what))
            except ValueError:
                raise click.BadParameter(f"{what!r} is neither a file or folder nor an IP address") from None
        nodes.append((name, what))
    return tuple(nodes)


def _rules(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> tuple[re.Pattern[str], ...]:
    rules = []
    for value in values:
        try:
            rule = re.compile(value, re.DOTALL)
        except re.error as error:
            raise click.BadParameter(f"{value!r} is no regular expression: {error}") from None
        if not {"rank", "local_rank"} & set(rule.groupindex):
            raise click.BadParameter(f"{value!r} has no group (?P<rank>…) or (?P<local_rank>…)")
        rules.append(rule)
    return tuple(rules)


def _safe(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    if value is not None and safe_name(value) != value:
        raise click.BadParameter("use letters, digits, '_', '-' and '.', not a dot first")
    return value


@click.command("import")
@click.argument("places", nargs=-1, required=True, metavar="PATH…", type=click.Path())
@root_option
@click.option(
    "--experiment", default="default", envvar="RANKLOG_EXPERIMENT", callback=_safe, help="[env: RANKLOG_EXPERIMENT]"
)
@click.option("--run", "run_id", metavar="RUN_ID", callback=_safe, help="The run's id.  [default: made of the files]")
@click.option("--name", callback=_safe, help="What the run's id begins with.  [default: the job, or the first PATH]")
@click.option("--format", "format_name", type=click.Choice((AUTO, *FORMATS)), default=AUTO, help="Who wrote it.")
@click.option(
    "--node",
    "nodes",
    multiple=True,
    metavar="NAME=…",
    callback=_nodes,
    help="A node's folder or file below PATH, in the order of ranks; or a node's IP address.",
)
@click.option(
    "--rule",
    "rules",
    multiple=True,
    metavar="REGEX",
    callback=_rules,
    help="Reads the rank out of a path; groups as `ranklog agent --rule` has them, and node.",
)
@click.option("--exit-code", type=click.IntRange(0, 255), help="What the launcher exited with, if you know it.")
@click.option("--dry-run", is_flag=True, help="Show what would be made, and make nothing.")
@click.option("--force", is_flag=True, help="Import again what is there already.")
@json_option
@reading_command
def import_(
    places: tuple[str, ...],
    root: str | None,
    experiment: str,
    run_id: str | None,
    name: str | None,
    format_name: str,
    nodes: tuple[tuple[str, str], ...],
    rules: tuple[re.Pattern[str], ...],
    exit_code: int | None,
    dry_run: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Make a run folder of what mpirun, mpiexec, torchrun, srun, sbatch, Ray or Kubernetes left behind.

    PATH is a folder with the output of ranks, or a file with the output of a launcher. Several are of one job: the
    folders of its nodes, the launcher's console. They are read and never changed.
    """
    chosen, root = root, root_folder(root)
    request = Request(places, root, experiment, run_id, name, format_name, rules, nodes, exit_code)
    try:
        found = prospect(request)
        if dry_run:
            _show(found, as_json)
            return
        if found.existing is not None and not force:
            _already_there(found, as_json)
            return
        if found.existing is not None and (not is_import(found.existing) or is_written(found.existing)):
            raise ImportingError(f"{found.existing} was not imported: it is not replaced; choose another --run")
        done = load(found, experiment, root)
    except ImportingError as error:
        say(f"ranklog: {error}", err=True)
        sys.exit(1)
    _tell(found, done, as_json)
    if not as_json:
        where = f" --root {shlex.quote(chosen)}" if chosen else ""
        say(f"next   ranklog why {found.run_id}{where}")


def _already_there(found: Prospect, as_json: bool) -> None:
    if not found.is_same:
        raise ImportingError(
            f"there is a run {found.run_id} already that was not made of these files ({found.existing}); choose "
            "another --run, or replace it with --force"
        )
    if as_json:
        print_json([{"run_id": found.run_id, "folder": found.existing, "imported": False}])
    else:
        say(f"run {found.run_id} is there already: {found.existing} (--force imports it again)")


def _tell(found: Prospect, done: Done, as_json: bool) -> None:
    planned = found.plan
    remarks = list(dict.fromkeys([*planned.remarks, *done.remarks]))
    if as_json:
        print_json([{**_summary(found), "folder": done.folder, "imported": True, "remarks": remarks}])
        return
    say(f"run {found.run_id}: {_state(planned)}; {_who(planned)}")
    say(f"folder {done.folder}: {_what(found)}, verified")
    _print_remarks(remarks)


def _show(found: Prospect, as_json: bool) -> None:
    planned = found.plan
    if as_json:
        rows = [_row(planned, one) for one in planned.processes]
        print_json([{**_summary(found), "remarks": planned.remarks, "processes": rows}])
        return
    say(f"run {found.run_id}: {_state(planned)}; {_who(planned)}; {_what(found)}")
    columns = [
        Column("PROCESS"),
        Column("NODE", 1),
        Column("PID", 3, is_right=True),
        Column("END", 1),
        Column("FROM", 2),
    ]
    rows = [_row(planned, one) for one in planned.processes]
    print_table(columns, [[_cell(value) for value in row.values()] for row in rows])
    _print_remarks(planned.remarks)


def _summary(found: Prospect) -> dict[str, object]:
    planned = found.plan
    return {
        "run_id": found.run_id,
        "state": planned.state,
        "nodes": [node.name for node in planned.nodes],
        "files": found.files,
        "bytes": found.size,
    }


def _state(planned: Plan) -> str:
    return "how it ended is not known" if planned.state == "lost" else planned.state


def _what(found: Prospect) -> str:
    return f"{bytes_text(found.size)} in {found.files} file{'s' * (found.files != 1)}"


def _who(planned: Plan) -> str:
    own = [one.record for one in planned.processes if one.record["role"] != "launcher"]
    ranks = {record["rank"] for record in own if "rank" in record}
    others = sum("rank" not in record for record in own)
    parts = [f"{len(ranks)} rank{'s' * (len(ranks) != 1)}"] if ranks or not others else []
    parts += [f"{others} process{'es' * (others != 1)} without a rank"] if others else []
    return f"{', '.join(parts)} on {len(planned.nodes)} node{'s' * (len(planned.nodes) != 1)}"


def _row(planned: Plan, process: Process) -> dict[str, object]:
    record = process.record
    name = f"rank {record['rank']}" if "rank" in record else f"pid {record.get('pid')}"
    if record["role"] == "launcher":
        name = "launcher"
    end = process.end or {}
    how = end.get("signal_name") or ("not known" if end.get("exit_code") is None else f"exit code {end['exit_code']}")
    sources = [
        file.name
        for copy in planned.copies
        if (copy.stream.node, copy.stream.process) == (process.node, process.key)
        for file in copy.files
    ]
    sources += [
        file.name
        for split in planned.splits
        if any((one.node, one.process) == (process.node, process.key) for one in split.targets.values())
        for file in split.files
    ]
    return {
        "process": name + (f" attempt {record['restart'] + 1}" if record.get("restart") else ""),
        "node": process.node,
        "pid": record.get("pid"),
        "end": how,
        "from": sources,
    }


def _cell(value: object) -> str:
    if isinstance(value, list):
        more = f" +{len(value) - 1}" if len(value) > 1 else ""
        return f"{max(value)}{more}" if value else ""
    return "" if value is None else str(value)


def _print_remarks(remarks: list[str]) -> None:
    for remark in remarks[:_REMARKS_MAX]:
        say(f"note: {remark}")
    if len(remarks) > _REMARKS_MAX:
        say(f"note: and {len(remarks) - _REMARKS_MAX} more like this; all are in logs/import.txt of the run")
