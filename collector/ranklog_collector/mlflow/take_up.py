"""What a run folder says of its run, whichever way it came."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson

from ranklog.mlflow_api.ids import mlflow_run_id
from ranklog.mlflow_api.lines import NAME_TAG, NS_PER_MS, PARENT_TAG
from ranklog.mlflow_api.statuses import status_of
from ranklog.run.family_names import parent_of
from ranklog_collector.core.layout import API_POINTS
from ranklog_collector.core.point_lines import Lines
from ranklog_collector.mlflow.folders import growth
from ranklog_collector.mlflow.replay import replay, replay_beyond_points, take_datasets
from ranklog_collector.mlflow.run import Info, Run
from ranklog_collector.reading.folder import RunFolder
from ranklog_collector.reading.inside import open_inside
from ranklog_collector.series.blocks import blocks

if TYPE_CHECKING:
    from ranklog_collector.series.shapes import Child, Facts

USER_TAG = "mlflow.user"

_LATEST = """
    SELECT run, key, arg_max(step, point), arg_max(t, point), arg_max(value, point) FROM (
        SELECT run, key, step, t, value, row(step, t // 1000000, value) AS point
        FROM (SELECT run, key, step, t + shift AS t, value FROM {source} JOIN shifts USING (stream)
              WHERE kind = 'scalar' AND type IN ('float', 'int', 'bool'))
    ) GROUP BY run, key"""


def load(root: str, folder: str, experiment_id: int, artifact_uri: Callable[[str], str]) -> list[Run]:
    """Read a run folder: its run, and behind that the child runs. Raises ReadingError.

    `artifact_uri` tells where artifacts of a run are by its id, if it does not say so itself.
    """
    path = os.path.join(root, folder)
    seen = growth(path)
    read = RunFolder(path, latest_marks=True)
    state = read.state
    run_id = mlflow_run_id(read.run_id)
    run = Run(
        Info(
            run_id=run_id,
            experiment_id=experiment_id,
            folder=folder,
            name=read.run_id,
            start_time=read.started_ns // NS_PER_MS,
            status=status_of(state.state),
            end_time=state.state_time // NS_PER_MS if state.has_ended else None,
            artifact_uri=artifact_uri(run_id),
            is_owned=read.is_owned,
            seen=seen,
        )
    )
    found = {"": run}
    if read.is_owned:
        found |= _take_series(run, read, artifact_uri)
    for line in _lines(path):
        of = line.get("r") or ""
        one = found.get(of) if type(of) is str else None
        if one is not None:
            (replay_beyond_points if read.is_owned else replay)(one, line)
    for one in found.values():
        one.set_info(seen=seen)
    return list(found.values())


def _take_series(run: Run, read: RunFolder, artifact_uri: Callable[[str], str]) -> dict[str, Run]:
    """Take what processes of a job logged; gives the child runs by what they are called in the folder."""
    # It loads what it needs for computing, which runs that came by REST do without.
    from ranklog_collector.series.facts import family

    said, below = family(read)
    _take_facts(run, said)
    found = {child.run_id: _child(run, child, artifact_uri) for child, _ in below}
    for child, facts in below:
        _take_facts(found[child.run_id], facts)
    _take_latest({"": run, **found}, read)
    return found


def _child(run: Run, child: Child, artifact_uri: Callable[[str], str]) -> Run:
    run_id, parent = mlflow_run_id(child.run_id), parent_of(child.run_id)
    info = replace(
        run.info,
        run_id=run_id,
        child=child.run_id,
        name=child.run_id,
        start_time=child.started_ns // NS_PER_MS,
        status=status_of(child.state),
        end_time=None if child.ended_ns is None else child.ended_ns // NS_PER_MS,
        artifact_uri=artifact_uri(run_id),
    )
    found = Run(info)
    if parent is not None:
        found.set_tags({PARENT_TAG: mlflow_run_id(parent)})
    return found


def _take_facts(run: Run, said: Facts) -> None:
    run.add_params(said.params)
    run.set_tags(said.tags)
    if said.display_name:
        run.set_info(name=said.display_name)
        if NAME_TAG not in run.tags:
            run.set_tags({NAME_TAG: said.display_name})
    user = said.properties.get("user") or said.tags.get(USER_TAG)
    if user:
        run.set_info(user_id=user)
    take_datasets(run, [orjson.loads(one) for one in said.inputs])


def _take_latest(runs: Mapping[str, Run], read: RunFolder) -> None:
    import numpy as np

    from ranklog_collector.series.points import points_of
    from ranklog_collector.series.selection import writers

    with points_of(read) as points:
        found = writers(read, points.covers, resources=False)
        shifts = {
            "stream": np.array([one.stream for one in found], np.int64),
            "shift": np.array([one.clock.offset_ns for one in found], np.int64),
        }
        with points.registered(shifts=shifts):
            columns = points.query(
                dict.fromkeys((one.stream for one in found), 0), lambda source: _LATEST.format(source=source)
            )
    for of, key, step, time, value in zip(*(column.tolist() for column in columns.values()), strict=True):
        if of in runs:
            runs[of].add_metrics([(key, value, time // NS_PER_MS, step)])


def _lines(path: str) -> Iterator[dict[str, Any]]:
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
