"""Logs one value again and again, by one tracker's own means, and tells what a call took: one line of JSON.

`us` is what each of a loop of calls takes; `cpu_us` what all threads compute for one. The percentiles are of single
calls: where a queue takes the values, one that finds room in it is quick, and the next that finds none waits.

usage: python -m bench.loggers TRACKER FOLDER CALLS [URL]; run by a Python that has the tracker.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable
from importlib import import_module

Log = Callable[[float, int], object]
End = Callable[[], object]
NAME = "loss"
WARM = 20
"""Calls before the first that counts: what is imported or opened late is no cost of a call."""


def ranklog(folder: str, url: str) -> tuple[Log, End]:
    """Ourselves: what was logged is in a file when the call returns."""
    os.environ["RANKLOG_SPOOL"] = folder
    from ranklog import Run

    run = Run.get_context()
    return lambda value, step: run.log(NAME, value, step=step), run.complete


def tensorboardx(folder: str, url: str) -> tuple[Log, End]:
    """A queue and a thread that writes; what was logged is lost with the process."""
    writer = import_module("tensorboardX").SummaryWriter(folder)
    return lambda value, step: writer.add_scalar(NAME, value, step), writer.close


def trackio(folder: str, url: str) -> tuple[Log, End]:
    """A queue and a thread that writes to SQLite."""
    os.environ["TRACKIO_DIR"] = folder
    os.environ["HF_HUB_OFFLINE"] = "1"
    tracker = import_module("trackio")
    tracker.init(project="bench", embed=False)
    return lambda value, step: tracker.log({NAME: value}, step=step), tracker.finish


def aim(folder: str, url: str) -> tuple[Log, End]:
    """RocksDB in the process."""
    aim_run = import_module("aim").Run
    run = aim_run(repo=folder, system_tracking_interval=None, log_system_params=False, capture_terminal_logs=False)
    return lambda value, step: run.track(value, name=NAME, step=step), run.close


def mlflow(folder: str, url: str) -> tuple[Log, End]:
    """MLflow's client: on a store or server at `url`, else where its environment says, else on an SQLite store."""
    tracker = import_module("mlflow")
    tracker.set_tracking_uri(url or os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{folder}/mlflow.db")
    tracker.set_experiment("bench")
    tracker.start_run()
    return lambda value, step: tracker.log_metric(NAME, value, step=step), tracker.end_run


TRACKERS = {each.__name__: each for each in (ranklog, tensorboardx, trackio, aim, mlflow)}


def main() -> None:
    """Measure and tell."""
    tracker, folder, calls, url = (*sys.argv[1:], "")[:4]
    log, end = TRACKERS[tracker](folder, url)
    for step in range(WARM):
        log(0.1, step)
    half = int(calls) // 2 + 1
    cpu_before, began = _cpu_s(), time.perf_counter()
    for step in range(WARM, WARM + half):
        log(step * 0.001, step)
    logged = time.perf_counter()
    taken = sorted(_timed(log, step) for step in range(WARM + half, WARM + 2 * half))
    end()
    cpu_s = _cpu_s() - cpu_before
    print(
        json.dumps(
            {
                "us": 1e6 * (logged - began) / half,
                "p50_us": statistics.median(taken) / 1e3,
                "p99_us": taken[int(0.99 * (len(taken) - 1))] / 1e3,
                "cpu_us": 1e6 * cpu_s / (2 * half),
            }
        )
    )


def _timed(log: Log, step: int) -> int:
    """One call by itself, in ns."""
    value = step * 0.001
    before = time.perf_counter_ns()
    log(value, step)
    return time.perf_counter_ns() - before


def _cpu_s() -> float:
    """Of all threads of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
