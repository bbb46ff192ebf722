"""A job on several nodes, as a script for Slurm: `ranklog run` on the first node, which takes in all of them. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MASTER_PORT = 29500
STOPPING_S = 60
"""How long before Slurm's own limit the job is asked to end."""


@dataclass(frozen=True)
class Batch:
    """What the script is made of."""

    name: str
    folder: str
    """Where the job runs: the same on all nodes."""
    output: str
    """What the script says goes into this file."""
    ranklog_run: Sequence[str]
    """`ranklog run` with its options."""
    words: Sequence[str]
    environment: Mapping[str, str]
    nodes: int
    tasks_per_node: int
    seconds_max: int | None


def script(batch: Batch) -> str:
    """The text for sbatch, or for a shell inside an allocation."""
    minutes = [] if batch.seconds_max is None else [-(-(batch.seconds_max + STOPPING_S) // 60)]
    shape = [f"--nodes={batch.nodes}", f"--ntasks={batch.nodes * batch.tasks_per_node}"]
    ranks = ["srun", *shape, f"--ntasks-per-node={batch.tasks_per_node}", *batch.words]
    lines = [
        "#!/bin/bash",
        f"#SBATCH --job-name={batch.name}",
        f"#SBATCH --nodes={batch.nodes}",
        f"#SBATCH --ntasks-per-node={batch.tasks_per_node}",
        f"#SBATCH --output={batch.output}",
        *(f"#SBATCH --time={limit}" for limit in minutes),
        f"cd {shlex.quote(batch.folder)} || exit",
        *(f"export {name}={shlex.quote(value)}" for name, value in batch.environment.items()),
        f"export MASTER_ADDR=$(hostname) MASTER_PORT={MASTER_PORT}",
        f"exec {shlex.join([*batch.ranklog_run, '--', *ranks])}",
    ]
    return "\n".join(lines) + "\n"
