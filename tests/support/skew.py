"""A clock that is wrong, for single processes, by libfaketime."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")


def why_no_skew() -> str | None:
    """Say why clocks cannot be set wrong here, or None if they can."""
    return None if FAKETIME.exists() else "libfaketime is missing: run script/install-test-programs"


def skewed(seconds: float) -> dict[str, str]:
    """The environment of a process whose clock is so far ahead."""
    return {"LD_PRELOAD": str(FAKETIME), "FAKETIME": f"{seconds:+g}s", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


def skewed_on(host: str, seconds: float, program: Sequence[str]) -> list[str]:
    """The program, on one host with its clock set wrong."""
    settings = " ".join(f"{name}={value}" for name, value in skewed(seconds).items())
    return ["sh", "-c", f'[ "$(hostname)" = {host} ] && export {settings}; exec "$@"', "skewed", *program]
