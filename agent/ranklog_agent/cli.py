"""`ranklog agent`: the sidecar of one node."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import sys
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

import click

from ranklog import identity, spool
from ranklog.launcher_files import PRESETS
from ranklog_agent import app
from ranklog_agent.config import Config, Tls
from ranklog_agent.core.rules import Mode, Rule, preset
from ranklog_agent.errors import AgentError

FILE = click.Path(exists=True, dir_okay=False)


def _presets(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> list[Rule]:
    rules: list[Rule] = []
    for value in values:
        name, _equals, folder = value.partition("=")
        if name not in PRESETS:
            raise click.BadParameter(f"{name!r} is none of {', '.join(PRESETS)}")
        if not folder and name != "kubernetes":
            raise click.BadParameter(f"say which folder: {name}=DIR")
        rules += preset(name, os.path.abspath(folder or "/var/log/pods"))
    return rules


def _rules(_: click.Context, __: click.Parameter, values: tuple[tuple[str, str], ...]) -> list[Rule]:
    try:
        return [Rule(os.path.abspath(glob), re.compile(names)) for glob, names in values]
    except re.error as error:
        raise click.BadParameter(f"{error.pattern!r} is no regular expression: {error}") from None


@click.command()
@click.option("--collector", metavar="HOST:PORT", help="Where the collector listens.  [env: RANKLOG_COLLECTOR]")
@click.option("--url", metavar="URL", help="Where the collector serves HTTP, for MLflow's clients.  [env: RANKLOG_URL]")
@click.option("--run", "run_id", metavar="RUN_ID", help="The run that this node belongs to.  [env: RANKLOG_RUN_ID]")
@click.option("--experiment", help="The run's experiment.  [env: RANKLOG_EXPERIMENT; default: default]")
@click.option(
    "--spool", "spool_folder", metavar="DIR", help="Where processes leave their output.  [env: RANKLOG_SPOOL]"
)
@click.option("--watch", multiple=True, metavar="GLOB", help="Also mirror these files as they grow.")
@click.option("--snapshot", multiple=True, metavar="GLOB", help="Mirror these files whole, each time they change.")
@click.option("--outputs", multiple=True, metavar="GLOB", help="Mirror these files whole when the job has ended.")
@click.option(
    "--preset",
    "presets",
    multiple=True,
    metavar="LAUNCHER=DIR",
    callback=_presets,
    help="Mirror by rank what a launcher writes below DIR: openmpi, torchrun, slurm, mpich or kubernetes.",
)
@click.option(
    "--rule",
    "rules",
    multiple=True,
    nargs=2,
    metavar="GLOB REGEX",
    callback=_rules,
    help="Mirror files by what REGEX finds in their paths: groups rank, local_rank, attempt, stream, name.",
)
@click.option(
    "--changed-since",
    type=float,
    default=0.0,
    metavar="SECONDS",
    help="Leave files alone that match a pattern but were last changed before this time, in seconds since 1970.",
)
@click.option("--no-event-files", is_flag=True, help="Leave TensorBoard's files alone that no pattern matches.")
@click.option("--node-id", help="Name of this node in the run.  [default: its host name]")
@click.option("--node-ip", help="Address of this node.  [env: RANKLOG_NODE_IP; default: the one towards the collector]")
@click.option("--token-file", type=FILE, help="File with the collector's token.  [env for the token: RANKLOG_TOKEN]")
@click.option("--tls-ca", type=FILE, help="Speak TLS, and trust this authority.")
@click.option("--tls-cert", type=FILE, help="Certificate to show to the collector.")
@click.option("--tls-key", type=FILE, help="The certificate's key.")
@click.option("--prep", metavar="CMD", help="Shell command to run before the job; its output is part of the run.")
@click.option("--release", metavar="CMD", help="Shell command to run after the job; likewise.")
@click.option("--stay", is_flag=True, help="Go on when the job has ended, until SIGTERM.")
@click.option("--end-with", "end_with", type=int, metavar="PID", help="Take this process's end for the job's.")
@click.option(
    "--sample",
    type=click.FloatRange(min=0),
    default=5.0,
    show_default=True,
    metavar="SECONDS",
    help="How often to note what the job's processes and the node use, at least 0.5; 0: never.",
)
@click.option(
    "--grace",
    type=click.FloatRange(min=0),
    default=3.0,
    show_default=True,
    metavar="SECONDS",
    help="When told to end, how long to wait for processes that still run: they may have been told as well.",
)
@click.option("--drain-timeout", default=60.0, show_default=True, metavar="SECONDS", help="Time to deliver the rest.")
def agent(**options: Any) -> None:
    """Mirror what the job writes on this node to the collector, byte for byte.

    Ends by itself when the job has ended and everything is delivered. SIGTERM makes it deliver and end, a second one at
    once. What is not delivered stays in the node's files; an agent that is started later goes on from there. If an
    earlier one has seen the job through, it waits for the next one.
    """
    config = _config(options)
    try:
        asyncio.run(app.run(config, _say))
    except AgentError as error:
        _say(str(error))
        sys.exit(1)
    except OSError as error:
        _say(f"{error.strerror}: {error.filename}")
        sys.exit(1)


def _config(options: Mapping[str, Any]) -> Config:
    run_id = _setting(options["run_id"], "RANKLOG_RUN_ID", "--run")
    hostname = socket.gethostname()
    return Config(
        collector=_setting(options["collector"], "RANKLOG_COLLECTOR", "--collector"),
        run_id=run_id,
        experiment=options["experiment"] or identity.setting(os.environ, "RANKLOG_EXPERIMENT") or "",
        spool=os.path.abspath(options["spool_folder"] or spool.default_folder(os.environ, run_id)),
        node_id=options["node_id"] or hostname,
        hostname=hostname,
        node_names=_names(hostname, options["node_id"]),
        node_ip=options["node_ip"] or identity.setting(os.environ, "RANKLOG_NODE_IP"),
        rules=[
            *options["rules"],
            *options["presets"],
            *_globs(options["snapshot"], Mode.SNAPSHOT),
            *_globs(options["outputs"], Mode.AT_END, "outputs"),
            *_globs(options["watch"], Mode.TAIL),
        ],
        finds_event_files=not options["no_event_files"],
        changed_since_ns=round(options["changed_since"] * 1e9),
        url=options["url"] or identity.setting(os.environ, "RANKLOG_URL"),
        token=_token(options["token_file"]),
        tls=Tls(options["tls_ca"], options["tls_cert"], options["tls_key"]) if options["tls_ca"] else None,
        prep=options["prep"],
        release=options["release"],
        stays=options["stay"],
        ends_with_pid=options["end_with"],
        start=identity.starts_before(os.environ),
        grace_s=options["grace"],
        drain_timeout_s=options["drain_timeout"],
        sample_s=options["sample"],
    )


def _names(hostname: str, node_id: str | None) -> frozenset[str]:
    """What a launcher may call this node."""
    names = (hostname, hostname.partition(".")[0], node_id, os.environ.get("SLURMD_NODENAME"))
    return frozenset(name for name in names if name)


def _globs(values: tuple[str, ...], mode: Mode, folder: str = "logs") -> list[Rule]:
    return [Rule(os.path.abspath(value), None, mode, _folder_of(value, folder)) for value in values]


def _folder_of(glob: str, folder: str) -> str:
    """`user_logs/…` keeps its name in the run folder; all else goes below `folder`."""
    return "user_logs" if "user_logs" in glob.split("/") and folder == "logs" else folder


def _setting(value: str | None, name: str, option: str) -> str:
    found = value or identity.setting(os.environ, name)
    if not found:
        raise click.UsageError(f"say {option}, or set {name}")
    return found


def _token(path: str | None) -> str:
    if path is None:
        return identity.setting(os.environ, "RANKLOG_TOKEN") or ""
    with open(path, encoding="utf-8") as file:
        return file.read().strip()


def _say(text: str) -> None:
    now = datetime.now(timezone.utc).strftime("%H:%M:%S")
    click.echo(f"{now} ranklog agent: {text}", err=True)
