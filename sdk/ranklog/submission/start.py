"""Starting a submitted job: by `ranklog run` on this machine, or by Slurm on several nodes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ranklog import layout
from ranklog.errors import UserError
from ranklog.identity import setting
from ranklog.submission import record, slurm
from ranklog.submission.job import Job, launched
from ranklog.submission.record import Submission

BATCH = "job.sbatch"
PLACE = tuple(f"RANKLOG_{name}" for name in ("RUN_ID", "PROCESS", "SPOOL", "COLLECTOR", "TOKEN_FILE", "QUIET"))
_children: list[subprocess.Popen[bytes]] = []
"""Those that may have to be waited for, so that no zombies are left: the next start does so."""
KILL_AFTER_S = 30
"""How long a job may take to heed that it was canceled or is overdue."""


@dataclass(frozen=True)
class Request:
    """A job and what it is to be called."""

    job: Job
    run_id: str
    experiment: str
    root: str
    directory: str
    seconds_max: int | None
    definition: Mapping[str, object]
    tags: Mapping[str, str]


def start(request: Request) -> Submission:
    """Start it, in a session of its own. Raises UserError."""
    folder = record.folder_of(request.root, request.run_id)
    try:
        os.makedirs(folder, exist_ok=True)
        started = _on_nodes(request, folder) if request.job.nodes > 1 else _here(request, folder)
        record.write(started)
    except OSError as error:
        raise UserError(f"run {request.run_id} cannot be started: {error.filename}: {error.strerror}") from error
    except layout.SpoolError as error:
        raise UserError(
            f"run {request.run_id} cannot be started: {error}; RANKLOG_SPOOL names another folder"
        ) from error
    return started


def _here(request: Request, folder: str) -> Submission:
    """Start `ranklog run`."""
    if request.job.words[0] == "mpirun" and shutil.which("mpirun") is None:
        raise UserError("MpiConfiguration needs mpirun in PATH: install Open MPI or MPICH, or use PyTorchConfiguration")
    spools = _spools(os.environ)
    spool = os.path.join(spools, request.run_id)
    layout.prepare(spool, "metrics")
    submission = _submission(request, folder, [*_ranklog_run(request), *launched(request.job)], spool)
    return _child(submission, {**request.job.environment, "RANKLOG_SPOOL": spools})


def _on_nodes(request: Request, folder: str) -> Submission:
    """Hand it to Slurm; within an allocation it runs there, at once."""
    if shutil.which("srun") is None:
        raise UserError(
            f"{request.job.nodes} nodes need Slurm, and srun is not in PATH: submit on a machine of the cluster, or "
            "start the job by your scheduler's own means, each process under `ranklog exec`"
        )
    batch = slurm.Batch(
        name=request.experiment,
        folder=request.directory,
        output=os.path.join(folder, record.OUTPUT),
        ranklog_run=_ranklog_run(request),
        words=request.job.words,
        environment=request.job.environment,
        nodes=request.job.nodes,
        tasks_per_node=request.job.tasks_per_node,
        seconds_max=request.seconds_max,
    )
    path = os.path.join(folder, BATCH)
    with open(path, "w", encoding="utf-8") as file:
        file.write(slurm.script(batch))
    if "SLURM_JOB_ID" in os.environ:
        return _child(_submission(request, folder, ["bash", path], None), {})
    words = ["sbatch", "--parsable", path]
    asked = subprocess.run(words, capture_output=True, check=False, text=True, env=_outside(os.environ))
    if asked.returncode:
        raise UserError(f"sbatch refuses the job: {asked.stderr.strip()}")
    return replace(_submission(request, folder, words, None), slurm_job=asked.stdout.strip().partition(";")[0])


def _ranklog_run(request: Request) -> list[str]:
    """`ranklog run` with its options."""
    words = [_ranklog(), "run", "--run", request.run_id, "--experiment", request.experiment, "--root", request.root]
    words += ["--quiet", "--kill-after", str(KILL_AFTER_S)]
    words += ["--max-duration", str(request.seconds_max)] if request.seconds_max is not None else []
    return words + [word for name, value in request.tags.items() for word in ("--tag", f"{name}={value}")]


def _submission(request: Request, folder: str, words: Sequence[str], spool: str | None) -> Submission:
    return Submission(folder, os.uname().nodename, words, request.directory, request.definition, spool)


def _child(submission: Submission, environment: Mapping[str, str]) -> Submission:
    with open(os.path.join(submission.folder, record.OUTPUT), "ab") as output:
        process = subprocess.Popen(
            list(submission.words),
            cwd=submission.directory,
            env={**_outside(os.environ), **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    _children[:] = [*(child for child in _children if child.poll() is None), process]
    return replace(submission, pid=process.pid, start_ticks=record.start_ticks(process.pid))


def _outside(environ: Mapping[str, str]) -> dict[str, str]:
    """An environment without this process's own place in a run."""
    return {name: value for name, value in environ.items() if name.upper().removeprefix("OMPI_MCA_") not in PLACE}


def _spools(environ: Mapping[str, str]) -> str:
    """The folder of this user's spools; within a run RANKLOG_SPOOL is the spool of that one."""
    told = None if "RANKLOG_RUN_ID" in environ else setting(environ, "RANKLOG_SPOOL")
    try:
        return os.path.abspath(told) if told else os.path.dirname(layout.default_folder({}, "run"))
    except layout.SpoolError as error:
        raise UserError(str(error)) from None


def _ranklog() -> str:
    """Find the program: this Python's, else the one in PATH."""
    beside = os.path.join(os.path.dirname(sys.executable or "/"), "ranklog")
    found = beside if os.access(beside, os.X_OK) else shutil.which("ranklog")
    if found is None:
        raise UserError(f"the program `ranklog` is not beside {sys.executable} and not in PATH: install it with pip")
    return found
