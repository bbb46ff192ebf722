"""Times and durations as people write and read them. Inside they are nanoseconds since the Unix epoch."""

from __future__ import annotations

import re
from datetime import datetime, timezone

_NS = 10**9
_UNITS_NS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": _NS, "m": 60 * _NS, "h": 3600 * _NS, "d": 86400 * _NS}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ns|us|ms|s|m|h|d)?")
_FRACTION = re.compile(r"(?<=:\d\d)[.,](\d{1,9})\d*")
_LAST = 253_402_300_799 - 86400
"""Nearly the last second of the year 9999, which no time zone may lead beyond."""


def parse_duration(text: str) -> int:
    """Read `90` (seconds), `10m` or `1h30m`. Raises ValueError."""
    parts = list(_DURATION.finditer(text))
    if not parts or "".join(part[0] for part in parts) != text:
        raise ValueError(f"{text!r} is no duration such as 90s, 10m or 1h30m")
    return round(sum(float(part[1]) * _UNITS_NS[part[2] or "s"] for part in parts))


def parse_iso(text: str) -> int:
    """Read an ISO 8601 time, to the nanosecond; without a zone it is local. Raises ValueError."""
    fraction = _FRACTION.search(text)
    whole = text if fraction is None else text[: fraction.start()] + text[fraction.end() :]
    moment = datetime.fromisoformat(re.sub(r"[zZ]$", "+00:00", whole))
    return int(moment.timestamp()) * _NS + (int(fraction[1].ljust(9, "0")) if fraction else 0)


def parse_moment(text: str, start_ns: int, end_ns: int) -> int:
    """Read a moment of a run that began at `start_ns` and has come to `end_ns`. Raises ValueError.

    `+90s` is so long after its start, `10m` so long before its end; else an ISO 8601 time.
    """
    try:
        if text.startswith("+"):
            return start_ns + parse_duration(text[1:])
        if _DURATION.match(text) and not re.match(r"\d{4}-", text):
            return end_ns - parse_duration(text)
        return parse_iso(text)
    except (ValueError, OverflowError):
        raise ValueError(
            f"{text!r} is no time: 10m (before the end), +90s (after the start) or 2026-01-31T12:00:00Z"
        ) from None


def clock_time(time_ns: int, utc: bool = False) -> str:
    """Write a time as people read it, to the millisecond; local unless `utc`."""
    seconds, rest = divmod(min(max(0, time_ns), _LAST * _NS), _NS)
    moment = datetime.fromtimestamp(seconds, timezone.utc)
    if not utc:
        moment = moment.astimezone()
    return f"{moment:%Y-%m-%d %H:%M:%S}.{rest // 10**6:03d}"


def duration_text(duration_ns: int) -> str:
    """Write a duration in at most six characters: `1.2s`, `3m20s`, `5h03m`, `12d04h`."""
    seconds = max(0, duration_ns) / _NS
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole // 60 % 60:02d}m"
    return f"{whole // 86400}d{whole // 3600 % 24:02d}h"


def bytes_text(count: int) -> str:
    """Write a number of bytes in at most six characters: `999 B`, `1.2 MB`."""
    if count < 1000:
        return f"{count} B"
    value, unit = float(count), "B"
    for unit in ("kB", "MB", "GB", "TB", "PB", "EB"):  # noqa: B007 - the last one is used
        value /= 1000
        if value < 999.5:
            break
    return f"{value:.1f} {unit}" if value < 9.95 else f"{value:.0f} {unit}"
