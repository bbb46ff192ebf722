"""The collector's figures on their way to the HTTP process: a small file in memory that both have open.

The collector writes it once a second and never waits; the reader looks again if it comes in between.
"""

from __future__ import annotations

import os
from dataclasses import asdict
from zlib import crc32

import orjson

from ranklog_collector.core.figures import Counters, Durations, Figures

_BYTES_MAX = 1 << 16
_ATTEMPTS = 5


def publish(file: int, figures: Figures) -> None:
    """Write them into a file."""
    data = orjson.dumps(asdict(figures))
    os.pwrite(file, b"%08x %b\n" % (crc32(data), data), 0)


def read(file: int) -> Figures | None:
    """Read what was published last; None if nothing was."""
    for _ in range(_ATTEMPTS):
        checksum, _, data = os.pread(file, _BYTES_MAX, 0).partition(b"\n")[0].partition(b" ")
        if checksum == b"%08x" % crc32(data):
            fields = orjson.loads(data)
            counters = fields.pop("counters")
            syncs = Durations(**counters.pop("syncs"))
            return Figures(**fields, counters=Counters(**counters, syncs=syncs))
    return None
