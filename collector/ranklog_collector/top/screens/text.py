"""A screen of lines that can be scrolled, and left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen

from ranklog_collector.top.canvas import Canvas
from ranklog_collector.top.heading import key_line
from ranklog_collector.top.spans import Line, Span, line

_KEYS = (("esc", "back"), ("↑↓", "scroll"))


class TextScreen(Screen[None]):
    """Some lines under a title; what they are, heirs say."""

    NAME = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "scroll_by(1)", show=False),
        Binding("up,k", "scroll_by(-1)", show=False),
        Binding("pagedown,space,ctrl+f,ctrl+d", "scroll_page(1)", show=False),
        Binding("pageup,b,ctrl+b,ctrl+u", "scroll_page(-1)", show=False),
        Binding("home,g", "scroll_by(-1000000)", show=False),
        Binding("end,G", "scroll_by(1000000)", show=False),
        Binding("escape,q,enter,question_mark,v,i", "app.pop_screen", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._first = 0

    def texts(self, width: int) -> Sequence[Line]:
        """The lines."""
        raise NotImplementedError

    def compose(self) -> ComposeResult:
        """A title, the lines, the keys."""
        yield Canvas("title")
        yield Canvas("body")
        yield Canvas("keys")

    def on_mount(self) -> None:
        """Show them."""
        self.call_after_refresh(self.redraw)

    def on_resize(self, event: events.Resize) -> None:
        """Fill the new size."""
        self.call_after_refresh(self.redraw)

    def action_scroll_by(self, lines: int) -> None:
        """Scroll."""
        self._first += lines
        self.redraw()

    def action_scroll_page(self, pages: int) -> None:
        """Scroll by as much as is to be seen."""
        self.action_scroll_by(pages * max(1, self.query_one("#body").size.height - 1))

    def on_mouse_scroll_down(self) -> None:
        """Scroll by the wheel."""
        self.action_scroll_by(3)

    def on_mouse_scroll_up(self) -> None:
        """Scroll by the wheel."""
        self.action_scroll_by(-3)

    def redraw(self) -> None:
        """Draw what is to be seen."""
        width = self.size.width
        lines = self.texts(width)
        height = max(1, self.query_one("#body").size.height)
        self._first = min(max(0, self._first), max(0, len(lines) - height))
        self.query_one("#title", Canvas).draw([line(Span(self.NAME, "title"), ground="bar")])
        self.query_one("#body", Canvas).draw(lines[self._first : self._first + height])
        right = f"{min(len(lines), self._first + height)}/{len(lines)}" if len(lines) > height else ""
        self.query_one("#keys", Canvas).draw([key_line(_KEYS, width, right)])
