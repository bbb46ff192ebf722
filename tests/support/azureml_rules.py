"""What azureml-core's `ScriptRun._get_process_status` makes of the process files: its rules, written down once more."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ranklog_collector.reading.processes import ProcessState, ProcessView

STATES = {
    ProcessState.RUNNING: {"Started"},
    ProcessState.LOST: {"Started", "Terminated"},  # what is open at the end of a run was terminated, by these rules
    ProcessState.COMPLETED: {"Completed"},
    ProcessState.FAILED: {"Failed"},
    ProcessState.TERMINATED: {"Terminated"},
}


def azure_table(info_text: str, status_text: str) -> list[list[Any]]:
    """The table that a reader by Azure ML's rules makes of the two files."""
    info = [json.loads(line) for line in info_text.splitlines()]
    events = [json.loads(line) for line in status_text.splitlines()]
    known: dict[str, dict[str, str]] = {}
    for event in events:
        of_process = known.setdefault(event["process_name"], {})
        of_process["start" if event["status"] == "Started" else "end"] = event["timestamp"]
        of_process["status"] = event["status"]
    if events[-1]["process_name"] == "*":
        for of_process in known.values():
            if of_process["status"] not in ("Failed", "Completed", "Terminated"):
                of_process.update(status="Terminated", end=events[-1]["timestamp"])
    rows = []
    for line in info:
        name, *others = line.values()
        of_process = known[line["process_name"]]
        rows.append([name, of_process["status"], of_process.get("start"), of_process.get("end"), *others[:4]])
    return sorted(rows, key=lambda row: str(row[6]))


def disagreements(table: Sequence[Sequence[Any]], views: Sequence[ProcessView]) -> list[str]:
    """Tell what such a table says otherwise than `ranklog ps` says of the job's own processes."""
    told = {str(row[0]): str(row[1]) for row in table}
    seen = {view.name: view.state for view in views if view.state is not ProcessState.NOT_STARTED}
    wrong = [
        f"{name}: {told.get(name)}, not {state.value}"
        for name, state in seen.items()
        if told.get(name) not in STATES[state]
    ]
    return wrong + [f"{name} is unknown" for name in told.keys() - seen.keys()]
