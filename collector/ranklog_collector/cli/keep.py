"""ranklog keep: what the SDK starts beside an interactive run."""

from __future__ import annotations

import asyncio
import os
import sys

import click

from ranklog_collector.launch.errors import LaunchError
from ranklog_collector.launch.keep import Errand
from ranklog_collector.launch.keep import keep as keep_run
from ranklog_collector.reading.runs import root_folder


@click.command()
@click.option("--run", "run_id", required=True, metavar="RUN_ID")
@click.option("--experiment", required=True)
@click.option("--spool", required=True, metavar="DIR")
@click.option("--key", required=True, help="The process in the spool whose end is the run's.")
@click.option("--root", metavar="DIR", help="Where run folders are kept.")
@click.option("--collector", metavar="HOST:PORT", help="The collector to ship to, instead of one in this process.")
@click.option("--outputs", metavar="DIR", help="Files that are changed here during the run are part of it.")
@click.option("--changed-since", type=float, default=0.0, metavar="SECONDS", help="As `ranklog agent` has it.")
def keep(
    run_id: str,
    experiment: str,
    spool: str,
    key: str,
    root: str | None,
    collector: str | None,
    outputs: str | None,
    changed_since: float,
) -> None:
    """Bring home what a process that is a run by itself writes into a spool. Ends with 1 if something is missing."""
    folder = os.path.abspath(root_folder(root))
    errand = Errand(run_id, experiment, spool, key, folder, collector, outputs, changed_since)
    try:
        is_whole = asyncio.run(keep_run(errand, os.environ, lambda text: click.echo(f"ranklog keep: {text}", err=True)))
    except LaunchError as error:
        raise click.ClickException(str(error)) from None
    if not is_whole:
        click.echo(f"ranklog keep: not everything of {spool} could be delivered", err=True)
        sys.exit(1)
