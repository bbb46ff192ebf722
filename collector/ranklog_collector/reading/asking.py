"""Asking the collector that holds a run folder for something, by a file in the folder."""

from __future__ import annotations

import os
from contextlib import suppress

from ranklog_collector.core.layout import REQUESTS
from ranklog_collector.core.requests import StackRequest
from ranklog_collector.reading.folder import ReadingError, RunFolder

ATTEMPTS = 5
"""The collector removes the folder of requests when it is empty, perhaps at the wrong moment."""


def ask(folder: RunFolder, request: StackRequest) -> None:
    """Ask for stacks. Raises ReadingError if that may not be."""
    where = os.path.join(folder.path, REQUESTS)
    fresh = os.path.join(where, f".{request.file_name}.new")
    try:
        for attempt in range(ATTEMPTS):
            os.makedirs(where, exist_ok=True)
            try:
                file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
                with open(file, "wb") as opened:
                    opened.write(request.dump())
                os.rename(fresh, os.path.join(where, request.file_name))
                return
            except FileNotFoundError:
                if attempt == ATTEMPTS - 1:
                    raise
    except OSError as error:
        raise ReadingError(
            f"the collector of run {folder.run_id} cannot be asked, {where} is not writable ({error.strerror}); "
            "ask as the user whose run it is, or over HTTP with --url"
        ) from error


def is_taken(folder: RunFolder, request: StackRequest) -> bool:
    """Whether the collector has taken a request."""
    return not os.path.exists(os.path.join(folder.path, REQUESTS, request.file_name))


def withdraw(folder: RunFolder, request: StackRequest) -> None:
    """Take back a request that nobody has taken."""
    with suppress(OSError):
        os.unlink(os.path.join(folder.path, REQUESTS, request.file_name))
