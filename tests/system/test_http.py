"""The HTTP API of a real collector that real agents ship real ranks' output to."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from ranklog_collector.http import answers
from tests.support.http_api import Api, api_of
from tests.support.pipeline import Pipeline, wait_until
from tests.support.run_writer import RunWriter

RANKLOG = str(Path(sys.executable).with_name("ranklog"))
RANKS = 3
LINES = 200
RANK = f"import os; [print('line', n, 'of rank', os.environ['RANK']) for n in range({LINES})]"


def run_ranks(pipeline: Pipeline, program: str = RANK, ranks: int = RANKS) -> None:
    """Run so many ranks to their ends."""
    started = []
    for rank in range(ranks):
        environment = {
            **os.environ,
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "WORLD_SIZE": str(ranks),
            "LOCAL_WORLD_SIZE": str(ranks),
            "RANKLOG_RUN_ID": "r1",
            "RANKLOG_SPOOL": str(pipeline.folder / "spool"),
        }
        command = [RANKLOG, "exec", "--", sys.executable, "-c", program]
        started.append(subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL))
    assert [process.wait(60) for process in started] == [0] * ranks


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[Pipeline]:
    with Pipeline(tmp_path, collector_options=("--http", "127.0.0.1:0")) as pipeline:
        yield pipeline


@pytest.fixture
def api(pipeline: Pipeline) -> Api:
    api = api_of(pipeline.collector.log)
    api.await_answer()
    return api


def cli(pipeline: Pipeline, *words: str) -> list[Any]:
    """What a command prints as JSON."""
    command = [RANKLOG, *words, "--json", "--root", str(pipeline.collector.root)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_job_is_told_as_the_commands_tell_it(pipeline: Pipeline, api: Api) -> None:
    run_ranks(pipeline)
    wait_until(lambda: api.get("/runs/r1").status == 200, "the run is there")
    wait_until(lambda: len(api.lines("r1")) == RANKS * LINES, "all lines are there")
    assert pipeline.agent.stop() == 0
    wait_until(lambda: api.json("/runs?state=completed")["runs"], "the run has ended")
    assert api.json("/runs")["runs"] == cli(pipeline, "runs")
    assert api.json("/runs/latest/processes")["processes"] == cli(pipeline, "ps", "r1")
    assert api.json("/runs/default/r1/files")["files"] == cli(pipeline, "files", "r1")
    assert api.lines("r", "limit=77") == cli(pipeline, "logs", "r1")
    for rank in range(RANKS):
        texts = [line["text"] for line in api.lines("r1", f"rank={rank}&limit=9")]
        assert texts == [f"line {number} of rank {rank}" for number in range(LINES)]
    folder = pipeline.run_folder
    for file in api.json("/runs/r1/files")["files"]:
        assert api.get(f"/runs/r1/files/{file['path']}").body == (folder / file["path"]).read_bytes()
    zipped = zipfile.ZipFile(io.BytesIO(api.get("/runs/r1/archive").body))
    assert zipped.testzip() is None
    assert {name.partition("/")[2] for name in zipped.namelist()} == {
        file["path"] for file in api.json("/runs/r1/files")["files"]
    }
    part = zipfile.ZipFile(io.BytesIO(api.get("/runs/r1/archive?prefix=azureml-logs/70").body))
    assert len(part.namelist()) == RANKS


def test_answers_are_what_the_description_says(pipeline: Pipeline, api: Api) -> None:
    said = RunWriter(pipeline.collector.root / "default" / "said", run_id="said")
    said.rank(0)
    stream = said.stream(".ranklog/metrics/n0/k.jsonl", "n0", "metrics", "k")
    said.write(stream, b'{"t":1,"k":"loss","v":{"f":"nan"},"tag":{"team":"vision"},"child":"r1.0badcafe"}\n')
    run_ranks(pipeline, ranks=1)
    wait_until(lambda: api.get("/runs/r1").status == 200 and api.lines("r1"), "something has come")
    answers.Runs.model_validate(api.json("/runs"), strict=True)
    answers.Run.model_validate(api.json("/runs/r1"), strict=True)
    answers.Run.model_validate(api.json("/runs/said"), strict=True)
    answers.Processes.model_validate(api.json("/runs/r1/processes"), strict=True)
    answers.Verdict.model_validate(api.json("/runs/r1/verdict"), strict=True)
    answers.Verdict.model_validate(api.json("/runs/default/said/verdict"), strict=True)
    answers.Files.model_validate(api.json("/runs/r1/files"), strict=True)
    answers.Lines.model_validate(api.json("/runs/r1/logs"), strict=True)
    answers.Metrics.model_validate(api.json("/runs/said/metrics?resources=true"), strict=True)
    answers.Records.model_validate(api.json("/runs/said/metrics/records"), strict=True)
    answers.Series.model_validate(api.json("/runs/said/metrics/series?key=loss"), strict=True)
    answers.Aggregate.model_validate(api.json("/runs/said/metrics/aggregate?key=loss"), strict=True)
    answers.Aggregate.model_validate(api.json("/runs/said/metrics/aggregate?key=loss&by=time"), strict=True)
    answers.Health.model_validate(api.json("//healthz"), strict=True)
    answers.Error.model_validate(api.get("/runs/nix").json(), strict=True)
    described = api.json("/openapi.json")
    assert {path for path in described["paths"] if "experiment}" in path} == set()
    for path, methods in described["paths"].items():
        assert methods["get"]["responses"]["200"]["content"], path


class Tail:
    """Takes what there is, again and again."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self._cursor = ""

    def has(self, api: Api, count: int) -> bool:
        """Whether so many lines have been found by now."""
        page = api.json(f"/runs/r1/logs?stream=log&limit=70{self._cursor}")
        self.found += [line["text"] for line in page["lines"]]
        self._cursor = f"&cursor={page['cursor']}"
        return len(self.found) >= count


def test_a_live_tail_has_every_line_once_over_the_death_of_the_collector(pipeline: Pipeline, api: Api) -> None:
    source, tail = pipeline.sources / "a.log", Tail()
    lines = [f"{number}\n" for number in range(2000)]
    source.write_text("".join(lines[:1000]))
    wait_until(lambda: api.get("/runs/r1").status == 200, "the run is there")
    wait_until(lambda: tail.has(api, 1000), "the first lines have come")
    with source.open("a") as file:
        file.writelines(lines[1000:1500])
    pipeline.collector.kill()
    pipeline.collector.start()
    with source.open("a") as file:
        file.writelines(lines[1500:])
    api = api_of(pipeline.collector.log)
    api.await_answer()
    wait_until(lambda: tail.has(api, len(lines)), "all lines have come")
    assert tail.found == [line.rstrip() for line in lines]
    assert tail.has(api, len(lines))
    assert len(tail.found) == len(lines)


def test_changes_are_told_as_they_come_until_the_run_ends(pipeline: Pipeline, api: Api) -> None:
    pipeline.await_agent()
    with api.events("r1") as events:
        first = next(events)
        assert (first.kind, first.data) == ("run", {"run_id": "r1", "state": "notstarted", "is_live": True})
        (pipeline.sources / "b.log").write_text("something\n")
        told = next(event for event in events if event.kind == "logs" and "b.log" in str(event.data["paths"]))
    last_id = told.id
    assert last_id is not None
    (pipeline.sources / "c.log").write_text("something else\n")
    pipeline.await_files(pipeline.sources / "c.log")
    with api.events("r1", last_id) as events:
        assert next(events).kind == "run"
        # Nobody has watched in between: anything may have changed.
        assert [event.kind for event in islice(events, 5)] == ["run", "processes", "files", "metrics", "logs"]
        run_ranks(pipeline, ranks=1)
        assert pipeline.agent.stop() == 0
        rest = list(events)
    assert rest[-1].kind == "end"
    assert rest[-1].data["state"] == "completed"
    assert rest[-1].id is not None
    assert api.get("/runs/r1/events", Last_Event_ID=rest[-1].id).status == 204
    with api.events("r1") as events:
        assert [event.kind for event in events][-1] == "end"


def test_a_file_that_grows_is_sent_in_parts(pipeline: Pipeline, api: Api) -> None:
    source = pipeline.sources / "d.log"
    source.write_bytes(b"0123456789")
    pipeline.await_files(source)
    (path,) = [one["path"] for one in api.json("/runs/r1/files")["files"] if one["path"].endswith("d.log")]
    address = f"/runs/r1/files/{path}"
    whole = api.get(address)
    assert (whole.status, whole.body, whole.headers["Accept-Ranges"]) == (200, b"0123456789", "bytes")
    for asked, expected, told in (
        ("bytes=0-0", b"0", "bytes 0-0/10"),
        ("bytes=3-", b"3456789", "bytes 3-9/10"),
        ("bytes=-3", b"789", "bytes 7-9/10"),
        ("bytes=-99", b"0123456789", "bytes 0-9/10"),
        ("bytes=8-99", b"89", "bytes 8-9/10"),
    ):
        part = api.get(address, Range=asked)
        assert (part.status, part.body, part.headers["Content-Range"]) == (206, expected, told)
    for asked in ("bytes=10-", "bytes=-0", "bytes=99-100"):
        part = api.get(address, Range=asked)
        assert (part.status, part.code) == (416, "range_not_satisfiable")
        assert part.headers["Content-Range"] == "bytes */10"
    for asked in ("bytes=5-3", "bytes=a-b", "lines=1-2", "bytes=0-1,4-5", "bytes=-", "bytes=" + "9" * 500 + "-"):
        assert api.get(address, Range=asked).body == b"0123456789"
    tag = whole.headers["ETag"]
    assert api.get(address, If_None_Match=tag).status == 304
    assert api.get(address, Range="bytes=3-", If_Range=tag).status == 206
    with source.open("ab") as file:
        file.write(b"abc")
    pipeline.await_files(source)
    assert api.get(address, Range="bytes=10-").body == b"abc"
    assert api.get(address, Range="bytes=3-", If_Range=tag).status == 200
    head = api.get(address, method="HEAD")
    assert (head.status, head.headers["Content-Length"], head.body) == (200, "13", b"")
    assert head.headers["X-Content-Type-Options"] == "nosniff"
    assert "d.log" in head.headers["Content-Disposition"]


def test_the_collector_tells_prometheus_how_it_is(pipeline: Pipeline, api: Api) -> None:
    source = pipeline.sources / "e.log"
    source.write_bytes(b"x" * 100_000)
    pipeline.await_files(source)

    def figures() -> dict[str, float]:
        text = api.get("//metrics").body.decode()
        return {
            name: float(value)
            for line in text.splitlines()
            if not line.startswith("#")
            for name, value in [line.split(" ")]
        }

    wait_until(lambda: figures()["ranklog_durable_bytes_total"] >= 100_000, "durable bytes are counted")
    found = figures()
    assert found["ranklog_agents"] == found["ranklog_runs"] == 1
    assert found["ranklog_received_bytes_total"] >= found["ranklog_durable_bytes_total"]
    assert found["ranklog_sync_seconds_count"] > 0
    assert found["process_resident_memory_bytes"] > 0
