"""MLflow's client outside a job, under ranklog://: its runs are runs like all others, wherever they are kept."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ranklog_collector.reading.folder import RunFolder
from ranklog_collector.series.facts import facts
from ranklog_collector.series.read import catalog
from tests.support.hosts import REPOSITORY
from tests.support.launchers import VENVS
from tests.support.pipeline import wait_until

PYTHON = VENVS / "mlflow" / "bin" / "python"
PROGRAM = REPOSITORY / "tests" / "programs" / "mlflow_notebook.py"


def python(folder: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run MLflow's Python as a user's shell does."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RANKLOG_", "OMPI_", "MLFLOW_"))}
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MPLCONFIGDIR": str(folder), "RANKLOG_SPOOL": str(folder / "spool")}
    return subprocess.run(
        [str(PYTHON), *words],
        env={**kept, **quiet, **more},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def told(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def is_home(folder: Path) -> bool:
    try:
        return RunFolder(str(folder)).state.has_ended
    except OSError:
        return False


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The folder in which the program has run, and what it says."""
    folder = tmp_path_factory.mktemp("mlflow")
    return folder, told(python(folder, str(PROGRAM), f"ranklog://{folder}/runs"))


def test_what_was_logged_is_read_back_at_once(logged: tuple[Path, dict[str, Any]]) -> None:
    _, said = logged
    assert len(said["run"]) == 32
    assert said["status"] == "FINISHED"
    assert said["metrics"] == {"my_metric": 1.0, "my_boolean": 1.0, "sample_metric": 4.0, "async": 19.0}
    assert said["params"] == {"lr": "0.1"}
    assert said["tags"]["k"] == "v"
    assert "gone" not in said["tags"]
    assert said["history"] == [1.0, 2.0, 3.0, 4.0]
    assert sorted(said["async"]) == list(range(20))
    assert {"my_string.txt", "image.png", "figure.png", "folder"} <= set(said["files"])
    assert said["folder"] == ["folder/table.json"]
    assert (said["text"], said["inner"]) == ("foo", "bar")
    name, status, metrics, tags = said["child"]
    assert (name, status, metrics) == ("part", "FINISHED", {"inner": 5.0})
    assert tags["mlflow.parentRunId"] == said["run"]


def test_it_becomes_a_run_folder_like_any_other(logged: tuple[Path, dict[str, Any]]) -> None:
    folder, said = logged
    home = folder / "runs" / "mlflow-experiment" / said["run"]
    wait_until(lambda: is_home(home), "the run is in its folder", 60)
    run = RunFolder(str(home))
    counts = {one.key: one.count for one in catalog(run) if not one.is_resource}
    assert counts == {"my_metric": 1, "my_boolean": 1, "sample_metric": 4, "async": 20}
    known = facts(run)
    assert (known.params, known.status, known.tags["k"]) == ({"lr": "0.1"}, "completed", "v")
    assert [(child.name, child.state) for child in known.children] == [("part", "completed")]
    assert (home / "outputs" / "my_string.txt").read_text() == "foo"
    assert (home / "outputs" / "image.png").read_bytes().startswith(b"\x89PNG")


def test_another_process_finds_it_in_the_folder(logged: tuple[Path, dict[str, Any]]) -> None:
    folder, said = logged
    wait_until(lambda: is_home(folder / "runs" / "mlflow-experiment" / said["run"]), "the run is in its folder", 60)
    code = f"""
import json, mlflow
mlflow.set_tracking_uri("ranklog://{folder}/runs")
client = mlflow.MlflowClient()
(found,) = (each for each in client.search_experiments() if each.name == "mlflow-experiment")
runs = client.search_runs([found.experiment_id], "params.lr = '0.1' and metrics.sample_metric > 3")
every = client.search_runs([found.experiment_id], order_by=["metrics.inner DESC"])
run = client.get_run("{said["run"]}")
text = mlflow.artifacts.load_text(run.info.artifact_uri + "/my_string.txt")
history = [each.value for each in client.get_metric_history(run.info.run_id, "sample_metric")]
try:
    client.get_run("no-such-run")
    missing = ""
except mlflow.exceptions.MlflowException as error:
    missing = error.error_code
try:
    client.log_metric(run.info.run_id, "late", 1)
    late = ""
except mlflow.exceptions.MlflowException as error:
    late = error.message
print(json.dumps([[each.info.run_id for each in runs], len(every), run.info.status, text, history, missing, late]))
"""
    found = told(python(folder, "-c", code))
    assert found[:6] == [[said["run"]], 2, "FINISHED", "foo", [1.0, 2.0, 3.0, 4.0], "RESOURCE_DOES_NOT_EXIST"]
    assert "needs a collector" in found[6]


def test_a_full_disk_and_a_spool_that_is_gone_are_no_exceptions(tmp_path: Path) -> None:
    code = """
import mlflow, os, shutil, time
run = mlflow.start_run()
shutil.rmtree(os.environ["RANKLOG_SPOOL"])
open(os.environ["RANKLOG_SPOOL"], "w").close()
time.sleep(1.1)
began = time.monotonic()
for step in range(100):
    mlflow.log_metric("x", step, step=step)
mlflow.log_param("p", 1)
mlflow.log_text("x", "x.txt")
print(time.monotonic() - began < 20)
os._exit(0)
"""
    done = python(tmp_path, "-c", code, MLFLOW_TRACKING_URI=f"ranklog://{tmp_path}/runs")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "True"


@pytest.mark.parametrize("uri", ["ranklog://host:1/path", "ranklog://?x=1"])
def test_an_address_that_is_none_is_refused(uri: str, tmp_path: Path) -> None:
    done = python(tmp_path, "-c", f"import mlflow; mlflow.set_tracking_uri({uri!r}); mlflow.start_run()")
    assert "is no address of runs" in done.stderr
