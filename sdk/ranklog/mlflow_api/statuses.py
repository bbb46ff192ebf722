"""MLflow's words for how a run is, and ours. Pure."""

from __future__ import annotations

STATES = {
    "RUNNING": "running",
    "SCHEDULED": "waiting",
    "FINISHED": "completed",
    "FAILED": "failed",
    "KILLED": "canceled",
}
"""Ours by MLflow's, in the order of MLflow's numbers from 1."""
ENDS = frozenset(("completed", "failed", "canceled"))
_STATUSES = {state: status for status, state in STATES.items()} | {
    "notstarted": "SCHEDULED",
    "lost": "FAILED",
    "interrupted": "FAILED",
}


def status_of(state: str) -> str:
    """What MLflow calls a state."""
    return _STATUSES.get(state, "RUNNING")
