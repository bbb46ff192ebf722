"""What `ranklog exec` is about to do: for whom, in which run, into which files."""

import os
from time import time

from ranklog.ancestors import launcher_daemon
from ranklog.capture import record
from ranklog.capture.terminal import without_terminal
from ranklog.identity import detect, setting
from ranklog.layout import default_folder, relay_path
from ranklog.run_id import choose

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from ranklog.capture.options import Options


AUTO = "auto"


class Plan:
    """The command and its place. Raises SpoolError if there is no place for a spool."""

    def __init__(self, options: "Options", environ: "Mapping[str, str]") -> None:
        self._options = options
        self._environ = environ
        self.command = options.command
        self.identity = detect(environ)
        self.role = record.role_of(self.identity, self.command)
        self.rank = None if self.role == "launcher" else self.identity.rank
        self.daemon = launcher_daemon(os.getpid())
        run = choose(options.run, environ, self.daemon, os.uname().nodename, int(time()))
        self.run_id = run.run_id
        self.folder = os.path.abspath(options.spool or run.folder or default_folder(environ, run.run_id))
        self.is_quiet = options.quiet or setting(environ, "RANKLOG_QUIET") is not None
        self.wants_agent = setting(environ, "RANKLOG_AGENT") == AUTO and bool(setting(environ, "RANKLOG_COLLECTOR"))
        """Whether each node of the job is to have an agent that `ranklog exec` starts if there is none."""
        self.kinds = record.kinds_of(self.role, self.command, is_split=options.split)
        """For each terminal of the command the kinds of streams that it is written to."""

    def streams(self, key: str) -> "list[dict[str, str]]":
        """Describe the streams for the record."""
        return record.stream_records(key, self.kinds, self._options.name, self.rank)

    def started(self, key: str, pid: int, start_ns: int) -> "dict[str, object]":
        """Say who the command is, now that it has a pid."""
        return {
            **record.started(key, pid, start_ns, self.role, self.identity, self.daemon),
            **record.command(self.command, self._environ),
            "streams": self.streams(key),
        }

    def inner_environ(self, key: str, *, has_terminal: bool) -> dict[str, str]:
        """The environment of the command `key`: it knows its place, and if its output goes to a real terminal."""
        inner = dict(self._environ)
        told = {"RANKLOG_RUN_ID": self.run_id}
        if self._options.spool or self.role != "launcher":
            told["RANKLOG_SPOOL"] = self.folder
        if self.role == "launcher":  # its processes are elsewhere; Open MPI hands on nothing else to other nodes
            told |= {f"OMPI_MCA_{name.lower()}": value for name, value in told.items()}
        else:
            told["RANKLOG_PROCESS"] = key
            told |= self._of_mlflow(key)
        return inner | told | ({} if has_terminal else without_terminal(inner))

    def _of_mlflow(self, key: str) -> dict[str, str]:
        """What MLflow's client in the command is told; nothing is imported for it where there is nothing to tell."""
        if not setting(self._environ, "RANKLOG_URL") and not os.path.exists(
            relay_path(self.folder, os.uname().nodename)
        ):
            return {}
        from ranklog.capture import mlflow

        return mlflow.environment(self.folder, key, self.run_id, self._environ)
