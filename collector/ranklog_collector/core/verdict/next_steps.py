"""What to look at after a verdict: commands to type. Pure."""

from __future__ import annotations

from ranklog_collector.core.ranks import ranks_text
from ranklog_collector.core.verdict.finding import Category, Status, Verdict

TAIL_LINES = 50


def next_steps(run: str, verdict: Verdict) -> tuple[str, ...]:
    """Name a few, the most telling first."""
    steps: list[str] = []
    is_absent = verdict.category is Category.NOT_STARTED
    ranks = [one.rank for one in verdict.culprits if one.rank is not None and not is_absent]
    if verdict.category is Category.HANG and verdict.status is Status.SUSPECT:
        steps.append(f"ranklog stacks {run}")
    if ranks:
        steps.append(f"ranklog logs {run} --rank {ranks_text(ranks)} --tail {TAIL_LINES}")
    elif verdict.culprits and verdict.culprits[0].name == verdict.culprits[0].node:
        steps.append(f"ranklog logs {run} --node {verdict.culprits[0].name} --tail {TAIL_LINES}")
    elif is_absent or verdict.status in (Status.FAILED, Status.UNKNOWN):
        steps.append(f"ranklog logs {run} --tail {TAIL_LINES}")
    if verdict.category is Category.OUT_OF_MEMORY:
        steps.append(f"ranklog metrics {run} --resources")
    if verdict.status in (Status.UNKNOWN, Status.SUSPECT) or verdict.category is Category.NODE_LOST:
        steps.append(f"ranklog ps {run}")
    return tuple(steps)
