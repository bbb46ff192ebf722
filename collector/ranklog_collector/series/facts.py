"""What was said of a run rather than of a metric, by all its processes together."""

from __future__ import annotations

from dataclasses import replace

from ranklog_collector.core.points import Fact
from ranklog_collector.reading.folder import RunFolder
from ranklog_collector.series.points import points_of
from ranklog_collector.series.selection import Writer, own_run, writers
from ranklog_collector.series.shapes import Child, Facts

_SHOWN = 100
_ENDED = frozenset(("completed", "failed", "canceled"))


def facts(folder: RunFolder, run: str | None = None) -> Facts:
    """Tell what was said of a run. Of tags, names and states the latest counts, of properties and parameters the first.

    Times are corrected for the clocks of the nodes before they are compared.
    """
    own = own_run(folder, run)
    with points_of(folder) as points:
        found = writers(folder, points.covers, resources=False)
        said = _all_said(found)
        lost = sum(writer.cover.totals.lost for writer in found)
        damaged = sum(writer.cover.totals.damaged + writer.cover.totals.is_cut_off for writer in found)
    ours = [fact for fact in said if fact.run == own]
    return replace(_facts(ours), children=_children(said, own), lost=lost, damaged=damaged)


def family(folder: RunFolder) -> tuple[Facts, list[tuple[Child, Facts]]]:
    """Tell what was said of a run, and of all its child runs and theirs; of none of them its children."""
    with points_of(folder) as points:
        said = _all_said(writers(folder, points.covers, resources=False))
    by_run: dict[str, list[Fact]] = {}
    for fact in said:
        by_run.setdefault(fact.run, []).append(fact)
    begun = {fact.name: fact for fact in reversed(said) if fact.sort == "child"}
    below = [(_child(fact, by_run.get(run, [])), _facts(by_run.get(run, []))) for run, fact in begun.items()]
    return _facts(by_run.get("", [])), sorted(below, key=lambda one: one[0].started_ns)


def _facts(ours: list[Fact]) -> Facts:
    named = _latest(ours, "set")
    status = _latest(ours, "status").get("")
    return Facts(
        tags={name: value for name, value in _latest(ours, "tag").items() if value is not None},
        properties=_first(ours, "property"),
        params=_first(ours, "param"),
        display_name=named.get("display_name"),
        description=named.get("description"),
        status=status,
        error=_latest(ours, "error").get("") if status is not None else None,
        artifacts=sorted({fact.name for fact in ours if fact.sort == "artifact"}),
        inputs=list(_first(ours, "input").values()),
    )


def changed_params(folder: RunFolder) -> list[str]:
    """Tell of each parameter that a process has logged with another value than the one that counts.

    MLflow refuses that, but between nodes nobody knows of it in time.
    """
    with points_of(folder) as points:
        found = writers(folder, points.covers, resources=False)
        said = sorted(
            ((fact, writer.process) for writer in found for fact in _said(writer) if fact.sort == "param"),
            key=lambda one: one[0].time,
        )
    first: dict[tuple[str, str], str | None] = {}
    notes = []
    for fact, process in said:
        counts = first.setdefault((fact.run, fact.name), fact.value)
        if counts != fact.value:
            where = f" of child run {fact.run}" if fact.run else ""
            notes.append(
                f"parameter {fact.name!r}{where} is {_short(counts)}: {_short(fact.value)}, logged later by {process}, "
                "does not count"
            )
    return notes


def _short(value: str | None) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _all_said(found: list[Writer]) -> list[Fact]:
    return sorted((fact for writer in found for fact in _said(writer)), key=lambda fact: fact.time)


def _said(writer: Writer) -> list[Fact]:
    return [replace(fact, time=writer.clock.correct(fact.time)) for fact in writer.cover.totals.facts.values()]


def _children(said: list[Fact], parent: str) -> list[Child]:
    begun = {fact.name: fact for fact in reversed(said) if fact.sort == "child" and fact.run == parent}
    found = [_child(fact, [one for one in said if one.run == fact.name]) for fact in begun.values()]
    return sorted(found, key=lambda child: (child.started_ns, child.run_id))


def _child(begun: Fact, own: list[Fact]) -> Child:
    state = _latest(own, "status").get("") or "running"
    ended = max((fact.time for fact in own if fact.sort == "status"), default=None)
    return Child(
        begun.name, _latest(own, "set").get("display_name"), state, begun.time, ended if state in _ENDED else None
    )


def _latest(said: list[Fact], sort: str) -> dict[str, str | None]:
    return {fact.name: fact.value for fact in said if fact.sort == sort}


def _first(said: list[Fact], sort: str) -> dict[str, str]:
    return {fact.name: fact.value or "" for fact in reversed(said) if fact.sort == sort}
