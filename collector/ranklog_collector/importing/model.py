"""What is to be imported, and what will be made of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from ranklog_collector.importing.formats.cri import Container
from ranklog_collector.importing.formats.found import Evidence, File, Writer
from ranklog_collector.importing.formats.tags import Style


class ImportingError(Exception):
    """It cannot be imported as it was asked for; the message says what to do."""


class Coding(Enum):
    """How the bytes of a stream are in its files."""

    PLAIN = "plain"
    CONTAINER = "container"
    """In the lines of a kubelet."""


@dataclass(frozen=True, slots=True)
class Output:
    """What a process wrote to one of its streams."""

    writer: Writer
    stream: str
    file: File


@dataclass(frozen=True, slots=True)
class Console:
    """What a launcher wrote, with or without the output of its ranks."""

    files: tuple[File, ...]
    coding: Coding = Coding.PLAIN
    style: Style | None = None
    launcher: str = ""
    group: str = ""
    """Of a torchrun's own ranks."""
    ranks: frozenset[tuple[int, str]] = frozenset()
    """Whose output is in it by its tags, and to which stream it went."""
    local_ns: tuple[int, int] | None = None
    """The first and the last reading of a wall clock in it, as if it were in UTC."""
    repeats_ranks: bool = False
    """Whether it has lines, untagged, that the ranks' own files have too."""
    job: str = ""

    @property
    def file(self) -> File:
        """The first of its files."""
        return self.files[0]


@dataclass(frozen=True, slots=True)
class Pod:
    """The logs of one life of a container, oldest file first."""

    container: Container
    files: tuple[File, ...]
    times: tuple[int, int] | None = None
    """When it said something first and last, if its lines tell."""


@dataclass(slots=True)
class Survey:
    """All that was found."""

    outputs: list[Output] = field(default_factory=list)
    consoles: list[Console] = field(default_factory=list)
    pods: list[Pod] = field(default_factory=list)
    errors: list[Output] = field(default_factory=list)
    """torchrun's error files."""
    logs: list[tuple[File, str]] = field(default_factory=list)
    """Files of no process: each with the group that it belongs to, or ""."""
    evidence: Evidence = field(default_factory=Evidence)
    remarks: list[str] = field(default_factory=list)
    """What a user should know of it."""


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the run."""

    name: str
    ip: str = ""


@dataclass(frozen=True, slots=True)
class Process:
    """A process of the run. `end` is its exit record, or None if nobody knows how it ended.

    With `is_gone` somebody has seen at least that it had ended.
    """

    node: str
    key: str
    record: dict[str, Any]
    ended_ns: int
    end: dict[str, Any] | None = None
    is_gone: bool = False


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream of the run."""

    node: str
    role: str
    process: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Copy:
    """A stream that is one file after the other, byte for byte."""

    stream: Stream
    files: tuple[File, ...]


@dataclass(frozen=True, slots=True)
class Split:
    """Files that several streams are in. What has no target is left out: it is in another file."""

    files: tuple[File, ...]
    coding: Coding
    style: Style | None
    targets: dict[tuple[int | None, str], Stream]
    zone_ns: int = 0
    """Of the wall clock in it: local time minus UTC."""


@dataclass(slots=True)
class Plan:
    """The run folder to be made."""

    nodes: list[Node]
    processes: list[Process]
    copies: list[Copy]
    splits: list[Split]
    state: str
    begun_ns: int
    ended_ns: int
    clock_error_ns: int | None
    """How far the nodes' clocks may be apart; None if there is one node."""
    launcher: str
    remarks: list[str]
