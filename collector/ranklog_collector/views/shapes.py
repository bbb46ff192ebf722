"""How values look in JSON."""

from __future__ import annotations

from typing import Any

from ranklog_collector.core.process_files import iso

Json = dict[str, Any]


def with_times(fields: Json) -> Json:
    """Write times, which are nanoseconds in fields whose names end in `_ns`, as text in fields without that ending."""
    return {
        name.removesuffix("_ns"): iso(value) if name.endswith("_ns") and value is not None else value
        for name, value in fields.items()
    }
