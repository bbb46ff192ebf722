"""Runs that are read from a collector over HTTP, as scripts read them: the same as from its folder."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ranklog import Experiment, Workspace
from ranklog.errors import RunFileError, RunNotFoundError, UnreachableError
from ranklog.source.choose import folder
from ranklog.source.http import HttpSource
from ranklog.streaming import wait
from tests.support.collector_process import CollectorProcess
from tests.support.http_api import api_of
from tests.support.pipeline import AgentProcess, wait_until

TOKEN = "s3cret"


@pytest.fixture
def collector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CollectorProcess]:
    for name in [name for name in os.environ if name.startswith("RANKLOG_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("RANKLOG_SPOOL", str(tmp_path / "spool"))
    (tmp_path / "token").write_text(TOKEN + "\n")
    (tmp_path / "collector").mkdir()
    token = ("--token-file", str(tmp_path / "token"))
    collector = CollectorProcess(tmp_path / "collector", None, "--http", "127.0.0.1:0", *token)
    collector.start()
    yield collector
    assert collector.stop() == 0


@pytest.fixture
def workspace(collector: CollectorProcess, tmp_path: Path) -> Workspace:
    """What `.ranklog/config.json` would say."""
    api = api_of(collector.log)
    return Workspace(
        url=f"http://{api.host}:{api.port}", token_file=str(tmp_path / "token"), collector=collector.address
    )


def test_an_interactive_run_is_shipped_and_read_back(workspace: Workspace) -> None:
    run = Experiment(workspace, "demo").start_logging(tags={"a": "b"}, outputs=False)
    run.log("x", float("nan"))
    run.log("x", float("-inf"))
    run.log_table("t", {"a": [1, 2], "b": ["p", None]})
    run.upload_file("outputs/self.py", __file__)
    before = run.get_metrics()
    told = [(one["key"], one["kind"], one["count"], one["last"], one["mean"]) for one in run._source.metrics(run.id)]
    run.complete()
    after = run._source.metrics(run.id)
    assert told == [(one["key"], one["kind"], one["count"], one["last"], one["mean"]) for one in after]
    for one in (run, workspace.get_run(run.id), next(Experiment(workspace, "demo").get_runs())):
        assert repr(one.get_metrics()) == repr(before)
        assert (one.get_status(), one.get_tags()) == ("Completed", {"a": "b"})
        assert "outputs/self.py" in one.get_file_names()
    assert workspace.source.file(run.id, "outputs/self.py") == Path(__file__).read_bytes()
    assert list(workspace.experiments) == ["demo"]


def test_a_folder_and_its_collector_say_the_same(workspace: Workspace, collector: CollectorProcess) -> None:
    run = Experiment(workspace, "demo").start_logging(outputs=False)
    run.log("x", 1.5, step=3)
    run.child_run("fold").log_row("r", a=1)
    run.complete()
    over_http, in_folder = workspace.source, folder(str(collector.root))
    assert over_http.runs() == in_folder.runs("demo")
    assert over_http.run(run.id) == in_folder.run(run.id)
    assert over_http.run(run.id)["children"] != []
    for ask in ("processes", "records", "metrics", "logs"):
        assert getattr(over_http, ask)(run.id) == getattr(in_folder, ask)(run.id), ask
    # The collector may write run.json once more between the two answers.
    wait_until(lambda: over_http.files(run.id) == in_folder.files(run.id), "both tell of the same files")
    for ask in ("series", "aggregate"):
        assert getattr(over_http, ask)(run.id, "x", points=9) == getattr(in_folder, ask)(run.id, "x", points=9), ask
    for source in (over_http, in_folder):
        assert source.series(run.id, "nobody logged this") == []
        assert source.aggregate(run.id, "nobody logged this")["step"] == []
        assert source.records(run.id, "nobody logged this") == []
        assert source.file(run.id, "run.json", 10**9) == b""
        with pytest.raises(RunNotFoundError):
            source.run("no-such-run")
        with pytest.raises(RunFileError):
            source.file(run.id, "no/such/file")


def test_a_wrong_token_is_said_to_be_so(workspace: Workspace) -> None:
    with pytest.raises(UnreachableError, match="RANKLOG_TOKEN"):
        HttpSource(workspace.source.url, "wrong").runs()


def test_a_run_is_followed_while_it_goes_on(workspace: Workspace, collector: CollectorProcess, tmp_path: Path) -> None:
    where = ["--collector", collector.address, "--run", "r1", "--experiment", "demo", "--spool", str(tmp_path / "s")]
    agent = AgentProcess(tmp_path / "agent.log", where, {"RANKLOG_TOKEN": TOKEN})
    agent.start()
    gate = tmp_path / "gate"
    program = f"echo first; while [ ! -e {gate} ]; do sleep 0.05; done; echo last"
    env = {**os.environ, "RANKLOG_RUN_ID": "r1", "RANKLOG_SPOOL": str(tmp_path / "s")}
    command = [str(Path(sys.executable).with_name("ranklog")), "exec", "--", "sh", "-c", program]
    out = io.StringIO()
    with subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL):
        wait_until(lambda: [run["run_id"] for run in workspace.source.runs()] == ["r1"], "the run")
        following = threading.Thread(target=wait, args=(workspace.get_run("r1"), True), kwargs={"output": out})
        following.start()
        wait_until(lambda: "first\n" in out.getvalue(), "the first line, while the job runs")
        gate.touch()
        following.join(60)
    assert agent.wait() == 0
    assert [line for line in out.getvalue().splitlines() if line in ("first", "last")] == ["first", "last"]
    assert "Status: Completed" in out.getvalue()
