"""Interactive runs: a process, such as a notebook, that is a run from start_logging() to complete()."""

from __future__ import annotations

import atexit
import os
import secrets
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ranklog import keeper, layout
from ranklog.capture import record
from ranklog.errors import RunNotFoundError, UnreachableError, UserError
from ranklog.identity import Identity, setting
from ranklog.keeper import Errand, Keeper
from ranklog.run import Run
from ranklog.run.own_log import warn
from ranklog.run.place import Place
from ranklog.run_id import new_run_id
from ranklog.source import choose
from ranklog.source.protocol import Source

if TYPE_CHECKING:
    from ranklog.experiment import Experiment

OUTPUTS = "outputs"
SNAPSHOT = "snapshot"
APART = "interactive"
"""Spools of these runs are a level deeper: no `ranklog exec` that was told of no run takes them for its own."""
TERMINATED = 15
ENDED_S, POLL_S = 10.0, 0.05


class InteractiveRun(Run):
    """A run that this process is. It ends with complete(), fail(), cancel(), or with the process."""

    _session: Session | None = None
    """None for child runs."""
    _is_over: bool = False

    def complete(self, _set_status: bool = True) -> None:
        """End the run, and wait until all of it can be read. Warns if that takes too long."""
        if not self._is_over:
            super().complete(_set_status)
            self._end(exit_code=0)

    def fail(
        self,
        error_details: str | BaseException | None = None,
        error_code: str | None = None,
        _set_status: bool = True,
    ) -> None:
        """End the run as one that failed, and wait until all of it can be read."""
        if not self._is_over:
            super().fail(error_details, error_code, _set_status)
            self._end(exit_code=1)

    def cancel(self) -> None:
        """Give the run up, and wait until what there is of it can be read."""
        if not self._is_over:
            super().cancel()
            self._end(signal=TERMINATED)

    @property
    def place(self) -> Place:
        """Where it is written. Raises UserError once it is over."""
        return self._writing

    def leave(self, state: str) -> None:
        """End the run, whose state has been told, without waiting until all of it can be read."""
        if not self._is_over and self._session is not None:
            self._is_over = True
            self._writing.log_no_longer()
            self._session.leave(*{"failed": (1, None), "canceled": (None, TERMINATED)}.get(state, (0, None)))

    @property
    def type(self) -> str | None:
        """None, as azureml has it for interactive runs."""
        return None

    def _end(self, exit_code: int | None = None, signal: int | None = None) -> None:
        if self._session is None:
            return
        self._is_over = True
        self._writing.log_no_longer()
        self._session.leave(exit_code, signal)
        if self._session.wait():
            self._known_source = self._session.home() or self._source
            self._place = None


class Session:
    """What this process does for the run besides logging: its records in the spool, and a keeper."""

    def __init__(self, errand: Errand, source: Source | None) -> None:
        self._errand = errand
        self._source = source
        self._pid = os.getpid()
        self._enter()
        self._keeper: Keeper | None = keeper.start(errand, os.environ)
        atexit.register(self.leave)

    def leave(self, exit_code: int | None = None, signal: int | None = None) -> None:
        """Write down that the process, as far as it is this run, has ended. Its forked children say nothing."""
        if os.getpid() != self._pid:
            return
        atexit.unregister(self.leave)
        if exit_code is None and signal is None and hasattr(sys, "last_type") and not hasattr(sys, "ps1"):
            exit_code = 1  # an exception is ending the process
        fields = {"version": layout.VERSION, "key": self._errand.key, "end_ns": time.time_ns()}
        try:
            path = layout.exit_path(self._errand.spool, self._errand.key)
            layout.write_record(path, {**fields, "exit_code": exit_code, "signal": signal})
        except OSError as error:
            warn(f"the end of run {self._errand.run_id} is not recorded: {error}")

    def wait(self) -> bool:
        """Wait for the keeper; False if the run stays in the spool."""
        return self._keeper is not None and self._keeper.wait()

    def home(self) -> Source | None:
        """Where the run is read from now that it has ended; None if that cannot be reached from here."""
        deadline = time.monotonic() + ENDED_S
        source = self._source or choose.folder(self._errand.root)
        try:
            # A collector elsewhere has all of it, and needs a moment to see that nothing more will come.
            while source.run(self._errand.run_id)["ended"] is None and time.monotonic() < deadline:
                time.sleep(POLL_S)
        except (RunNotFoundError, UnreachableError):
            return None
        return source

    def _enter(self) -> None:
        errand, start_ns = self._errand, round(self._errand.began_s * 1e9)
        fields = record.started(errand.key, self._pid, start_ns, "process", Identity(), None)
        fields |= {**record.command(tuple(sys.orig_argv), os.environ), "exec_pid": None, "streams": []}
        try:
            layout.prepare(errand.spool, "procs")
            layout.write_record(layout.process_path(errand.spool, errand.key), fields)
        except (OSError, layout.SpoolError) as error:
            raise UserError(
                f"run {errand.run_id} cannot be started: {error}; RANKLOG_SPOOL names another folder"
            ) from None


def start(
    experiment: Experiment,
    name: str | None = None,
    run_id: str | None = None,
    outputs: str | bool | None = None,
    snapshot_directory: str | None = None,
    display_name: str | None = None,
    tags: Mapping[str, str] | None = None,
    properties: Mapping[str, str] | None = None,
    **kwargs: Any,
) -> InteractiveRun:
    """Start an interactive run. Raises UserError."""
    del kwargs  # what azureml hands on to its service
    if snapshot_directory is not None and not os.path.isdir(snapshot_directory):
        raise UserError(f"there is no folder {snapshot_directory} to be kept with the run")
    began_s, workspace = time.time(), experiment.workspace
    chosen = new_run_id(experiment.name, began_s, secrets.token_hex(2)) if run_id is None else _checked(run_id)
    errand = Errand(
        run_id=chosen,
        experiment=experiment.name,
        spool=_spool(os.environ, chosen),
        key=layout.process_key(None, os.getpid(), round(began_s * 1e9)),
        root=workspace.root,
        collector=workspace.collector,
        token=workspace.token,
        outputs=None if outputs is False else os.path.abspath(OUTPUTS if outputs in (None, True) else str(outputs)),
        began_s=began_s,
    )
    session = Session(errand, workspace.source if workspace.collector else None)
    run = InteractiveRun(experiment, chosen, spool=errand.spool, key=errand.key)
    run._session = session  # noqa: SLF001 (relatives are made by the constructor as it is)
    run.start()
    if display_name or name:
        run.display_name = str(display_name or name)
    if tags:
        run.set_tags(tags)
    if properties:
        run.add_properties(properties)
    if snapshot_directory is not None:
        run.upload_folder(SNAPSHOT, snapshot_directory)
    return run


def _checked(run_id: str) -> str:
    if layout.safe_name(run_id) != run_id:
        raise UserError(f"{run_id!r} cannot be a run's id: use letters, digits, '_', '-' and '.', not a dot first")
    return run_id


def _spool(environ: Mapping[str, str], run_id: str) -> str:
    told = setting(environ, "RANKLOG_SPOOL")
    try:
        base = os.path.abspath(told) if told else os.path.dirname(layout.default_folder({}, run_id))
    except layout.SpoolError as error:
        raise UserError(str(error)) from None
    return os.path.join(base, APART, run_id)
