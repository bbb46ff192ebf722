"""Interactive runs: a process that is a run, and what is left of it however it ends."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ranklog import Experiment, Run, Workspace
from ranklog.errors import UserError
from ranklog.interactive import InteractiveRun
from tests.support.collector_process import CollectorProcess
from tests.support.pipeline import wait_until

ENDED = ("Completed", "Failed", "Canceled", "NotResponding")


@pytest.fixture
def experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Experiment:
    for name in [name for name in os.environ if name.startswith("RANKLOG_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("RANKLOG_SPOOL", str(tmp_path / "spool"))
    monkeypatch.chdir(tmp_path)
    return Experiment(Workspace(root=str(tmp_path / "runs")), "demo")


@pytest.fixture
def run(experiment: Experiment) -> Iterator[InteractiveRun]:
    run = experiment.start_logging()
    assert isinstance(run, InteractiveRun)
    yield run
    run.complete()


def test_a_completed_run_is_whole_at_once(experiment: Experiment, tmp_path: Path) -> None:
    (tmp_path / "outputs").mkdir()
    (tmp_path / "outputs" / "old.txt").write_text("of an earlier run")
    os.utime(tmp_path / "outputs" / "old.txt", (1, 1))
    run = experiment.start_logging(display_name="first", tags={"stage": "draft"}, properties={"p": "1"})
    run.log_list("Fibonacci", [0, 1, 1, 2])
    run.upload_file("outputs/up.bin", __file__)
    (tmp_path / "outputs" / "model.txt").write_text("weights")
    assert run.get_metrics() == {"Fibonacci": [0, 1, 1, 2]}
    assert run.get_status() == "Running"
    run.complete()
    again = experiment.workspace.get_run(run.id)
    for one in (run, again):
        assert one.get_status() == "Completed"
        assert one.get_metrics() == {"Fibonacci": [0, 1, 1, 2]}
        assert (one.display_name, one.get_tags(), one.get_properties()) == ("first", {"stage": "draft"}, {"p": "1"})
        names = one.get_file_names()
        assert {"outputs/model.txt", "outputs/up.bin", "logs/azureml/110_azureml.log"} <= set(names)
        assert "outputs/old.txt" not in names
    again.download_file("outputs/up.bin", str(tmp_path / "copy"))
    assert (tmp_path / "copy").read_bytes() == Path(__file__).read_bytes()
    assert [one.id for one in experiment.get_runs()] == [run.id]
    assert list((tmp_path / "spool").rglob("*.jsonl")) == []


def test_a_run_that_has_ended_takes_no_more(run: InteractiveRun) -> None:
    run.complete()
    with pytest.raises(UserError, match="only be read here"):
        run.log("late", 1)


def test_a_failed_run_says_why(run: InteractiveRun) -> None:
    run.fail("out of data", error_code="E7")
    assert run.get_status() == "Failed"
    assert "out of data" in run.get_details()["error"]["error"]["message"]


def test_a_canceled_run_is_canceled(run: InteractiveRun) -> None:
    run.log("a", 1)
    run.cancel()
    assert run.get_status() == "Canceled"
    assert run.get_metrics() == {"a": 1}


def test_an_exception_in_a_block_fails_the_run(experiment: Experiment) -> None:
    with pytest.raises(ZeroDivisionError), experiment.start_logging() as run:
        run.log("a", 1 / 0)
    assert run.get_status() == "Failed"
    assert "ZeroDivisionError" in run.get_details()["error"]["error"]["message"]


def test_several_runs_in_one_process_keep_to_themselves(experiment: Experiment) -> None:
    first, second = experiment.start_logging(), experiment.start_logging()
    for step in range(3):
        first.log("a", step)
        second.log("a", -step)
    first.complete()
    third = experiment.start_logging()
    third.log("b", 1)
    second.complete()
    third.complete()
    assert first.get_metrics() == {"a": [0, 1, 2]}
    assert second.get_metrics() == {"a": [0, -1, -2]}
    assert third.get_metrics() == {"b": 1}
    assert len({one.id for one in experiment.get_runs()}) == 3


def test_child_runs_have_metrics_and_states_of_their_own(experiment: Experiment) -> None:
    run = experiment.start_logging()
    child = run.child_run("fold 0")
    child.log("a", 1)
    child.complete()
    assert run.get_status() == "Running"
    run.complete()
    (again,) = experiment.workspace.get_run(run.id).get_children()
    assert (again.id, again.get_status(), again.get_metrics()) == (child.id, "Completed", {"a": 1})


def test_a_folder_may_be_kept_as_it_is_at_the_start(experiment: Experiment, tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "train.py").write_text("print()")
    run = experiment.start_logging(snapshot_directory=str(tmp_path / "code"), run_id="my-run")
    run.complete()
    assert run.id == "my-run"
    assert "snapshot/train.py" in run.get_file_names()


def test_what_makes_no_sense_is_refused_before_anything_is_started(experiment: Experiment, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be a run's id"):
        experiment.start_logging(run_id="../x")
    with pytest.raises(UserError, match="no folder"):
        experiment.start_logging(snapshot_directory=str(tmp_path / "none"))
    assert not (tmp_path / "spool").exists()


PROGRAM = """
import os, signal, sys
from ranklog import Experiment, Workspace
run = Experiment(Workspace(root=sys.argv[1]), "demo").start_logging(run_id="r")
run.log("a", 1)
{end}
"""


@pytest.mark.parametrize(
    ("end", "status"),
    [("", "Completed"), ("raise ValueError('oops')", "Failed"), ("os.kill(os.getpid(), 9)", "NotResponding")],
)
def test_a_process_that_ends_without_a_word_takes_nothing_with_it(
    experiment: Experiment, tmp_path: Path, end: str, status: str
) -> None:
    program = PROGRAM.format(end=end)
    subprocess.run([sys.executable, "-c", program, tmp_path / "runs"], check=False, capture_output=True, timeout=60)
    run = first_run(experiment)
    wait_until(lambda: run.get_status() in ENDED, "the run's end")
    assert run.get_status() == status
    assert run.get_metrics() == {"a": 1}


def test_the_terminals_ctrl_c_does_not_reach_the_keeper(experiment: Experiment, tmp_path: Path) -> None:
    press = "    os.killpg(0, signal.SIGINT)\n    signal.pause()"
    end = f"try:\n{press}\nexcept KeyboardInterrupt:\n    run.log('a', 2)\n    run.complete()"
    program = [sys.executable, "-c", PROGRAM.format(end=end), str(tmp_path / "runs")]
    subprocess.run(program, check=True, capture_output=True, start_new_session=True, timeout=60)
    assert first_run(experiment).get_metrics() == {"a": [1, 2]}


def test_without_the_collectors_package_the_run_stays_in_the_spool(
    experiment: Experiment, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("ranklog.keeper.NEEDED", ("grpc_that_nobody_has",))
    run = experiment.start_logging()
    run.log("a", 1)
    run.complete()
    assert run.get_metrics() == {"a": 1}
    assert run.get_status() == "Completed"
    assert "pip install 'ranklog[all]'" in caplog.text


def test_with_a_collector_elsewhere_only_an_agent_is_started(
    tmp_path: Path, experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    collector = CollectorProcess(tmp_path / "elsewhere")
    collector.start()
    try:
        monkeypatch.setenv("RANKLOG_COLLECTOR", collector.address)
        run = Experiment(Workspace(root=str(collector.root)), "demo").start_logging()
        run.log("a", 1)
        run.complete()
        assert run.get_metrics() == {"a": 1}
        assert (collector.root / "demo" / run.id / "run.json").exists()
    finally:
        assert collector.stop() == 0
    assert not (tmp_path / "runs").exists()


def first_run(experiment: Experiment) -> Run:
    wait_until(lambda: list(experiment.get_runs()), "the run")
    return next(experiment.get_runs())
