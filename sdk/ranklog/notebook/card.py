"""A run in a row, for where a notebook shows what a cell gives."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from ranklog.errors import RanklogError
from ranklog.notebook import clean

if TYPE_CHECKING:
    from ranklog.run import Run


def card(run: Run) -> str:
    """Give a table in HTML: experiment, id, type, status and page. What cannot be read stays empty."""
    facts, status, url = {}, "", ""
    try:
        facts, status = run._facts(), run.get_status()  # noqa: SLF001 (Run's own)
        url = run.get_portal_url()
    except RanklogError:
        pass  # it is shown nevertheless
    known = run._known_experiment  # noqa: SLF001 (Run's own; asking for it would make one up)
    experiment = facts.get("experiment") or (known.name if known is not None else "")
    page = clean.name(url)
    link = f'<a href="{escape(page)}" target="_blank" rel="noopener">{escape(page)}</a>'
    cells = {
        "Experiment": escape(clean.name(experiment)),
        "Id": escape(clean.name(run.id)),
        "Type": escape(run.type or ""),
        "Status": escape(status),
        "Details": link if page.startswith(("http://", "https://")) else escape(page),
    }
    titles = "".join(f"<th>{title}</th>" for title in cells)
    values = "".join(f"<td>{value}</td>" for value in cells.values())
    return f"<table><tr>{titles}</tr><tr>{values}</tr></table>"
