"""The spool as its readers see it (docs/reference/spool.md): where things are, and records as typed values.

Records come from other processes, perhaps half written, perhaps hostile: whatever the bytes, parsing gives a record or
raises SpoolError.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import Any, NoReturn

import orjson

from ranklog.layout import (
    EXIT_SUFFIX,
    VERSION,
    SpoolError,
    agent_folder,
    agent_path,
    default_folder,
    exit_path,
    is_key,
    key_of,
    prepare,
    process_key,
    process_path,
    procs_folder,
    safe_key,
    safe_name,
    streams_folder,
    write_record,
)

__all__ = [
    "EXIT_SUFFIX",
    "RECORD_BYTES_MAX",
    "AgentRecord",
    "ExitRecord",
    "ProcessRecord",
    "SpoolError",
    "StreamRecord",
    "agent_folder",
    "agent_path",
    "announce_agent",
    "default_folder",
    "exit_path",
    "key_of",
    "parse_agent",
    "parse_exit",
    "parse_process",
    "process_key",
    "process_path",
    "procs_folder",
    "safe_key",
    "safe_name",
    "stream_path",
    "streams_folder",
    "write_record",
]

RECORD_BYTES_MAX = 256 << 10
"""Of a process record: what is larger neither an agent sends nor a collector takes."""
INTEGER_MAX = 2**63 - 1


@dataclass(frozen=True, slots=True)
class StreamRecord:
    """A file with output of a process, relative to the spool; `name` replaces its name in the run folder."""

    file: str
    kind: str = "stdout"
    name: str | None = None


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """Who a process is. Fields as in docs/reference/spool.md, `other` being what we do not know."""

    key: str
    pid: int
    start_ns: int
    hostname: str
    role: str = "rank"
    rank: int | None = None
    local_rank: int | None = None
    world_size: int | None = None
    local_size: int | None = None
    node_rank: int | None = None
    launcher: str = "none"
    job_id: str | None = None
    restart: int = 0
    argv: tuple[str, ...] = ()
    cwd: str | None = None
    user: str | None = None
    pid_namespace: int | None = None
    exec_pid: int | None = None
    launcher_pid: int | None = None
    launcher_name: str | None = None
    nested: tuple[str, ...] = ()
    streams: tuple[StreamRecord, ...] = ()
    other: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ExitRecord:
    """How a process ended. Fields as in docs/reference/spool.md, `other` being what we do not know."""

    key: str
    end_ns: int
    exit_code: int | None = None
    signal: int | None = None
    signal_name: str | None = None
    core_dumped: bool | None = None
    oom_killed: bool | None = None
    asked_signal: int | None = None
    asked_ns: int | None = None
    max_rss_bytes: int | None = None
    user_s: float | None = None
    system_s: float | None = None
    minor_faults: int | None = None
    major_faults: int | None = None
    voluntary_switches: int | None = None
    involuntary_switches: int | None = None
    output_bytes: dict[str, int] = field(default_factory=dict)
    lost_bytes: int = 0
    other: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AgentRecord:
    """The announcement of a node's agent."""

    run_id: str
    hostname: str
    pid: int
    start_ns: int
    experiment: str | None = None
    spool: str | None = None
    collector: str | None = None
    other: dict[str, Any] = field(default_factory=dict)


def parse_process(raw: bytes) -> ProcessRecord:
    """Read a process record. Raises SpoolError."""
    reader = _Reader(raw, "process record")
    return ProcessRecord(
        key=reader.key(),
        pid=reader.need_integer("pid"),
        start_ns=reader.need_integer("start_ns"),
        hostname=reader.need_text("hostname"),
        role=reader.text("role") or "rank",
        launcher=reader.text("launcher") or "none",
        restart=reader.integer("restart") or 0,
        argv=reader.texts("argv"),
        nested=reader.texts("nested"),
        streams=reader.streams(),
        **reader.integers("rank", "local_rank", "world_size", "local_size", "node_rank"),
        **reader.integers("pid_namespace", "exec_pid", "launcher_pid"),
        job_id=reader.text("job_id"),
        cwd=reader.text("cwd"),
        user=reader.text("user"),
        launcher_name=reader.text("launcher_name"),
        other=reader.rest(),
    )


def parse_exit(raw: bytes) -> ExitRecord:
    """Read an exit record. Raises SpoolError."""
    reader = _Reader(raw, "exit record")
    return ExitRecord(
        key=reader.key(),
        end_ns=reader.need_integer("end_ns"),
        **reader.integers("exit_code", "signal", "asked_signal", "asked_ns"),
        **reader.integers("max_rss_bytes", "minor_faults", "major_faults"),
        **reader.integers("voluntary_switches", "involuntary_switches"),
        signal_name=reader.text("signal_name"),
        core_dumped=reader.boolean("core_dumped"),
        oom_killed=reader.boolean("oom_killed"),
        user_s=reader.seconds("user_s"),
        system_s=reader.seconds("system_s"),
        output_bytes=reader.sizes("output_bytes"),
        lost_bytes=reader.integer("lost_bytes") or 0,
        other=reader.rest(),
    )


def parse_agent(raw: bytes) -> AgentRecord:
    """Read an agent's announcement. Raises SpoolError."""
    reader = _Reader(raw, "announcement")
    return AgentRecord(
        run_id=reader.need_text("run_id"),
        hostname=reader.need_text("hostname"),
        pid=reader.need_integer("pid"),
        start_ns=reader.need_integer("start_ns"),
        experiment=reader.text("experiment"),
        spool=reader.text("spool"),
        collector=reader.text("collector"),
        other=reader.rest(),
    )


def announce_agent(folder: str, *, run_id: str, experiment: str, hostname: str, collector: str) -> None:
    """Let `ranklog exec` find the run of this node's agent, the calling process. Raises SpoolError or OSError."""
    prepare(folder, "agents")
    record = {
        "version": VERSION,
        "run_id": run_id,
        "experiment": experiment,
        "pid": os.getpid(),
        "start_ns": time.time_ns(),
        "hostname": hostname,
        "spool": os.path.abspath(folder),
        "collector": collector,
    }
    write_record(agent_path(folder, hostname), record)


def stream_path(folder: str, stream: StreamRecord) -> str | None:
    """Tell where a stream's file is; None if the record names a place outside the spool's streams."""
    parts = stream.file.split("/")
    is_inside = len(parts) >= 3 and parts[0] == "streams" and not any(part in ("", ".", "..") for part in parts)
    return os.path.join(folder, *parts) if is_inside and "\0" not in stream.file else None


class _Reader:
    """The fields of a JSON object, each read once and checked; what is left over is the rest."""

    def __init__(self, raw: bytes, what: str) -> None:
        self._what = what
        if len(raw) > RECORD_BYTES_MAX:
            raise SpoolError(f"{what} of {len(raw)} bytes: more than {RECORD_BYTES_MAX}")
        try:
            fields = orjson.loads(raw)
            orjson.dumps(fields)  # less deeply nested than what may be read: others have to write it
        except (orjson.JSONDecodeError, orjson.JSONEncodeError) as error:
            raise SpoolError(f"{what} is not JSON: {error}") from error
        if not isinstance(fields, dict):
            raise SpoolError(f"{what} is no JSON object")
        self._fields: dict[str, Any] = fields
        version = self.integer("version")
        if version is not None and version != VERSION:
            raise SpoolError(f"{what} of version {version}; this ranklog reads version {VERSION}")

    def key(self) -> str:
        key = self.need_text("key")
        if not is_key(key):
            raise SpoolError(f"{self._what}: {key[:200]!r} is no key")
        return key

    def need_integer(self, name: str) -> int:
        value: int = self._needed(name, self.integer(name))
        return value

    def need_text(self, name: str) -> str:
        value: str = self._needed(name, self.text(name))
        return value

    def integer(self, name: str) -> int | None:
        value: int | None = self._take(name, int)
        if value is not None and abs(value) > INTEGER_MAX:
            self._refuse(name, value)
        return value

    def integers(self, *names: str) -> dict[str, Any]:
        return {name: self.integer(name) for name in names}

    def text(self, name: str) -> str | None:
        value: str | None = self._take(name, str)
        return value

    def boolean(self, name: str) -> bool | None:
        value = self._fields.pop(name, None)
        return value if value is None or isinstance(value, bool) else self._refuse(name, value)

    def seconds(self, name: str) -> float | None:
        value = self._take(name, int, float)
        return None if value is None else float(value)

    def texts(self, name: str) -> tuple[str, ...]:
        value = self._take(name, list) or []
        return tuple(value) if all(isinstance(item, str) for item in value) else self._refuse(name, value)

    def sizes(self, name: str) -> dict[str, int]:
        value: dict[str, int] = self._take(name, dict) or {}
        is_right = all(isinstance(size, int) and 0 <= size <= INTEGER_MAX for size in value.values())
        return value if is_right else self._refuse(name, value)

    def streams(self) -> tuple[StreamRecord, ...]:
        found = []
        for value in self._take("streams", list) or []:
            kind, name = (value.get("kind", "stdout"), value.get("name")) if isinstance(value, dict) else ("", "")
            is_right = isinstance(value, dict) and isinstance(value.get("file"), str) and isinstance(kind, str)
            if not is_right or not isinstance(name, str | None):
                self._refuse("streams", value)
            found.append(StreamRecord(value["file"], kind, name))
        return tuple(found)

    def rest(self) -> dict[str, Any]:
        return self._fields

    def _take(self, name: str, *kinds: type) -> Any:
        value = self._fields.pop(name, None)
        if value is not None and (not isinstance(value, kinds) or isinstance(value, bool)):
            self._refuse(name, value)
        return value

    def _needed(self, name: str, value: Any) -> Any:
        if value is None:
            raise SpoolError(f"{self._what} lacks {name}")
        return value

    def _refuse(self, name: str, value: Any) -> NoReturn:
        raise SpoolError(f"{self._what}: {name} cannot be {repr(value)[:200]}")
