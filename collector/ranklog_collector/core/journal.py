"""The journal of a run folder: typed entries to JSON lines and back (docs/reference/journal.md)."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar, Union, get_args, get_origin, get_type_hints

import orjson

Record = dict[str, Any]

IMPORT = "import"
"""What the origin of an imported run begins with."""
API = "api"
"""The origin of a run that came by REST."""
TIME_LIMIT, CANCELED = "time-limit", "canceled"
"""Why a job is asked to end."""


@dataclass(frozen=True, slots=True)
class Run:
    """First line."""

    kind: ClassVar[str] = "run"
    v: int
    run_id: str
    experiment: str
    time: int
    origin: str = ""
    """API if no collector has the run in its care: it is what came by REST (points.md), and state lines.

    IMPORT and a digest of the files if it was imported from some.
    """


@dataclass(frozen=True, slots=True)
class Node:
    """Life of a node; `event` is joined, rejoined, lost, left or fenced."""

    kind: ClassVar[str] = "node"
    node: str
    event: str
    time: int
    ip: str = ""
    hostname: str = ""
    epoch: int = 0
    version: str = ""
    reason: str = ""
    undelivered: int = 0
    heard: int = 0
    """Of one that is lost: when anything came of it last."""


@dataclass(frozen=True, slots=True)
class Clock:
    """The collector's clock minus the node's, in nanoseconds."""

    kind: ClassVar[str] = "clock"
    node: str
    offset_ns: int
    error_ns: int
    time: int


@dataclass(frozen=True, slots=True)
class Process:
    """A fact about a process; `event` is started, exited or vanished (with the spool's record), lost or back."""

    kind: ClassVar[str] = "process"
    node: str
    key: str
    event: str
    time: int
    record: Record | None = None


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream and the file that it ends up in, relative to the run folder."""

    kind: ClassVar[str] = "stream"
    stream: int
    node: str
    role: str
    process: str
    name: str
    path: str
    snapshot: bool = False
    """Whether its segments replace the file instead of growing it."""


@dataclass(frozen=True, slots=True)
class Path:
    """The stream's file was renamed."""

    kind: ClassVar[str] = "path"
    stream: int
    path: str


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment of a stream, and the evidence for its source file."""

    kind: ClassVar[str] = "segment"
    segment: int
    id: str
    stream: int
    source: str
    dev: int
    ino: int
    birth_ns: int
    snapshot: bool
    time: int


@dataclass(frozen=True, slots=True)
class Extent:
    """From `pos` of the stream's file on, up to the next extent, it holds the segment's bytes from `at` on."""

    kind: ClassVar[str] = "extent"
    segment: int
    at: int
    pos: int


@dataclass(frozen=True, slots=True)
class Mark:
    """The segment is durable up to `end`; `seen` holds (position in the stream's file, time on the node's clock)."""

    kind: ClassVar[str] = "mark"
    segment: int
    end: int
    crc: int
    seen: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Reset:
    """The stream's file was cut to `size`; extents behind that are void."""

    kind: ClassVar[str] = "reset"
    stream: int
    size: int


@dataclass(frozen=True, slots=True)
class Close:
    """The segment is final and verified."""

    kind: ClassVar[str] = "close"
    segment: int
    size: int
    crc: int
    time: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The stream's file now is this segment."""

    kind: ClassVar[str] = "snapshot"
    segment: int
    size: int
    crc: int
    time: int


@dataclass(frozen=True, slots=True)
class Gap:
    """Bytes of the segment that are lost for good; `end` is None where nobody knows how many."""

    kind: ClassVar[str] = "gap"
    segment: int
    at: int
    end: int | None
    reason: str
    time: int


@dataclass(frozen=True, slots=True)
class Pause:
    """The run folder could not be written."""

    kind: ClassVar[str] = "pause"
    reason: str
    time: int


@dataclass(frozen=True, slots=True)
class Resume:
    """The run folder can be written again."""

    kind: ClassVar[str] = "resume"
    reason: str
    time: int


@dataclass(frozen=True, slots=True)
class State:
    """The run's state: running, finalizing, completed, failed, canceled or lost; before, it has not started."""

    kind: ClassVar[str] = "state"
    state: str
    time: int


@dataclass(frozen=True, slots=True)
class Asked:
    """`ranklog run` has asked the job to end; `why` is time-limit, or canceled if somebody asked that of it."""

    kind: ClassVar[str] = "asked"
    why: str
    by: str
    """By what: `--max-duration 60`, `SIGTERM`."""
    time: int


@dataclass(frozen=True, slots=True)
class Stacks:
    """Agents were asked for the stacks of their processes; `why` is asked or silence."""

    kind: ClassVar[str] = "stacks"
    request: str
    nodes: tuple[str, ...]
    why: str
    time: int


@dataclass(frozen=True, slots=True)
class Stopped:
    """The collector was shut down in order."""

    kind: ClassVar[str] = "stopped"
    time: int


Entry = Union[  # noqa: UP007 - get_args() below
    Run,
    Node,
    Clock,
    Process,
    Stream,
    Path,
    Segment,
    Extent,
    Mark,
    Reset,
    Close,
    Snapshot,
    Gap,
    Pause,
    Resume,
    State,
    Asked,
    Stacks,
    Stopped,
]

_SHORT = {"time": "t", "stream": "s", "segment": "g"}
_Types = tuple[type, ...]


def _accepted(hint: Any) -> _Types:
    """Name the JSON types that a field's annotation takes."""
    if get_origin(hint) is tuple:
        return (list,)
    if get_origin(hint) is dict:
        return (dict,)
    options = get_args(hint)
    return tuple(kind for option in options for kind in _accepted(option)) if options else (hint,)


_FIELDS: dict[type, list[tuple[str, str, _Types]]] = {
    cls: [
        (field.name, _SHORT.get(field.name, field.name), _accepted(get_type_hints(cls)[field.name]))
        for field in fields(cls)
    ]
    for cls in get_args(Entry)
}
_KINDS: dict[str, type] = {cls.kind: cls for cls in get_args(Entry)}


def dump(entry: Entry) -> bytes:
    """One line of the journal, with its newline."""
    line: dict[str, Any] = {"e": entry.kind}
    for name, key, _ in _FIELDS[type(entry)]:
        line[key] = getattr(entry, name)
    return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)


def parse(line: bytes) -> Entry | None:
    """Read one line; None if it is damaged or of an unknown kind. Unknown fields are skipped."""
    loaded = _load(line)
    return None if loaded is None else _entry(loaded)


def read(data: bytes) -> tuple[list[Entry], int, int]:
    """Read all entries, and the length of the data up to the end of the last intact line: what follows it is torn.

    The last number is how many damaged lines stand before that.
    """
    entries: list[Entry] = []
    start = intact = damaged = skipped = 0
    while (newline := data.find(b"\n", start)) >= 0:
        line, start = data[start:newline], newline + 1
        if b"\0" in line:
            # Pages that never reached the disk before a power loss: nothing from here on was synced.
            break
        if (loaded := _load(line)) is None:
            skipped += 1
            continue
        intact, damaged = start, skipped
        if (entry := _entry(loaded)) is not None:
            entries.append(entry)
    return entries, intact, damaged


def _load(line: bytes) -> Record | None:
    try:
        loaded = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return loaded if isinstance(loaded, dict) else None


def _entry(loaded: Record) -> Entry | None:
    cls = _KINDS.get(str(loaded.get("e")))
    if cls is None:
        return None
    values: Record = {}
    for name, key, types in _FIELDS[cls]:
        if key in loaded:
            value = loaded[key]
            if not isinstance(value, types):
                return None
            values[name] = value
    try:
        if "seen" in values:
            values["seen"] = tuple((int(pos), int(time)) for pos, time in values["seen"])
        if "nodes" in values:
            values["nodes"] = tuple(str(node) for node in values["nodes"])
        entry: Entry = cls(**values)
    except (TypeError, ValueError):  # a required field is missing, or the pairs are none
        return None
    return entry
