"""Submitted scripts: what they find, what becomes of them, and how they are ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ranklog import (
    Experiment,
    MpiConfiguration,
    PyTorchConfiguration,
    Run,
    RunConfiguration,
    ScriptRunConfig,
    Workspace,
)
from ranklog.configuration import Distribution
from ranklog.errors import RunFailedError, UserError
from ranklog_collector.launch.family import kill, members
from tests.support.launchers import OpenMPI4, why_missing
from tests.support.pipeline import wait_until
from tests.system.conftest import require

SCRIPT = """
import json, os, signal, sys, time
from ranklog import Run
rank = int(os.environ.get("RANK") or os.environ.get("OMPI_COMM_WORLD_RANK") or 0)
what = sys.argv[1]
print(f"{what} by {rank} of {os.environ.get('WORLD_SIZE')}", flush=True)
run = Run.get_context()
run.log("rank", rank)
if what == "dump":
    os.makedirs("outputs", exist_ok=True)
    with open("outputs/dump.json", "w") as file:
        json.dump({"argv": sys.argv[1:], "cwd": os.getcwd(), "A": os.environ.get("A")}, file)
if what == "fail" and rank == 1:
    raise ValueError("bad loss")
if what == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if what in ("hang", "deaf"):
    print("here", flush=True)
    while True:
        time.sleep(60)
"""


@pytest.fixture
def experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Experiment]:
    """Whatever was submitted and still runs at the end, is killed."""
    for name in [name for name in os.environ if name.startswith(("RANKLOG_", "OMPI_", "PMI"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("RANKLOG_SPOOL", str(tmp_path / "spool"))
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "train.py").write_text(SCRIPT)
    yield Experiment(Workspace(root=str(tmp_path / "runs")), "demo")
    for submitted in (tmp_path / "runs" / ".submitted").glob("*"):
        kill(members(submitted.name))


def config(
    experiment: Experiment, *arguments: object, distribution: Distribution | None = None, seconds_max: int = 600
) -> ScriptRunConfig:
    source = Path(experiment.workspace.root).with_name("source")
    return ScriptRunConfig(
        source,
        "train.py",
        list(arguments),
        distributed_job_config=distribution,
        max_run_duration_seconds=seconds_max,
    )


def text(run: Run, path: str) -> str:
    """A file of the run."""
    return (Path(run.get_portal_url().removeprefix("file://")) / path).read_text()


def await_output(run: Run, words: str) -> None:
    """Wait until some process has said it, as far as the run folder knows."""
    wait_until(lambda: run.get_status() == "Running", "the run", 30)

    def is_there() -> bool:
        return any(words in text(run, name) for name in run.get_file_names() if "70_driver_log" in name)

    wait_until(is_there, f"{words!r} in the output", 30)


def test_a_script_runs_in_a_copy_of_its_folder(experiment: Experiment, tmp_path: Path) -> None:
    wanted = config(experiment, "dump", "--lr", 0.1)
    wanted.run_config.environment_variables = {"A": "x y"}
    run = experiment.submit(wanted, tags={"stage": "draft"}, run_id="my-run")
    (tmp_path / "source" / "train.py").write_text("raise SystemExit(9)")
    assert run.id == "my-run"
    details = run.wait_for_completion()
    assert details["status"] == "Completed"
    assert details["runDefinition"]["arguments"] == ["dump", "--lr", "0.1"]
    dump = text(run, "outputs/dump.json")
    assert '"argv": ["dump", "--lr", "0.1"]' in dump
    assert '"A": "x y"' in dump
    assert "my-run/code" in dump
    assert run.get_metrics() == {"rank": 0}
    assert run.get_tags() == {"stage": "draft"}
    assert [one.id for one in experiment.get_runs(tags="stage", type="azureml.scriptrun")] == ["my-run"]


def test_tags_may_be_given_while_it_runs_and_not_afterwards(experiment: Experiment) -> None:
    run = experiment.submit(config(experiment, "hang"))
    await_output(run, "here")
    run.tag("seen", "yes")
    run.display_name = "a long one"
    wait_until(lambda: run.get_tags(), "the tag in the run folder")
    run.cancel()
    run.wait_for_completion()
    assert (run.get_tags(), run.display_name) == ({"seen": "yes"}, "a long one")
    with pytest.raises(UserError, match="has ended"):
        run.tag("late")


@pytest.mark.parametrize("distribution", [PyTorchConfiguration(process_count=3), MpiConfiguration(3)])
def test_every_rank_is_followed(
    experiment: Experiment, distribution: Distribution, capsys: pytest.CaptureFixture[str]
) -> None:
    if isinstance(distribution, MpiConfiguration):
        require(why_missing(OpenMPI4()))
    run = experiment.submit(config(experiment, "work", distribution=distribution), show_output=True)
    said = capsys.readouterr().out.splitlines()
    size = "3" if isinstance(distribution, PyTorchConfiguration) else "None"
    assert sorted(line for line in said if line.startswith("[")) == [f"[{r}] work by {r} of {size}" for r in range(3)]
    assert sorted(run.get_metrics()["rank"]) == [0, 1, 2]


@pytest.mark.parametrize("distribution", [PyTorchConfiguration(process_count=2), MpiConfiguration(2)])
def test_the_first_error_of_the_rank_that_failed_is_told(experiment: Experiment, distribution: Distribution) -> None:
    if isinstance(distribution, MpiConfiguration):
        require(why_missing(OpenMPI4()))
    run = experiment.submit(config(experiment, "fail", distribution=distribution))
    with pytest.raises(RunFailedError, match=r"rank 1 \(pid \d+\) raised ValueError: bad loss at "):
        run.wait_for_completion()
    assert run.wait_for_completion(raise_on_error=False)["status"] == "Failed"


def test_a_command_may_be_words_or_a_line_for_the_shell(experiment: Experiment, tmp_path: Path) -> None:
    source = str(tmp_path / "source")
    for command in (["ls", "train.py"], "ls train.py | cat"):
        run = experiment.submit(ScriptRunConfig(source, command=command))
        run.wait_for_completion()
        assert text(run, "azureml-logs/70_driver_log.txt") == "train.py\n"


def test_a_program_that_is_not_there_fails_the_run(experiment: Experiment, tmp_path: Path) -> None:
    run = experiment.submit(ScriptRunConfig(str(tmp_path / "source"), command=["no-such-program"]))
    with pytest.raises(RunFailedError, match="no-such-program: command not found"):
        run.wait_for_completion()


def test_a_run_that_cannot_even_start_says_why(experiment: Experiment, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "demo").write_text("a file where the experiment's folder should be")
    run = experiment.submit(config(experiment, "work"))
    with pytest.raises(RunFailedError, match="runs/demo"):
        run.wait_for_completion()
    assert run.get_status() == "Failed"


def test_a_spool_that_cannot_be_made_is_told_at_once(experiment: Experiment, tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("a file")
    with pytest.raises(UserError, match="RANKLOG_SPOOL"):
        experiment.submit(config(experiment, "work"))


@pytest.mark.parametrize("distribution", [None, PyTorchConfiguration(process_count=2), MpiConfiguration(2)])
def test_a_run_is_canceled_also_from_another_place(experiment: Experiment, distribution: Distribution | None) -> None:
    if isinstance(distribution, MpiConfiguration):
        require(why_missing(OpenMPI4()))
    run = experiment.submit(config(experiment, "hang", distribution=distribution))
    await_output(run, "here")
    other = experiment.workspace.get_run(run.id)
    other.cancel()
    assert run.wait_for_completion()["status"] == other.get_status() == "Canceled"


def test_a_job_that_does_not_heed_is_killed(experiment: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ranklog.submission.start.KILL_AFTER_S", 1)
    run = experiment.submit(config(experiment, "deaf"))
    await_output(run, "here")
    run.cancel()
    assert run.wait_for_completion()["status"] == "Canceled"


def test_one_that_is_killed_while_it_ends_is_canceled_too(
    experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = experiment.submit(config(experiment, "hang"))
    await_output(run, "here")
    # As a scheduler does that has lost its patience: nothing of the job can say how it ended.
    asked_to_end = os.kill
    monkeypatch.setattr(os, "kill", lambda pid, _: asked_to_end(pid, signal.SIGKILL))
    run.cancel()
    monkeypatch.undo()
    wait_until(lambda: run.get_status() not in ("Running", "CancelRequested"), "it has ended")
    assert run.get_status() == "Canceled"


def test_a_job_may_not_run_for_longer_than_is_said(experiment: Experiment) -> None:
    run = experiment.submit(config(experiment, "hang", seconds_max=2))
    assert run.wait_for_completion()["status"] == "Canceled"
    said = str(run._source.verdict(run.id)["headline"])
    assert said.startswith("the job reached its time limit (--max-duration 2) at ")


def test_the_run_does_not_need_who_has_submitted_it(experiment: Experiment, tmp_path: Path) -> None:
    program = (
        "import sys; from ranklog import *;"
        "Experiment(Workspace(root=sys.argv[1]), 'demo').submit(ScriptRunConfig(sys.argv[2], 'train.py', ['work']))"
    )
    subprocess.run([sys.executable, "-c", program, tmp_path / "runs", tmp_path / "source"], check=True, timeout=60)
    wait_until(lambda: list(experiment.get_runs()), "the run", 60)
    run = next(experiment.get_runs())
    assert run.wait_for_completion()["status"] == "Completed"
    assert run.get_metrics() == {"rank": 0}


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (lambda source: ScriptRunConfig(source, "none.py"), "no script 'none.py'"),
        (lambda source: ScriptRunConfig(source / "none", command=["ls"]), "no source folder"),
        (lambda source: RunConfiguration(), "ScriptRunConfig"),
    ],
)
def test_what_cannot_be_submitted_is_refused_at_once(
    experiment: Experiment, tmp_path: Path, wanted: object, words: str
) -> None:
    with pytest.raises(UserError, match=words):
        experiment.submit(wanted(tmp_path / "source"))  # type: ignore[operator]


def test_an_id_is_taken_once(experiment: Experiment) -> None:
    experiment.submit(config(experiment, "work"), run_id="r").wait_for_completion()
    with pytest.raises(UserError, match="run r already"):
        experiment.submit(config(experiment, "work"), run_id="r")


def test_several_nodes_need_slurm(experiment: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.path.dirname(sys.executable))
    with pytest.raises(UserError, match="need Slurm"):
        experiment.submit(config(experiment, "work", distribution=MpiConfiguration(2, node_count=2)))
