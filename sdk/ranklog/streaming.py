"""Waiting for a run's end, and showing meanwhile what its processes say: all ranks, each line once, as it comes."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Any

from ranklog import failure
from ranklog.errors import RunFailedError, RunNotFoundError, UnreachableError
from ranklog.source.protocol import Json, Source

if TYPE_CHECKING:
    from ranklog.run import Run

POLL_S = 0.2
AWAY_S = 600.0
"""How long a collector that has answered before may be away."""
ENDED = ("Completed", "Failed", "Canceled", "NotResponding")


def wait(
    run: Run,
    show_output: bool = False,
    *,
    wait_post_processing: bool = False,
    raise_on_error: bool = True,
    output: IO[str] | None = None,
) -> dict[str, Any]:
    """Wait for the run's end and return its details.

    Raises RunFailedError, with the first error of the rank that failed first, if the run fails.
    """
    del wait_post_processing  # a run has ended when everything is there
    source = run._source  # noqa: SLF001 (Run's own)
    out = (output or sys.stdout) if show_output else None
    if out is not None:
        _say(out, f"RunId: {run.id}\nWeb View: {run.get_portal_url()}\n")
    try:
        _follow(run, source, out)
    except KeyboardInterrupt:
        if out is not None:
            _say(out, f"\nRun {run.id} goes on; run.cancel() ends it.")
        raise
    details = run.get_details()
    error = None
    if details["status"] in ("Failed", "NotResponding"):
        error = _reason(run, source, details)
        details["error"] = {"error": {"code": "UserError", "message": error}}
    if out is not None:
        _summarize(out, run, details, None if raise_on_error else error)
    if error is not None and raise_on_error:
        raise RunFailedError(f"run {run.id} has failed: {error}")
    return details


def _follow(run: Run, source: Source, out: IO[str] | None) -> None:
    """Show the output until the run has ended, and all that was said before that."""
    cursor: str | None = None
    patience = Patience()
    has_shown = False
    while True:
        lines: list[Json] = []
        try:
            # Asked first: what was said before the end must be shown after it is known.
            has_ended = run.get_status() in ENDED
            if out is not None:
                lines, cursor = _next(source, run.id, cursor)
            patience.renew()
        except UnreachableError as error:
            patience.use(error)
            has_ended = False
        if lines and out is not None:
            if not has_shown:
                _say(out, "\nStreaming the output of all processes\n=====================================\n")
                has_shown = True
            label = _labels(source, run.id)
            _say(out, "\n".join(label(line) + _last_state(line["text"]) for line in lines))
            continue
        if has_ended:
            return
        time.sleep(POLL_S)


class Patience:
    """A collector that has answered before may be away for a while: the run does not need it to be looked at."""

    def __init__(self) -> None:
        self._until_s = 0.0

    def renew(self) -> None:
        """It has answered."""
        self._until_s = time.monotonic() + AWAY_S

    def use(self, error: UnreachableError) -> None:
        """It does not answer. Raises the error if it has not for too long, or never has."""
        if time.monotonic() > self._until_s:
            raise error


def _next(source: Source, run_id: str, cursor: str | None) -> tuple[list[Json], str | None]:
    try:
        return source.logs(run_id, cursor)
    except RunNotFoundError:  # it is only being started
        return [], cursor


def _last_state(text: str) -> str:
    """Of a line that was redrawn, what it came to."""
    return text.rstrip("\r\n").rpartition("\r")[2]


def _labels(source: Source, run_id: str) -> Callable[[Json], str]:
    """Who says a line, if there are several who might."""
    if int(source.run(run_id).get("processes") or 0) <= 1:
        return lambda line: ""
    return lambda line: f"[{line['rank']}] " if line.get("rank") is not None else f"[{line.get('stream')}] "


def _reason(run: Run, source: Source, details: dict[str, Any]) -> str:
    if details["status"] == "NotResponding":
        return "nobody has heard of it any more: its node, agent or collector is gone"
    try:
        found = failure.reason(source, run.id)
    except RunNotFoundError:
        found = None
    said = details.get("error", {}).get("error", {}).get("message")
    return found or said or "its log files tell why"


def _summarize(out: IO[str], run: Run, details: dict[str, Any], error: str | None) -> None:
    _say(out, f"\nExecution Summary\n=================\nRunId: {run.id}\nWeb View: {run.get_portal_url()}")
    _say(out, f"Status: {details['status']}")
    if error is not None:
        _say(out, f"\nError:\n{error}")
    _say(out, "")


def _say(out: IO[str], text: str) -> None:
    out.write(text + "\n")
    out.flush()
