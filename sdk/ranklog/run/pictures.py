"""Images as bytes, and names for their files."""

from __future__ import annotations

import io
import os
from typing import Any

from ranklog.errors import UserError

NAME_CHARACTERS_MAX = 100
SIGNATURES = {
    b"\x89PNG\r\n\x1a\n": ".png",
    b"\xff\xd8\xff": ".jpg",
    b"GIF8": ".gif",
    b"BM": ".bmp",
    b"II*\0": ".tif",
    b"MM\0*": ".tif",
    b"<svg": ".svg",
    b"<?xml": ".svg",
}
"""How the files of each kind of image begin."""


def picture(path: object, plot: Any) -> tuple[bytes, str]:
    """Give the bytes and the suffix of an image file, or of a plot that is made one. Raises UserError."""
    if plot is not None:
        return _drawn(plot), ".png"
    try:
        content = _read(path)
    except OSError as error:
        raise UserError(f"log_image cannot read {path}: {error.strerror} (working folder {os.getcwd()})") from error
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return content, ".webp"
    suffix = next((suffix for start, suffix in SIGNATURES.items() if content.startswith(start)), None)
    if suffix is None:
        raise UserError(f"log_image: {path} is no image: PNG, JPEG, GIF, BMP, TIFF, WebP and SVG are known")
    return content, suffix


def file_name(name: str) -> str:
    """Make a metric's name a part of a path."""
    kept = "".join(each if each.isprintable() and each not in "/\\" else "-" for each in str(name))
    while len(kept.encode()) > 2 * NAME_CHARACTERS_MAX or len(kept) > NAME_CHARACTERS_MAX:
        kept = kept[:-1] if len(kept) <= NAME_CHARACTERS_MAX else kept[:NAME_CHARACTERS_MAX]
    return kept.lstrip(".") or "-"


def _drawn(plot: Any) -> bytes:
    stream = io.BytesIO()
    try:
        plot.savefig(stream, format="png")
    except AttributeError as error:
        raise UserError(f"log_image takes a matplotlib plot or figure, not a {type(plot).__name__}") from error
    return stream.getvalue()


def _read(path: object) -> bytes:
    read = getattr(path, "read", None)
    if callable(read):
        return bytes(read())
    if not isinstance(path, str | os.PathLike):
        raise UserError(f"log_image takes the path of a file, not a {type(path).__name__}")
    with open(path, "rb") as file:
        return file.read()
