"""RunDetails in a real JupyterLab in Chromium."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.support.collector_process import CollectorProcess
from tests.support.http_api import api_of
from tests.support.jupyter import MILLISECONDS, Jupyter, Lab
from tests.support.pipeline import AgentProcess, wait_until
from tests.support.run_writer import job

RANK = Path(__file__).parents[1] / "programs/notebook_rank.py"
SHOW = "from ranklog import RunDetails, Workspace\nrun = Workspace({where}).get_run('r1')\nRunDetails(run).show()"
THREADS = """
import threading, time
deadline = time.monotonic() + 60
def ours(): return [each.name for each in threading.enumerate() if "ranklog" in each.name]
while ours() and time.monotonic() < deadline: time.sleep(0.05)
print(ours())"""


@pytest.fixture(autouse=True)
def patient() -> None:
    expect.set_options(timeout=MILLISECONDS)


class LiveJob:
    """Two ranks under a collector that serves HTTP. They wait for `go_on` in the middle of their work."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._gate = folder / "gate"
        self._collector = CollectorProcess(folder, None, "--http", "127.0.0.1:0")
        self._collector.start()
        stack.callback(self._collector.stop)
        api = api_of(self._collector.log)
        api.await_answer()
        self.url = f"http://{api.host}:{api.port}"
        spool = str(folder / "spool")
        words = ["--collector", self._collector.address, "--run", "r1", "--experiment", "demo", "--spool", spool]
        agent = AgentProcess(folder / "agent.log", words)
        agent.start()
        stack.callback(agent.kill)
        for rank in range(2):
            about = {"RANKLOG_RUN_ID": "r1", "RANKLOG_SPOOL": spool, "RANK": str(rank), "WORLD_SIZE": "2"}
            ranklog = str(Path(sys.executable).with_name("ranklog"))
            one = subprocess.Popen(
                [ranklog, "exec", "--", sys.executable, str(RANK), str(self._gate)],
                env={**os.environ, **about, "LOCAL_RANK": str(rank), "LOCAL_WORLD_SIZE": "2"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
            stack.callback(one.wait, 30)
            stack.callback(one.terminate)
        wait_until(lambda: len(api.json("/runs")["runs"]) == 1, "the run")
        wait_until(lambda: "loss" in api.get("/runs/r1/metrics").body.decode(), "its metrics")

    def go_on(self) -> None:
        self._gate.touch()


@pytest.fixture
def live_job(tmp_path: Path) -> Iterator[LiveJob]:
    with ExitStack() as stack:
        yield LiveJob(tmp_path, stack)


def test_a_live_run_is_followed_over_http_to_its_end(
    jupyter: Jupyter, lab: Lab, live_job: LiveJob, tmp_path: Path
) -> None:
    gate = tmp_path / "cell"
    busy = f"import os, time\nprint('busy')\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.05)"
    path = jupyter.write("live.ipynb", [SHOW.format(where=f"url={live_job.url!r}"), busy, THREADS])
    with lab.opened(path) as notebook:
        notebook.run_all()
        view = notebook.view
        expect(view.locator(".rl-status")).to_have_text("Running")
        expect(view.locator(".rl-facts")).to_contain_text("2 processes on 1 node")
        expect(view.get_by_role("button", name="2 Running")).to_be_visible()
        expect(view.locator(".rl-text").filter(has_text="step 9 of rank")).to_have_count(2)
        view.get_by_role("button", name=re.compile("^loss")).focus()
        # The kernel executes the next cell all the time; the view goes on.
        expect(notebook.output(1)).to_contain_text("busy")
        live_job.go_on()
        expect(view.locator(".rl-status")).to_have_text("Completed")
        expect(view.locator(".rl-text").filter(has_text="is done")).to_have_count(2)
        expect(view.get_by_role("button", name="2 Completed")).to_be_visible()
        gate.touch()
        view.get_by_role("button", name=re.compile("^loss")).click()
        expect(view.locator(".rl-chart-title")).to_have_text("loss")
        expect(view.locator("path.rl-curve")).to_have_count(2)
        expect(notebook.output(2)).to_have_text("[]", use_inner_text=True)
        view.screenshot(path=tmp_path / "live.png")
        hostile = view.locator(".rl-text").filter(has_text="<script>alert('line')</script>red␇")
        expect(hostile).to_have_count(2)
        expect(view.locator(".rl-metric-row").filter(has_text="<img src=x")).to_be_visible()
        expect(view.locator("script, img")).to_have_count(0)


def test_a_thousand_ranks_of_a_folder_are_found_one_by_one(jupyter: Jupyter, lab: Lab, tmp_path: Path) -> None:
    writer, streams = job(tmp_path / "runs/demo/r1", 1000)
    for rank, stream in enumerate(streams):
        writer.write(stream, f"hello of rank {rank}\n".encode(), at=rank / 1000)
    for rank in range(1000):
        writer.exit(rank, code=9 if rank == 513 else 0)
    writer.end("failed")
    path = jupyter.write("thousand.ipynb", [SHOW.format(where=f"root={str(tmp_path / 'runs')!r}")])
    with lab.opened(path) as notebook:
        notebook.run_all()
        view = notebook.view
        expect(view.locator(".rl-status")).to_have_text("Failed")
        expect(view.locator(".rl-error")).to_contain_text("rank 513 (pid 613) exited with code 9")
        expect(view.locator(".rl-text").last).to_have_text("hello of rank 999")
        assert view.locator(".rl-inner .rl-row").count() < 20, "rows that nobody sees are not there"
        expect(view.locator(".rl-chip")).to_have_text(["1 Failed", "999 Completed"])
        expect(view.locator(".rl-metrics")).to_be_hidden()
        view.get_by_role("button", name="1 Failed").click()
        view.locator(".rl-inner .rl-row", has_text="513").click()
        expect(view.locator(".rl-text")).to_have_text(["hello of rank 513"])
        lab.command("apputils:change-theme", theme="JupyterLab Dark")
        expect(lab.page.locator("body[data-jp-theme-light=false]")).to_have_count(1)
        expect(lab.page.locator("#jupyterlab-splash")).to_have_count(0)
        view.screenshot(path=tmp_path / "thousand.png")


def test_the_run_of_the_notebook_itself_is_shown_while_it_logs(jupyter: Jupyter, lab: Lab, tmp_path: Path) -> None:
    start = (
        "from ranklog import Experiment, RunDetails, Workspace\nrun = Experiment(Workspace(), 'own').start_logging()"
    )
    log = "for step in range(50): run.log('alpha', step * step, step=step)"
    path = jupyter.write("own.ipynb", [f"{start}\nRunDetails(run).show()", log])
    with lab.opened(path) as notebook:
        notebook.run_all()
        expect(notebook.view.locator(".rl-status")).to_have_text("Running")
        expect(notebook.view.get_by_role("button", name=re.compile("^alpha *2401"))).to_be_visible()
        expect(notebook.view.locator("path.rl-curve")).to_have_count(1)
        notebook.view.screenshot(path=tmp_path / "own.png")


def test_where_widgets_are_absent_it_is_text(jupyter: Jupyter, lab: Lab, tmp_path: Path) -> None:
    writer, streams = job(tmp_path / "runs/demo/r1", 2)
    writer.write(streams[1], b"hello\n")
    show = SHOW.format(where=f"root={str(tmp_path / 'runs')!r}")
    path = jupyter.write("text.ipynb", [f"import sys\nsys.modules['anywidget'] = None\n{show}"])
    with lab.opened(path) as notebook:
        notebook.run_all()
        expect(notebook.output(0)).to_contain_text("Processes: 2 Running")
        expect(notebook.output(0)).to_contain_text("[1] hello")
        expect(notebook.output(0)).to_contain_text("pip install 'ranklog[notebook]'")
        expect(notebook.view).to_have_count(0)
