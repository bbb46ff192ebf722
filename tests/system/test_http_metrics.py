"""What a job logs by the Run API is told over HTTP while the job runs, as the commands tell it afterwards."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support.http_api import Api
from tests.support.pipeline import wait_until
from tests.support.ranklog_run import LiveRun, command

TRAIN = """
import os, time
from ranklog import Run
run = Run.get_context()
run.tag("team", "vision")
for step in range(10):
    run.log("loss", float("nan") if step == 5 else step + float(os.environ["RANK"]), step=step)
run.child_run(name="inner").log("accuracy", 0.5)
while not os.path.exists("go"):
    time.sleep(0.05)
run.log("loss", 100.0, step=10)
while not os.path.exists("end"):
    time.sleep(0.05)
"""


def test_points_are_told_while_the_job_runs(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(TRAIN)
    words = ("--http", "127.0.0.1:0", "-n", "2", "--", sys.executable, "train.py")
    with LiveRun(tmp_path, *words, is_terminal=False) as live:
        found = live.wait_for(r"HTTP on http://(\S+):(\d+)/api/v1/runs/(\S+)")
        api, run = Api(found[1], int(found[2])), found[3]
        api.await_answer()
        wait_until(lambda: loss(api, run).get("count") == 20, "the points are there")
        with api.events(run) as events:
            assert next(events).kind == "run"
            (tmp_path / "go").touch()
            # The agent observes the ranks and its node, too.
            named = (name for event in events if event.kind == "metrics" for name in event.data["processes"])
            assert next(name for name in named if name.startswith("rank_")) in ("rank_0", "rank_1")
        rows = api.json(f"/runs/{run}/metrics/aggregate?key=loss")
        assert rows["mean"][:6] == [0.5, 1.5, 2.5, 3.5, 4.5, "NaN"]
        view = api.json(f"/runs/{run}")
        assert view["tags"] == {"team": "vision"}
        assert [child["display_name"] for child in view["children"]] == ["inner", "inner"]
        child = view["children"][0]["run_id"]
        assert api.json(f"/runs/{child}")["display_name"] == "inner"
        (record,) = api.json(f"/runs/{child}/metrics/records")["records"]
        assert (record["key"], record["value"], record["run_id"]) == ("accuracy", 0.5, child)
        # With the job the server ends.
        (tmp_path / "end").touch()
        assert live.end().code == 0


def test_the_commands_say_the_same(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(TRAIN)
    (tmp_path / "go").touch()
    (tmp_path / "end").touch()
    words = ("--http", "127.0.0.1:0", "-n", "2", "--", *command_that_asks(tmp_path))
    done = subprocess.run(command(*words), cwd=tmp_path, env=environment(tmp_path), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    answers = json.loads((tmp_path / "answers.json").read_text())
    run = re.search(r"ranklog: run (\S+)", done.stderr)
    assert run is not None
    assert cli(tmp_path, "metrics", run[1]) == answers["metrics"]
    assert cli(tmp_path, "metrics", run[1], "--values") == answers["records"]


def loss(api: Api, run: str) -> dict[str, Any]:
    found = api.json(f"/runs/{run}/metrics")["metrics"]
    return next((one for one in found if one["key"] == "loss"), {})


def environment(root: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RANKLOG_")}
    return {**kept, "RANKLOG_ROOT": str(root / "runs"), "RANKLOG_SPOOL": str(root / "spool")}


def command_that_asks(folder: Path) -> list[str]:
    """A program that logs, and whose rank 0 then writes down what HTTP tells of it."""
    (folder / "ask.py").write_text(
        """
import json, os, runpy, time, urllib.request
runpy.run_path("train.py")
def ask(what):
    address = f"{os.environ['RANKLOG_URL']}/api/v1/runs/{os.environ['RANKLOG_RUN_ID']}/metrics{what}"
    return json.load(urllib.request.urlopen(address, timeout=30))
if os.environ["RANK"] == "0":
    deadline = time.monotonic() + 30
    while len(records := ask("/records?key=loss")["records"]) < 22:
        assert time.monotonic() < deadline, records
        time.sleep(0.05)
    with open("answers.json", "w") as file:
        json.dump({"metrics": ask("")["metrics"], "records": ask("/records")["records"]}, file)
"""
    )
    return [sys.executable, "ask.py"]


def cli(folder: Path, *words: str) -> list[Any]:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("ranklog")), *words, "--json"],
        env=environment(folder),
        capture_output=True,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]
