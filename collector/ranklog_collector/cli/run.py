"""ranklog run: a job with collector and agent built in."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from typing import Any

import click

from ranklog.layout import safe_name
from ranklog_collector.cli.ending import print_ending, relative
from ranklog_collector.cli.output import say
from ranklog_collector.config import SILENCE_S, is_loopback
from ranklog_collector.launch import family
from ranklog_collector.launch.errors import LaunchError
from ranklog_collector.launch.known import SLURM, TORCHRUN
from ranklog_collector.launch.live import LiveView, Look
from ranklog_collector.launch.plan import Plan
from ranklog_collector.launch.prepare import Order, Request, prepare
from ranklog_collector.launch.session import Limits, Outcome, Session, View
from ranklog_collector.launch.summary import summarize
from ranklog_collector.launch.tagging import tag
from ranklog_collector.reading.folder import ReadingError, RunFolder
from ranklog_collector.reading.rules import RULES_BYTES_MAX, RUN_RULES, read_rules

CANNOT_START = 2
# As `ranklog exec` has it: an MPI launcher's messages are in one stream, of the others each stream is by itself.
MPI_STREAMS = ("stdout", "stderr", "launcher_log")
OTHER_STREAMS = ("stdout", "stderr", "launcher_stdout", "launcher_stderr")


def _safe(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    if value is not None and safe_name(value) != value:
        raise click.BadParameter("use letters, digits, '_', '-' and '.', not a dot first")
    return value


def _rules(_: click.Context, __: click.Parameter, path: str | None) -> bytes | None:
    """Read rules, and see that they are some before anything is started."""
    if path is None:
        return None
    try:
        with open(path, "rb") as file:
            text = file.read(RULES_BYTES_MAX + 1)
        read_rules(path, text)
    except (OSError, ReadingError) as error:
        raise click.BadParameter(str(error)) from None
    return text


@click.command(context_settings={"allow_interspersed_args": False})
@click.option(
    "-n", "count", type=click.IntRange(min=1), metavar="N", help="Start N processes, ranks 0 to N-1, of the command."
)
@click.option("--name", metavar="NAME", help="What the run's id begins with.  [default: the program]")
@click.option("--run", "run_id", metavar="RUN_ID", callback=_safe, help="The run's id.  [default: made of the name]")
@click.option("--tag", "tags", multiple=True, metavar="NAME=VALUE", help="Tag the run.")
@click.option("--experiment", metavar="NAME", help="[env: RANKLOG_EXPERIMENT; default: default]")
@click.option("--root", metavar="DIR", help="Where run folders are kept.  [env: RANKLOG_ROOT; default: ./ranklog-runs]")
@click.option("--http", metavar="HOST:PORT", help="Serve the HTTP API here while it runs; port 0 takes any free one.")
@click.option("--watch", multiple=True, metavar="GLOB", help="Also mirror these files as they grow.")
@click.option("--no-watch", is_flag=True, help="Leave ./logs, ./user_logs, ./outputs and TensorBoard's files alone.")
@click.option(
    "--metrics-rules",
    "rules",
    type=click.Path(exists=True, dir_okay=False),
    callback=_rules,
    help="Rules in TOML that make metrics of what is printed; kept with the run.",
)
@click.option("--no-kill", is_flag=True, help="With -n: let the others run on when one fails.")
@click.option("--no-fold", is_flag=True, help="Show equal lines of several ranks one by one.")
@click.option("--raw", is_flag=True, help="Show the bytes as they are, without saying whose they are.")
@click.option("-q", "--quiet", is_flag=True, help="Show the summary only.")
@click.option("--max-duration", type=float, metavar="SECONDS", help="Ask the job to end when it has run for so long.")
@click.option("--kill-after", type=float, metavar="SECONDS", help="Kill it if it has not heeded that, or a signal.")
@click.option("--drain-timeout", default=60.0, show_default=True, metavar="SECONDS", help="Time to fetch what is left.")
@click.option(
    "--stacks-after-silence",
    type=click.FloatRange(min=0),
    default=SILENCE_S,
    show_default=True,
    metavar="SECONDS",
    help="Keep the stacks of a job that says nothing for so long; 0: never.",
)
@click.option("--keep-spool", is_flag=True, help="Keep the job's own copies of its output when all of it is fetched.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def run(command: tuple[str, ...], **options: Any) -> None:
    """Run COMMAND, keep what its processes write in a run folder, and show it as it comes.

    The ranks of mpirun, mpiexec, srun and torchrun are told apart without a change to the command; -n N starts N
    processes without a launcher. Exits as the command does. Ctrl-C is the job's; pressed again, it kills the job.
    """
    request = Request(
        command,
        count=options["count"],
        name=options["name"],
        run_id=options["run_id"],
        experiment=options["experiment"],
        root=options["root"],
        watch=options["watch"],
        has_default_watches=not options["no_watch"],
        http=options["http"],
    )
    try:
        order = prepare(request, os.environ)
        if options["tags"]:
            tag(order.spool, order.hostname, dict(text.partition("=")[::2] for text in options["tags"]))
        session = Session(
            order,
            lambda folder, plan: _open_view(order, plan, folder, options),
            ends_together=not options["no_kill"],
            drain_timeout_s=options["drain_timeout"],
            limits=Limits(options["max_duration"], options["kill_after"]),
            silence_s=options["stacks_after_silence"],
        )
        outcome = asyncio.run(session.run())
    except LaunchError as error:
        say(f"ranklog: {error}", err=True)
        sys.exit(CANNOT_START)
    _end(order, outcome, options["keep_spool"])
    sys.exit(outcome.exit_code)


def _open_view(order: Order, plan: Plan, folder: str, options: dict[str, Any]) -> View:
    """Say what begins, and show what comes of it."""
    if options["rules"] is not None:
        with open(os.path.join(folder, RUN_RULES), "wb") as file:
            file.write(options["rules"])
    click.echo(f"ranklog: run {order.run_id}", err=True)
    click.echo(f"ranklog: folder {relative(folder)}", err=True)
    if order.http is not None:
        if order.http.token is None and not is_loopback(order.http.address):
            say(f"ranklog: {order.http.address} is open to anybody who reaches it; set RANKLOG_TOKEN", err=True)
        click.echo(f"ranklog: HTTP on {plan.environment['RANKLOG_URL']}/api/v1/runs/{order.run_id}", err=True)
    if plan.note:
        say(f"ranklog: {plan.note}", err=True)
    is_terminal = sys.stdout.isatty() and not options["raw"]
    look = Look(
        streams=OTHER_STREAMS if plan.launcher in (SLURM, TORCHRUN) else MPI_STREAMS,
        is_terminal=is_terminal,
        is_quiet=options["quiet"],
        is_folded=is_terminal and not options["no_fold"],
        is_raw=options["raw"],
        is_labelled=order.request.count is not None or plan.launcher is not None,
        has_colour=is_terminal and not os.environ.get("NO_COLOR"),
    )
    return LiveView(folder, look)


def _end(order: Order, outcome: Outcome, keeps_spool: bool) -> None:
    summary = summarize(RunFolder(outcome.folder), order.spool)
    print_ending(order, outcome, summary)
    if summary.is_complete and not keeps_spool and not family.keepers(order.spool, order.hostname):
        shutil.rmtree(order.spool, ignore_errors=True)
