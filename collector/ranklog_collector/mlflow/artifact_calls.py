"""Calls about artifacts."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ranklog.mlflow_api import fields, limits
from ranklog.mlflow_api.errors import NOT_IMPLEMENTED, MlflowError, invalid
from ranklog.mlflow_api.fields import Json
from ranklog_collector.mlflow import artifacts, shapes
from ranklog_collector.mlflow.run import Run
from ranklog_collector.reading.folder import RunFolder

if TYPE_CHECKING:
    from ranklog_collector.mlflow.tracking import Tracking

_ARTIFACTS = "artifacts"
_RUN_PARTS = 3
"""experiment/run/artifacts: what comes before the path of a run's artifact."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an artifact is, or is to be."""

    base: str
    parts: list[str]
    run: Run | None
    incoming: str

    @property
    def path(self) -> str:
        """Of an artifact of a run: where it is in the run folder."""
        return "/".join([self.run.artifacts if self.run else "", *self.parts])


@dataclass(frozen=True, slots=True)
class File:
    """A file to be sent; whoever sends it closes it."""

    descriptor: int
    name: str


async def list_proxied(tracking: Tracking, request: Json) -> Json:
    """List a folder of proxied artifacts, by their names in it."""
    where = await place(tracking, fields.any_text(request, "path"))
    found = await asyncio.to_thread(artifacts.listed, where.base, where.parts)
    return {"files": [entry_shape(one, one.name) for one in found]} if found else {}


async def list_of_run(tracking: Tracking, request: Json) -> Json:
    """List a folder of a run's artifacts, by their paths."""
    run_id = fields.run_id(request)
    parts = artifacts.parts_of(fields.any_text(request, "path"))
    run = await tracking.runs.get(run_id)
    if not run.info.artifact_uri.startswith(shapes.PROXIED):
        raise MlflowError(
            NOT_IMPLEMENTED, f"the artifacts of run {run_id} are in {run.info.artifact_uri}: list them there"
        )
    found = await asyncio.to_thread(artifacts.listed, _of_run(tracking, run, parts).base, parts)
    answer: Json = {"root_uri": run.info.artifact_uri}
    if found:
        answer["files"] = [entry_shape(one, "/".join([*parts, one.name])) for one in found]
    return answer


async def download(tracking: Tracking, path: str) -> File:
    """Give a proxied artifact."""
    return await _open(await place(tracking, path))


async def download_of_run(tracking: Tracking, request: Json) -> File:
    """Give an artifact of a run."""
    parts = artifacts.parts_of(fields.text(request, "path"))
    run = await tracking.runs.get(fields.run_id(request))
    return await _open(_of_run(tracking, run, parts))


async def upload(tracking: Tracking, path: str, body: AsyncIterator[bytes]) -> Json:
    """Take a proxied artifact in."""
    await _store(tracking, await place(tracking, path), body)
    return {}


async def upload_of_run(tracking: Tracking, request: Json, body: AsyncIterator[bytes]) -> Json:
    """Take in an artifact of a run that a user interface sends."""
    for name in ("run_uuid", "path"):
        if not fields.any_text(request, name):
            raise invalid(f"Request must specify {name}.")
    parts = artifacts.parts_of(request["path"])
    data = b""
    async for block in body:
        data += block
        if len(data) > limits.UPLOAD_BYTES_MAX:
            raise invalid("Artifact size is too large. Max size is 10MB.")
    if not data:
        raise invalid("Request must specify data.")
    run = await tracking.runs.get_active(request["run_uuid"])
    await _store(tracking, _of_run(tracking, run, parts), _once(data))
    return {}


async def delete(tracking: Tracking, path: str) -> Json:
    """Remove a proxied artifact."""
    where = await place(tracking, path)
    await _check_free(tracking, where)
    await asyncio.to_thread(artifacts.remove, where.base, where.parts)
    return {}


async def unsupported(tracking: Tracking, request: Json) -> Json:
    """Say that artifacts are sent in one piece, which makes clients do so."""
    raise MlflowError(NOT_IMPLEMENTED, "artifacts are sent to the collector in one piece")


# ---- inside ---------------------------------------------------------------------------------------------------------


async def place(tracking: Tracking, path: str) -> Place:
    """Find the place of `experiment/run/artifacts/path`, `experiment/models/model/artifacts/path`, or of anything else.

    Raises MlflowError.
    """
    parts = artifacts.parts_of(path)
    if len(parts) >= _RUN_PARTS and parts[2] == _ARTIFACTS:
        run = await tracking.runs.find(parts[1])
        if run is not None:
            return _of_run(tracking, run, parts[_RUN_PARTS:])
    if len(parts) > _RUN_PARTS and parts[1] == "models" and parts[3] == _ARTIFACTS:
        model = (await tracking.models()).find(parts[2])
        run = await tracking.runs.find(model.source_run_id) if model is not None else None
        if run is not None:
            return _of_run(tracking, run, ["models", *parts[2:3], *parts[_RUN_PARTS + 1 :]])
    base = os.path.join(tracking.root, artifacts.OTHERS)
    return Place(base, parts, None, os.path.join(base, ".incoming"))


def _of_run(tracking: Tracking, run: Run, parts: list[str]) -> Place:
    folder = os.path.join(tracking.root, run.info.folder)
    return Place(os.path.join(folder, run.artifacts), parts, run, os.path.join(folder, artifacts.INCOMING))


async def _open(where: Place) -> File:
    descriptor = await asyncio.to_thread(artifacts.opened, where.base, where.parts)
    return File(descriptor, where.parts[-1])


async def _store(tracking: Tracking, where: Place, body: AsyncIterator[bytes]) -> None:
    await _check_free(tracking, where)
    new = artifacts.Upload(where.base, where.parts, where.incoming)
    try:
        async for block in body:
            new.write(block)
        new.publish()
    finally:
        new.close()
    if where.run is not None:
        tracking.runs.append(where.run, [{"t": time.time_ns(), "artifact": where.path}])


async def _check_free(tracking: Tracking, where: Place) -> None:
    """Refuse to touch a file that a process of the job writes."""
    run = where.run
    if run is None or not run.info.is_owned or not os.path.lexists(os.path.join(where.base, *where.parts)):
        return
    folder = await asyncio.to_thread(RunFolder, os.path.join(tracking.root, run.info.folder), True)
    path = where.path
    if any(one.path == path or one.path.startswith(f"{path}/") for one in folder.state.streams.values()):
        raise invalid(f"{path} is written by a process of the run: choose another path")


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


def entry_shape(one: artifacts.Entry, path: str) -> Json:
    """A file or a folder, under a path, as clients get it."""
    if one.size is None:
        return {"path": path, "is_dir": True}
    return {"path": path, "is_dir": False, "file_size": one.size}
