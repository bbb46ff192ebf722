"""What the HTTP process is told when it is started."""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import asdict, dataclass

import orjson

from ranklog_collector.config import Tls


@dataclass(frozen=True, slots=True)
class Settings:
    """All of it. The descriptors are inherited."""

    root: str
    catalog: str | None
    """URL of the catalog's database; None: it is below the root."""
    token: str | None
    tls: Tls | None
    is_loopback: bool
    """Whether only this machine can reach the socket."""
    socket: int
    """Descriptor of the listening socket."""
    figures: int
    """Descriptor of the file in which the collector publishes its figures."""
    parent: int
    """Process id of the collector."""

    def dump(self) -> bytes:
        """As bytes; they hold secrets."""
        fields = asdict(self)
        if self.tls is not None:
            fields["tls"] = {name: value and b64encode(value).decode() for name, value in fields["tls"].items()}
        return orjson.dumps(fields)


def load(data: bytes) -> Settings:
    """What `dump` made."""
    fields = orjson.loads(data)
    if fields["tls"] is not None:
        fields["tls"] = Tls(**{name: value and b64decode(value) for name, value in fields["tls"].items()})
    return Settings(**fields)
