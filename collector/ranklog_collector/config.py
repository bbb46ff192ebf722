"""What a collector can be told. Every number has its unit in its name, and a limit exists for everything."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field

SILENCE_S = 300.0
"""After so long without a word from a job its stacks are worth keeping: a watchdog may well end it soon."""


def is_loopback(address: str) -> bool:
    """Whether host:port can be reached from this machine only."""
    host = address.rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM data for both ports; with `client_ca` only who has a certificate of it may connect."""

    key: bytes
    certificate: bytes
    client_ca: bytes | None = None


@dataclass(frozen=True, slots=True)
class Http:
    """The HTTP API."""

    address: str
    """host:port to listen on; port 0 takes any free one."""
    token: str | None = None
    """What clients have to show."""
    catalog: str | None = None
    """SQLAlchemy's URL of the database in which runs are searched; None: SQLite below the root."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one collector lets its agents do."""

    message_bytes_max: int = 4 << 20
    streams_max: int = 20_000
    """Of one run."""
    runs_max: int = 1_000
    """At the same time."""
    sessions_max: int = 2_000
    window_bytes_max: int = 4 << 20
    window_bytes_min: int = 128 << 10
    windows_bytes: int = 64 << 20
    """What all windows share: what a stalling disk may leave in memory."""

    def window_bytes(self, sessions: int) -> int:
        """How many bytes one of so many agents may have on their way."""
        return min(max(self.windows_bytes // max(sessions, 1), self.window_bytes_min), self.window_bytes_max)


@dataclass(frozen=True, slots=True)
class Config:
    """One collector."""

    root: str
    """The folder of all run folders."""
    grpc: str = "127.0.0.1:7070"
    """host:port to listen on; port 0 takes any free one."""
    http: Http | None = None
    """None: it serves none."""
    token: str | None = None
    """What agents have to show."""
    tls: Tls | None = None
    limits: Limits = field(default_factory=Limits)
    grace_s: float = 0.0
    """How long runs that are under way may take to end when the collector is told to end."""
    stacks_after_silence_s: float = 0.0
    """So long a job has to be silent for its stacks to be asked for; 0: that is left to people."""

    @property
    def is_open(self) -> bool:
        """Whether anybody who reaches the port may write runs."""
        return self.token is None and (self.tls is None or self.tls.client_ca is None)
