"""Scripts that are submitted to several nodes, by a real Slurm."""

from __future__ import annotations

import sys
from pathlib import Path

from ranklog import Workspace
from tests.support.hosts import Hosts
from tests.support.ranklog_run import environment
from tests.support.slurm import Slurm

SCRIPT = """
import os, socket, sys, time
from ranklog import Run
rank = int(os.environ["RANK"])
agent = os.path.join(os.environ["RANKLOG_SPOOL"], "agents", socket.gethostname() + ".json")
until = time.monotonic() + 60
while not os.path.exists(agent) and time.monotonic() < until:  # on a busy machine it takes longer to start than the job
    time.sleep(0.05)
print(f"rank {rank} of {os.environ['WORLD_SIZE']} at {os.environ['MASTER_ADDR']}", flush=True)
Run.get_context().log("rank", rank)
if "hang" in sys.argv:
    time.sleep(600)
"""
SUBMIT = """
import sys
from ranklog import Experiment, PyTorchConfiguration, ScriptRunConfig, Workspace
config = ScriptRunConfig(
    sys.argv[1], "train.py", sys.argv[2:], distributed_job_config=PyTorchConfiguration(process_count=4, node_count=2)
)
run = Experiment(Workspace.from_config(), "demo").submit(config, tags={"stage": "draft"}, run_id="over-nodes")
"""
FOLLOW = 'print(run.wait_for_completion(show_output=True)["status"])'
CANCEL = """
import time
while "rank" not in run.get_metrics() if run.get_status() == "Running" else True:
    time.sleep(0.1)
run.cancel()
print(run.wait_for_completion()["status"])
"""


def submit(hosts: Hosts, slurm: Slurm, folder: Path, then: str, *arguments: str) -> str:
    """Submit the script on the first host, do something with the run, and give what was printed."""
    (folder / "source").mkdir()
    (folder / "source" / "train.py").write_text(SCRIPT)
    env = {**environment(folder), **slurm.environment}
    del env["RANKLOG_SPOOL"]
    words = [sys.executable, "-c", SUBMIT + then, str(folder / "source"), *arguments]
    done = hosts.run(0, "timeout", "100", *words, env=env, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_ranks_on_several_nodes_are_one_run(slurm4: Slurm, hosts4: Hosts, tmp_path: Path) -> None:
    said = submit(hosts4, slurm4, tmp_path, FOLLOW).splitlines()
    first = next(line for line in said if line.startswith("[0]")).rpartition(" ")[2]
    assert first in hosts4.names
    assert sorted(line for line in said if line.startswith("[")) == [
        f"[{rank}] rank {rank} of 4 at {first}" for rank in range(4)
    ]
    assert said[-1] == "Completed"
    run = Workspace(root=str(tmp_path / "runs")).get_run("over-nodes")
    assert sorted(run.get_metrics()["rank"]) == [0, 1, 2, 3]
    assert run.get_tags() == {"stage": "draft"}


def test_a_job_of_slurms_is_canceled(slurm4: Slurm, hosts4: Hosts, tmp_path: Path) -> None:
    assert submit(hosts4, slurm4, tmp_path, CANCEL, "hang").splitlines()[-1] == "Canceled"
