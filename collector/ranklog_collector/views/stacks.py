"""The stacks of a run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ranklog_collector.core.process_files import iso
from ranklog_collector.core.ranks import ranks_text
from ranklog_collector.core.stacks import Branch, Frame, Thread
from ranklog_collector.reading.folder import RunFolder
from ranklog_collector.reading.stacks import Snapshot, StackSet
from ranklog_collector.views.shapes import Json


def stacks_view(folder: RunFolder, found: StackSet) -> Json:
    """All of it: groups, the tree, flat, and each process."""
    folding = found.folding
    return {
        "run": folder.run_id,
        "request": found.request,
        "why": found.why,
        "time": iso(found.time_ns),
        "is_complete": found.is_complete,
        "waiting_for": sorted(set(found.asked) - found.done),
        "basis": folding.basis.value if folding.basis else None,
        "groups": [
            {
                "processes": list(group.names),
                "ranks": list(group.ranks),
                "waits_in": group.waits_in or None,
                "is_suspect": group.is_suspect,
                "frames": _frames(group.stack),
            }
            for group in folding.groups
        ],
        "tree": list(_tree(folding.tree)),
        "processes": [_process(one) for one in found.snapshots],
        "children": [_process(one) for one in found.children],
    }


def _tree(top: Sequence[Branch]) -> Iterator[Json]:
    """Calls in the order in which a tree is read; how deep each is stands beside it, since JSON nests only so far."""
    waiting = [(branch, 0) for branch in reversed(top)]
    while waiting:
        branch, depth = waiting.pop()
        names = [member.name for member in branch.members if member.rank is None]
        ranks = ranks_text(member.rank for member in branch.members if member.rank is not None)
        yield {
            "depth": depth,
            "count": len(branch.members),
            "ranks": ranks,
            **({"processes": names} if names else {}),
            **_frame(branch.frame),
        }
        calls = sorted(branch.calls.values(), key=lambda one: -len(one.members))
        waiting += [(call, depth + 1) for call in calls[::-1]]


def _process(one: Snapshot) -> Json:
    dump = one.dump
    return {
        "process": one.member.name,
        "rank": one.member.rank,
        "node": one.node,
        "pid": dump.pid,
        "parent": dump.parent,
        "command": dump.command,
        "state": dump.state,
        "time": iso(one.time_ns),
        "how": dump.how or None,
        "error": dump.error or None,
        "threads": [_thread(thread) for thread in dump.threads],
    }


def _thread(thread: Thread) -> Json:
    return {"name": thread.name, "is_main": thread.is_main, "frames": _frames(thread.frames)}


def _frames(frames: Iterable[Frame]) -> list[Json]:
    return [_frame(frame) for frame in frames]


def _frame(frame: Frame) -> Json:
    return {"function": frame.function, "file": frame.file, "line": frame.line}
