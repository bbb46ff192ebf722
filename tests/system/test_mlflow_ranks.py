"""Ranks that log by MLflow's own client: while no collector is there, they notice nothing, and nothing is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ranklog import relay_place
from ranklog.layout import agent_path
from ranklog_collector.reading.folder import RunFolder
from ranklog_collector.series.facts import facts
from ranklog_collector.series.read import catalog, records
from tests.support.hosts import REPOSITORY
from tests.support.http_api import Api
from tests.support.launchers import OMPI_AS_ROOT, VENVS, OpenMPI4, why_missing
from tests.support.pipeline import Pipeline, free_address, wait_until
from tests.system.conftest import require

PYTHON = VENVS / "mlflow" / "bin" / "python"
PROGRAM = str(REPOSITORY / "tests" / "programs" / "mlflow_rank.py")
RANKS, STEPS = 4, 50
UNREACHABLE_S = 60
"""Far less than MLflow's client takes to give up a server that does not answer: 246 s."""
HERE = os.uname().nodename


def environment(spool: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RANKLOG_", "OMPI_", "MLFLOW_"))}
    return {**kept, "RANKLOG_SPOOL": str(spool), "RANKLOG_RUN_ID": "r1", **more}


def mpirun(spool: Path, *arguments: str, **more: str) -> dict[str, Mapping[str, Any]]:
    """Run the ranks to their end; gives what each says, by its key."""
    words = ["mpirun", "-n", str(RANKS), "--oversubscribe", sys.executable, "-m", "ranklog", "exec", "--", str(PYTHON)]
    done = subprocess.run(
        [*words, PROGRAM, str(STEPS), *arguments],
        env={**environment(spool, **more), **OMPI_AS_ROOT},
        cwd=spool.parent,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    said = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"run"')]
    assert len(said) == RANKS, done.stdout
    return {each["key"]: each for each in said}


def check_everything_came(folder: Path, said: Mapping[str, Mapping[str, Any]]) -> None:
    """Every point exactly once, by the rank that logged it, and all that was said of the run."""
    run = RunFolder(str(folder))
    for rank in range(RANKS):
        found = [(each.step, each.value, each.rank) for each in records(run, f"loss{rank}").records]
        assert found == [(step, step * 0.5, rank) for step in range(STEPS)]
    assert {each.key: each.count for each in catalog(run) if not each.is_resource} == {
        **{f"loss{rank}": STEPS for rank in range(RANKS)},
        "a": RANKS,
        "b": RANKS,
    }
    known = facts(run)
    assert known.params == {"lr": "0.1", "ranks": str(RANKS), **{f"own{rank}": str(rank) for rank in range(RANKS)}}
    assert {f"tag{rank}" for rank in range(RANKS)} <= known.tags.keys()
    assert sorted(child.name or "" for child in known.children) == [f"part{rank}" for rank in range(RANKS)]
    for child in known.children:
        assert child.state == "completed"
        assert [each.value for each in records(run, "inner", run=child.run_id).records] == [int((child.name or "")[-1])]
    for rank in range(RANKS):
        assert (folder / "outputs" / "texts" / f"{rank}.txt").read_text() == "hello"
    assert {each["run"] for each in said.values()} == {"r1"}


@pytest.mark.parametrize("way", ["relay", "plugin"])
def test_ranks_without_a_collector_notice_nothing_and_nothing_is_lost(way: str, tmp_path: Path) -> None:
    require(why_missing(OpenMPI4()))
    spool = tmp_path / "spool"
    http = free_address()
    with Pipeline(tmp_path, "--url", "http://127.0.0.1:9", collector_options=("--http", http)) as pipeline:
        wait_until(lambda: relay_place.find(str(spool), HERE), "the relay listens")
        pipeline.collector.kill()
        said = mpirun(spool, *(["ranklog://"] if way == "plugin" else []))
        for key, each in said.items():
            assert each["uri"] == "ranklog://" if way == "plugin" else each["uri"].endswith(f"/{key}")
            assert each["took_s"] < UNREACHABLE_S
            assert "was already logged with value='0.1'" in each["refused"]
            assert each["latest"] == (STEPS - 1) * 0.5
            assert each["history"] == [step * 0.5 for step in range(STEPS)]
        pipeline.collector.start()
        pipeline.finish()
        check_everything_came(pipeline.run_folder, said)
        check_child_runs_are_runs_at_the_collector(pipeline, http)


def check_child_runs_are_runs_at_the_collector(pipeline: Pipeline, http: str) -> None:
    """MLflow's client finds them by their parent, and reads and adds to them like to any run."""
    pipeline.collector.start()
    host, _, port = http.rpartition(":")
    Api(host, int(port)).await_answer()
    done = subprocess.run(
        [str(PYTHON), str(REPOSITORY / "tests" / "programs" / "mlflow_family.py"), f"http://{http}", "r1"],
        env={**environment(pipeline.folder), "MLFLOW_DISABLE_TELEMETRY": "true"},
        cwd=pipeline.folder,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    told = {name: each for line in said for name, each in line.items()}
    assert told["inputs"] == [["digits", "http"]]
    first, *others = told["children"]
    assert [each["name"] for each in told["children"]] == [f"part{rank}" for rank in range(RANKS)]
    assert {each["parent"] for each in told["children"]} <= {"r1", None}
    assert [(each["status"], each["inner"]) for each in others] == [("FINISHED", [[0, r]]) for r in range(1, RANKS)]
    assert (first["status"], first["inner"], first["latest"]) == ("KILLED", [[0, 0.0], [7, 77.0]], {"inner": 77.0})
    assert (first["params"], first["later"], first["files"]) == ({"later": "y"}, "x", ["notes/later.txt"])
    (stored,) = pipeline.run_folder.glob("children/r1.*/outputs/notes/later.txt")
    assert stored.read_text() == "afterwards"


def test_a_relay_that_is_killed_and_started_again_goes_on_where_it_was(tmp_path: Path) -> None:
    require(why_missing(OpenMPI4()))
    spool = tmp_path / "spool"
    with Pipeline(tmp_path) as pipeline:
        wait_until(lambda: relay_place.find(str(spool), HERE), "the relay listens")
        before = relay_place.find(str(spool), HERE)
        pipeline.agent.kill()
        assert relay_place.find(str(spool), HERE) is None, "nobody is sent to a relay that is gone"
        pipeline.agent.start()
        wait_until(lambda: relay_place.find(str(spool), HERE), "the relay listens again")
        assert relay_place.find(str(spool), HERE) == before
        said = mpirun(spool)
        pipeline.finish()
        check_everything_came(pipeline.run_folder, said)


def test_an_agent_that_exec_starts_is_there_for_mlflow_from_the_first_rank_on(tmp_path: Path) -> None:
    require(why_missing(OpenMPI4()))
    spool = tmp_path / "spool"
    with Pipeline(tmp_path) as pipeline:
        pipeline.agent.kill()
        more = {"RANKLOG_AGENT": "auto", "RANKLOG_COLLECTOR": pipeline.collector.address}
        said = mpirun(spool, **more)
        assert len({each["uri"].rpartition("/")[0] for each in said.values()}) == 1
        assert all(each["uri"].startswith("http://127.0.0.1:") for each in said.values())
        wait_until(lambda: relay_place.find(str(spool), HERE) is None, "the agent has left with the job")
        check_everything_came(pipeline.run_folder, said)


def test_what_the_user_has_told_mlflow_stays(tmp_path: Path) -> None:
    told = {"MLFLOW_TRACKING_URI": "sqlite:///mine.db"}
    os.close(relay_place.make(str(tmp_path), HERE))
    done = subprocess.run(
        [sys.executable, "-m", "ranklog", "exec", "--", "env"],
        env=environment(tmp_path, **told),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    found = {line for line in done.stdout.splitlines() if line.startswith("MLFLOW_")}
    assert found == {"MLFLOW_TRACKING_URI=sqlite:///mine.db"}


def test_what_a_rank_is_told_of_its_run_is_found_at_the_collector(tmp_path: Path) -> None:
    code = """
import json, mlflow, time
client = mlflow.MlflowClient()
with mlflow.start_run() as run:
    mlflow.log_metric("m", 1.5)
deadline, found = time.monotonic() + 60, []
while not any("m" in each.data.metrics for each in found) and time.monotonic() < deadline:
    found = client.search_runs([run.info.experiment_id], "metrics.m > 1")
    time.sleep(0.1)
name = client.get_experiment(run.info.experiment_id).name
try:
    client.get_run("no-such-run")
except mlflow.exceptions.MlflowException as error:
    missing = error.error_code
print(json.dumps([[each.info.run_id for each in found], run.info.run_id, name, missing]))
"""
    words = [sys.executable, "-m", "ranklog", "run", "--root", str(tmp_path / "runs"), "--http", "127.0.0.1:0"]
    done = subprocess.run(
        [*words, "--experiment", "mine", "-n", "1", "--", str(PYTHON), "-c", code],
        # The token is that of the HTTP API; the agent has another one, for its own way to the collector.
        env=environment(tmp_path / "spool", RANKLOG_RUN_ID="", RANKLOG_TOKEN="secret"),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (line,) = (line for line in done.stdout.splitlines() if "[[" in line)
    found, run_id, name, missing = json.loads(line[line.index("[[") :])
    assert (found, name, missing) == ([run_id], "mine", "RESOURCE_DOES_NOT_EXIST")


DYING = f"""
import mlflow, os, pathlib, time
with mlflow.start_run():
    for step in range({STEPS}):
        mlflow.log_metric("m", step, step=step)
        if step == 10:
            pathlib.Path("reached").touch()
            while not os.path.exists("killed"):
                time.sleep(0.01)
"""


def kill_the_agent_of(job: subprocess.Popen[bytes], folder: Path, spool: Path) -> None:
    """While the job's rank logs; it must not notice."""
    try:
        wait_until((folder / "reached").exists, "the rank logs", 120)
        (announcement,) = spool.rglob(os.path.basename(agent_path("", HERE)))
        os.kill(json.loads(announcement.read_bytes())["pid"], signal.SIGKILL)
        (folder / "killed").touch()
        assert job.wait(120) == 0
    finally:
        job.kill()
        job.wait()


def test_an_agent_that_dies_and_is_started_again_is_not_noticed(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    words = [sys.executable, "-m", "ranklog", "run", "--root", str(tmp_path / "runs"), "--run", "r1", "--"]
    job = subprocess.Popen([*words, str(PYTHON), "-c", DYING], env=environment(spool), cwd=tmp_path)
    kill_the_agent_of(job, tmp_path, spool)
    found = {(each.step, each.value) for each in records(RunFolder(str(tmp_path / "runs/default/r1")), "m").records}
    assert found == {(step, step) for step in range(STEPS)}


def test_an_agent_that_exec_has_started_is_started_again_by_it(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    with Pipeline(tmp_path) as pipeline:
        pipeline.agent.kill()
        more = {"RANKLOG_AGENT": "auto", "RANKLOG_COLLECTOR": pipeline.collector.address}
        words = [sys.executable, "-m", "ranklog", "exec", "--", str(PYTHON), "-c", DYING]
        job = subprocess.Popen(words, env=environment(spool, **more), cwd=tmp_path)
        kill_the_agent_of(job, tmp_path, spool)
        wait_until(lambda: relay_place.find(str(spool), HERE) is None, "the agent has left with the job")
        found = {(each.step, each.value) for each in records(RunFolder(str(pipeline.run_folder)), "m").records}
        assert found == {(step, step) for step in range(STEPS)}
