"""Rows and frames as tests need them. Seconds count from the start of the run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ranklog_collector.reading.processes import ProcessState
from ranklog_collector.top.frame import Frame, Row
from ranklog_collector.top.steps import Step
from tests.support.run_writer import START, ns


def row(rank: int | None = 0, spoke: float | None = 100, step: int | None = None, **fields: Any) -> Row:
    """A rank that runs, on node n0 unless it is said otherwise."""
    fields = {
        "name": f"rank_{rank}",
        "state": ProcessState.RUNNING,
        "node": "n0",
        "hostname": fields.get("node", "n0"),
        "ip": "10.0.0.1",
        "key": f"{rank}-1-1",
        "started_ns": START,
        "line": "hello",
        "is_step_current": True,
        **fields,
    }
    return Row(
        rank=rank,
        last_output_ns=None if spoke is None else ns(spoke),
        step=None if step is None else Step(step, "step"),
        **fields,
    )


def frame(rows: Sequence[Row], now: float = 101, **fields: Any) -> Frame:
    """A run that goes on."""
    fields = {"state": "running", "has_ended": False, "is_written": True, **fields}
    return Frame("r1", "default", "/r", started_ns=START, now_ns=ns(now), rows=rows, nodes=1, bytes=1000, **fields)
