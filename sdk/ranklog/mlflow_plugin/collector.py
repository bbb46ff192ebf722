"""Whether a collector is there, asked where nobody may be kept waiting."""

from __future__ import annotations

import time
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import urlopen

TIMEOUT_S = 1.0
FRESH_S = 5.0
"""So long an answer holds."""
_known: dict[str, tuple[float, bool]] = {}


def answers(url: str) -> bool:
    """Whether something at a URL answers HTTP, now or a few seconds ago."""
    asked_s, is_there = _known.get(url, (float("-inf"), False))
    if time.monotonic() - asked_s >= FRESH_S:
        is_there = _answers(url)
        _known[url] = time.monotonic(), is_there
    return is_there


def _answers(url: str) -> bool:
    try:
        with urlopen(f"{url}/healthz", timeout=TIMEOUT_S):
            return True
    except HTTPError as error:
        error.close()
        return True
    except (OSError, HTTPException):
        return False
