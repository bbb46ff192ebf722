"""Who is there: nodes and the run as a whole. Facts in, journal entries out; the journal's entries are the state.

A decision returns entries and changes nothing; whoever records them applies them, live and in a replay alike. Times are
nanoseconds and passed in.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ranklog_collector.core import journal
from ranklog_collector.core.ends import EARLY_NS
from ranklog_collector.core.processes import Outcome, Process, Processes

SILENT_NS = 3_000_000_000
"""A node that says nothing for so long is lost."""
GONE_NS = 60_000_000_000
"""A node that is lost for so long is not waited for any longer."""
COMING_NS = 5_000_000_000
"""So long after its launcher's end ranks on more nodes may still be heard of: their agents may be just starting."""
STALL_NS = 2_000_000_000
"""A pause between two ticks that shows that the collector itself did not run: nobody was silent, nobody listened."""
CLOCK_CHANGE_NS = 20_000_000
"""A smaller change of a clock's offset is not worth an entry."""

NOT_STARTED = "notstarted"
FINAL = frozenset(("completed", "failed", "canceled", "lost"))


@dataclass(slots=True, eq=False)
class Node:
    """One machine and its agent."""

    id: str
    ip: str
    hostname: str
    epoch: int = 0
    version: str = ""
    state: str = "joined"
    """joined, lost or left"""
    changed_ns: int = 0
    heard_ns: int = 0
    offset_ns: int = 0
    error_ns: int | None = None
    """Of the offset; None as long as it has not been measured."""


@dataclass(slots=True)
class Presence:
    """The nodes and processes of one run, and its state."""

    nodes: dict[str, Node] = field(default_factory=dict)
    processes: Processes = field(default_factory=Processes)
    state: str = NOT_STARTED
    """notstarted until the first process is known, then running, finalizing, or one of FINAL."""
    state_ns: int = 0
    begun_ns: int = 0
    is_over: bool = False
    """Whether nobody else is to be expected, by who has started the job: what has not come will not."""
    _awaited: int = 0
    """A run that had ended goes on: there were so many processes before."""
    _ticked_ns: int | None = None

    def apply(self, entry: journal.Entry) -> None:
        """Take in what has been recorded."""
        if isinstance(entry, journal.Node):
            self._apply_node(entry)
        elif isinstance(entry, journal.Process):
            node = self.nodes.get(entry.node)
            if self.state == NOT_STARTED:
                self.state, self.state_ns = "running", entry.time
            self.processes.apply(entry, *((node.offset_ns, node.error_ns or 0) if node else (0, 0)))
        elif isinstance(entry, journal.Clock) and entry.node in self.nodes:
            node = self.nodes[entry.node]
            node.offset_ns, node.error_ns = entry.offset_ns, entry.error_ns
        elif isinstance(entry, journal.State):
            if self.is_ended and entry.state not in FINAL:
                self._awaited = len(self.processes)
            self.state, self.state_ns = entry.state, entry.time
        elif isinstance(entry, journal.Asked):
            self.processes.asked.append(entry)
        elif isinstance(entry, journal.Run):
            self.begun_ns = entry.time

    @property
    def is_ended(self) -> bool:
        """Whether the run has ended."""
        return self.state in FINAL

    def wake(self, now_ns: int) -> None:
        """The collector has started again: whoever was there before has its time to come back."""
        for node in self.nodes.values():
            node.heard_ns = now_ns

    # ---- what an agent says -----------------------------------------------------------------------------------------

    def is_fenced(self, node_id: str, epoch: int) -> bool:
        """Whether a newer agent speaks for this node."""
        node = self.nodes.get(node_id)
        return node is not None and epoch < node.epoch

    def hello(self, node: Node, now_ns: int) -> list[journal.Entry]:
        """An agent has begun to speak for its node."""
        event = "rejoined" if node.id in self.nodes else "joined"
        joined = journal.Node(node.id, event, now_ns, node.ip, node.hostname, node.epoch, node.version)
        entries: list[journal.Entry] = [joined, *self._back(node.id, now_ns)]
        if self.is_ended:
            entries.append(journal.State("running", now_ns))
        return entries

    def heard(self, node_id: str, now_ns: int) -> list[journal.Entry]:
        """An agent has said anything at all."""
        node = self.nodes[node_id]
        node.heard_ns = now_ns
        if node.state != "lost":
            return []
        back = journal.Node(node.id, "rejoined", now_ns, node.ip, node.hostname, node.epoch, node.version)
        return [back, *self._back(node_id, now_ns)]

    def goodbye(self, node_id: str, reason: str, undelivered: int, now_ns: int) -> list[journal.Entry]:
        """An agent has ended."""
        return [journal.Node(node_id, "left", now_ns, reason=reason, undelivered=undelivered)]

    def clock(self, node_id: str, offset_ns: int, error_ns: int, now_ns: int) -> list[journal.Entry]:
        """An agent has measured how far its clock is from the collector's."""
        node = self.nodes[node_id]
        if node.error_ns is not None and abs(offset_ns - node.offset_ns) < max(CLOCK_CHANGE_NS, error_ns):
            return []
        return [journal.Clock(node_id, offset_ns, error_ns, now_ns)]

    def process(self, node_id: str, key: str, event: str, record: journal.Record, now_ns: int) -> list[journal.Entry]:
        """An agent tells a fact about a process; nothing if it is known already."""
        known = self.processes.get(node_id, key)
        if known is not None and (event == "started" or known.ended_ns is not None):
            return []
        entries: list[journal.Entry] = [journal.Process(node_id, key, event, now_ns, record)]
        if self.state == NOT_STARTED or (event == "started" and self.state == "finalizing"):
            entries.append(journal.State("running", now_ns))
        return entries

    # ---- what time says ---------------------------------------------------------------------------------------------

    def tick(self, now_ns: int) -> list[journal.Entry]:
        """Time has passed: call this about twice a second."""
        self._forgive_stall(now_ns)
        entries: list[journal.Entry] = []
        for node in self.nodes.values():
            if node.state == "joined" and now_ns - node.heard_ns > SILENT_NS:
                entries.append(journal.Node(node.id, "lost", now_ns, reason="silent", heard=node.heard_ns))
                entries += [
                    journal.Process(node.id, one.key, "lost", now_ns)
                    for one in self.processes
                    if one.node == node.id and one.ended_ns is None and not one.lost
                ]
        entries += [journal.Process(one.node, one.key, "early", now_ns) for one in self._early(now_ns)]
        state = self._next_state(now_ns) if not entries else self.state
        if state != self.state:
            entries.append(journal.State(state, now_ns))
        return entries

    # ---- inside -----------------------------------------------------------------------------------------------------

    def _apply_node(self, entry: journal.Node) -> None:
        if entry.event in ("joined", "rejoined"):
            node = self.nodes.setdefault(entry.node, Node(entry.node, entry.ip, entry.hostname))
            node.ip, node.hostname = entry.ip, entry.hostname
            node.epoch, node.version = max(entry.epoch, node.epoch), entry.version
            node.state, node.changed_ns, node.heard_ns = "joined", entry.time, entry.time
        elif entry.event in ("lost", "left") and entry.node in self.nodes:
            node = self.nodes[entry.node]
            node.state, node.changed_ns = entry.event, entry.time

    def _back(self, node_id: str, now_ns: int) -> list[journal.Entry]:
        return [
            journal.Process(node_id, one.key, "back", now_ns)
            for one in self.processes
            if one.node == node_id and one.lost
        ]

    def _forgive_stall(self, now_ns: int) -> None:
        """Move all deadlines by a time in which the collector did not run, or by which its clock was set."""
        passed = 0 if self._ticked_ns is None else now_ns - self._ticked_ns
        if not 0 <= passed <= STALL_NS:
            for node in self.nodes.values():
                node.heard_ns += passed
        self._ticked_ns = now_ns

    def _early(self, now_ns: int) -> list[Process]:
        """Processes that have just turned out to have ended with 0 while most of the others go on."""
        if self.state != "running":
            return []
        own = self.processes.current
        done = [one for one in own if one.ended_ns is not None and one.ended_ns + EARLY_NS < now_ns]
        done = [one for one in done if self.processes.outcome(one) is Outcome.COMPLETED]
        running = [one for one in own if one.ended_ns is None and not one.lost]
        return [one for one in done if not one.is_early] if running and 2 * len(done) < len(own) else []

    def _next_state(self, now_ns: int) -> str:
        if self.state not in ("running", "finalizing") or not self.processes:
            return self.state
        if all(self._is_gone(node, now_ns) for node in self.nodes.values()) and self._has_all(now_ns):
            return self.processes.verdict()
        has_ended = self.processes.have_ended and (self.is_over or self.processes.is_complete)
        return "finalizing" if has_ended and len(self.processes) > self._awaited else self.state

    def _is_gone(self, node: Node, now_ns: int) -> bool:
        return node.state == "left" or (node.state == "lost" and now_ns - node.changed_ns > GONE_NS)

    def _has_all(self, now_ns: int) -> bool:
        """Whether no other node is to be expected: another rank's node may not have come up yet."""
        if self.is_over or self.processes.is_complete:
            return True
        ended = [one.ended_ns for one in self.processes if one.is_launcher and one.ended_ns is not None]
        if any(now_ns - ended_ns > COMING_NS for ended_ns in ended):
            return True
        return all(now_ns - node.changed_ns > GONE_NS for node in self.nodes.values())
