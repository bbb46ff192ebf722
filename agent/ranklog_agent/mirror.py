"""The agent's one worker: all that touches files or the engine happens here, in one thread, one call at a time.

A disk that stalls or a file system that hangs stops this thread only; heartbeats go on, and the collector knows that
the node lives.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from ranklog import spool
from ranklog_agent.config import Config
from ranklog_agent.core.engine import ChunkOut, Engine
from ranklog_agent.core.event_files import is_event_file, run_path
from ranklog_agent.core.facts import StreamName, spelled
from ranklog_agent.core.matching import Remembered
from ranklog_agent.core.rules import Mode, Rule, Rules
from ranklog_agent.core.shipping import Resume
from ranklog_agent.core.track import Track
from ranklog_agent.core.usage import Present
from ranklog_agent.io import event_files, wire
from ranklog_agent.io.discovery import files_below
from ranklog_agent.io.files import NodeFiles
from ranklog_agent.io.jobs import Jobs, Living
from ranklog_agent.io.procfs import Writers
from ranklog_agent.io.settled import Settled
from ranklog_agent.io.spooled import FOLDERS, spooled
from ranklog_proto.v1 import ingest_pb2 as pb

EVENT_FILES_S = 2.0
"""How often event files are looked for and looked at; less often where that would take a larger share of the time."""
EVENT_FILES_SHARE = 0.01
RECORDINGS = "logs/flight_recorder/nccl_trace_rank_"
"""Where in the run folder flight recordings go; the rank follows."""
ROLES = {"launcher_stdout", "launcher_stderr", "launcher_log", "stdout", "stderr"}


@dataclass(frozen=True, slots=True)
class Batch:
    """Messages to send; after the last batch there is nothing more to send until something happens."""

    messages: list[bytes]
    is_last: bool = True


class Mirror:
    """Files in, messages out."""

    def __init__(self, config: Config, complain: Callable[[str, str], None]) -> None:
        self._config = config
        self._writers = Writers()
        self.files = NodeFiles(self._writers, complain, config.spool)
        self._settled = Settled(spool.agent_folder(config.spool, config.hostname))
        self.jobs = Jobs(config.spool, config.hostname, self._settled.keys, config.start)
        self._engine = Engine(self.files, lambda: uuid.uuid4().hex[:16])
        self._tracking = self._engine.tracking
        self._rules = Rules(config.rules, config.node_names)
        self._spool_streams = spool.streams_folder(config.spool)
        self._ownerless: dict[str, set[str]] = {}
        """Files of the spool, by the key of a process of which there is no record yet, or another host's."""
        self._at_end: dict[str, StreamName] = {}
        self._awaited: set[str] = set()
        """Files of local ranks of which nobody has been seen who writes to them."""
        self._unheard: list[Track] = []
        """Files that may be written by a name of theirs in another folder, from which no events come."""
        self._event_files: list[Track] = []
        """Those that no rule names."""
        self._event_files_due_s = 0.0
        self._recordings: list[Track] = []
        self._recalled: list[Remembered] = []
        self.last_backlog = 0
        """The backlog when it was last measured; other threads may read it."""
        self.is_job_over = False
        """Whether the job had ended when that was last asked; other threads may read it."""
        self.awaits_acks = False
        """Whether acknowledgements must be taken in at once, because nothing goes on without; likewise."""

    # ---- files ------------------------------------------------------------------------------------------------------

    def watch(self, path: str, role: str, name: str = "", process: str = "") -> None:
        """Mirror one of the agent's own files."""
        self._look(self._tracking.watch(path, StreamName(role, process, name)))

    def hold_early(self, path: str) -> None:
        """Hold a file that was made a moment ago, if it matters: it may be gone before its turn comes. Any thread."""
        if path.startswith(self._spool_streams) or self._rules.match(path) is not None:
            self.files.hold_early(path)

    def scan(self) -> float:
        """Look at everything: the spool, the folders of all rules, each file that is known. Returns its cost in s."""
        began_s = time.thread_time()
        self._scan_spool()
        for name in FOLDERS:
            for path in files_below(os.path.join(self._config.spool, name), None):
                self._discover(path)
        for rule in self._rules.all:
            for path in files_below(rule.base, rule.depth):
                self._discover(path)
        self._find_event_files()
        self._find_recordings()
        for track in list(self._tracking.tracks.values()):
            self._look(track)
        return time.thread_time() - began_s

    def scan_unwatched(self, folders: list[str]) -> float:
        """Look at folders from which no events come, and at the files known in them. Returns its cost in s."""
        began_s = time.thread_time()
        self._scan_spool()
        for folder in folders:
            for path in files_below(folder, None):
                self._discover(path)
        for track in list(self._tracking.tracks.values()):
            if any(track.path.startswith(folder + "/") for folder in folders):
                self._look(track)
        return time.thread_time() - began_s

    def heed(self, paths: list[str]) -> None:
        """Look at paths of which something was heard."""
        procs = spool.procs_folder(self._config.spool)
        if any(path.startswith(procs) for path in paths):
            self._scan_spool()
        for path in paths:
            if path not in self._tracking.tracks and os.path.isdir(path) and not os.path.islink(path):
                for below in files_below(path, None):
                    self._heed_file(below)
            else:
                self._heed_file(path)

    def tend(self) -> bool:
        """What is due about twice a second: who lives, what waits, and files that may grow without an event.

        Returns whether there may be something to send.
        """
        self.jobs.check_alive(time.monotonic(), time.time_ns())
        self.is_job_over = self.jobs.lifetime.is_over(time.monotonic())
        self._tracking.look_again(time.time_ns())
        for track in self._unheard:
            self._look(track)
        awaited, self._awaited = self._awaited, set()
        for path in sorted(awaited):
            self._discover(path)
        if time.monotonic() >= self._event_files_due_s:
            began_s = time.thread_time()
            self._find_event_files()
            self._find_recordings()
            for track in self._event_files:
                self._look(track)
            cost_s = time.thread_time() - began_s
            self._event_files_due_s = time.monotonic() + max(EVENT_FILES_S, cost_s / EVENT_FILES_SHARE)
        self.files.forget_unheeded()
        self.last_backlog = self._tracking.backlog
        return self.last_backlog > 0 or self._engine.has_news or not self.jobs.is_confirmed

    def present(self) -> Present:
        """What is known of the job's processes now; those that have ended are told once."""
        self._scan_spool()
        return self.jobs.present()

    def living(self) -> list[Living]:
        """Who of the job lives now."""
        self._scan_spool()
        self.jobs.check_alive(time.monotonic(), time.time_ns())
        return self.jobs.living()

    def has_job_ended(self) -> bool:
        """Whether no process of the job is left here, as far as is known now."""
        self._scan_spool()
        self.jobs.check_alive(time.monotonic(), time.time_ns())
        return self.jobs.have_ended

    def has_living(self) -> bool:
        """Whether a process of the job lives here, as far as is known now."""
        self._scan_spool()
        self.jobs.check_alive(time.monotonic(), time.time_ns())
        return bool(self.jobs.lifetime.alive)

    def settle(self) -> None:
        """Everything is delivered: those that have ended are no business of the next agent's."""
        self._settled.add(self.jobs.ended)

    def finish(self) -> None:
        """The job has ended: mirror what waits for that, and take every file as it is now as final."""
        is_first = not self._tracking.has_ended
        self._tracking.has_ended = True
        for path, stream in self._at_end.items():
            self._tracking.watch(path, stream, is_snapshot=True)
        if self.files.is_short:
            self._tracking.release_confirmed()
        self.files.is_short = False
        self.scan()
        if is_first:
            self._tracking.compare_all(time.time_ns())
        self._tracking.end_all()

    def _heed_file(self, path: str) -> None:
        track = self._tracking.tracks.get(path)
        if track is not None:
            self._look(track)
        else:
            self._discover(path)
        if path not in self._awaited:
            self.files.forget_early(path)

    def _scan_spool(self) -> None:
        for record in self.jobs.scan():
            for stream in record.streams:
                role = stream.kind if stream.kind in ROLES else "stdout"
                path = spool.stream_path(self._config.spool, stream)
                if path is not None:
                    self._look(self._tracking.watch(path, StreamName(role, record.key, stream.name or "")))
            for path in sorted(self._ownerless.pop(record.key, ())):
                self._discover(path)

    def _discover(self, path: str) -> None:
        if path in self._tracking.tracks or path in self._at_end or self._take_spooled(path):
            return
        match = self._rules.match(path)
        identity = self.files.identity_at(path) if match is not None else None
        if match is None or identity is None or self._is_old(path, match.rule):
            return
        if self._tracking.is_taken(identity, path):
            return
        if match.rule.mode is Mode.AT_END and not is_event_file(path):
            self._at_end[path] = match.stream("")
            return
        if self._tracking.is_copy(path, time.time_ns()):
            return
        is_last = self._tracking.has_ended
        if not is_last and self.jobs.is_rank_to_come(path, identity, match, self._writers, time.monotonic()):
            self._awaited.add(path)
            return
        process = self.jobs.process_of(path, identity, match, self._writers)
        stream, is_snapshot = match.stream(process), match.rule.mode is Mode.SNAPSHOT
        if is_event_file(path) and match.rank is None and match.local_rank is None:
            stream, is_snapshot = StreamName("log", process, spelled(match.name)), False
        track = self._tracking.watch(path, stream, is_snapshot)
        if self.files.has_other_names(path):
            self._unheard.append(track)
        self._look(track)

    def _find_event_files(self) -> None:
        """Mirror the event files of the job that no rule names."""
        folders = self.jobs.working_folders
        if not folders or not self._config.finds_event_files:
            return
        family = self.jobs.family()
        for path in event_files.held_open(family):
            self._take_event_file(path)
        for path in event_files.in_usual_places(folders):
            if self.jobs.may_write(path, family):
                self._take_event_file(path)

    def _find_recordings(self) -> None:
        """Mirror what PyTorch's flight recorder has left of ranks that no rule names."""
        for path, process, rank in self.jobs.recordings():
            if path not in self._tracking.tracks and self._rules.match(path) is None:
                stream = StreamName("log", process, f"{RECORDINGS}{rank}")
                self._recordings.append(self._tracking.watch(path, stream, is_snapshot=True))
        for track in self._recordings:
            self._look(track)

    def _take_event_file(self, path: str) -> None:
        if path not in self._tracking.tracks:
            self._discover(path)
        identity = self.files.identity_at(path) if path not in self._tracking.tracks else None
        if identity is None or self._tracking.is_taken(identity, path):
            return
        process = self.jobs.process_of_events(path, identity, self._writers)
        name = spelled(run_path(path, self.jobs.working_folders))
        self._event_files.append(self._tracking.watch(path, StreamName("log", process, name)))
        self._look(self._event_files[-1])

    def _take_spooled(self, path: str) -> bool:
        """Take a file of a process's in the spool, once the process is known; whether it is one."""
        below = self._config.spool.rstrip("/") + "/"
        found = spooled(path[len(below) :]) if path.startswith(below) else None
        if found is None:
            return False
        if not self.jobs.knows(found.key):
            # Another host's, or one whose record is yet to come.
            self._ownerless.setdefault(found.key, set()).add(path)
        else:
            self._look(self._tracking.watch(path, found.stream, found.is_snapshot))
        return True

    def _is_old(self, path: str, rule: Rule) -> bool:
        """Whether the file was left by an earlier job. One that is gone already was not."""
        if not self._config.changed_since_ns or not rule.has_wildcard:
            return False
        try:
            return os.stat(path).st_mtime_ns < self._config.changed_since_ns
        except OSError:
            return False

    def _look(self, track: Track) -> None:
        self._tracking.look(track, time.time_ns())

    # ---- the collector ----------------------------------------------------------------------------------------------

    def connected(self, window_bytes: int) -> None:
        """A session begins."""
        self.jobs.forget_sent()
        self._recalled = []
        self._engine.connected(window_bytes)

    def disconnected(self) -> None:
        """The session is over."""
        self._engine.disconnected()

    def step(self, paths: list[str], answers: list[pb.FromCollector]) -> Batch:
        """Take in what was heard of files and from the collector, and make the next messages."""
        for answer in answers:
            self._take(answer)
        if paths:
            self.heed(paths)
        if self._engine.session is None or self._engine.is_cold:
            return Batch([])
        outgoing = self._engine.outgoing(self._config.batch_bytes, time.time_ns())
        self.awaits_acks = self._engine.awaits_acks or self._tracking.has_ended
        size = sum(len(message.data) for message in outgoing if isinstance(message, ChunkOut))
        return Batch([*self.jobs.unsent(), *wire.encode(outgoing)], size < self._config.batch_bytes)

    def _take(self, message: pb.FromCollector) -> None:
        kind = message.WhichOneof("kind")
        if kind == "ack":
            for ack in message.ack.segments:
                self._engine.ack(ack.handle, ack.received, ack.durable, ack.closed)
        elif kind == "resume":
            resume: Resume = wire.resume(message.resume)
            self._engine.resume(resume, time.time_ns())
        elif kind == "pause":
            for handle in message.pause.handles:
                self._engine.pause(handle)
        elif kind == "process_ack":
            ack_of = message.process_ack
            for fact in ("started", "exited", "vanished"):
                if getattr(ack_of, fact):
                    self.jobs.confirmed(ack_of.key, fact)
        elif kind == "known":
            self._recalled += [wire.remembered(one) for one in message.known.segments]
            if message.known.last:
                self._engine.recall(self._recalled, time.time_ns())

    # ---- state ------------------------------------------------------------------------------------------------------

    @property
    def is_cold(self) -> bool:
        """Whether the collector's memory of this node is still needed."""
        return self._engine.is_cold

    @property
    def backlog(self) -> int:
        """Bytes seen that the collector has not received."""
        return self._tracking.backlog

    @property
    def is_delivered(self) -> bool:
        """Whether the collector has confirmed everything."""
        return self._engine.is_closed and self.jobs.is_confirmed and not self.files.is_short
