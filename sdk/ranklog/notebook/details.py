"""Class RunDetails."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from html import escape
from typing import TYPE_CHECKING, Any

from ranklog.errors import UserError
from ranklog.notebook import plain
from ranklog.notebook.refresher import Refresher
from ranklog.notebook.watch import Choice, Watch
from ranklog.run import Run

if TYPE_CHECKING:
    from ranklog.notebook.live import Live

SILENT_S = 600.0
"""For so long a run is looked for that cannot be read, or of which nobody reports any more."""
FIRST_LOOK_S = 3.0
INSTALL = "(pip install 'ranklog[notebook]' makes this a live view)"


class RunDetails:
    """A run as a live view in a notebook: its state, its processes, its metrics and the end of its output.

    The arguments are azureml-widgets'. The view follows the run, also while other cells are executed, until the run
    has ended, or nobody has the view on a page any more, or close().
    """

    def __init__(self, run_instance: Run) -> None:
        if not isinstance(run_instance, Run):
            raise UserError(f"RunDetails takes a Run, not a {type(run_instance).__name__}")
        self._watch = Watch(run_instance)
        self._live: Live | None = None
        self._refresher: Refresher | None = None
        self._silent_since_s: float | None = None

    def show(
        self, render_lib: Callable[[str], object] | None = None, widget_settings: Mapping[str, object] | None = None
    ) -> None:
        """Show the run: as a widget in a notebook, as text where there are none.

        `render_lib` is a function that shows HTML (Databricks' displayHTML): if given, it gets the text. No
        `widget_settings` are needed; azureml-widgets' are accepted.
        """
        del widget_settings
        if render_lib is not None:
            render_lib(f"<pre>{escape(plain.text(self._watch.look(Choice())))}</pre>")
        elif not _is_notebook():
            print(plain.text(self._watch.look(Choice())))
        elif (make := _widgets()) is None:
            print(plain.text(self._watch.look(Choice())), INSTALL, sep="\n\n")
        else:
            self._show_live(make)

    def get_widget_data(self, widget_settings: Mapping[str, object] | None = None) -> dict[str, Any]:
        """What the view shows, as plain objects."""
        del widget_settings
        return asdict(self._watch.look(Choice() if self._live is None else self._live.choice))

    def close(self) -> None:
        """Follow the run no more. The view stays as it is."""
        if self._refresher is not None:
            self._refresher.stop()

    def _ipython_display_(self) -> None:
        self.show()

    def _show_live(self, make: Callable[[Callable[[], None]], Live]) -> None:
        if self._live is None or self._refresher is None:
            self._live, self._refresher = make(self._choose), Refresher(self._look)
        self._refresher.wake()
        self._refresher.wait_for_look(FIRST_LOOK_S)
        self._live.display()

    def _choose(self) -> None:
        """Somebody has chosen what to see, or sees it no more."""
        if self._live is None or self._refresher is None:
            return
        if self._live.is_watched:
            self._refresher.wake()
        else:
            self._refresher.stop()

    def _look(self) -> bool:
        """See and show. Tells whether there is nothing more to come."""
        if self._live is None:
            return True
        view = self._watch.look(self._live.choice)
        self._live.show(view)
        if not view.is_silent:
            self._silent_since_s = None
            return view.has_ended
        now_s = time.monotonic()
        if self._silent_since_s is None:
            self._silent_since_s = now_s
        return now_s - self._silent_since_s > SILENT_S


def _is_notebook() -> bool:
    """Whether this is IPython with something before it that shows more than text."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None


def _widgets() -> Callable[[Callable[[], None]], Live] | None:
    try:
        from ranklog.notebook.live import make
    except ImportError:
        return None
    return make
