"""Container logs as a node's kubelet keeps them: what their paths and their lines say.

`<namespace>_<pod>_<uid>/<container>/<restart>.log`, in the CRI's format (`<time> stdout P|F <text>`) or Docker's JSON.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone

import orjson

LINE_MAX = 1 << 20
"""The CRI cuts lines at 16 KiB; whatever is longer is no line of its format."""
_PATH = re.compile(
    r"(?:^|/)(?P<namespace>[^/_]+)_(?P<pod>[^/_]+)_(?P<uid>[^/_]+)/(?P<container>[^/]+)/"
    r"(?P<restart>\d{1,6})\.log(?:\.(?P<rotated>[\d-]+)(?P<gz>\.gz)?)?$"
)
_LINE = re.compile(
    rb"(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)) "
    rb"(?P<stream>stdout|stderr) (?P<tags>\S+) "
)
# An indexed job's pod <job>-<index>-<five letters>; <job>-worker-<index> and the like; a stateful set's <name>-<index>.
_INDEX = re.compile(r"-(?P<index>\d{1,6})(?:-[a-z0-9]{5})?$")
_ROLE = re.compile(r"-(?P<role>master|chief|launcher|worker|node|replica|ps)-?\d*(?:-[a-z0-9]{5})?(?:-\d+)?$")
_SIDECARS = re.compile(r"istio-|linkerd-|fluent|ranklog|promtail|filebeat|vault-|datadog|otel|init-|kubexit")


@dataclass(frozen=True, slots=True)
class Container:
    """Of which container of which pod a file is the log."""

    namespace: str
    pod: str
    uid: str
    name: str
    restart: int
    rotated: str = ""
    """When the file was rotated away, as its name has it; empty of the newest."""
    is_packed: bool = False

    @property
    def order(self) -> tuple[int, str]:
        """Sorts the files of one restart by age, the oldest first."""
        return (1, "") if not self.rotated else (0, self.rotated)

    @property
    def index(self) -> int | None:
        """Number of the pod in its job, if its name has one."""
        found = _INDEX.search(self.pod)
        return int(found["index"]) if found else None

    @property
    def role(self) -> str:
        """master, worker, launcher …; empty if its name has none."""
        found = _ROLE.search(self.pod)
        return found["role"] if found else ""

    @property
    def job(self) -> str:
        """What its name has in common with those of the job's other pods."""
        found = _ROLE.search(self.pod) or _INDEX.search(self.pod)
        return f"{self.namespace}/{self.pod[: found.start()] if found else self.pod}"

    @property
    def is_sidecar(self) -> bool:
        """Whether it is none of the job's own containers, by its name."""
        return _SIDECARS.match(self.name) is not None


def container(path: str) -> Container | None:
    """Read a path; None if it is no container's log."""
    found = _PATH.search(path)
    if found is None:
        return None
    return Container(
        found["namespace"],
        found["pod"],
        found["uid"],
        found["container"],
        int(found["restart"]),
        found["rotated"] or "",
        found["gz"] is not None,
    )


@dataclass(frozen=True, slots=True)
class Text:
    """What a container wrote to one of its streams in one go."""

    stream: str
    data: bytes
    time_ns: int | None


@dataclass(slots=True)
class Decoder:
    """Turns the kubelet's lines into the bytes that the container wrote. Feed it all bytes in order, then `finish`."""

    damaged: int = 0
    """Lines that are of neither format; their bytes are passed on as they are."""
    _rest: bytes = b""
    _last: str = field(default="stdout")

    def feed(self, data: bytes) -> Iterator[Text]:
        """Take the next bytes."""
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            yield self._line(line, b"\n")
        if len(self._rest) >= LINE_MAX:
            rest, self._rest = self._rest, b""
            yield self._line(rest, b"")

    def finish(self) -> Iterator[Text]:
        """There are no more bytes."""
        rest, self._rest = self._rest, b""
        if rest:
            yield self._line(rest, b"")

    def _line(self, line: bytes, end: bytes) -> Text:
        found = _LINE.match(line)
        if found is not None:
            self._last = found["stream"].decode()
            # P: the container's own line goes on in the next of the kubelet's.
            is_partial = found["tags"].split(b":")[0] == b"P"
            text = line[found.end() :] + (b"" if is_partial else end)
            return Text(self._last, text, time_ns(found["time"].decode()))
        if line.startswith(b"{") and (told := _docker(line)) is not None:
            self._last = told.stream
            return told
        self.damaged += 1
        return Text(self._last, line + end, None)


def looks_like(sample: bytes) -> bool:
    """Whether a file that begins so is in one of the formats."""
    first = sample.partition(b"\n")[0]
    return _LINE.match(first) is not None or (first.startswith(b'{"log":') and _docker(first) is not None)


def _docker(line: bytes) -> Text | None:
    try:
        loaded = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(loaded, dict) or not isinstance(loaded.get("log"), str):
        return None
    stream = "stderr" if loaded.get("stream") == "stderr" else "stdout"
    time = loaded.get("time")
    data = loaded["log"].encode(errors="surrogatepass")
    return Text(stream, data, time_ns(time) if isinstance(time, str) else None)


def time_ns(text: str) -> int | None:
    """Read RFC 3339, to the nanosecond; None if it is no time."""
    zone = "Z" if text.endswith("Z") else text[-6:]
    seconds, _, fraction = text.removesuffix(zone).partition(".")
    try:
        moment = datetime.fromisoformat(seconds + ("+00:00" if zone == "Z" else zone))
        return int(moment.astimezone(timezone.utc).timestamp()) * 1_000_000_000 + int(fraction[:9].ljust(9, "0") or 0)
    except ValueError:
        return None
