"""ranklog stacks: where the processes of a run are at this moment, or were when somebody last asked."""

from __future__ import annotations

import secrets
import sys
import time

import click

from ranklog_collector.cli.output import json_option, print_json, ranks_of, reading_command, root_option
from ranklog_collector.cli.remote_stacks import RemoteStacks
from ranklog_collector.cli.stacks_text import print_stacks
from ranklog_collector.core.requests import RANKS_MAX, TIMEOUT_S, TIMEOUT_S_MAX, StackRequest
from ranklog_collector.reading.asking import ask, is_taken, withdraw
from ranklog_collector.reading.folder import NotThereError, ReadingError, RunFolder
from ranklog_collector.reading.processes import ProcessState, processes
from ranklog_collector.reading.runs import open_run, root_folder
from ranklog_collector.reading.select import RANKS
from ranklog_collector.reading.stacks import StackSet, latest_stacks, of_ranks, stacks_of
from ranklog_collector.views.shapes import Json
from ranklog_collector.views.stacks import stacks_view

TAKEN_S = 10.0
"""How long a collector may take to take a request."""
SLACK_S = 10.0
"""How much longer than a process's own time the answer may take."""
POLL_S = 0.05


def _ranks(context: click.Context, parameter: click.Parameter, value: str | None) -> RANKS | None:
    ranks = ranks_of(context, parameter, value) or None
    if ranks is not None and sum(map(len, ranks)) > RANKS_MAX:
        raise click.BadParameter(f"these are more than {RANKS_MAX} ranks")
    return ranks


@click.command()
@click.argument("run", metavar="RUN")
@click.option("--rank", "ranks", metavar="RANKS", callback=_ranks, help="Only these: 0,3-5.")
@click.option("--native", is_flag=True, help="Also native frames, and a debugger for what is not Python.")
@click.option("--threads", is_flag=True, help="Show all threads of each process.")
@click.option("--stored", is_flag=True, help="Ask nobody: show what was taken last.")
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(0.1, TIMEOUT_S_MAX),
    default=TIMEOUT_S,
    show_default=True,
    metavar="SECONDS",
    help="How long one process may take.",
)
@click.option(
    "--url", metavar="URL", help="Ask the collector that serves HTTP there, with $RANKLOG_TOKEN if it is set."
)
@root_option
@json_option
@reading_command
def stacks(
    run: str,
    ranks: RANKS | None,
    native: bool,
    threads: bool,
    stored: bool,
    timeout_s: float,
    url: str | None,
    root: str | None,
    as_json: bool,
) -> None:
    """Show where the processes of RUN are: equal stacks folded over ranks, the odd one out named.

    Of a run that goes on its agents are asked to look, which stops each process for some milliseconds; what they find
    is kept in the run folder. Of a run that has ended the stacks that were taken last are shown.
    """
    wanted = None if ranks is None else frozenset(rank for part in ranks for rank in part)
    request = StackRequest(secrets.token_hex(8), wanted, native, timeout_s=timeout_s)
    if url is not None:
        remote = RemoteStacks(url, run)
        view = remote.stored() if stored else remote.asked(request, timeout_s + SLACK_S)
    else:
        view = _local(open_run(run, root_folder(root), latest_marks=True), request, stored)
    if as_json:
        print_json([view])
    else:
        print_stacks(view, threads)
    if not any(process["threads"] for process in view["processes"]):
        sys.stdout.flush()
        sys.exit(1)


def _local(folder: RunFolder, request: StackRequest, is_stored: bool) -> Json:
    is_live = folder.is_live
    found = _asked(folder, request) if is_live and not is_stored else latest_stacks(folder)
    if found is None:
        when = "nobody has asked for them yet" if is_live else "nobody asked for them while it ran"
        raise NotThereError(f"run {folder.run_id} has no stacks: {when}")
    wanted = request.ranks
    if wanted is not None:
        found = of_ranks(found, lambda rank: rank in wanted)
        if not found.snapshots and (is_stored or not is_live):
            raise NotThereError(f"none of these ranks is among the stacks of run {folder.run_id} that were taken last")
    return stacks_view(folder, found)


def _asked(folder: RunFolder, request: StackRequest) -> StackSet:
    """Ask, and wait for the answer, or for as much of it as comes in time."""
    meant = [one for one in processes(folder.state) if one.role != "launcher" and request.includes(one.rank)]
    if not any(one.state is ProcessState.RUNNING for one in meant):
        who = "no process" if request.ranks is None else "none of these ranks"
        is_lost = any(one.state is ProcessState.LOST for one in meant)
        why = "can be asked: their nodes are lost" if is_lost else "is running"
        raise NotThereError(f"{who} of run {folder.run_id} {why}; --stored shows older stacks, ranklog ps who there is")
    ask(folder, request)
    deadline_s = time.monotonic() + request.timeout_s + SLACK_S
    taken_by_s = time.monotonic() + TAKEN_S
    try:
        while True:
            folder.refresh()
            found = stacks_of(folder, request.id)
            if found is not None and (found.is_complete or not found.asked or time.monotonic() > deadline_s):
                return found
            if found is None and time.monotonic() > taken_by_s and not is_taken(folder, request):
                raise ReadingError(f"the collector of run {folder.run_id} does not heed requests: is it an older one?")
            if found is None and time.monotonic() > deadline_s:
                raise ReadingError(f"the collector of run {folder.run_id} has not answered in time")
            time.sleep(POLL_S)
    finally:
        withdraw(folder, request)
