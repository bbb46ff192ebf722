"""Calls about artifacts."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ranklog_collector.mlflow import artifacts, fields, limits, shapes
from ranklog_collector.mlflow.errors import MISSING, UNSUPPORTED, MlflowError, invalid
from ranklog_collector.mlflow.fields import Json
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


@dataclass(frozen=True, slots=True)
class File:
    """A file to be sent; whoever sends it closes it."""

    descriptor: int
    name: str


async def list_proxied(tracking: Tracking, request: Json) -> Json:
    """List a folder of proxied artifacts, by their names in it."""
    place = await _place(tracking, fields.any_text(request, "path"))
    found = await asyncio.to_thread(artifacts.listed, place.base, place.parts)
    return {"files": [_shape(one, one.name) for one in found]} if found else {}


async def list_of_run(tracking: Tracking, request: Json) -> Json:
    """List a folder of a run's artifacts, by their paths."""
    run_id = fields.run_id(request)
    parts = artifacts.parts_of(fields.any_text(request, "path"))
    run = await tracking.runs.get(run_id)
    if not run.info.artifact_uri.startswith(shapes.PROXIED):
        raise MlflowError(UNSUPPORTED, f"the artifacts of run {run_id} are in {run.info.artifact_uri}: list them there")
    found = await asyncio.to_thread(artifacts.listed, _of_run(tracking, run, parts).base, parts)
    answer: Json = {"root_uri": run.info.artifact_uri}
    if found:
        answer["files"] = [_shape(one, "/".join([*parts, one.name])) for one in found]
    return answer


async def download(tracking: Tracking, path: str) -> File:
    """Give a proxied artifact."""
    return await _open(await _place(tracking, path))


async def download_of_run(tracking: Tracking, request: Json) -> File:
    """Give an artifact of a run."""
    parts = artifacts.parts_of(fields.text(request, "path"))
    run = await tracking.runs.get(fields.run_id(request))
    return await _open(_of_run(tracking, run, parts))


async def upload(tracking: Tracking, path: str, body: AsyncIterator[bytes]) -> Json:
    """Take a proxied artifact in."""
    await _store(tracking, await _place(tracking, path), body)
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
    place = await _place(tracking, path)
    await _check_free(place)
    await asyncio.to_thread(artifacts.remove, place.base, place.parts)
    return {}


async def unsupported(tracking: Tracking, request: Json) -> Json:
    """Say that artifacts are sent in one piece, which makes clients do so."""
    raise MlflowError(UNSUPPORTED, "artifacts are sent to the collector in one piece")


# ---- inside ---------------------------------------------------------------------------------------------------------


async def _place(tracking: Tracking, path: str) -> Place:
    """Find the place of `experiment/run/artifacts/path`, or of what belongs to no run."""
    parts = artifacts.parts_of(path)
    if len(parts) >= _RUN_PARTS and parts[2] == _ARTIFACTS:
        try:
            return _of_run(tracking, await tracking.runs.get(parts[1]), parts[_RUN_PARTS:])
        except MlflowError as error:
            if error.code != MISSING:
                raise
    base = os.path.join(tracking.root, artifacts.OTHERS)
    return Place(base, parts, None, os.path.join(base, ".incoming"))


def _of_run(tracking: Tracking, run: Run, parts: list[str]) -> Place:
    folder = os.path.join(tracking.root, run.info.folder)
    return Place(os.path.join(folder, artifacts.OUTPUTS), parts, run, os.path.join(folder, artifacts.INCOMING))


async def _open(place: Place) -> File:
    descriptor = await asyncio.to_thread(artifacts.opened, place.base, place.parts)
    return File(descriptor, place.parts[-1])


async def _store(tracking: Tracking, place: Place, body: AsyncIterator[bytes]) -> None:
    await _check_free(place)
    new = artifacts.Upload(place.base, place.parts, place.incoming)
    try:
        async for block in body:
            new.write(block)
        new.publish()
    finally:
        new.close()
    if place.run is not None:
        path = "/".join([artifacts.OUTPUTS, *place.parts])
        tracking.runs.append(place.run, [{"t": time.time_ns(), "artifact": path}])


async def _check_free(place: Place) -> None:
    """Refuse to touch a file that a process of the job writes."""
    run = place.run
    if run is None or not run.info.is_owned or not os.path.lexists(os.path.join(place.base, *place.parts)):
        return
    folder = await asyncio.to_thread(RunFolder, os.path.dirname(place.base), True)
    path = "/".join([artifacts.OUTPUTS, *place.parts])
    if any(one.path == path or one.path.startswith(f"{path}/") for one in folder.state.streams.values()):
        raise invalid(f"{path} is written by a process of the run: choose another path")


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


def _shape(one: artifacts.Entry, path: str) -> Json:
    if one.size is None:
        return {"path": path, "is_dir": True}
    return {"path": path, "is_dir": False, "file_size": one.size}
