"""What has to be known before a run can start: its id, its places, its launcher, and the commands that come of it."""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ranklog import identity, spool
from ranklog.run_id import new_run_id
from ranklog_collector.config import Http
from ranklog_collector.launch.address import LOOPBACK, own_address, reachable
from ranklog_collector.launch.errors import LaunchError
from ranklog_collector.launch.job import Command
from ranklog_collector.launch.known import ambiguous_launcher, wrapping
from ranklog_collector.launch.naming import program_name
from ranklog_collector.launch.nodes import AUTO, Nodes, spans_hosts
from ranklog_collector.launch.plan import Capture, Exec, Plan, plan_command, plan_local
from ranklog_collector.reading.runs import root_folder

DEFAULT_EXPERIMENT = "default"
VERSION_S = 10.0
"""How long a launcher may take to say what it is."""
DEFAULT_WATCHES = ("logs", "user_logs")
DEFAULT_OUTPUTS = ("outputs",)


@dataclass(frozen=True)
class Request:
    """What the user asked for."""

    argv: Sequence[str]
    count: int | None = None
    """Start so many processes of the command; None: it is started once, as it is."""
    name: str | None = None
    run_id: str | None = None
    experiment: str | None = None
    root: str | None = None
    watch: Sequence[str] = ()
    """Globs of files to mirror as they grow."""
    has_default_watches: bool = True
    http: str | None = None
    """Where HTTP is to be served, host:port."""


@dataclass(frozen=True)
class Order:
    """What is to be done."""

    request: Request
    environ: Mapping[str, str]
    run_id: str
    experiment: str
    root: str
    spool: str
    hostname: str
    nodes: Nodes
    ranklog: str
    """The program's path."""
    version: str
    """What an ambiguous launcher says of itself."""
    watch: Sequence[str]
    outputs: Sequence[str]
    began_s: float
    """Seconds since the Unix epoch. What is older in the folders of `watch` and `outputs` is no part of the run."""

    @property
    def http(self) -> Http | None:
        """What is to be served over HTTP, with the token that the user has, if any."""
        address = self.request.http
        return None if address is None else Http(address, self.environ.get("RANKLOG_TOKEN") or None)

    def plans(self, address: str, url: str | None = None) -> list[Plan]:
        """Plan the processes that are to be started, for a collector at an address, perhaps with an HTTP API."""
        exec_ = Exec((self.ranklog, "exec", "--"), f"{self.ranklog}-python")
        settings = {
            "RANKLOG_RUN_ID": self.run_id,
            "RANKLOG_EXPERIMENT": self.experiment,
            "RANKLOG_SPOOL": self.spool,
            "RANKLOG_ROOT": self.root,
            "RANKLOG_COLLECTOR": address,
            # The live view shows what ranks say; launchers are not to pass it on as well.
            "RANKLOG_QUIET": "1",
            **({} if url is None else {"RANKLOG_URL": reachable(url, self.nodes.ip)}),
            **self.nodes.settings,
        }
        argv, count = self.request.argv, self.request.count
        if count is not None:
            return plan_local(argv, count, exec_, settings, master_port=_free_port())
        plan = plan_command(argv, exec_, settings, version=self.version, environment=self.environ)
        return [plan]

    def commands(self, plans: Sequence[Plan]) -> list[Command]:
        """Give the plans' commands, each under `ranklog exec`: a launcher's own messages are kept like a rank's."""
        return [Command(self._captured(plan), {**self.environ, **plan.environment}) for plan in plans]

    def _captured(self, plan: Plan) -> Sequence[str]:
        start = wrapping(plan.argv)
        words = [os.path.basename(word) for word in plan.argv[start : start + 2]]
        if plan.capture is Capture.SINGLE or words == ["ranklog", "exec"]:
            return plan.argv
        return (*plan.argv[:start], self.ranklog, "exec", "--", *plan.argv[start:])

    def agent_command(self, address: str, url: str | None) -> list[str]:
        """The command of this node's agent, for a collector at an address, perhaps with an HTTP API."""
        command = [self.ranklog, "agent", "--collector", address, "--run", self.run_id, "--spool", self.spool]
        command += ["--experiment", self.experiment, "--node-ip", self.nodes.ip, "--end-with", str(os.getpid())]
        command += ["--changed-since", f"{self.began_s:.3f}", *(("--url", url) if url else ())]
        command += [] if self.request.has_default_watches else ["--no-event-files"]
        for option, globs in (("--watch", self.watch), ("--outputs", self.outputs)):
            for glob in globs:
                command += [option, glob]
        return command

    def agent_environment(self, token: str) -> dict[str, str]:
        """The agent's environment: not that of a member of the run, whose processes may all be killed."""
        ours = {name: value for name, value in self.environ.items() if not name.startswith("RANKLOG_")}
        debug = {name: value for name, value in self.environ.items() if name == "RANKLOG_DEBUG"}
        return {**ours, **debug, "RANKLOG_TOKEN": token}


def prepare(request: Request, environ: Mapping[str, str]) -> Order:
    """Find out what is needed. Raises LaunchError."""
    missing = [name for name in ("ranklog_agent", "watchdog", "psutil") if importlib.util.find_spec(name) is None]
    if missing:
        raise LaunchError(f"`ranklog run` needs {', '.join(missing)}: pip install 'ranklog[all]'")
    began_s = time.time()
    name = request.run_id or new_run_id(request.name or program_name(request.argv), began_s, secrets.token_hex(2))
    root = os.path.abspath(root_folder(request.root))
    spool_folder, hostname, version = _spool(environ, name), socket.gethostname(), _version(request)
    ip = environ.get("RANKLOG_NODE_IP") or own_address()
    are_wanted = request.count is None and environ.get("RANKLOG_AGENT", AUTO) == AUTO
    are_several = are_wanted and ip != LOOPBACK and spans_hosts(request.argv, version, environ)
    return Order(
        request,
        environ,
        run_id=name,
        experiment=request.experiment or identity.setting(environ, "RANKLOG_EXPERIMENT") or DEFAULT_EXPERIMENT,
        root=root,
        spool=spool_folder,
        hostname=hostname,
        nodes=Nodes(name, root, spool_folder, hostname, ip, are_several),
        ranklog=_ranklog(),
        version=version,
        watch=[*request.watch, *(_below(DEFAULT_WATCHES, root) if request.has_default_watches else ())],
        outputs=_below(DEFAULT_OUTPUTS, root) if request.has_default_watches else [],
        began_s=began_s,
    )


def _spool(environ: Mapping[str, str], name: str) -> str:
    told = environ.get("RANKLOG_SPOOL")
    if told:
        return os.path.join(os.path.abspath(told), name)
    try:
        return spool.default_folder({}, name)
    except spool.SpoolError as error:
        raise LaunchError(str(error)) from None


def _ranklog() -> str:
    """Find the program `ranklog` of this installation."""
    called = os.path.abspath(sys.argv[0])
    beside = os.path.join(os.path.dirname(sys.executable), "ranklog")
    for path in (called, beside, shutil.which("ranklog")):
        if path and os.path.basename(path) == "ranklog" and os.access(path, os.X_OK) and os.path.isfile(path):
            return path
    raise LaunchError(f"the program `ranklog` is not beside {sys.executable} and not in PATH: install it with pip")


def _version(request: Request) -> str:
    """Ask a launcher of a name that all have which one it is; empty if it has nothing to say."""
    program = ambiguous_launcher(request.argv) if request.count is None else None
    if program is None:
        return ""
    try:
        asked = subprocess.run(
            [program, "--version"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=VERSION_S,
            check=False,
        )
    except FileNotFoundError:
        raise LaunchError(f"{program}: command not found") from None
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return asked.stdout.decode(errors="replace")


def _below(names: Sequence[str], root: str) -> list[str]:
    """Globs of everything in these folders of the working folder, but not if run folders are in there."""
    here = os.getcwd()
    folders = [os.path.join(here, name) for name in names]
    return [f"{folder}/**" for folder in folders if not f"{root}/".startswith(f"{folder}/")]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])
