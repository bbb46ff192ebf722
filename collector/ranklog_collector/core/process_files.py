"""process_info.json, process_status.json and run.json, as functions of what is known of a run.

The first two are JSON Lines as azureml-core's `ScriptRun._get_process_status` reads them. Its rules: the five fields of
an info line and the three of a status line come first, in this order; every process of the info file must have a status
line; a status other than Started ends a process; one last line for process `*` ends the run. It splits lines by
`str.splitlines`, so everything but ASCII is escaped.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from typing import Any

from ranklog_collector.core import journal
from ranklog_collector.core.layout import PROCESS_INFO, PROCESS_STATUS, Layout
from ranklog_collector.core.presence import Presence
from ranklog_collector.core.processes import Outcome, Process

_NOT_STARTED = "NotStarted"
"""Of a process that Azure ML's readers do not know: it is in no info line."""
_NS = 1_000_000_000
_LAST_SECOND = 253_402_300_799  # of the year 9999
_END_OF_RUN = {
    "completed": Outcome.COMPLETED,
    "failed": Outcome.FAILED,
    "canceled": Outcome.TERMINATED,
    "lost": Outcome.TERMINATED,
}
_FROM_RECORD = ("rank", "local_rank", "world_size", "hostname", "launcher", "restart", "argv", "cwd", "user")
_FROM_EXIT = ("exit_code", "signal", "signal_name", "oom_killed", "core_dumped", "max_rss_bytes")


def iso(time_ns: int) -> str:
    """A time in UTC, to the nanosecond."""
    seconds, rest = divmod(max(0, time_ns), _NS)
    moment = datetime.fromtimestamp(min(seconds, _LAST_SECOND), timezone.utc)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def process_info(presence: Presence, log_of: Callable[[Process], str]) -> bytes:
    """Which process runs where, one line each."""
    return _lines(_info(presence, one, log_of(one)) for one in presence.processes.own)


def process_status(presence: Presence) -> bytes:
    """What became of the processes, one event a line."""
    lines = [_status(presence, one, has_ended) for one, has_ended in presence.processes.events]
    lines += [
        {"process_name": one.name, "timestamp": iso(presence.begun_ns), "status": _NOT_STARTED}
        for one in presence.processes.absent
    ]
    if presence.state in _END_OF_RUN and lines:
        status = _END_OF_RUN[presence.state].value
        lines.append({"process_name": "*", "timestamp": iso(presence.state_ns), "status": status})
    return _lines(iter(lines))


def run_summary(entry: journal.Run, presence: Presence, layout: Layout) -> bytes:
    """The run in short: what it is, its state, its nodes and how many processes its last life has."""
    outcomes = [presence.processes.outcome(one) for one in presence.processes.current]
    summary = {
        "version": 1,
        "run_id": entry.run_id,
        "experiment": entry.experiment,
        "state": presence.state,
        "start_time": iso(entry.time),
        "end_time": iso(presence.state_ns) if presence.is_ended else None,
        "nodes": [
            {
                "node_id": node.id,
                "node_ip": node.ip,
                "hostname": node.hostname,
                "state": node.state,
                "folder": layout.folder_of(node.id),
            }
            for node in presence.nodes.values()
        ],
        "processes": {
            "world_size": presence.processes.world_size,
            "lives": presence.processes.lives.last.number + 1,
            "seen": len(outcomes),
            "running": outcomes.count(None),
            **{outcome.value.lower(): outcomes.count(outcome) for outcome in Outcome},
            "notstarted": len(presence.processes.absent),
        },
        "properties": {"ProcessInfoFile": PROCESS_INFO, "ProcessStatusFile": PROCESS_STATUS},
    }
    return json.dumps(summary, indent=2).encode() + b"\n"


def _info(presence: Presence, process: Process, log: str) -> dict[str, Any]:
    node = presence.nodes.get(process.node)
    return {
        "process_name": process.name,
        "node_id": process.node,
        "pid_in_container": process.pid,
        "private_ip": node.ip if node else "",
        "log": log,
        "key": process.key,
        "start_time": iso(process.started_ns),
        **_chosen(process.record, _FROM_RECORD),
    }


def _status(presence: Presence, process: Process, has_ended: bool) -> dict[str, Any]:
    if not has_ended:
        return {"process_name": process.name, "timestamp": iso(process.started_ns), "status": "Started"}
    outcome = presence.processes.outcome(process)
    assert outcome is not None
    return {
        "process_name": process.name,
        "timestamp": iso(process.ended_ns or 0),
        "status": outcome.value,
        **({"vanished": True} if process.vanished else _chosen(process.exit or {}, _FROM_EXIT)),
    }


def _chosen(record: journal.Record, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: record[name] for name in names if record.get(name) is not None}


def _lines(lines: Iterator[dict[str, Any]]) -> bytes:
    return "".join(f"{json.dumps(line)}\n" for line in lines).encode()
