"""An image file, and a matplotlib plot if matplotlib is there."""

from __future__ import annotations

import importlib.util
import math
import struct
import tempfile
import zlib
from pathlib import Path

from ranklog import Run

SIZE = 64


def draw_pudding() -> bytes:
    """Make a PNG of a brown disc on a white plate."""
    header = struct.pack(">IIBBBBB", SIZE, SIZE, 8, 2, 0, 0, 0)
    rows = b"".join(b"\0" + b"".join(colour(x, y) for x in range(SIZE)) for y in range(SIZE))
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def colour(x: int, y: int) -> bytes:
    distance = math.hypot(x - SIZE / 2, y - SIZE / 2)
    return bytes((139, 90, 43)) if distance < SIZE / 3 else b"\xff\xff\xff"


run = Run.get_context()
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder, "breadpudding.png")
    path.write_bytes(draw_pudding())
    run.log_image(name="food", path=str(path), plot=None, description="dessert")

if importlib.util.find_spec("matplotlib"):
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    pyplot.plot([i * i for i in range(10)])
    run.log_image(name="squares", plot=pyplot)
