"""What a reader of a run should know before trusting it: in a few sentences."""

from __future__ import annotations

from ranklog_collector.core.narration import CLOCK_WARNING_NS
from ranklog_collector.reading.folder import RunFolder
from ranklog_collector.reading.losses import gap_texts
from ranklog_collector.reading.times import clock_time, duration_text

_SHOWN_MAX = 5


def notes(folder: RunFolder) -> list[str]:
    """Tell of a damaged journal, gaps, lost nodes, wrong clocks, a full disk, and a collector that is not there."""
    state = folder.state
    certain, unknown = gap_texts(state)
    found = [folder.damage] if folder.damage else []
    found += some(certain) + some(unknown)
    found += some(
        [
            f"node {node.id} ({node.ip}) is lost since {clock_time(node.time)}"
            for node in state.nodes.values()
            if node.event == "lost"
        ]
    )
    for node in state.nodes.values():
        offset = node.clock.largest_offset_ns
        if abs(offset) > CLOCK_WARNING_NS:
            where = "behind" if offset > 0 else "ahead of"
            found.append(
                f"the clock of node {node.id} is {abs(offset) / 1e9:.3f} s {where} the collector's; times are corrected"
            )
    if state.pause is not None:
        found.append(f"the collector is paused: {state.pause.reason}; nothing is lost, nodes keep their output")
    if not state.has_ended and not folder.is_written and state.run is not None:
        silent = duration_text(folder.age_ns())
        found.append(f"no collector is writing this run; its journal ends {silent} ago, before the run did")
    return found


def some(texts: list[str]) -> list[str]:
    """Leave out what is too much to read, and say so."""
    more = len(texts) - _SHOWN_MAX
    return texts if more <= 1 else [*texts[:_SHOWN_MAX], f"and {more} more like this: ranklog verify lists all"]
