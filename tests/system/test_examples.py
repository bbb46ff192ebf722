"""The examples, each run for real: alone, and as four ranks of Open MPI with a collector and an agent beside them."""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ranklog import Experiment, Run, Workspace
from ranklog.source.spool import SpoolSource
from ranklog_collector.reading.folder import RunFolder
from ranklog_collector.series.read import catalog, records
from tests.support.collector_process import CollectorProcess
from tests.support.hosts import REPOSITORY
from tests.support.launchers import OMPI_AS_ROOT, OpenMPI4, why_missing
from tests.support.pipeline import AgentProcess
from tests.system.conftest import require

EXAMPLES = REPOSITORY / "examples"
RANKS = 4
TIMEOUT_S = 60
ANGLES = [i / 2 for i in range(-10, 10)]


@dataclass(frozen=True)
class Logged:
    """What an example logs under a name: `values` as the reader has them, `metrics` as get_metrics gives them."""

    kind: str
    values: Sequence[Any]
    metrics: Any


COSINES = [{"angle": angle, "cos": math.cos(angle)} for angle in ANGLES]
SINES = {"angle": ANGLES, "sine": [math.sin(angle) for angle in ANGLES]}
FIBONACCI = [0, 1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89]
SIGMOID = [1 / (1 + math.exp(-i)) for i in range(-10, 10)]
EXPECTED: Mapping[str, Mapping[str, Logged]] = {
    "fibonacci": {"Fibonacci": Logged("list", [FIBONACCI], FIBONACCI)},
    "sigmoid": {"Sigmoid": Logged("scalar", SIGMOID, SIGMOID)},
    "cosine_wave": {"Cosine Wave": Logged("row", COSINES, {"angle": ANGLES, "cos": [row["cos"] for row in COSINES]})},
    "sine_wave": {"Sine Wave": Logged("table", [SINES], SINES)},
    "native_logging": {"learning rate": Logged("scalar", [0.1], 0.1)},
}


def environment(spool: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RANKLOG_", "OMPI_", "PMI"))}
    return {**kept, "RANKLOG_SPOOL": str(spool), "RANKLOG_RUN_ID": "r1", "MPLCONFIGDIR": str(spool.parent), **more}


def run_alone(example: str, folder: Path) -> Run:
    spool = folder / "spool"
    program = [sys.executable, str(EXAMPLES / f"{example}.py")]
    subprocess.run(program, cwd=folder, env=environment(spool), check=True, timeout=TIMEOUT_S, capture_output=True)
    return Run(None, "r1", source=SpoolSource(str(spool), "r1"))


@pytest.mark.parametrize("example", sorted(EXPECTED))
def test_what_an_example_logs_alone_is_read_back(example: str, tmp_path: Path) -> None:
    metrics = run_alone(example, tmp_path).get_metrics()
    assert metrics == {name: logged.metrics for name, logged in EXPECTED[example].items()}


def test_images_that_an_example_logs_alone_are_read_back(tmp_path: Path) -> None:
    check_images(run_alone("image", tmp_path), [None])


# ---- four ranks of Open MPI -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    require(why_missing(OpenMPI4()))
    collector = CollectorProcess(tmp_path_factory.mktemp("collector"))
    collector.start()
    yield collector
    assert collector.stop() == 0, collector.log.read_text()


def run_as_ranks(example: str, folder: Path, collector: CollectorProcess) -> tuple[Run, RunFolder]:
    """Run it under mpirun, until the agent has brought everything home and left."""
    spool, run_id = folder / "spool", f"{example}-{folder.name}"
    where = ["--collector", collector.address, "--run", run_id, "--experiment", "examples", "--spool", str(spool)]
    agent = AgentProcess(folder / "agent.log", where)
    agent.start()
    ranklog = str(Path(sys.executable).with_name("ranklog"))
    command = [str(OpenMPI4().program), "-n", str(RANKS), "--oversubscribe", ranklog, "exec", "--", sys.executable]
    env = environment(spool, **OMPI_AS_ROOT, RANKLOG_RUN_ID=run_id)
    try:
        program = [*command, str(EXAMPLES / f"{example}.py")]
        subprocess.run(program, cwd=folder, env=env, check=True, timeout=TIMEOUT_S, capture_output=True)
        assert agent.wait() == 0, agent.words
    finally:
        agent.kill()
    run = Workspace(root=str(collector.root)).get_run(run_id)
    assert run.experiment.name == "examples"
    return run, RunFolder(str(collector.root / "examples" / run_id))


@pytest.mark.parametrize("example", sorted(EXPECTED))
def test_what_four_ranks_log_is_read_back(example: str, tmp_path: Path, collector: CollectorProcess) -> None:
    run, folder = run_as_ranks(example, tmp_path, collector)
    for name, logged in EXPECTED[example].items():
        (metric,) = (each for each in catalog(folder) if each.key == name)
        assert (metric.kind, metric.ranks, metric.processes) == (logged.kind, list(range(RANKS)), RANKS)
        for rank in range(RANKS):
            assert run.get_metrics(rank=rank) == {name: logged.metrics}
            found = records(folder, name, rank).records
            assert [(each.kind, each.value, each.rank) for each in found] == [
                (logged.kind, value, rank) for value in logged.values
            ]
        assert len(records(folder, name).records) == RANKS * len(logged.values)


def test_images_of_four_ranks_are_read_back(tmp_path: Path, collector: CollectorProcess) -> None:
    run, folder = run_as_ranks("image", tmp_path, collector)
    check_images(run, list(range(RANKS)))
    assert {each.kind for each in catalog(folder)} == {"image"}


def test_what_is_logged_by_pythons_own_means_is_in_the_log_files(tmp_path: Path, collector: CollectorProcess) -> None:
    run, folder = run_as_ranks("native_logging", tmp_path, collector)
    for rank in range(RANKS):
        said = (Path(folder.path) / "azureml-logs" / f"70_driver_log_{rank}.txt").read_text()
        assert "DEBUG:training:the learning rate is 0.1" in said
        assert "WARNING:training:there is no schedule" in said
    own = [name for name in run.get_file_names() if "110_azureml" in name]
    assert len(own) == RANKS
    for name in own:
        assert f"logging to run {run.id}" in (Path(folder.path) / name).read_text()


def check_images(run: Run, ranks: Sequence[int | None]) -> None:
    """Each rank has logged the same two images under names of its own, and their files are PNGs."""
    for rank in ranks:
        metrics = run.get_metrics(rank=rank, populate=True)
        for name in ("food", "squares"):
            assert metrics[name].data.startswith(b"\x89PNG\r\n\x1a\n"), (name, rank)
        addresses = run.get_metrics(rank=rank)
        assert re.fullmatch(r"aml://artifactId/.*/outputs/food_\d+(_rank\d+)?\.png", addresses["food"])


# ---- those that start runs ------------------------------------------------------------------------------------------


def run_starter(folder: Path, *words: str) -> tuple[str, Experiment]:
    env = environment(folder / "spool", RANKLOG_ROOT=str(folder / "runs"))
    del env["RANKLOG_RUN_ID"]
    program = [sys.executable, str(EXAMPLES / words[0]), *words[1:]]
    done = subprocess.run(program, cwd=folder, env=env, timeout=TIMEOUT_S, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (experiment,) = Workspace(root=str(folder / "runs")).experiments.values()
    return done.stdout, experiment


def test_an_interactive_session_is_a_run(tmp_path: Path) -> None:
    said, experiment = run_starter(tmp_path, "interactive.py")
    (run,) = experiment.get_runs(tags={"stage": "draft"})
    assert f"run {run.id} is Completed" in said
    assert run.get_metrics() == {"accuracy": [0.0, 0.5, 0.75, 0.875, 0.9375]}
    assert run.display_name == "first steps"


@pytest.mark.parametrize("processes", [1, 2])
def test_an_alpha_sweep_is_submitted_and_followed(processes: int, tmp_path: Path) -> None:
    said, experiment = run_starter(tmp_path, "alpha_sweep/submit.py", str(processes))
    (run,) = experiment.get_runs()
    alphas = [round(0.05 * step, 2) for step in range(20)]
    for rank in range(processes):
        label = f"[{rank}] " if processes > 1 else ""
        shown = re.findall(rf"^{re.escape(label)}alpha is ([\d.]+), and mse is", said, re.MULTILINE)
        assert [float(alpha) for alpha in shown] == alphas
        metrics = run.get_metrics(rank=rank if processes > 1 else None)
        assert metrics["alpha"] == alphas
        assert len(metrics["mse"]) == len(alphas)
    assert len([name for name in run.get_file_names() if name.startswith("outputs/ridge_")]) == processes * len(alphas)
    assert "the best alpha is" in said
