"""The job's processes on this node: what the spool tells of them, what /proc tells, and what there is to report."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import orjson

from ranklog import identity, layout, spool
from ranklog_agent.core.event_files import is_event_file, origin
from ranklog_agent.core.facts import Identity
from ranklog_agent.core.lifetime import Lifetime
from ranklog_agent.core.rules import Match
from ranklog_agent.core.usage import Ended, Present, Root
from ranklog_agent.io import procfs, recordings, wire
from ranklog_agent.io.opening import open_regular

GENERATIONS_MAX = 64
"""A line of ancestors that is longer was read while pids were used again."""
RANK_WAIT_S = 5.0
"""How long it is waited for who writes to the file of a local rank: torchrun makes it before it starts the worker."""
VANISHED_S = 2.0
"""How long a process may be gone without an exit record before it counts as vanished: `exec` is still writing."""


@dataclass(slots=True)
class Known:
    """One process."""

    key: str
    pids: tuple[int, ...]
    """The process and the `exec` around it, if their numbers hold here; all gone means it has ended."""
    start_ns: int = 0
    rank: int | None = None
    is_launcher: bool = False
    recordings: tuple[str, ...] = ()
    """What the paths of its flight recordings begin with."""
    owner: int = -1
    """The user whose process it is."""
    ticks: dict[int, int | None] = field(default_factory=dict)
    gone_since_s: float | None = None
    has_ended: bool = False


@dataclass(frozen=True, slots=True)
class Living:
    """A process of the job that has not ended, as far as is known."""

    key: str
    pids: tuple[int, ...]
    """As in Known."""
    ticks: int | None
    rank: int | None

    @property
    def pid(self) -> int:
        """Its own."""
        return self.pids[0]


@dataclass(slots=True)
class Fact:
    """Something to report until the collector has confirmed it."""

    message: bytes
    is_sent: bool = False


@dataclass(slots=True)
class Jobs:
    """All processes of this node that matter."""

    spool_folder: str
    hostname: str
    settled: Set[str] = frozenset()
    """Keys of those that an earlier agent has seen through."""
    start: int = 0
    """How often the job's scheduler has started it before."""
    lifetime: Lifetime = field(default_factory=Lifetime)
    _known: dict[str, Known] = field(default_factory=dict)
    working_folders: dict[str, int] = field(default_factory=dict)
    """Where processes work that have records, and since when, in ns since the Unix epoch."""
    _by_pid: dict[int, str] = field(default_factory=dict)
    _recorded: dict[int, str] = field(default_factory=dict)
    """Keys by pid, as the records have them: also of processes that have ended, or in other pid namespaces."""
    _by_file: dict[str, str] = field(default_factory=dict)
    _awaited: dict[str, float] = field(default_factory=dict)
    """Since when the ranks of files are waited for, by their paths."""
    _facts: dict[tuple[str, str], Fact] = field(default_factory=dict)
    _foreign: set[str] = field(default_factory=set)
    _ended: list[Ended] = field(default_factory=list)
    _has_hidden: bool = False
    _namespace: int = field(default_factory=lambda: os.stat("/proc/self/ns/pid").st_ino)

    # ---- the spool --------------------------------------------------------------------------------------------------

    def scan(self) -> Iterator[spool.ProcessRecord]:
        """Read what is new in procs/; yields the record of each process that is new."""
        folder = spool.procs_folder(self.spool_folder)
        try:
            names = os.listdir(folder)
        except OSError:
            return
        for name in sorted(names, key=lambda name: name.endswith(spool.EXIT_SUFFIX)):
            key, is_exit = spool.key_of(name)
            if key is None or key in self._foreign:
                continue
            if is_exit:
                self._note_exit(key, os.path.join(folder, name))
            elif key not in self._known:
                record = self._note_start(key, os.path.join(folder, name))
                if record is not None:
                    yield record

    def _note_start(self, key: str, path: str) -> spool.ProcessRecord | None:
        raw = _read(path)
        if raw is None:
            return None
        try:
            record = spool.parse_process(raw)
        except spool.SpoolError:
            self._foreign.add(key)
            return None
        if record.hostname != self.hostname or record.key != key:
            self._foreign.add(key)
            return None
        is_here = record.pid_namespace == self._namespace
        pids = tuple(pid for pid in (record.pid, record.exec_pid) if pid) if is_here else ()
        self._has_hidden |= not is_here
        known = Known(key, pids, record.start_ns, record.rank, record.role == "launcher")
        if is_here and record.rank is not None:
            # One that has ended already had, as a rule, the environment that we have.
            known.recordings = recordings.beginnings(procfs.environment(record.pid) or os.environ)
            known.owner = procfs.owner(record.pid)
        is_past = key in self.settled or record.restart < self.start
        # Who started a process that is no rank, such as the shell of a batch script, starts no more of them.
        launcher_pid = record.launcher_pid if is_here and record.rank is not None else None
        self._begin(known, raw, launcher_pid, is_awaited=not is_past)
        if record.role != "launcher":
            self._recorded[record.pid] = key
        if record.cwd is not None:
            since_ns = self.working_folders.get(record.cwd, record.start_ns)
            self.working_folders[record.cwd] = min(since_ns, record.start_ns)
        return record

    def _note_exit(self, key: str, path: str) -> None:
        known = self._known.get(key)
        if known is None or (key, "exited") in self._facts or known.has_ended:
            return
        raw = _read(path)
        if raw is None or not _tells_end(raw, key):
            return
        self._facts[key, "exited"] = Fact(wire.exited(key, raw))
        self._end(known)
        with suppress(spool.SpoolError):
            exit_ = spool.parse_exit(raw)
            if exit_.user_s is not None and exit_.system_s is not None:
                self._ended.append(Ended(key, known.start_ns, exit_.end_ns, exit_.user_s + exit_.system_s))

    def knows(self, key: str) -> bool:
        """Whether a process is one of this node's, or has submitted the job here."""
        return key in self._known or layout.is_submitter(key, self.hostname)

    def present(self) -> Present:
        """Tell who lives, and who has ended since this was last asked."""
        ended, self._ended = self._ended, []
        living = [known for known in self._known.values() if known.pids and not known.has_ended]
        roots = {known.key: Root(known.pids[0], known.ticks.get(known.pids[0])) for known in living}
        return Present(roots, ended, self._has_hidden)

    def living(self) -> list[Living]:
        """Tell who lives whose pid holds here, launchers excepted."""
        return [
            Living(known.key, known.pids, known.ticks.get(known.pids[0]), known.rank)
            for known in self._known.values()
            if known.pids and not known.has_ended and not known.is_launcher
        ]

    def recordings(self) -> Iterator[tuple[str, str, int]]:
        """Flight recordings that ranks have left: path, the process's key, and rank."""
        for known in self._known.values():
            if known.rank is not None:
                for path in recordings.present(known.recordings, known.rank, known.start_ns, known.owner):
                    yield path, known.key, known.rank

    @property
    def count(self) -> int:
        """How many processes have been here so far; other threads may ask."""
        return len(self._known)

    @property
    def ended(self) -> list[str]:
        """Keys of all that have ended."""
        return [known.key for known in self._known.values() if known.has_ended]

    @property
    def have_ended(self) -> bool:
        """Whether there were processes of the job here and all of them have ended."""
        return bool(self._known) and all(known.has_ended for known in self._known.values())

    # ---- descendants ------------------------------------------------------------------------------------------------

    def family(self) -> dict[int, str]:
        """The processes of the job that live and their descendants, each with the key of whose it is."""
        parents = procfs.parents()
        found = {pid: key for pid, key in self._by_pid.items() if pid in parents}
        for pid in parents:
            line = [pid]
            while line[-1] not in found and parents.get(line[-1], 0) > 1 and len(line) < GENERATIONS_MAX:
                line.append(parents[line[-1]])
            if line[-1] in found:
                found.update(dict.fromkeys(line, found[line[-1]]))
        return found

    def may_write(self, path: str, family: Mapping[int, str]) -> bool:
        """Whether an event file in a folder that others may use as well may be the job's, by what its name says."""
        writer = origin(path, self.hostname)
        if writer.is_here is False:
            return False
        if writer.pid is None or writer.pid in self._recorded or writer.pid in family or self._has_hidden:
            return True
        return procfs.start_ticks(writer.pid) is None  # who is gone may have been anybody

    # ---- processes without an exec ----------------------------------------------------------------------------------

    def is_rank_to_come(self, path: str, file: Identity, match: Match, writers: procfs.Writers, now_s: float) -> bool:
        """Whether who writes to a file of a local rank may yet be seen, and tell its rank."""
        if match.rank is not None or match.local_rank is None or _watched_key(match, path) in self._known:
            return False
        writer = writers.of(file)
        if writer is not None and identity.detect(procfs.environment(writer.pid)).rank is not None:
            return False
        return now_s - self._awaited.setdefault(path, now_s) < RANK_WAIT_S

    def process_of(self, path: str, file: Identity, match: Match, writers: procfs.Writers) -> str:
        """The key of the process that writes a watched file; empty if none is seen and the path tells no rank."""
        if path in self._by_file:
            return self._by_file[path]
        if is_event_file(path) and match.rank is None and match.local_rank is None:
            return self.process_of_events(path, file, writers)
        writer = writers.of(file)
        ours = self._by_pid.get(writer.pid) if writer is not None else None
        if ours is not None and match.rank is None and match.local_rank is None:
            key = ours
        elif match.rank is not None or match.local_rank is not None:
            key = self._begin_watched(match, path, writer)
        elif writer is not None:
            key = self._begin_writer(writer)
        else:
            return ""
        self._by_file[path] = key
        return key

    def process_of_events(self, path: str, file: Identity, writers: procfs.Writers) -> str:
        """The key of the process that writes an event file, by its name or by who has it open; empty if unknown."""
        pid = origin(path, self.hostname).pid
        if pid not in self._recorded:
            writer = writers.of(file)
            of_family = self.family()
            pid = next((one for one in (pid, writer.pid if writer else None) if one in of_family), pid)
            if pid in of_family:
                return of_family[pid]
        keys = set(self._recorded.values())
        only = keys.pop() if len(keys) == 1 else ""
        return self._recorded.get(pid or 0, only)

    def _begin_watched(self, match: Match, path: str, writer: procfs.Writer | None) -> str:
        """A rank that is known by its log files only; both its streams must come to the same process."""
        key = _watched_key(match, path)
        if key not in self._known:
            record = self._record_of(key, writer)
            record |= {"role": "rank", "restart": match.attempt}
            if match.rank is not None:
                record["rank"] = match.rank
            if match.local_rank is not None:
                record["local_rank"] = match.local_rank
            self._begin(Known(key, (writer.pid,) if writer else (), rank=record["rank"]), orjson.dumps(record))
        return key

    def _begin_writer(self, writer: procfs.Writer) -> str:
        if writer.pid in self._by_pid:
            return self._by_pid[writer.pid]
        key = spool.safe_key(f"p-{writer.pid}-{writer.start_ticks}")
        if key not in self._known:
            self._begin(Known(key, (writer.pid,)), orjson.dumps(self._record_of(key, writer)))
        return key

    def _record_of(self, key: str, writer: procfs.Writer | None) -> dict[str, Any]:
        """A process record as `exec` would have made it, from what /proc tells."""
        found = identity.detect(procfs.environment(writer.pid) if writer else {})
        return {
            "version": 1,
            "key": key,
            "pid": writer.pid if writer else 0,
            "start_ns": time.time_ns(),
            "hostname": self.hostname,
            "role": found.role,
            "rank": found.rank,
            "local_rank": found.local_rank,
            "world_size": found.world_size,
            "local_size": found.local_size,
            "launcher": found.launcher,
            "argv": procfs.command(writer.pid) if writer else [],
        }

    # ---- life -------------------------------------------------------------------------------------------------------

    def check_alive(self, now_s: float, now_ns: int) -> None:
        """Notice processes and launchers that are gone."""
        for known in list(self._known.values()):
            if known.has_ended or not known.pids or any(self._is_alive(known, pid) for pid in known.pids):
                known.gone_since_s = None
                continue
            if known.gone_since_s is None:
                known.gone_since_s = now_s
            elif now_s - known.gone_since_s >= VANISHED_S:
                self._facts[known.key, "vanished"] = Fact(wire.vanished(known.key, now_ns))
                self._end(known)
        for pid in self.lifetime.launchers:
            if procfs.start_ticks(pid) is None:
                self.lifetime.launcher_ended(pid)

    def unsent(self) -> list[bytes]:
        """Facts to send in this session; each is given once."""
        messages = [fact.message for fact in self._facts.values() if not fact.is_sent]
        for fact in self._facts.values():
            fact.is_sent = True
        return messages

    def forget_sent(self) -> None:
        """A new session: what was not confirmed must be said again."""
        for fact in self._facts.values():
            fact.is_sent = False

    def confirmed(self, key: str, kind: str) -> None:
        """The collector has it in its journal."""
        self._facts.pop((key, kind), None)

    @property
    def is_confirmed(self) -> bool:
        """Whether the collector knows everything."""
        return not self._facts

    def _begin(
        self, known: Known, record: bytes, launcher_pid: int | None = None, is_awaited: bool | None = None
    ) -> None:
        """Take in a process. One that is awaited holds up the job's end; by default that is one whose pid is known."""
        known.ticks = {pid: procfs.start_ticks(pid) for pid in known.pids}
        self._known[known.key] = known
        for pid in known.pids:
            self._by_pid[pid] = known.key
        self._facts[known.key, "started"] = Fact(wire.started(known.key, record))
        if bool(known.pids) if is_awaited is None else is_awaited:
            self.lifetime.started(known.key, known.pids[0] if known.pids else 0, launcher_pid)

    def _end(self, known: Known) -> None:
        known.has_ended = True
        for pid in known.pids:
            self._by_pid.pop(pid, None)
        self.lifetime.ended(known.key)

    def _is_alive(self, known: Known, pid: int) -> bool:
        ticks = procfs.start_ticks(pid)
        return ticks is not None and ticks == known.ticks.get(pid)


def _tells_end(raw: bytes, key: str) -> bool:
    """Whether these bytes say how a process ended. If not, it is as if it had gone without a word."""
    try:
        return spool.parse_exit(raw).key == key
    except spool.SpoolError:
        return False


def _watched_key(match: Match, path: str) -> str:
    """The key of a process that is known by its log files; all that are in one folder are of the same."""
    rank = match.rank if match.rank is not None else match.local_rank
    return spool.safe_key(f"{rank}-watched-{match.attempt}-{os.path.dirname(path)}")


def _read(path: str) -> bytes | None:
    """A small file of the spool; None if it is gone, no regular file, or larger than any record may be."""
    try:
        fd = open_regular(path)
        if fd is None:
            return None
        with open(fd, "rb") as file:
            raw = file.read(spool.RECORD_BYTES_MAX + 1)
    except OSError:
        return None
    return raw if len(raw) <= spool.RECORD_BYTES_MAX else None
