"""A job on several nodes, as a script for Slurm: a collector on the first node, agent and ranks on each. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MASTER_PORT = 29500


@dataclass(frozen=True)
class Batch:
    """What the script is made of."""

    run_id: str
    experiment: str
    root: str
    spool: str
    folder: str
    """Where the job runs: the same on all nodes."""
    output: str
    """What the script says goes into this file."""
    first_line: str
    """Of the points: tags; may be empty."""
    words: Sequence[str]
    environment: Mapping[str, str]
    nodes: int
    tasks_per_node: int
    seconds_max: int | None
    ranklog: str


def script(batch: Batch) -> str:
    """The text for sbatch, or for a shell inside an allocation."""
    minutes = [] if batch.seconds_max is None else [f"#SBATCH --time={max(1, -(-batch.seconds_max // 60))}"]
    settings = {
        **batch.environment,
        "RANKLOG_RUN_ID": batch.run_id,
        "RANKLOG_EXPERIMENT": batch.experiment,
        "RANKLOG_ROOT": batch.root,
        "RANKLOG_SPOOL": batch.spool,
    }
    ranklog = shlex.quote(batch.ranklog)
    each = batch.tasks_per_node
    shape = f"--nodes={batch.nodes} --ntasks={batch.nodes * each} --ntasks-per-node={each}"
    lines = [
        "#!/bin/bash",
        f"#SBATCH --job-name={batch.experiment}",
        f"#SBATCH --nodes={batch.nodes}",
        f"#SBATCH --ntasks-per-node={batch.tasks_per_node}",
        f"#SBATCH --output={batch.output}",
        *minutes,
        "set -u",
        f"cd {shlex.quote(batch.folder)}",
        *(f"export {name}={shlex.quote(value)}" for name, value in settings.items()),
        *_tagging(batch),
        "head=$(hostname -I | cut -d' ' -f1)",
        f"export MASTER_ADDR=$head MASTER_PORT={MASTER_PORT}",
        "port=$(mktemp -u)",
        "export RANKLOG_TOKEN=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')",
        f'{ranklog} collector --root "$RANKLOG_ROOT" --grpc "$head:0" --port-file "$port" &',
        "collector=$!",
        'while [ ! -s "$port" ] && kill -0 "$collector"; do sleep 0.1; done',
        'export RANKLOG_COLLECTOR="$head:$(cat "$port")"',
        # The agents share the nodes with the ranks, and leave by themselves when those have ended.
        f"srun --overlap --nodes={batch.nodes} --ntasks={batch.nodes} --ntasks-per-node=1 {ranklog} agent &",
        "agents=$!",
        "status=0",
        f"srun --overlap {shape} {ranklog} exec -- {shlex.join(batch.words)} &",
        "ranks=$!",
        """trap 'kill -TERM "$ranks"' TERM""",
        'while kill -0 "$ranks" 2>/dev/null; do wait "$ranks"; status=$?; done',
        'wait "$agents"',
        'kill "$collector"',
        'wait "$collector"',
        'exit "$status"',
    ]
    return "\n".join(lines) + "\n"


def _tagging(batch: Batch) -> list[str]:
    if not batch.first_line:
        return []
    folder = shlex.quote(f"{batch.spool}/metrics")
    return [f"mkdir -p {folder}", f"echo {shlex.quote(batch.first_line)} > {folder}/submitted.jsonl"]
