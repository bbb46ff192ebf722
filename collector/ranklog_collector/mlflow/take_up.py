"""What a run folder says of its run, whichever way it came."""

from __future__ import annotations

import os
from collections.abc import Iterator

from ranklog.mlflow_api.lines import NAME_TAG, NS_PER_MS
from ranklog.mlflow_api.statuses import status_of
from ranklog_collector.core.layout import API_POINTS
from ranklog_collector.core.point_lines import Lines
from ranklog_collector.mlflow.folders import growth
from ranklog_collector.mlflow.replay import replay, replay_beyond_points
from ranklog_collector.mlflow.run import Info, Run
from ranklog_collector.reading.folder import RunFolder
from ranklog_collector.reading.inside import open_inside
from ranklog_collector.series.blocks import blocks

_LATEST = """
    SELECT key, arg_max(step, point), arg_max(t, point), arg_max(value, point) FROM (
        SELECT key, step, t, value, row(step, t // 1000000, value) AS point
        FROM (SELECT key, step, t + shift AS t, value FROM {source} JOIN shifts USING (stream)
              WHERE run = '' AND kind = 'scalar' AND type IN ('float', 'int', 'bool'))
    ) GROUP BY key"""


def load(root: str, folder: str, experiment_id: int, artifact_uri: str) -> Run:
    """Read a run folder. Raises ReadingError.

    `artifact_uri` is where its artifacts are if it does not say so itself.
    """
    path = os.path.join(root, folder)
    seen = growth(path)
    read = RunFolder(path, latest_marks=True)
    state = read.state
    run = Run(
        Info(
            run_id=read.run_id,
            experiment_id=experiment_id,
            folder=folder,
            name=read.run_id,
            start_time=read.started_ns // NS_PER_MS,
            status=status_of(state.state),
            end_time=state.state_time // NS_PER_MS if state.has_ended else None,
            artifact_uri=artifact_uri,
            is_owned=read.is_owned,
            seen=seen,
        )
    )
    if read.is_owned:
        _take_series(run, read)
    for line in _lines(path):
        (replay_beyond_points if read.is_owned else replay)(run, line)
    run.set_info(seen=seen)
    return run


def _take_series(run: Run, read: RunFolder) -> None:
    """Take what processes of a job logged."""
    # It loads what it needs for computing, which runs that came by REST do without.
    from ranklog_collector.series.facts import facts

    said = facts(read)
    run.add_params(said.params)
    run.set_tags(said.tags)
    if said.display_name:
        run.set_info(name=said.display_name)
        if NAME_TAG not in run.tags:
            run.set_tags({NAME_TAG: said.display_name})
    if "user" in said.properties:
        run.set_info(user_id=said.properties["user"])
    _take_latest(run, read)


def _take_latest(run: Run, read: RunFolder) -> None:
    import numpy as np

    from ranklog_collector.series.points import points_of
    from ranklog_collector.series.selection import writers

    with points_of(read) as points:
        found = writers(read, points, resources=False)
        shifts = {
            "stream": np.array([one.stream for one in found], np.int64),
            "shift": np.array([one.clock.offset_ns for one in found], np.int64),
        }
        with points.registered(shifts=shifts):
            columns = points.query(
                dict.fromkeys((one.stream for one in found), 0), lambda source: _LATEST.format(source=source)
            )
    run.add_metrics(
        (key, value, time // NS_PER_MS, step)
        for key, step, time, value in zip(*(column.tolist() for column in columns.values()), strict=True)
    )


def _lines(path: str) -> Iterator[dict[str, object]]:
    """All that came by REST."""
    folder = os.path.join(path, API_POINTS)
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        try:
            file = open_inside(path, f"{API_POINTS}/{name}")
        except OSError:
            continue
        try:
            for block in blocks(lambda at, size, file=file: os.pread(file, size, at), 0, os.fstat(file).st_size):  # type: ignore[misc]
                for lines, _ in Lines(block.data, block.begin):
                    yield from lines
        finally:
            os.close(file)
