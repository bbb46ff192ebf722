"""What can go wrong in a collector.

CollectorError
├── ConfigError               ours to mend before a start: an option, a file or an address is no good (exit code 2)
├── RefusedError              the peer's mistake: ends its call with a gRPC status
└── StoreError                the run folder
    ├── StoreFullError        passing: the disk or a quota is full
    ├── StoreUnwritableError  passing or not: any other error of the file system
    └── StoreLockedError      another collector writes this run folder
"""

from __future__ import annotations

from enum import Enum


class CollectorError(Exception):
    """Base of all errors that a collector raises on purpose; its text is fit for people."""


class ConfigError(CollectorError):
    """The collector cannot start as it was told to."""


class Refusal(Enum):
    """Why a peer's call is ended; the names are those of gRPC's status codes."""

    INVALID_ARGUMENT = "a value that cannot be"
    FAILED_PRECONDITION = "another protocol"
    UNAUTHENTICATED = "no token or a wrong one"
    RESOURCE_EXHAUSTED = "a limit"
    UNAVAILABLE = "not now"


class RefusedError(CollectorError):
    """A peer said something that cannot be accepted."""

    def __init__(self, refusal: Refusal, message: str) -> None:
        super().__init__(message)
        self.refusal = refusal


class StoreError(CollectorError):
    """The run folder cannot be read or written."""


class StoreFullError(StoreError):
    """No space is left, or a quota is used up."""


class StoreUnwritableError(StoreError):
    """The file system refused."""


class StoreLockedError(StoreError):
    """Another collector writes this run folder."""
