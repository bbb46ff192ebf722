"""`ranklog stacks` of jobs that hang: who is where, and who is the odd one out."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ranklog_collector.http import answers
from ranklog_collector.reading.folder import RunFolder
from ranklog_collector.reading.stacks import latest_stacks
from tests.support import launchers, programs
from tests.support.hosts import Hosts
from tests.support.http_api import Api
from tests.support.pipeline import wait_until
from tests.support.ranklog_run import LiveRun, command, environment
from tests.system.conftest import require

RANKLOG = str(Path(sys.executable).with_name("ranklog"))
HANG = [*programs.script("hang.py"), "1"]


def stacks(root: Path, *words: str, more: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run `ranklog stacks` on a test's only run."""
    words = ("stacks", "latest", "--timeout", "60", *words)
    return subprocess.run([RANKLOG, *words], env=environment(root, more), capture_output=True, text=True, check=False)


def view(root: Path, *words: str) -> dict[str, Any]:
    """What it says to programs."""
    done = stacks(root, "--json", *words)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def places(found: dict[str, Any]) -> dict[tuple[int, ...], str]:
    """Of each group the function that it is in."""
    return {tuple(group["ranks"]): group["frames"][0]["function"] for group in found["groups"]}


def suspects(found: dict[str, Any]) -> list[int]:
    return [rank for group in found["groups"] if group["is_suspect"] for rank in group["ranks"]]


class Job:
    """Three ranks that hang, with a collector that serves HTTP."""

    def __init__(self, root: Path, run: LiveRun) -> None:
        self.root = root
        self.run = run

    @property
    def folder(self) -> Path:
        (journal,) = (self.root / "runs").glob("*/*/.ranklog")
        return journal.parent

    @property
    def url(self) -> str:
        return re.sub(r"/api.*", "", self.run.wait_for(r"HTTP on (\S+)")[1])


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Job]:
    root = tmp_path_factory.mktemp("job")
    options = ("-n", "3", "--http", "127.0.0.1:0", "--stacks-after-silence", "0")
    with LiveRun(root, *options, "--", *HANG, is_terminal=False) as run:
        for rank in range(3):
            run.wait_for(f"rank {rank} is about to hang")
        job = Job(root, run)
        wait_until(lambda: latest_view_has(job), "every rank hangs", 120)
        yield job
        run.send(15)
        run.end()


def latest_view_has(job: Job) -> bool:
    """Whether the ranks, and the worker, have come to where they will stay."""
    found = view(job.root)
    workers = [thread["frames"][0]["function"] for one in found["children"] for thread in one["threads"]]
    return places(found) == {(0, 2): "waiting", (1,): "elsewhere"} and workers == ["load"]


def test_the_odd_one_out_is_named_while_the_job_hangs(job: Job) -> None:
    found = view(job.root)
    assert places(found) == {(0, 2): "waiting", (1,): "elsewhere"}
    assert suspects(found) == [1]
    assert [one["how"] for one in found["processes"]] == ["py-spy"] * 3
    assert found["is_complete"]


def test_people_see_groups_and_one_tree(job: Job) -> None:
    said = stacks(job.root).stdout
    place = r"\(hang\.py:\d+\)"
    for expected in (
        rf"^2 ranks \[0,2\]  waiting {place} ← main {place}$",
        rf"^1 rank \[1\] +elsewhere {place} ← main {place}\n +▲ the odd one out",
        r"^3 \[0-2\]\n│ <module> .*\n├ 2 \[0,2\]\n│   main .*\n│   waiting .*\n└ 1 \[1\]\n    main",
        r"^  pid \d+ of rank_0: load \(<string>:3\)",
    ):
        assert re.search(expected, said, re.MULTILINE), said


def test_one_rank_may_be_asked_alone(job: Job) -> None:
    found = view(job.root, "--rank", "1,5-7")
    assert places(found) == {(1,): "elsewhere"}
    (process,) = found["processes"]
    assert process["rank"] == 1
    nobody = stacks(job.root, "--rank", "9")
    assert nobody.returncode == 1
    assert re.search(r"none of these ranks of run \S+ is running; --stored", nobody.stderr)


def test_native_frames_are_shown_on_demand(job: Job) -> None:
    (process,) = view(job.root, "--native", "--rank", "1")["processes"]
    functions = [frame["function"] for thread in process["threads"] for frame in thread["frames"]]
    assert {"elsewhere", "time_sleep"} <= set(functions)


def test_what_was_asked_is_kept_and_told_in_the_account_of_the_run(job: Job) -> None:
    found = view(job.root)
    assert view(job.root, "--stored") == found
    account = job.folder / "overall/execution.txt"
    said = "the stacks of the processes on 1 node are asked for"
    wait_until(lambda: said in account.read_text(), "it is in the account")
    (lines,) = job.folder.glob(".ranklog/stacks/*.jsonl")
    assert f'"request":"{found["request"]}"' in lines.read_text()
    assert not any(job.folder.glob(".ranklog/requests/*"))


def test_stacks_are_asked_for_and_told_over_http(job: Job) -> None:
    asked = stacks(job.root, "--json", "--url", job.url)
    assert asked.returncode == 0, asked.stderr
    found = json.loads(asked.stdout)
    assert places(found) == {(0, 2): "waiting", (1,): "elsewhere"}
    host, _, port = job.url.rpartition("/")[2].partition(":")
    api = Api(host, int(port))
    answers.Stacks.model_validate(api.json("/runs/latest/stacks"), strict=True)
    assert api.json(f"/runs/latest/stacks?request={found['request']}")["processes"] == found["processes"]
    assert api.get("/runs/latest/stacks?request=nix").status == 404
    # What any web page can have a browser send.
    assert api.get("/runs/latest/stacks", "POST", content_type="text/plain").status == 400


def test_a_request_that_is_none_is_not_heeded_and_does_no_harm(job: Job) -> None:
    folder = job.folder / ".ranklog/requests"
    folder.mkdir(exist_ok=True)
    os.symlink("/etc/passwd", folder / f"{'1' * 16}.json")  # first: the collector removes the folder if it is empty
    (folder / f"{'0' * 16}.json").write_bytes(b"\xff" * 100)
    assert places(view(job.root)) == {(0, 2): "waiting", (1,): "elsewhere"}
    for path in folder.glob("*"):
        path.unlink()


def test_long_silence_has_the_stacks_kept_and_the_ended_run_shows_them(tmp_path: Path) -> None:
    with LiveRun(tmp_path, "-n", "2", "--stacks-after-silence", "1", "--", *HANG, is_terminal=False) as run:
        run.wait_for("rank 1 is about to hang")
        (folder,) = (tmp_path / "runs").glob("*/*")
        reading = RunFolder(str(folder))

        def is_kept() -> bool:
            reading.refresh()
            found = latest_stacks(reading)
            return found is not None and len(found.folding.groups) == 2 and found.why == "silence" and found.is_complete

        wait_until(is_kept, "the silence is noticed", 120)
        run.send(15)
        run.end()
    said = stacks(tmp_path)
    assert said.returncode == 0, said.stderr
    assert "because the job said nothing for long" in said.stdout
    assert "asked for; the job has said nothing for long" in (folder / "overall/execution.txt").read_text()


def test_a_run_of_which_nobody_has_asked_has_none(tmp_path: Path) -> None:
    with LiveRun(tmp_path, "--", "true", is_terminal=False) as run:
        run.end()
    said = stacks(tmp_path)
    assert said.returncode == 1
    assert "has no stacks: nobody asked for them while it ran" in said.stderr


def test_who_sleeps_while_the_others_are_in_a_collective_is_named(tmp_path: Path) -> None:
    launcher = launchers.Torchrun()
    require(launchers.why_missing(launcher))
    torchrun = [str(launcher.program), "--standalone", "--nproc-per-node", "4"]
    more = {"PG_TIMEOUT": "600", "OMP_NUM_THREADS": "1"}
    words = [*torchrun, programs.script("trainer.py")[1], "hang", "2"]
    with LiveRun(tmp_path, "--", *words, more=more, is_terminal=False) as run:
        run.wait_for("about to hang at step 3")

        def is_seen() -> bool:
            waiting = [group["ranks"] for group in view(tmp_path)["groups"] if group["waits_in"] == "all_reduce"]
            return waiting == [[0, 1, 3]]

        wait_until(is_seen, "the others have come to the collective", 120)
        found = view(tmp_path, "--stored")
        assert (found["basis"], suspects(found)) == ("not-waiting", [2])
        run.send(15)
        run.end()


def test_ranks_of_other_hosts_are_asked_by_their_agents(hosts4: Hosts, tmp_path: Path) -> None:
    launcher = launchers.OpenMPI4()
    require(launchers.why_missing(launcher))
    (job,) = launcher.commands(hosts4, HANG, (1, 2))
    words = ["env", "-C", str(tmp_path), *command("--no-watch", "--", *job.argv)]
    settings = {**environment(tmp_path), "RANKLOG_SPOOL": "/tmp/ranklog-spool", **job.env}
    process = hosts4.popen(0, *words, env=settings)
    try:

        def is_seen() -> bool:
            said = stacks(tmp_path, "--json")
            return said.returncode == 0 and places(json.loads(said.stdout)) == {(0, 2): "waiting", (1,): "elsewhere"}

        wait_until(is_seen, "all ranks are seen where they hang", 120)
        found = view(tmp_path, "--stored")
        assert {one["rank"]: one["node"] for one in found["processes"]} == {0: "node0", 1: "node1", 2: "node1"}
        assert suspects(found) == [1]
    finally:
        process.terminate()
        process.wait(60)
