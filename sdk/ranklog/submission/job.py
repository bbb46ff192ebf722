"""From a configuration to the words that start the job. Pure."""

from __future__ import annotations

import os.path
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ranklog.configuration import Distribution, MpiConfiguration, PyTorchConfiguration, TensorflowConfiguration
from ranklog.errors import UserError

TORCH_RANKS = (
    "RANK=$SLURM_PROCID LOCAL_RANK=$SLURM_LOCALID WORLD_SIZE=$SLURM_NTASKS "
    'LOCAL_WORLD_SIZE=$((SLURM_NTASKS / SLURM_JOB_NUM_NODES)) exec "$@"'
)
"""What srun's tasks are told so that PyTorch finds its ranks."""
OPEN_MPI = {
    # As many processes as were asked for, also where there are fewer cores: of Open MPI up to 4, and of 5.
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
}
OPEN_MPI_ROOT = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
"""A container's user is root."""


@dataclass(frozen=True)
class Wanted:
    """What the user has configured."""

    script: str | None
    arguments: Sequence[object] | str | None
    command: Sequence[object] | str | None
    distribution: Distribution | None
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """What is to be started: `processes` of `words` by ranklog itself if there are several, on `nodes` nodes."""

    words: Sequence[str]
    environment: Mapping[str, str]
    processes: int = 1
    nodes: int = 1
    tasks_per_node: int = 1


def plan(wanted: Wanted, python: str, *, is_root: bool) -> Job:
    """Plan a job. Raises UserError."""
    words, environment = _words(wanted, python), dict(wanted.environment)
    match wanted.distribution:
        case None:
            return Job(words, environment)
        case MpiConfiguration(node_count=1, process_count_per_node=count):
            mpi = {**OPEN_MPI, **(OPEN_MPI_ROOT if is_root else {}), **environment}
            return Job(["mpirun", "-n", str(count), *words], mpi)
        case MpiConfiguration(node_count=nodes, process_count_per_node=count):
            return Job(words, environment, nodes=nodes, tasks_per_node=count)
        case PyTorchConfiguration(node_count=nodes, process_count=count):
            return _torch(words, environment, nodes, count or nodes)
        case TensorflowConfiguration(worker_count=1, parameter_server_count=0 | 1):
            return Job(words, environment)
        case _:
            raise UserError(
                "jobs with several TensorFlow workers or parameter servers are not started by submit(): start them by "
                "the scheduler's own means, each under `ranklog exec`"
            )


def launched(job: Job) -> list[str]:
    """The rest of the `ranklog run` of a job on one node."""
    return [*(["-n", str(job.processes)] if job.processes > 1 else []), "--", *job.words]


def _torch(words: list[str], environment: Mapping[str, str], nodes: int, count: int) -> Job:
    if nodes == 1:
        return Job(words, environment, processes=count)
    if count % nodes:
        raise UserError(f"{count} processes cannot be spread evenly over {nodes} nodes: make process_count a multiple")
    return Job(["/bin/sh", "-c", TORCH_RANKS, "sh", *words], environment, nodes=nodes, tasks_per_node=count // nodes)


def _words(wanted: Wanted, python: str) -> list[str]:
    if wanted.command:
        if wanted.script or wanted.arguments:
            raise UserError("give either command, or script and arguments")
        if isinstance(wanted.command, str):
            return ["/bin/sh", "-c", wanted.command]
        return [str(word) for word in wanted.command]
    if not wanted.script:
        raise UserError("say what is to be run: script='train.py', or command=['python', 'train.py']")
    if os.path.isabs(wanted.script) or ".." in wanted.script.split("/"):
        raise UserError(f"the script {wanted.script!r} must be named relative to source_directory, and be in it")
    arguments = wanted.arguments or []
    texts = shlex.split(arguments) if isinstance(arguments, str) else [str(argument) for argument in arguments]
    return [python, wanted.script, *texts]
