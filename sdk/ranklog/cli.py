"""`ranklog COMMAND`: sub-commands live in the packages that bring them and are imported only when they are called."""

from __future__ import annotations

import difflib
import errno
import os
import sys
import traceback
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points, version

import click

GROUP = "ranklog.commands"

HELPS = {
    "run": "Run a job with collector and agent built in.",
    "exec": "Run one process of a job and keep its output.",
    "agent": "Ship a node's logs to the collector (the sidecar).",
    "collector": "Assemble the logs of jobs into run folders (the daemon).",
    "why": "Say which rank failed first, why, and what proves it.",
    "top": "Watch a run: nodes and ranks, how they do, what they say.",
    "runs": "List the runs.",
    "ps": "List a run's processes: where each ran, how it ended.",
    "logs": "Show a run's output, merged over ranks in time order.",
    "metrics": "Show what a run has logged, over all ranks.",
    "stacks": "Show where in their code the ranks of a run are.",
    "files": "List a run's files.",
    "download": "Copy one file of a run, or all of them.",
    "import": "Make a run of what a launcher has left behind.",
    "verify": "Prove that a run folder holds every byte.",
    "rebuild": "Make again what is derived from a run's bytes.",
}
"""What `ranklog --help` says of each command, so that none is imported for that. `exec` lives in `__main__`."""

HIDDEN = {"keep"}
"""Commands that programs call."""

EXTRAS = {"ranklog_agent": "agent", "ranklog_collector": "collector"}
"""What to install for the commands of a package."""

FAILED = 1
INTERNAL_ERROR = 70
INTERRUPTED = 130
BROKEN_PIPE = 141
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class Commands(click.Group):
    """The sub-commands that installed packages announce as entry points."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of `HELPS`, then those that other packages bring."""
        found = {entry.name for entry in entry_points(group=GROUP)}
        return [name for name in HELPS if name == "exec" or name in found] + sorted(found - HELPS.keys() - HIDDEN)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a sub-command. Raises ClickException if that needs something that is not installed."""
        entry = next(iter(entry_points(group=GROUP, name=cmd_name)), None)
        return None if entry is None else _load(entry)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a sub-command. Raises UsageError if there is none, and says which may have been meant."""
        name, names = args[0], self.list_commands(ctx)
        if not name.startswith("-") and name not in names:
            alike = difflib.get_close_matches(name, names, 3)
            hint = f"; did you mean {' or '.join(alike)}?" if alike else f". There are {', '.join(names)}."
            if self.get_command(ctx, name) is None:
                ctx.fail(f"No such command {name!r}{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, HELPS.get(name, "")) for name in self.list_commands(ctx)])


def _load(entry: EntryPoint) -> click.Command:
    try:
        command = entry.load()
    except ImportError as error:
        raise click.ClickException(_what_is_missing(entry, error)) from error
    if not isinstance(command, click.Command):
        raise click.ClickException(f"{entry.value} is no command")
    return command


def _what_is_missing(entry: EntryPoint, error: ImportError) -> str:
    package = entry.module.partition(".")[0]
    missing = (error.name or "").partition(".")[0]
    if package in EXTRAS and missing and not missing.startswith("ranklog"):
        extra = f"ranklog[{EXTRAS[package]}]"
        return f"`ranklog {entry.name}` needs {missing}, which is not installed: pip install '{extra}'"
    return f"`ranklog {entry.name}` cannot be loaded from {entry.value}: {error}"


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("ranklog"), prog_name="ranklog", message="%(prog)s %(version)s")
def ranklog() -> None:
    """Bring the logs of every rank of a distributed job home, byte for byte, into one run folder."""


def run(arguments: Sequence[str]) -> int:
    """Run a command and return its exit code. What goes wrong shows a traceback only if RANKLOG_DEBUG is set."""
    _open_what_was_closed()
    try:
        result = ranklog.main(list(arguments), prog_name="ranklog", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:
        _write_no_more()  # whoever read our output has enough
        return BROKEN_PIPE
    except Exception as error:  # noqa: BLE001 (the last resort, which says what it is)
        if isinstance(error, OSError) and error.errno in NO_ROOM and error.filename is None:
            _write_no_more()
            click.echo(f"ranklog: the output cannot be written: {error.strerror}", err=True)
            return FAILED
        if os.environ.get("RANKLOG_DEBUG"):
            traceback.print_exc()
        hint = "" if os.environ.get("RANKLOG_DEBUG") else " (RANKLOG_DEBUG=1 shows where)"
        click.echo(f"ranklog: internal error: {type(error).__name__}: {error}{hint}", err=True)
        return INTERNAL_ERROR
    return result if isinstance(result, int) else 0


def _open_what_was_closed() -> None:
    """Make sure that there are standard streams: a file that is opened instead must not get their numbers."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 - for as long as the process lives


def _write_no_more() -> None:
    """Forget what is still to be written, which the interpreter would try again at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
