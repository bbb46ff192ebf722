"""What the view of a run shows, made of what a source answers. Pure: everything given is what JSON has.

Times are milliseconds since the Unix epoch. Names and lines are clean (see `clean`), but not escaped for HTML: who
writes pages of them sets texts, not markup.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from ranklog.notebook import clean
from ranklog.source.protocol import Json

PROCESSES_MAX = 5000
METRICS_MAX = 500
CURVES_MAX = 8
"""With more processes than that a metric is drawn over ranks."""
ERROR_CHARACTERS_MAX = 1000
LINE_CHARACTERS_MAX = 2000
ODD = ("NaN", "Infinity", "-Infinity")
GOOD = ("Running", "Completed", "NotStarted")


def head(run_id: str, status: str, run: Json, experiment: str | None, url: str | None, now_ms: int) -> Json:
    """Which run it is, and how it is doing."""
    name = run.get("display_name")
    return {
        "run_id": clean.name(run_id),
        "name": clean.name(name) if name not in (None, run_id) else "",
        "experiment": clean.name(run.get("experiment") or experiment),
        "status": status,
        "started": milliseconds(run.get("started")),
        "ended": milliseconds(run.get("ended")),
        "now": now_ms,
        "error": clean.cut("\n".join(clean.name(each, 500) for each in _lines(run.get("error"))), ERROR_CHARACTERS_MAX),
        "url": url if url and url.startswith(("http://", "https://")) else "",
    }


def processes(found: Sequence[Json]) -> Json:
    """The processes as columns: a thousand of them are one small message. Of too many those are kept that are not well.

    `states` are the words that `state` has the numbers of, `nodes` likewise. `called` has the names of those that are
    not called by their rank alone, `exit` has only those that have ended.
    """
    rows = [one for one in found if one.get("role") != "launcher"]
    chosen = rows
    if len(rows) > PROCESSES_MAX:
        order = sorted(range(len(rows)), key=lambda place: (rows[place]["state"] in GOOD, place))
        chosen = [rows[place] for place in sorted(order[:PROCESSES_MAX])]
    states, nodes = _numbered(str(one["state"]) for one in chosen), _numbered(_node(one) for one in chosen)
    return {
        "total": len(rows),
        "counts": dict(Counter(str(one["state"]) for one in rows)),
        "rank": [one.get("rank") for one in chosen],
        "called": {
            str(place): _name_of(one) for place, one in enumerate(chosen) if _name_of(one) != str(one.get("rank"))
        },
        "states": list(states),
        "state": [states[str(one["state"])] for one in chosen],
        "nodes": list(nodes),
        "node": [nodes[_node(one)] for one in chosen],
        "exit": {str(place): clean.name(one["exit"]) for place, one in enumerate(chosen) if one.get("exit")},
        "last": [milliseconds(one.get("last_output")) for one in chosen],
    }


def metrics(found: Sequence[Json]) -> list[Json]:
    """A row for each metric that has numbers."""
    numeric = [one for one in found if one.get("mean") is not None or one.get("last") in ODD]
    return [
        {
            "key": one["key"],
            "label": clean.name(one["key"]),
            "count": one["count"],
            "processes": one["processes"],
            **{name: number(one[name]) for name in ("last", "min", "max")},
        }
        for one in numeric[:METRICS_MAX]
    ]


def curves(key: str, found: Sequence[Json]) -> Json:
    """A metric of each process by itself, to be drawn."""
    return {
        "key": key,
        "curves": [
            {"name": _name_of(one), "x": one["step"], "y": [number(value) for value in one["value"]]} for one in found
        ],
        "band": None,
    }


def band(key: str, found: Json, picked: Sequence[Json]) -> Json:
    """A metric over ranks, to be drawn, and the curves of processes that have been picked."""
    columns = {name: [number(value) for value in found[name]] for name in ("min", "mean", "max")}
    ranks = {name: found[name] for name in ("count", "min_rank", "max_rank")}
    return {**curves(key, picked), "band": {"x": found["step"], **columns, **ranks}}


def line(found: Json) -> list[Any]:
    """Who has said what: the rank, or what else there is to call it, and the text."""
    who = found.get("rank")
    who = clean.name(found.get("stream"), 20) if who is None else str(who)
    return [who, clean.line(str(found["text"]), LINE_CHARACTERS_MAX)]


def number(value: object) -> float | None:
    """A number to be drawn or written; None for what is none, and for NaN and infinities."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def milliseconds(moment: str | None) -> int | None:
    """A time as sources write it, `2026-01-02T03:04:05.123456789Z`."""
    if not moment:
        return None
    try:
        whole = datetime.fromisoformat(moment[:19] + "+00:00")
        return int(whole.timestamp()) * 1000 + int((moment[20:].rstrip("Z") or "0").ljust(3, "0")[:3])
    except ValueError:
        return None


def _name_of(process: Json) -> str:
    rank = process.get("rank")
    if rank is not None:
        again = int(process.get("attempt") or 1)
        return str(rank) if again == 1 else f"{rank}#{again}"
    return clean.name(process.get("program") or process.get("pid") or process.get("process"), 40)


def _node(process: Json) -> str:
    return clean.name(process.get("hostname") or process.get("node"), 64)


def _numbered(words: Iterable[str]) -> dict[str, int]:
    return {word: place for place, word in enumerate(dict.fromkeys(words))}


def _lines(text: object) -> list[str]:
    return [] if text is None else str(text)[: 2 * ERROR_CHARACTERS_MAX].splitlines()
