"""Points from the call of log() to the answer of a reader, while all that is in between is killed at random moments.

Sizes are for continuous integration; RANKLOG_TEST_FULL makes them those that are promised, RANKLOG_TEST_SEED sets the
dice.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from ranklog_collector.reading.folder import ReadingError, RunFolder
from ranklog_collector.series.read import aggregate, catalog, records
from tests.support import launchers, programs
from tests.support.cluster import sized
from tests.support.executing import Spooled, environment
from tests.support.launchers import OMPI_AS_ROOT
from tests.support.pipeline import Pipeline, wait_until
from tests.system.conftest import require

SEED = int(os.environ.get("RANKLOG_TEST_SEED", "1"))
ROUNDS = sized(50, 4)
RANKS = range(4)
LIFE_S = 30
"""Of a rank that nobody kills."""
EVERYTHING = 1 << 40
RANKLOG = str(Path(sys.executable).with_name("ranklog"))


def exec_words(spool: Path) -> list[str]:
    return [RANKLOG, "exec", "--quiet", "--run", "r1", "--spool", str(spool), "--"]


def kill_and_start(pipeline: Pipeline, dice: random.Random) -> None:
    """Kill the agent or the collector, and start it again after a while."""
    victim = pipeline.agent if dice.random() < 0.5 else pipeline.collector
    victim.kill()
    time.sleep(dice.random() * 0.3)
    victim.start()


def finish(pipeline: Pipeline, spool: Path) -> RunFolder:
    """Wait until all that was logged can be read, and let everything end; gives what is left: the run folder."""
    logged = sum(path.read_bytes().count(b'"k":"x"') for path in spool.glob("metrics/*.jsonl"))
    assert logged
    wait_until(lambda: count(pipeline) == logged, f"{logged} points", 60)
    pipeline.finish()
    return RunFolder(str(pipeline.run_folder))


def count(pipeline: Pipeline) -> int:
    try:
        return sum(metric.count for metric in catalog(RunFolder(str(pipeline.run_folder))) if metric.key == "x")
    except ReadingError:
        return 0  # there is no run yet


def values(folder: RunFolder, rank: int | None = None) -> list[object]:
    return [record.value for record in records(folder, "x", rank).records]


@pytest.mark.parametrize("number", range(ROUNDS))
def test_every_point_whose_call_returned_is_in_the_series_once(number: int, tmp_path: Path) -> None:
    launcher = launchers.OpenMPI4()
    require(launchers.why_missing(launcher))
    dice = random.Random(f"{SEED} {number}")
    noted, spool = tmp_path / "noted", tmp_path / "spool"
    noted.mkdir()
    program = [*exec_words(spool), *programs.script("counting.py"), str(noted), str(LIFE_S)]
    words = [str(launcher.program), "-n", str(len(RANKS)), "--oversubscribe", *program]
    with Pipeline(tmp_path, "--drain-timeout", "60") as pipeline:
        with subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment(**OMPI_AS_ROOT)
        ) as job:
            try:
                wait_until(lambda: len(list(noted.iterdir())) == len(RANKS), "all ranks log")
                for _ in range(dice.randrange(1, 5)):
                    time.sleep(dice.expovariate(2))
                    kill_and_start(pipeline, dice)
                time.sleep(dice.random())
                os.kill(Spooled(spool).processes()[dice.choice(RANKS)].pid, signal.SIGKILL)
                assert job.wait(60) != 0, "Open MPI ends the others"
            finally:
                job.kill()
        folder = finish(pipeline, spool)
        returned = [len((noted / str(rank)).read_bytes().splitlines()) for rank in RANKS]
        found = [values(folder, rank) for rank in RANKS]
        for rank in RANKS:
            assert found[rank] == list(range(len(found[rank])))
            assert returned[rank] <= len(found[rank]) <= returned[rank] + 1, "the last one may have been cut short"
        together = aggregate(folder, "x", points=EVERYTHING)
        counts = {step: sum(step < len(one) for one in found) for step in range(max(map(len, found)))}
        assert dict(zip(together.x.tolist(), together.count.tolist(), strict=True)) == counts
        assert [metric.count for metric in catalog(folder)] == [sum(map(len, found))]
        print(f"{sum(returned)} calls returned, {sum(map(len, found))} points in the series")


WORKERS, THREADS, EACH = 8, 16, 1000
CROWD = f"""
import os, threading, time
from ranklog import Run
run = Run.get_context()
def work(first):
    for value in range(first, first + {EACH}):
        run.log("x", value, step=value)
        if value % 10 == 0:
            time.sleep(0.01)
def crowd(first):
    threads = [threading.Thread(target=work, args=(first + {EACH} * each,)) for each in range({THREADS})]
    [each.start() for each in threads], [each.join() for each in threads]
workers = []
for worker in range({WORKERS}):
    pid = os.fork()
    if pid == 0:
        crowd({THREADS * EACH} * worker)
        os._exit(0)
    workers.append(pid)
crowd({THREADS * EACH * WORKERS})
print(*(os.waitpid(pid, 0)[1] for pid in workers))
"""


def test_forked_workers_and_their_threads_lose_no_point_on_the_way(tmp_path: Path) -> None:
    dice = random.Random(SEED)
    with Pipeline(tmp_path, "--drain-timeout", "60") as pipeline:
        words = [*exec_words(tmp_path / "spool"), sys.executable, "-c", CROWD]
        with subprocess.Popen(words, stdin=subprocess.DEVNULL, env=environment()) as job:
            try:
                wait_until(lambda: list(tmp_path.glob("spool/metrics/*")), "the first point")
                while job.poll() is None:
                    kill_and_start(pipeline, dice)
                    time.sleep(dice.random())
            finally:
                job.kill()
        assert job.returncode == 0
        folder = finish(pipeline, tmp_path / "spool")
        assert Counter(values(folder)) == Counter(range((WORKERS + 1) * THREADS * EACH))
        together = aggregate(folder, "x", points=EVERYTHING)
        assert together.count.tolist() == [1] * len(together.x)
