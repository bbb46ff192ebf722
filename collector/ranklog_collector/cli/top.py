"""ranklog top: a run on the screen while it goes on."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from typing import TYPE_CHECKING

import click

from ranklog_collector.cli.output import json_option, print_json, reading_command, root_option
from ranklog_collector.reading.folder import ReadingError, RunFolder
from ranklog_collector.reading.runs import open_run, root_folder
from ranklog_collector.reading.text import printable

if TYPE_CHECKING:
    from ranklog_collector.top.arrange import Choice

ORDERS = ("rank", "age", "step", "cpu", "memory", "state")
WIDTH = 160
"""Of a frame that goes into a file or pipe."""
EVERYTHING_S = 60.0
SWITCH_S = 0.001


@click.command()
@click.argument("run", metavar="RUN")
@click.option("--sort", "order", type=click.Choice(ORDERS), default="rank", show_default=True, help="What comes first.")
@click.option(
    "--filter", "words", default="", metavar="WORDS", help="Only a node, a state, or ranks; ! for all others."
)
@click.option("--map", "is_map", is_flag=True, help="Begin with the map: a cell for each process.")
@click.option("--once", is_flag=True, help="Print one frame as text, and end.")
@root_option
@json_option
@reading_command
def top(run: str, order: str, words: str, is_map: bool, once: bool, root: str | None, as_json: bool) -> None:
    """Watch RUN on the whole screen: every rank with its state, step, last line and use; who stands out; why it broke.

    Press ? for the keys.
    """
    if not (once or as_json) and (complaint := _unfit()):
        click.echo(
            f"ranklog: {complaint}: use `ranklog ps {printable(run)}`, or --once for one frame as text", err=True
        )
        sys.exit(2)
    folder = open_run(run, root_folder(root), latest_marks=True)
    from ranklog_collector.top.arrange import Choice, Order

    choice = Choice(Order(order), filter=words)
    meant = shlex.quote(run) + (f" --root {shlex.quote(root)}" if root else "")
    if once or as_json:
        _print(folder, choice, is_map, as_json, meant)
    else:
        _watch(folder, choice, is_map, meant)


def _watch(folder: RunFolder, choice: Choice, is_map: bool, meant: str) -> None:
    from ranklog_collector.top.app import TopApp
    from ranklog_collector.top.judging import Judging
    from ranklog_collector.top.watch import Watcher

    # The thread that draws waits so long for the one that reads, several times for each key.
    sys.setswitchinterval(SWITCH_S)
    app = TopApp(Watcher(folder, judging=Judging(folder.path, meant)), choice, is_map)
    app.run()
    if app.failure is not None:
        raise ReadingError(f"{folder.path} can be watched no longer: {app.failure}")
    sys.exit(app.return_code or 0)


def _print(folder: RunFolder, choice: Choice, is_map: bool, as_json: bool, meant: str) -> None:
    from ranklog_collector.top.gather import Gatherer
    from ranklog_collector.top.once import frame_view, text
    from ranklog_collector.top.suspicion import suspicion, with_verdict
    from ranklog_collector.verdict import judge

    gatherer = Gatherer(folder)
    frame = gatherer.look(unseen_s=EVERYTHING_S)
    if suspicion(frame) is not None:
        frame = with_verdict(frame, judge(RunFolder(folder.path), meant), is_judging=False)
    if as_json:
        print_json([frame_view(frame, choice)])
        return
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else WIDTH
    for line in text(frame, choice, is_map, width):
        click.echo(line)


def _unfit() -> str:
    """Why there is no screen to draw on, if there is none."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return "this is no terminal"
    if os.environ.get("TERM", "dumb") in ("dumb", "", "unknown"):
        return "this terminal cannot be drawn on"
    return ""
