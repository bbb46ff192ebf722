"""Submitting scripts: what is to be run, and the run that comes of it."""

from __future__ import annotations

import os
import secrets
import sys
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ranklog import layout
from ranklog.configuration import Distribution, MpiConfiguration, RunConfiguration
from ranklog.errors import RunNotFoundError, UserError
from ranklog.run import Run
from ranklog.run.own_log import warn
from ranklog.run.place import Place
from ranklog.run_id import new_run_id
from ranklog.source.choose import folder
from ranklog.source.protocol import Source
from ranklog.submission import record, snapshot
from ranklog.submission.job import Wanted, plan
from ranklog.submission.record import Submission
from ranklog.submission.start import Request, start

if TYPE_CHECKING:
    from ranklog.experiment import Experiment

CODE = "code"
"""The copy of the source folder."""
LIVE = ("NotStarted", "Queued", "Preparing", "Running", "CancelRequested")
BROKEN_OFF = ("Failed", "NotResponding")
IGNORED_WITH_RUN_CONFIG = "compute_target, environment, distributed_job_config, max_run_duration_seconds"


class ScriptRunConfig:
    """A script of a source folder (or a `command`), its arguments, and how it is distributed."""

    MAX_DURATION_SECONDS_DEFAULT = 2592000

    def __init__(
        self,
        source_directory: str | os.PathLike[str],
        script: str | None = None,
        arguments: Sequence[object] | str | None = None,
        run_config: RunConfiguration | None = None,
        _telemetry_values: object = None,
        compute_target: object = None,
        environment: object = None,
        distributed_job_config: Distribution | None = None,
        resume_from: object = None,
        max_run_duration_seconds: int | None = MAX_DURATION_SECONDS_DEFAULT,
        command: Sequence[object] | str | None = None,
        docker_runtime_config: object = None,
    ) -> None:
        if distributed_job_config is not None and not isinstance(distributed_job_config, Distribution):
            raise UserError(
                "distributed_job_config must be a MpiConfiguration, PyTorchConfiguration or TensorflowConfiguration"
            )
        if resume_from is not None:
            raise UserError("resume_from is not supported: name the checkpoint in arguments")
        self.source_directory = os.fspath(source_directory)
        self.distributed_job_config = distributed_job_config if run_config is None else _distribution(run_config)
        self.max_run_duration_seconds = (
            max_run_duration_seconds if run_config is None else run_config.max_run_duration_seconds
        )
        self.compute_target = compute_target or "local"
        self.environment = environment
        self.docker_runtime_config = docker_runtime_config
        self.run_config = run_config or RunConfiguration()
        if run_config is not None and any((compute_target, environment, distributed_job_config, docker_runtime_config)):
            warn(f"with run_config these are taken from it, not from the arguments: {IGNORED_WITH_RUN_CONFIG}")
        self.script = script or self.run_config.script
        self.arguments = arguments or self.run_config.arguments
        self.command = command or self.run_config.command or None

    def wanted(self) -> Wanted:
        """What is to be run."""
        environment = self.run_config.environment if self.environment is None else self.environment
        variables = {
            **(getattr(environment, "environment_variables", None) or {}),
            **(self.run_config.environment_variables or {}),
        }
        texts = {str(name): str(value) for name, value in variables.items()}
        return Wanted(self.script, self.arguments, self.command, self.distributed_job_config, texts)


def _distribution(run_config: RunConfiguration) -> Distribution | None:
    if "mpi" in run_config.communicator.lower():
        return MpiConfiguration(run_config.mpi.process_count_per_node, run_config.node_count)
    return run_config.pytorch if run_config.framework == "PyTorch" else None


class ScriptRun(Run):
    """A run that was submitted. What is not known of it yet is told from how its start goes."""

    _submission: Submission | None = None

    def get_status(self) -> str:
        """The status; while the run is being started, `Preparing` or, with a scheduler, `Queued`."""
        submission = self._submission
        try:
            status = super().get_status()
        except RunNotFoundError:
            if submission is None:
                raise
            status = self._status_without_folder(submission)
        if submission is None or not submission.is_canceled:
            return status
        # A launcher that was asked to end may say that it has failed, or be killed before it can say anything.
        return "CancelRequested" if status in LIVE else "Canceled" if status in BROKEN_OFF else status

    def get_details(self) -> dict[str, Any]:
        """All that is known, with `runDefinition` as it was submitted."""
        definition = dict(self._submission.definition) if self._submission else {}
        try:
            return {**super().get_details(), "runDefinition": definition}
        except RunNotFoundError:
            status = self.get_status()
            details = {"runId": self.id, "target": "local", "status": status, "properties": {}, "logFiles": {}}
            if status == "Failed" and self._submission is not None:
                said = self._submission.last_words() or "it could not be started"
                details["error"] = {"error": {"code": "UserError", "message": said}}
            return {**details, "inputDatasets": [], "outputDatasets": [], "runDefinition": definition}

    def cancel(self) -> None:
        """End the job: it is asked to end, and killed if it does not heed that. Returns at once."""
        if self._submission is None:
            super().cancel()
            return
        self._submission.cancel()

    def get_portal_url(self) -> str:
        """Where the run folder is, or will be."""
        return f"{self._source.url}/{self.experiment.name}/{self.id}"

    @property
    def type(self) -> str | None:
        """`azureml.scriptrun`."""
        return "azureml.scriptrun"

    @property
    def _writing(self) -> Place:
        """Tags and the like are written where the job's processes write theirs. Raises UserError after its end."""
        if self._submission is not None and self.get_status() not in LIVE:
            raise UserError(f"run {self.id} has ended: nothing can be added to it")
        return super()._writing

    def _status_without_folder(self, submission: Submission) -> str:
        if submission.is_starting_or_running:
            return "Queued" if submission.is_queued else "Preparing"
        try:  # it may have come and gone between the two looks
            return super().get_status()
        except RunNotFoundError:
            return "Failed"


def known(experiment: Experiment, run_id: str, source: Source) -> Run:
    """Give a run as what it is: one that was submitted here, or any other."""
    submission = record.read(experiment.workspace.root, run_id)
    if submission is None:
        return Run(experiment, run_id, source=source)
    return _run(experiment, run_id, submission, folder(experiment.workspace.root))


def _run(experiment: Experiment, run_id: str, submission: Submission, source: Source) -> ScriptRun:
    place = None
    if submission.spool is not None and submission.hostname == os.uname().nodename:
        key = layout.submitter_key(submission.hostname, os.getpid(), time.time_ns())
        place = Place(run_id, submission.spool, key, is_owned=True)
    run = ScriptRun(experiment, run_id, source=source, place=place)
    run._submission = submission  # noqa: SLF001 (relatives are made by the constructor as it is)
    return run


def submit(
    experiment: Experiment,
    config: ScriptRunConfig,
    tags: Mapping[str, str] | None = None,
    *,
    run_id: str | None = None,
    show_output: bool = False,
    **kwargs: Any,
) -> Run:
    """Start what a configuration describes. Raises UserError; with show_output RunFailedError as well."""
    del kwargs  # what azureml hands on to its service
    if not isinstance(config, ScriptRunConfig):
        raise UserError(f"submit takes a ScriptRunConfig, not a {type(config).__name__}")
    if run_id is not None and layout.safe_name(run_id) != run_id:
        raise UserError(f"{run_id!r} cannot be a run's id: use letters, digits, '_', '-' and '.', not a dot first")
    root = experiment.workspace.root
    runs = folder(root)  # who cannot read them, need not start
    chosen = run_id or new_run_id(experiment.name, time.time(), secrets.token_hex(2))
    if os.path.exists(record.folder_of(root, chosen)):
        raise UserError(f"there is a submitted run {chosen} already: take another run_id")
    job = plan(config.wanted(), sys.executable, is_root=os.getuid() == 0)
    directory = source = os.path.abspath(config.source_directory)
    if config.script is not None and not os.path.isfile(os.path.join(source, config.script)):
        raise UserError(f"there is no script {config.script!r} in the source folder {source}")
    if job.nodes == 1:
        directory = os.path.join(record.folder_of(root, chosen), CODE)
        snapshot.take(source, directory, root)
    submission = start(
        Request(
            job,
            chosen,
            experiment.name,
            root,
            directory,
            config.max_run_duration_seconds,
            _definition(config, source),
            dict(tags or {}),
        )
    )
    run = _run(experiment, chosen, submission, runs)
    if show_output:
        run.wait_for_completion(show_output=True)
    return run


def _definition(config: ScriptRunConfig, source: str) -> dict[str, object]:
    distribution = config.distributed_job_config
    return {
        "script": config.script,
        "command": _texts(config.command),
        "arguments": _texts(config.arguments),
        "sourceDirectory": source,
        "target": str(config.compute_target),
        "environmentVariables": dict(config.wanted().environment),
        "distribution": {} if distribution is None else {"type": type(distribution).__name__, **vars(distribution)},
        "maxRunDurationSeconds": config.max_run_duration_seconds,
    }


def _texts(words: Sequence[object] | str | None) -> Sequence[str]:
    return words if isinstance(words, str) else [str(word) for word in words or []]
