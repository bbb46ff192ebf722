"""What a tracking URI names. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from ranklog.errors import UserError

SCHEME = "ranklog"


@dataclass(frozen=True)
class Address:
    """Where runs are read and, outside a job, kept: a collector's `url`, a `root` folder, or what is usual here."""

    url: str | None = None
    root: str | None = None


def parse(uri: str) -> Address:
    """Read `ranklog://`, `ranklog:///path/to/root` or `ranklog://host:port`. Raises UserError."""
    parts = urlsplit(uri)
    if parts.scheme != SCHEME or parts.query or parts.fragment or (parts.netloc and parts.path.strip("/")):
        raise UserError(
            f"{uri!r} is no address of runs: say ranklog://, ranklog:///path/to/root or ranklog://host:port"
        )
    if parts.netloc:
        return Address(url=f"http://{parts.netloc}")
    return Address(root=unquote(parts.path)) if parts.path.strip("/") else Address()
