"""What launchers say of the ends of their processes.

A message that names an innocent one is not believed: PRRTE blames "rank 1 with PID 0" for what happened to another.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timezone

from ranklog_collector.importing.formats.found import End, Evidence, How

_SIGNALS = {
    "hangup": 1,
    "interrupt": 2,
    "quit": 3,
    "illegal instruction": 4,
    "aborted": 6,
    "bus error": 7,
    "floating point exception": 8,
    "killed": 9,
    "segmentation fault": 11,
    "broken pipe": 13,
    "terminated": 15,
}
_HYDRA_SIGNALS = frozenset((4, 6, 7, 8, 9, 11))
"""Hydra prints the number of the signal as the exit code."""
_RANKS_MAX = 1 << 20

_NOTICED = re.compile(
    r"process rank (?P<rank>\d+) with PID (?P<pid>\d+) on node (?P<node>\S+) exited on\s+signal (?P<signal>\d+)"
)
_CALLING = re.compile(
    r"exited due to process rank (?P<rank>\d+) with PID (?P<pid>[1-9]\d*) on(?: node (?P<node>\S+))? calling"
)
_FIRST_TO_DO_SO = re.compile(r"Process name: \[.*,(?P<rank>\d+)\]\s+Exit code: +(?P<code>\d+)")
_ABORT = re.compile(
    r"MPI_ABORT was invoked on rank (?P<rank>\d+) in communicator .{0,300}?error ?code:? +(?P<code>-?\d+)",
    re.DOTALL | re.IGNORECASE,
)
# Open MPI's handler says so and lets the signal take its course.
_OWN_SIGNAL = re.compile(
    r"^\[(?P<node>[^\s:\]]+):(?P<pid>\d+)\] \*\*\* Process received signal \*\*\*\s+"
    r"\[[^\]]*\] Signal: .*\((?P<signal>\d+)\)",
    re.MULTILINE,
)
_FAILED = re.compile(r"has exited due to process rank|returned\s+a non-zero exit code")
_HYDRA_ABORT = re.compile(r"^Abort\((?P<code>\d+)\) on node (?P<rank>\d+) ", re.MULTILINE)
_HYDRA_END = re.compile(
    r"BAD TERMINATION OF ONE.*\n=\s+PID (?P<pid>\d+) RUNNING AT (?P<node>\S+)\n=\s+EXIT CODE: (?P<code>\d+)"
)
_SRUN = re.compile(r"^srun: error: (?P<node>[^\s:]+): tasks? (?P<ranks>[\d,-]+): (?P<how>.+)$", re.MULTILINE)
_CANCELLED = re.compile(r"error: \*\*\* (?:JOB|STEP) \S+ (?:ON \S+ )?CANCELLED AT \S+ (?:DUE TO (?P<why>[A-Z ]+))?")
_MAP_NODE = re.compile(r"^ Data for node: (?P<node>\S+)\s", re.MULTILINE)
_MAP_RANK = re.compile(r"Process rank: (?P<rank>\d+)\b")

_RAY = re.compile(r"^(?:\x1b\[\d+m)?\((?:raylet|[\w.]+ pid=\d+)[^)\n]*\)", re.MULTILINE)
"""How a Ray driver passes on what its workers print."""

_TORCHRUN = re.compile(
    r"^\s*time +: (?P<time>\S+)\n\s*host +: (?P<host>\S+)\n\s*rank +: (?P<rank>\d+) \(local_rank: (?P<local>\d+)\)\n"
    r"\s*exitcode +: (?P<code>-?\d+) \(pid: (?P<pid>\d+)\).*\n\s*error_file: ?(?P<file>.*)$",
    re.MULTILINE,
)
_TORCHRUN_FAILED = re.compile(
    r"^E\d{4} .* failed \(exitcode: (?P<code>-?\d+)\) local_rank: (?P<local>\d+) \(pid: (?P<pid>\d+)\)", re.MULTILINE
)


@dataclass(slots=True)
class Said:
    """What one launcher's words tell."""

    evidence: Evidence = field(default_factory=Evidence)
    launcher: str = ""
    """Empty if nothing gives it away."""


def read(text: str, group: str = "", zone_ns: int = 0) -> Said:
    """Read what a launcher said. `group` is that of a torchrun's own processes; `zone_ns` its local time minus UTC."""
    said = Said()
    for reader in (_open_mpi, _hydra, _srun):
        reader(text, said)
    _torchrun(text, said, group, zone_ns)
    if not said.launcher and _RAY.search(text):
        said.launcher = "ray"
    return said


def read_own(text: str, rank: int) -> list[End]:
    """Read in a rank's own words that it has called MPI_Abort, or that a signal was its end."""
    aborts = [found for pattern in (_ABORT, _HYDRA_ABORT) for found in pattern.finditer(text)]
    ends = [End(How(int(found["code"]) & 0xFF), rank) for found in aborts if int(found["rank"]) == rank]
    signals = [(How(signal=int(found["signal"])), found) for found in _OWN_SIGNAL.finditer(text)]
    return ends + [End(how, rank, found["node"], int(found["pid"])) for how, found in signals]


def _open_mpi(text: str, said: Said) -> None:
    evidence = said.evidence
    for found in _NOTICED.finditer(text):
        rank, pid, node = int(found["rank"]), int(found["pid"]), found["node"]
        if pid:
            evidence.ends.append(End(How(signal=int(found["signal"])), rank, node, pid))
            evidence.nodes[rank], evidence.pids[rank] = node, pid
    for found in _FIRST_TO_DO_SO.finditer(text):
        evidence.ends.append(End(How(int(found["code"]) & 0xFF), int(found["rank"])))
    for found in _ABORT.finditer(text):
        evidence.ends.append(End(How(int(found["code"]) & 0xFF), int(found["rank"])))
    for found in _CALLING.finditer(text):
        evidence.pids[int(found["rank"])] = int(found["pid"])
        if found["node"]:
            evidence.nodes[int(found["rank"])] = found["node"]
    _read_map(text, evidence)
    if evidence.ends or "Open MPI" in text or _MAP_NODE.search(text):
        said.launcher = "openmpi"
    if evidence.ends or _FAILED.search(text):
        evidence.has_failed = True


def _read_map(text: str, evidence: Evidence) -> None:
    node = ""
    if " JOB MAP " not in text:
        return
    for line in text.splitlines():
        if found := _MAP_NODE.match(line):
            node = found["node"]
        elif node and (rank := _MAP_RANK.search(line)):
            evidence.nodes.setdefault(int(rank["rank"]), node)
        elif line.startswith(" ====="):
            node = ""


def _hydra(text: str, said: Said) -> None:
    for found in _HYDRA_ABORT.finditer(text):
        said.evidence.ends.append(End(How(int(found["code"]) & 0xFF), int(found["rank"])))
        said.launcher = "mpich"
    for found in _HYDRA_END.finditer(text):
        code = int(found["code"])
        how = How(signal=code) if code in _HYDRA_SIGNALS else How(code & 0xFF)
        said.evidence.ends.append(End(how, node=found["node"], pid=int(found["pid"])))
        said.launcher = "mpich"
    if "[mpiexec@" in text or "[proxy:" in text:
        said.launcher = said.launcher or "mpich"
    if said.launcher == "mpich" and said.evidence.ends:
        said.evidence.has_failed = True


def _srun(text: str, said: Said) -> None:
    evidence = said.evidence
    if "srun: " in text or "slurmstepd" in text:
        said.launcher = said.launcher or "slurm"
    for found in _SRUN.finditer(text):
        how = _how(found["how"])
        for rank in _ranks(found["ranks"]):
            if "[" not in found["node"]:
                evidence.nodes.setdefault(rank, found["node"])
            if how is not None:
                evidence.ends.append(End(how, rank, evidence.nodes.get(rank, "")))
        evidence.has_failed = evidence.has_failed or (how is not None and how.signal != _SIGNALS["terminated"])
    for found in _CANCELLED.finditer(text):
        if found["why"]:
            evidence.has_failed = True
        else:
            evidence.was_canceled = True


def _how(words: str) -> How | None:
    words = words.strip().removesuffix(" (core dumped)")
    if words.startswith("Exited with exit code ") and words.split()[-1].isdecimal():
        return How(int(words.split()[-1]) & 0xFF)
    if words.casefold().startswith("out of memory"):
        return How(signal=9, oom_killed=True)
    signal = _SIGNALS.get(words.casefold())
    return None if signal is None else How(signal=signal)


def _exit(code: int) -> How:
    """A code as Python's subprocess has it."""
    return How(signal=-code) if code < 0 else How(code & 0xFF)


def _ranks(text: str) -> Iterable[int]:
    for part in text.split(","):
        first, _, last = part.partition("-")
        if first.isdecimal() and (not last or last.isdecimal()) and int(last or first) < _RANKS_MAX:
            yield from range(int(first), int(last or first) + 1)


def _torchrun(text: str, said: Said, group: str, zone_ns: int) -> None:
    evidence = said.evidence
    for found in _TORCHRUN.finditer(text):
        rank, local, host = int(found["rank"]), int(found["local"]), found["host"]
        folder = found["file"].strip().rsplit("/", 3)
        own = folder[0].rpartition("/")[2] if len(folder) == 4 and folder[1].startswith("attempt_") else group
        how, time_ns = _exit(int(found["code"])), _stamp(found["time"], zone_ns)
        evidence.ends.append(End(how, rank, host, int(found["pid"]), time_ns, own, local))
        for one in {own, group} - {""}:
            evidence.bases[one] = rank - local, host
        evidence.nodes[rank] = host
        said.launcher, evidence.has_failed = "torchrun", True
    for attempt, found in enumerate(_TORCHRUN_FAILED.finditer(text)):
        local, pid = int(found["local"]), int(found["pid"])
        evidence.ends.append(End(_exit(int(found["code"])), pid=pid, group=group, local_rank=local, attempt=attempt))
    if "torch/distributed/elastic/" in text:
        said.launcher = said.launcher or "torchrun"


def _stamp(text: str, zone_ns: int) -> int | None:
    try:
        moment = datetime.strptime(text, "%Y-%m-%d_%H:%M:%S").replace(tzinfo=timezone.utc)
    except ValueError:
        return None
    return int(moment.timestamp()) * 1_000_000_000 - zone_ns
