"""Verdicts in words. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone

from ranklog_collector.core.ranks import ranks_text
from ranklog_collector.core.verdict.evidence import Machine, Member
from ranklog_collector.core.verdict.finding import Category, Culprit

_NAMES_MAX = 6
_RANKS_MAX = 50
_SUMMARY_MAX = 200
_LAST_NS = 253_402_300_799_000_000_000 - 86_400_000_000_000
_NUMBERS = re.compile(r"0x[0-9a-fA-F]+|\d+")


def short_ranks(ranks: Sequence[int]) -> str:
    """`rank 3`, `ranks 0-6,8`; of very many in no order how many, and the first."""
    text = ranks_text(ranks)
    if len(text) > _RANKS_MAX:
        return f"{len(ranks)} ranks ({text[:_RANKS_MAX].rpartition(',')[0]},…)"
    return f"rank{'s' if len(ranks) > 1 else ''} {text}"


def clock_text(time_ns: int) -> str:
    """The time of day, local, to the millisecond."""
    seconds, rest = divmod(min(max(0, time_ns), _LAST_NS), 10**9)
    moment = (datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=seconds)).astimezone()
    return f"{moment:%H:%M:%S}.{rest // 10**6:03d}"


def error_text(error_ns: int) -> str:
    """`±3 ms`; empty if it is less than one."""
    if error_ns < 1_000_000:
        return ""
    if error_ns < 10**9:
        return f"±{-(-error_ns // 10**6)} ms"
    return f"±{error_ns / 1e9:.1f} s"


def span_text(span_ns: int) -> str:
    """`38 ms`, `2.1 s`, `10 min`."""
    size = abs(span_ns)
    if size < 995_000_000:
        return f"{round(size / 1e6)} ms"
    if size < 99_500_000_000:
        return f"{size / 1e9:.1f} s"
    if size < 5_970_000_000_000:
        return f"{round(size / 60e9)} min"
    return f"{size / 3600e9:.1f} h"


def called(one: Culprit | Member) -> str:
    """`rank 3`, `process 1306`."""
    return f"rank {one.rank}" if one.rank is not None else one.name.replace("_", " ")


def where(one: Culprit | Member, are_several: bool) -> str:
    """`node1 10.77.0.11, pid 1306`; without the node if there is only one."""
    place = " ".join(part for part in (one.hostname or one.node, one.ip) if part) if are_several else ""
    is_told = not one.pid or called(one) == f"process {one.pid}"
    pid = "" if is_told else f"pid {one.pid}"
    return ", ".join(part for part in (place, pid) if part)


def introduced(one: Culprit | Member, are_several: bool) -> str:
    """`rank 3 (node1 10.77.0.11, pid 1306)`."""
    place = where(one, are_several)
    return f"{called(one)} ({place})" if place else called(one)


def several(many: Sequence[Culprit | Member], total: int | None = None) -> str:
    """`all 4 ranks`, `ranks 0-2,5`, `rank 3`, or names."""
    ranks = [one.rank for one in many if one.rank is not None]
    if len(ranks) == len(many) and many:
        if total is not None and total > 1 and len(ranks) == total:
            return f"all {total} ranks" if total > 2 else "both ranks"
        return short_ranks(ranks)
    names = [called(one) for one in many]
    more = len(names) - _NAMES_MAX
    return ", ".join(names[:_NAMES_MAX]) + (f" and {more} more" if more > 0 else "")


def node_called(machine: Machine) -> str:
    """`node node1 (10.77.0.11)`."""
    name = machine.hostname or machine.id
    return f"node {name} ({machine.ip})" if machine.ip and machine.ip != name else f"node {name}"


def plural(summary: str, count: int) -> str:
    """What one did, said of several."""
    if count == 1:
        return summary
    for one, many in (
        ("was ", "were "),
        ("has ", "have "),
        ("hangs: it ", "hang: they "),
        ("hung: it ", "hung: they "),
    ):
        if summary.startswith(one):
            return many + summary[len(one) :]
    return summary


def short(text: str) -> str:
    """The first line of a summary, not too much of it."""
    line = text.strip().partition("\n")[0]
    return line if len(line) <= _SUMMARY_MAX else line[: _SUMMARY_MAX - 1] + "…"


def in_kind(category: Category, text: str) -> str:
    """What errors of a category have in common that are the same but for numbers; exit codes differ by these."""
    return text if category is Category.EXIT_CODE else without_numbers(text)


def without_numbers(text: str) -> str:
    """What errors that differ in ranks, addresses and counts only have in common."""
    return _NUMBERS.sub("#", text)
