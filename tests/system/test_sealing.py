"""Points on their way from the spool into segments, while the sealing process or the collector is killed."""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path

import orjson
import pytest

from ranklog_collector.reading.folder import ReadingError, RunFolder
from ranklog_collector.series.read import catalog, records
from tests.support.pipeline import Pipeline, wait_until

LINES = 20_000
"""So many lines of points are more than it takes for a segment."""


def lines(begin: int, count: int) -> bytes:
    return b"".join(
        orjson.dumps({"t": 1_790_000_000_000_000_000 + number, "k": "loss", "v": number, "s": number, "pad": "x" * 40})
        + b"\n"
        for number in range(begin, begin + count)
    )


class Logged:
    """A process of the run that has logged so many points; the agent ships its file."""

    def __init__(self, spool: Path) -> None:
        key = f"0-{os.getpid()}-1790000000000000000"
        record = {"version": 1, "key": key, "pid": os.getpid(), "start_ns": 1_790_000_000_000_000_000, "rank": 0}
        record["hostname"] = os.uname().nodename
        for name in ("procs", "metrics"):
            (spool / name).mkdir(parents=True, exist_ok=True)
        (spool / "procs/.new").write_bytes(orjson.dumps(record))
        (spool / "procs/.new").rename(spool / f"procs/{key}.json")
        self._path = spool / f"metrics/{key}.jsonl"
        self.count = 0

    def log(self, count: int) -> None:
        with self._path.open("ab") as file:
            file.write(lines(self.count, count))
        self.count += count


def sealers(pipeline: Pipeline) -> list[int]:
    """The sealing processes of the collector."""
    parent = pipeline.collector.pid
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [int(pid) for pid in children if b"sealer" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def segments(pipeline: Pipeline) -> list[Path]:
    return list((pipeline.run_folder / ".ranklog/derived/series").glob("*/*.parquet"))


def sealed(pipeline: Pipeline) -> int:
    """Up to which offset points are sealed."""
    return max((int(path.stem.partition("-")[2]) for path in segments(pipeline)), default=0)


def count(pipeline: Pipeline) -> int:
    try:
        return sum(metric.count for metric in catalog(RunFolder(str(pipeline.run_folder))))
    except ReadingError:
        return 0  # there is no run yet


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    return Pipeline(tmp_path)


def test_points_become_segments_and_every_one_is_there_once(pipeline: Pipeline, tmp_path: Path) -> None:
    with pipeline:
        logged = Logged(tmp_path / "spool")
        logged.log(100)
        wait_until(lambda: count(pipeline) == 100, "the first points can be read")
        assert sealers(pipeline) == []
        logged.log(LINES)
        wait_until(lambda: segments(pipeline), "there is a segment")
        logged.log(LINES)
        wait_until(lambda: count(pipeline) == logged.count, "all points can be read")
        pipeline.finish()
        found = records(RunFolder(str(pipeline.run_folder))).records
        assert [record.value for record in found] == list(range(logged.count))


def test_a_killed_sealer_is_replaced_and_costs_no_point(pipeline: Pipeline, tmp_path: Path) -> None:
    with pipeline:
        logged = Logged(tmp_path / "spool")
        logged.log(LINES)
        wait_until(lambda: sealers(pipeline), "points are being sealed")
        (first,) = sealers(pipeline)
        os.kill(first, signal.SIGKILL)
        logged.log(LINES)
        wait_until(lambda: segments(pipeline) and sealers(pipeline) not in ([], [first]), "another one seals")
        wait_until(lambda: count(pipeline) == logged.count, "all points can be read")


def test_a_killed_collector_takes_its_sealer_along(pipeline: Pipeline, tmp_path: Path) -> None:
    with pipeline:
        logged = Logged(tmp_path / "spool")
        logged.log(LINES)
        wait_until(lambda: sealers(pipeline), "points are being sealed")
        (first,) = sealers(pipeline)
        pipeline.collector.kill()
        wait_until(lambda: not Path(f"/proc/{first}").exists() or _is_dead(first), "the sealer has ended")
        pipeline.collector.start()
        logged.log(LINES)
        wait_until(lambda: count(pipeline) == logged.count, "all points can be read")


def test_kills_at_random_cost_no_point(pipeline: Pipeline, tmp_path: Path) -> None:
    dice = random.Random(5)
    with pipeline:
        logged = Logged(tmp_path / "spool")
        for _ in range(6):
            logged.log(dice.randrange(LINES))
            for pid in sealers(pipeline):
                if dice.random() < 0.5:
                    os.kill(pid, signal.SIGKILL)
            if dice.random() < 0.5:
                pipeline.collector.kill()
                pipeline.collector.start()
            found = count(pipeline)
            assert found <= logged.count
        wait_until(lambda: count(pipeline) == logged.count, "all points can be read")
        pipeline.finish()
        values = [record.value for record in records(RunFolder(str(pipeline.run_folder))).records]
        assert values == list(range(logged.count))


def _is_dead(pid: int) -> bool:
    return b"Z (zombie)" in Path(f"/proc/{pid}/status").read_bytes()
