"""The view of a run as text, for where there are no widgets. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ranklog.notebook import shown
from ranklog.notebook.watch import View

ROWS_MAX = 20
LINES_MAX = 20


def text(view: View) -> str:
    """What there is to see, in sections with an empty line between them."""
    sections = [_head(view), _processes(view), _metrics(view), _lines(view)]
    return "\n\n".join("\n".join(section) for section in sections if section)


def duration(milliseconds: int) -> str:
    """How long something took: `5s`, `2m 3s`, `1h 2m`, `3d 4h`."""
    seconds = max(milliseconds, 0) // 1000
    for unit, length, smaller, part in (("d", 86400, "h", 3600), ("h", 3600, "m", 60), ("m", 60, "s", 1)):
        if seconds >= length:
            return f"{seconds // length}{unit} {seconds % length // part}{smaller}"
    return f"{seconds}s"


def _head(view: View) -> list[str]:
    head = view.head
    status = head["status"] or "unknown"
    if head["started"] is not None:
        since = duration((head["ended"] or head["now"]) - head["started"])
        status += f" after {since}" if head["ended"] else f" for {since}"
    names = [f"Run {head['run_id']}", f'"{head["name"]}"' if head["name"] else ""]
    names += [f"of {head['experiment']}" if head["experiment"] else ""]
    found = [f"{' '.join(filter(None, names))}: {status}", head["url"], head["error"], view.trouble]
    return [each for each in found if each]


def _processes(view: View) -> list[str]:
    columns = view.processes
    if not columns or not columns["total"]:
        return []
    counts = ", ".join(f"{count} {state}" for state, count in columns["counts"].items())
    words = [columns["states"][state] for state in columns["state"]]
    # Of many those are named that are not well.
    order = sorted(range(len(words)), key=lambda place: (words[place] in shown.GOOD, place))
    chosen = sorted(order[:ROWS_MAX])
    head = view.head
    until = head["ended"] or head["now"]
    rows = [
        (
            columns["called"].get(str(place), str(columns["rank"][place])),
            columns["nodes"][columns["node"][place]],
            words[place],
            columns["exit"].get(str(place), ""),
            "" if columns["last"][place] is None else duration(until - columns["last"][place]),
        )
        for place in chosen
    ]
    return [f"Processes: {counts}", *_table(("RANK", "NODE", "STATE", "EXIT", "LAST LINE"), rows, columns["total"])]


def _metrics(view: View) -> list[str]:
    rows = [(row["label"], *(_number(row[name]) for name in ("last", "min", "max"))) for row in view.metrics[:ROWS_MAX]]
    return _table(("METRIC", "LAST", "MIN", "MAX"), rows, len(view.metrics)) if rows else []


def _lines(view: View) -> list[str]:
    has_several = bool(view.processes) and view.processes["total"] > 1
    lines = view.log.get("lines", [])[-LINES_MAX:]
    return [f"[{who}] {said}" if has_several else said for who, said in lines]


def _table(titles: tuple[str, ...], rows: Sequence[tuple[str, ...]], total: int) -> list[str]:
    widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
    cells = ([cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in (titles, *rows))
    more = [f"and {total - len(rows)} more"] if total > len(rows) else []
    return ["  ".join(row).rstrip() for row in cells] + more


def _number(value: float | None) -> str:
    return "NaN" if value is None else f"{value:.6g}"
