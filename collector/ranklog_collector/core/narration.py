"""overall/execution.txt: the life of a run in plain words, one event a line."""

from __future__ import annotations

from dataclasses import dataclass, field

from ranklog_collector.core import journal
from ranklog_collector.core.names import safe_component
from ranklog_collector.core.presence import Presence
from ranklog_collector.core.process_files import iso
from ranklog_collector.core.processes import Outcome, Process
from ranklog_collector.core.ranks import ranks_text

CLOCK_WARNING_NS = 100_000_000
ASKED = "the job is asked to end"
_ENDS = {
    "completed": "the run has completed",
    "failed": "the run has failed",
    "canceled": "the run was canceled",
    "lost": "the run is over; how some of its processes ended is not known",
}
_VERBS = {
    Outcome.COMPLETED: "has completed",
    Outcome.FAILED: "has failed",
    Outcome.TERMINATED: "was terminated",
}


@dataclass(slots=True)
class Narrator:
    """Tells what the journal's entries mean. Feed it every entry, after `presence` has taken it in."""

    presence: Presence
    _paths: dict[int, str] = field(default_factory=dict)
    _streams: dict[int, int] = field(default_factory=dict)
    _is_imported: bool = False

    def tell(self, entry: journal.Entry) -> str | None:
        """The line for an entry, with its newline; None if it is of no interest to people."""
        # Of an imported run there was no agent, and no collector.
        is_told = not (self._is_imported and isinstance(entry, (journal.Node, journal.Stopped)))
        words = self._words(entry) if is_told else None
        if words is None:
            return None
        return f"{iso(getattr(entry, 'time', 0))[:-7]}Z  {words}\n"

    def _words(self, entry: journal.Entry) -> str | None:
        match entry:
            case journal.Run():
                return self._run(entry)
            case journal.Node():
                return self._node(entry)
            case journal.Process():
                return self._process(entry)
            case journal.Clock() if abs(entry.offset_ns) - entry.error_ns > CLOCK_WARNING_NS:
                return self._clock(entry)
            case journal.Stream() | journal.Path() | journal.Segment():
                self._note(entry)
                return None
            case journal.Gap():
                return self._gap(entry)
            case journal.Pause() | journal.Resume():
                return self._pause(entry)
            case journal.State():
                return self._state(entry)
            case journal.Asked():
                return self._asked(entry)
            case journal.Stacks():
                return self._stacks(entry)
            case journal.Stopped():
                return "the collector was shut down"
            case _:
                return None

    def _run(self, entry: journal.Run) -> str:
        self._is_imported = entry.origin.startswith(journal.IMPORT)
        return f"run {entry.run_id} of experiment {entry.experiment}" + (", imported" if self._is_imported else "")

    def _node(self, entry: journal.Node) -> str:
        node = self.presence.nodes.get(entry.node)
        name = f"node {_plain(entry.node)}" + (f" ({_plain(node.ip)})" if node else "")
        if entry.event == "lost":
            return f"{name} is lost: it has gone silent"
        if entry.event == "left":
            undelivered = f", {entry.undelivered} bytes undelivered" if entry.undelivered else ""
            return f"{name} has left ({_plain(entry.reason) or 'no reason given'}{undelivered})"
        if entry.event == "fenced":
            return f"{name}: an older agent was turned away"
        return f"{name} has {_plain(entry.event)}, ranklog {_plain(entry.version) or 'of unknown version'}"

    def _clock(self, entry: journal.Clock) -> str:
        offset, error = abs(entry.offset_ns) / 1e9, entry.error_ns / 1e9
        where = "behind" if entry.offset_ns > 0 else "ahead of"
        return (
            f"warning: the clock of node {_plain(entry.node)} is {offset:.3f} s (±{error:.3f} s) {where} "
            "the collector's; merged views correct this"
        )

    def _process(self, entry: journal.Process) -> str | None:
        process = self.presence.processes.get(entry.node, entry.key)
        if process is None:
            return None
        name = f"{_plain(process.name)} on node {_plain(entry.node)}"
        if entry.event == "started":
            return f"{name} has started (pid {process.pid})"
        if entry.event == "lost":
            return f"{name} is lost with its node"
        if entry.event == "back":
            return f"{name} is back"
        if entry.event == "early":
            return f"warning: {name} has ended with 0, {self._others()}"
        return f"{name} {_ending(process, self.presence.processes.outcome(process))}"

    def _gap(self, entry: journal.Gap) -> str:
        path = self._paths.get(self._streams.get(entry.segment, 0), "?")
        if entry.end is None:
            return f"gap in {path}: what its source held after {entry.at} bytes is not known ({_plain(entry.reason)})"
        lost = f"{entry.end - entry.at} bytes after the first {entry.at} of its source"
        return f"gap in {path}: {lost} are lost ({_plain(entry.reason)})"

    def _pause(self, entry: journal.Pause | journal.Resume) -> str:
        if isinstance(entry, journal.Resume):
            return "resumed: the run folder can be written again"
        return f"paused: {entry.reason}; agents keep what they have"

    def _state(self, entry: journal.State) -> str | None:
        if entry.state == "finalizing":
            return "all processes have ended; the last bytes are coming in"
        if entry.state == "running":
            return "the run is running"
        absent = [one.rank for one in self.presence.processes.absent] if entry.state in _ENDS else []
        never = f"; rank{'s' if len(absent) > 1 else ''} {ranks_text(absent)} never started" if absent else ""
        return _ENDS[entry.state] + never if entry.state in _ENDS else None

    def _others(self) -> str:
        running = [one for one in self.presence.processes.current if one.ended_ns is None]
        ranks = ranks_text(one.rank for one in running if one.rank is not None)
        who = f"{len(running)} other{'' if len(running) == 1 else 's'}" + (f" (ranks {ranks})" if ranks else "")
        return f"while {who} go{'es' if len(running) == 1 else ''} on"

    def _asked(self, entry: journal.Asked) -> str:
        reason = "it has reached its time limit" if entry.why == journal.TIME_LIMIT else "somebody wanted that"
        return f"{ASKED}: {reason} ({_plain(entry.by)})"

    def _stacks(self, entry: journal.Stacks) -> str:
        where = f"{len(entry.nodes)} node{'' if len(entry.nodes) == 1 else 's'}"
        reason = "; the job has said nothing for long" if entry.why == "silence" else ""
        return f"the stacks of the processes on {where} are asked for{reason}"

    def _note(self, entry: journal.Stream | journal.Path | journal.Segment) -> None:
        if isinstance(entry, journal.Segment):
            self._streams[entry.segment] = entry.stream
        else:
            self._paths[entry.stream] = entry.path


def _ending(process: Process, outcome: Outcome | None) -> str:
    record = process.exit or {}
    if process.vanished:
        return "has vanished without an exit record"
    if record.get("oom_killed") is True:
        return "has failed: killed because memory was exhausted"
    verb = _VERBS[outcome or Outcome.COMPLETED]
    if process.signal is not None:
        name = record.get("signal_name")
        return f"{verb}: signal {process.signal}" + (f" ({_plain(name)})" if isinstance(name, str) else "")
    return f"{verb}: exit code {record.get('exit_code')}" if outcome is Outcome.FAILED else verb


def _plain(text: str) -> str:
    """A remote machine's words cannot break a line or play with a terminal."""
    return safe_component(text) if text else ""
