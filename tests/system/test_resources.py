"""What the job and its node use, as points beside those that the job logs."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support.pipeline import Pipeline, wait_until

HERE = socket.gethostname()
CPU = "process/cpu_utilization_percentage"
BUSY = "import os; parent = os.getppid()\nwhile os.getppid() == parent: pass"
"""Ends with its parent: a test that fails leaves nothing behind that slows all others down."""
WASTEFUL_PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {BUSY!r}])"


def samples(path: Path) -> list[dict[str, Any]]:
    """The whole lines so far, all of which must be points in order of time."""
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    points = [json.loads(line) for line in lines]
    assert [point["t"] for point in points] == sorted(point["t"] for point in points)
    return [point["m"] for point in points]


class Job:
    """Processes under `ranklog exec` that are observed twice a second."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.pipeline = Pipeline(folder, "--sample", "0.5", "--watch", f"{folder}/src/**", *options)
        self._started: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Job:
        self.pipeline.__enter__()
        self.pipeline.await_agent()
        return self

    def __exit__(self, *error: Any) -> None:
        for process in self._started:
            process.kill()
            process.wait()
        self.pipeline.__exit__(*error)

    def start(self, code: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "ranklog", "exec", "--", sys.executable, "-c", code]
        environment = os.environ | {"RANKLOG_SPOOL": str(self.pipeline.folder / "spool")}
        process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        self._started.append(process)
        return process

    @property
    def folder(self) -> Path:
        return self.pipeline.run_folder / ".ranklog" / "metrics" / HERE

    @property
    def node(self) -> list[dict[str, Any]]:
        return samples(self.folder / "node.resources.jsonl")

    @property
    def processes(self) -> list[list[dict[str, Any]]]:
        return [samples(path) for path in self.folder.glob("*-*.resources.jsonl")]

    def cpu(self) -> list[float]:
        """CPU use of the only process."""
        return [sample[CPU] for series in self.processes for sample in series if CPU in sample]

    def as_written(self) -> None:
        """All that was written in the spool is in the run folder."""
        written = self.pipeline.folder / "spool" / "agents" / HERE / "resources"
        for path in written.iterdir():
            assert (self.folder / f"{path.stem}.resources.jsonl").read_bytes() == path.read_bytes()


def test_a_busy_process_uses_a_core_and_so_says_its_series(tmp_path: Path) -> None:
    with Job(tmp_path) as job:
        process = job.start(WASTEFUL_PARENT)
        # The machine may have much else to do: its share of a core may be small, but it is no more than one.
        wait_until(lambda: len(job.cpu()) > 8 and max(job.cpu()) > 50, "the use of a busy process")
        assert max(job.cpu()) < 150
        last = job.processes[0][-1]
        assert last["process/memory_rss_megabytes"] > 5
        assert last["process/threads"] >= 2
        process.send_signal(signal.SIGTERM)
        process.wait()
        assert not job.pipeline.finish().problems
        job.as_written()


def test_the_node_is_observed_whether_or_not_there_is_a_job(tmp_path: Path) -> None:
    with Job(tmp_path) as job:
        wait_until(lambda: any("system/cpu_utilization_percentage" in sample for sample in job.node), "the node's use")
        last = job.node[-1]
        assert 0 < last["system/system_memory_usage_percentage"] < 100
        assert 0 <= last["system/cpu_utilization_percentage"] <= 100
        assert last["system/disk_available_megabytes"] > 0
        assert 10 < last["agent/memory_rss_megabytes"] < 200
        assert job.processes == []
        job.pipeline.finish()
        job.as_written()


def test_a_process_that_ends_between_two_samples_has_one_of_its_end(tmp_path: Path) -> None:
    with Job(tmp_path, "--sample", "3600") as job:
        wait_until(lambda: job.node, "the first sample")
        process = job.start("import time; began = time.time()\nwhile time.time() < began + 1.5: pass")
        assert process.wait(60) == 0
        job.pipeline.finish()
        (last,) = job.cpu()
        assert 10 < last <= 120
        job.as_written()


def test_a_process_that_comes_between_two_samples_is_looked_at_at_once(tmp_path: Path) -> None:
    with Job(tmp_path, "--sample", "3600") as job:
        wait_until(lambda: job.node, "the first sample")
        job.start(BUSY)
        wait_until(lambda: job.processes and job.processes[0], "a sample of the process")
        assert job.processes[0][0]["process/memory_rss_megabytes"] > 1


def test_series_go_on_when_the_agent_was_killed(tmp_path: Path) -> None:
    with Job(tmp_path) as job:
        process = job.start(BUSY)
        wait_until(lambda: len(job.cpu()) > 2, "the first samples")
        before = len(job.cpu())
        for _ in range(2):
            job.pipeline.agent.kill()
            job.pipeline.agent.start()
        wait_until(lambda: len(job.cpu()) > before + 4, "further samples")
        assert len(job.processes) == 1
        process.send_signal(signal.SIGTERM)
        process.wait()
        assert not job.pipeline.finish().problems
        job.as_written()


def test_nothing_is_observed_if_nobody_wants_it(tmp_path: Path) -> None:
    with Job(tmp_path, "--sample", "0") as job:
        job.start("print('done')").wait(60)
        job.pipeline.finish()
        assert not job.folder.exists()


def test_it_is_said_once_in_the_nodes_account_that_there_are_no_gpus(tmp_path: Path) -> None:
    with Job(tmp_path) as job:
        wait_until(lambda: len(job.node) > 3, "some samples")
        job.pipeline.finish()
        (account,) = (job.pipeline.run_folder / "azureml-logs").glob("55_*")
        assert account.read_text().count("GPUs are not observed") == 1
        assert "GPU" not in job.pipeline.agent.words


def test_an_agent_told_to_end_when_the_job_has_ended_says_so(tmp_path: Path) -> None:
    with Job(tmp_path) as job:
        job.start("print('done')").wait(60)
        job.pipeline.finish()
        assert "agent leaves: ended" in job.pipeline.agent.words


def test_an_agent_told_to_end_while_the_job_runs_says_that(tmp_path: Path) -> None:
    with Job(tmp_path) as job:
        process = job.start(BUSY)
        wait_until(job.cpu, "the process")
        job.pipeline.finish()
        assert "agent leaves: signalled" in job.pipeline.agent.words
        process.kill()
