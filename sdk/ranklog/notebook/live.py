"""The view of a run as a Jupyter widget. Imported only where there is anywidget."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from typing import Any

import anywidget
from IPython.display import display
from traitlets import Bool, Dict, List, Unicode

from ranklog.notebook import plain
from ranklog.notebook.watch import Choice, View

PAGE = files("ranklog.notebook") / "page"
SCRIPTS = ("dom", "scale", "chart", "metrics", "processes", "log", "head", "live")
"""One module in the browser, a file for each subject."""
PARTS = ("head", "processes", "metrics", "chart", "log", "trouble")


class Live(anywidget.AnyWidget):
    """What a browser is told: each part only when it has changed."""

    _esm = "\n".join((PAGE / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS)
    _css = (PAGE / "live.css").read_text(encoding="utf-8")
    head = Dict().tag(sync=True)
    processes = Dict().tag(sync=True)
    metrics = List(Dict()).tag(sync=True)
    chart = Dict().tag(sync=True)
    log = Dict().tag(sync=True)
    trouble = Unicode().tag(sync=True)
    metric = Unicode(None, allow_none=True).tag(sync=True)
    """What people choose there; see Choice."""
    rank = Unicode().tag(sync=True)
    is_watched = Bool(True).tag(sync=True)
    """Whether it is on anybody's page; true until a page says that it is there no more."""

    def __init__(self, when_chosen: Callable[[], None]) -> None:
        super().__init__()
        self._view = View()
        self.observe(lambda change: when_chosen(), ["metric", "rank", "is_watched"])

    @property
    def choice(self) -> Choice:
        """What somebody wants to see."""
        return Choice(self.metric, self.rank)

    def show(self, view: View) -> None:
        """Tell the browser. May be called from any thread, but from one at a time."""
        self._view = view
        for part in PARTS:
            setattr(self, part, getattr(view, part))

    def display(self) -> None:
        """Put it below the cell that is being executed."""
        display(self)  # type: ignore[no-untyped-call]

    def __repr__(self) -> str:
        """The view as text: what stands in a notebook for those who cannot see widgets."""
        return plain.text(self._view) if self._view.head else "a run that has not been looked at yet"


def make(when_chosen: Callable[[], None]) -> Any:
    """Make one; `when_chosen` is called in the kernel's thread when somebody chooses what to see."""
    return Live(when_chosen)
