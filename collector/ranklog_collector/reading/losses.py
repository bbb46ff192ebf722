"""What a run's journal says is missing, or may be."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterator

from ranklog_collector.core.processes import Process, number
from ranklog_collector.reading.state import RunState


def losses(state: RunState) -> tuple[list[str], list[str]]:
    """Tell what is certainly lost or wrong, and what else is worth knowing."""
    gaps, doubts = gap_texts(state)
    problems, notes = gaps, doubts
    for node in state.nodes.values():
        if node.event == "left" and node.undelivered:
            problems.append(f"node {node.id} left with {node.undelivered} bytes undelivered ({node.reason})")
        elif node.event == "lost":
            notes.append(f"node {node.id} is lost: what it had not sent yet is not here")
    for text in _short_outputs(state):
        (problems if state.has_ended else notes).append(text)
    for process in state.processes:
        if lost := number(process.exit or {}, "lost_bytes"):
            problems.append(f"{process.name} on {process.node}: a full disk there cost {lost} bytes of its output")
    if unfinished := _unfinished(state):
        notes.append(f"{unfinished} segments were never finished: their sources may hold more")
    if state.stray:
        lines = "1 line of the journal makes" if state.stray == 1 else f"{state.stray} lines of the journal make"
        problems.append(f"{lines} no sense: it is damaged")
    return problems, notes


def gap_texts(state: RunState, streams: Container[int] | None = None) -> tuple[list[str], list[str]]:
    """Describe the gaps, of all streams or of some: bytes that certainly existed, and sources of which nobody knows."""
    certain, unknown = [], []
    for segment in state.segments.values():
        stream = state.streams[segment.stream]
        if streams is not None and stream.number not in streams:
            continue
        for gap in segment.gaps:
            if gap.end is None and segment.end <= gap.at:
                more = f"whether {segment.source} had more than {gap.at} bytes is not known"
                unknown.append(f"{stream.path}: {more} ({gap.reason})")
            elif gap.end is not None and (lost := gap.end - max(gap.at, segment.end)) > 0:
                certain.append(f"{stream.path}: {lost} bytes of {segment.source} are lost for good ({gap.reason})")
    return certain, unknown


def _short_outputs(state: RunState) -> Iterator[str]:
    """Compare what each process's exit record says it wrote with what has come home."""
    collected: dict[tuple[str, str], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for segment in state.segments.values():
        stream = state.streams[segment.stream]
        collected[stream.node, stream.process][segment.source] += segment.end
    for process in state.processes:
        for name, written in _outputs(process):
            found = sum(
                size
                for source, size in collected[process.node, process.key].items()
                if source == name or source.endswith("/" + name)
            )
            if found < written:
                yield (
                    f"{process.name} on {process.node} wrote {written} bytes to {name}, "
                    f"of which {written - found} have not come"
                )


def _outputs(process: Process) -> Iterator[tuple[str, int]]:
    outputs = (process.exit or {}).get("output_bytes")
    if isinstance(outputs, dict):
        for name in outputs:
            size = number(outputs, name)
            if size is not None:
                yield name, size


def _unfinished(state: RunState) -> int:
    if not state.has_ended:
        return 0
    return sum(segment.closed is None and not segment.is_snapshot for segment in state.segments.values())
