"""A run read from this node's spool: what its processes here have logged, without agent and collector."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timezone
from typing import Any

from ranklog.errors import RunFileError, RunNotFoundError
from ranklog.points import reading
from ranklog.points.facts import ENDS, Facts, gather
from ranklog.source import spool_metrics
from ranklog.source.protocol import Json
from ranklog.source.spool_processes import Process, processes

SUFFIX = ".jsonl"
RESOURCES = ".resources"
OWN_LOG = "logs/azureml/"


class SpoolSource:
    """The run `run_id` whose spool is `folder`. It knows no other run."""

    def __init__(self, folder: str, run_id: str) -> None:
        self._folder = folder
        self._run_id = run_id

    @property
    def url(self) -> str:
        """The folder's."""
        return f"file://{os.path.abspath(self._folder)}"

    def runs(self, experiment: str | None = None) -> list[Json]:
        """The run."""
        del experiment
        return [self.run(self._run_id)]

    def run(self, run_id: str) -> Json:
        """The run, or a child run of it."""
        facts = gather((line for _, line in self._lines()), self._run_id)
        if run_id not in facts:
            raise RunNotFoundError(f"there is no run {run_id} in {self._folder}")
        known = processes(self._folder)
        root_state = facts[self._run_id].state or _state(known)
        one = facts[run_id]
        state = one.state or root_state
        if state not in ENDS and root_state not in ("running", None):
            state = root_state
        return {
            "run_id": run_id,
            "experiment": None,
            "state": state,
            "started": _iso(one.began_ns if one.parent else min((each.start_ns for each in known), default=None)),
            "ended": _iso(one.ended_ns or _ended(known, state)),
            "nodes": len({each.hostname for each in known}),
            "processes": len(known),
            "failed": sum(each.state == "failed" for each in known),
            "display_name": one.names.get("display_name"),
            "description": one.names.get("description"),
            "tags": one.tags,
            "properties": one.properties,
            "params": one.params,
            "parent": one.parent,
            "children": [_child(each, facts[each]) for each in dict.fromkeys(one.children)],
            "error": one.error,
            "path": self._folder,
            "is_live": state == "running",
        }

    def processes(self, run_id: str) -> list[Json]:
        """The processes of this node."""
        self.run(run_id)
        return [
            {
                "run": run_id,
                "key": each.key,
                "node": each.hostname,
                "rank": each.rank,
                "pid": each.pid,
                "role": each.role,
                "state": each.state.capitalize(),
                "exit": "" if each.exit_code is None else str(each.exit_code),
            }
            for each in processes(self._folder)
        ]

    def verdict(self, run_id: str) -> Json:
        """Nothing: other nodes may know more."""
        self.run(run_id)
        return {}

    def files(self, run_id: str, prefix: str = "") -> list[Json]:
        """What the processes of this node have uploaded, and the SDK's own log."""
        self._check(run_id)
        found = []
        for path, process, real in sorted(self._files()):
            with suppress(OSError):
                status = os.stat(real)
                if path.startswith(prefix):
                    modified = _iso(status.st_mtime_ns)
                    found.append({"path": path, "size": status.st_size, "modified": modified, "process": process})
        return found

    def file(self, run_id: str, path: str, start: int = 0) -> bytes:
        """A file's bytes from `start` on; of several processes' files of this name the last one's."""
        self._check(run_id)
        reals = [real for name, _, real in self._files() if name == path]
        if not reals:
            raise RunFileError(f"run {run_id} has no file {path!r}; get_file_names() tells those that it has")
        try:
            with open(max(reals, key=os.path.getmtime), "rb") as file:
                file.seek(start)
                return file.read()
        except OSError as error:
            raise RunFileError(f"file {path!r} of run {run_id} cannot be read: {error.strerror}") from error

    def records(self, run_id: str, key: str | None = None, rank: int | None = None) -> list[Json]:
        """All that the processes of this node have logged, in the order of time."""
        known = {each.key: each for each in processes(self._folder)}
        found: list[Json] = []
        for process, line in self._lines():
            who = known.get(process)
            place = {"node": who and who.hostname, "process": process, "rank": who and who.rank, "run_id": run_id}
            if rank is not None and place["rank"] != rank:
                continue
            if (line.get("r") or self._run_id) == run_id:
                found += ({**record, **place} for record in reading.records(line) if key in (None, record["key"]))
        return sorted(found, key=_time)

    def metrics(self, run_id: str) -> list[Json]:
        """The metrics that processes of this node have logged."""
        return spool_metrics.metrics(self.records(run_id))

    def series(self, run_id: str, key: str, rank: int | None = None, points: int = 1000) -> list[Json]:
        """A metric of each process of this node."""
        return spool_metrics.series(self.records(run_id, key, rank), points)

    def aggregate(self, run_id: str, key: str, points: int = 1000) -> Json:
        """A metric over the ranks of this node."""
        return spool_metrics.aggregate(self.records(run_id, key), points)

    def logs(
        self, run_id: str, cursor: str | None = None, rank: str | None = None, tail: int | None = None
    ) -> tuple[list[Json], str]:
        """No lines: the output of processes here is read where it appears, or from the collector."""
        self._check(run_id)
        del rank, tail
        return [], cursor or ""

    # ---- inside -----------------------------------------------------------------------------------------------------

    def _check(self, run_id: str) -> None:
        """Raises RunNotFoundError if that is another run, and no child of ours."""
        if run_id != self._run_id:
            self.run(run_id)

    def _lines(self) -> list[tuple[str, reading.Line]]:
        """The lines of all processes with the key of each, in the order of time."""
        folder = os.path.join(self._folder, "metrics")
        names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
        keys = [name.removesuffix(SUFFIX) for name in names if name.endswith(SUFFIX)]
        found: list[tuple[str, reading.Line]] = []
        for key in keys:
            if not key.endswith(RESOURCES):
                with suppress(OSError), open(os.path.join(folder, key + SUFFIX), "rb") as file:
                    found += ((key, line) for line in reading.lines(file.read()))
        return sorted(found, key=lambda each: int(each[1]["t"]))

    def _files(self) -> Iterator[tuple[str, str, str]]:
        """Path in the run folder, key of the process, path here."""
        for process, real in _below(os.path.join(self._folder, "artifacts")):
            yield os.path.relpath(real, os.path.join(self._folder, "artifacts", process)), process, real
        for process, real in _below(os.path.join(self._folder, "logs")):
            yield OWN_LOG + os.path.basename(real), process, real


def _below(folder: str) -> Iterator[tuple[str, str]]:
    """The files below each process's folder in a folder; those that are being written have no name yet."""
    for process in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        for inner, _, names in os.walk(os.path.join(folder, process)):
            for name in names:
                if not name.startswith("."):
                    yield process, os.path.join(inner, name)


def _state(known: list[Process]) -> str:
    states = {each.state for each in known}
    return next((each for each in ("running", "failed", "lost") if each in states), "completed" if known else "running")


def _ended(known: list[Process], state: str | None) -> int | None:
    ends = [each.end_ns for each in known if each.end_ns is not None]
    return max(ends) if ends and state != "running" else None


def _child(run_id: str, one: Facts) -> Json:
    return {"run_id": run_id, "display_name": one.names.get("display_name"), "state": one.state or "running"}


def _time(record: Any) -> int:
    return int(record["time_ns"])


def _iso(time_ns: int | None) -> str | None:
    if time_ns is None:
        return None
    moment = datetime.fromtimestamp(time_ns // 10**9, timezone.utc)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{time_ns % 10**9:09d}Z"
