"""The first screen: the run, and its processes as a table or as a map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, cast

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Input

from ranklog_collector.top.arrange import ORDERS, Choice, Order, arranged
from ranklog_collector.top.canvas import Canvas
from ranklog_collector.top.cells import Map, by_node, laid_out, map_lines
from ranklog_collector.top.frame import Frame, Row
from ranklog_collector.top.heading import KEYS, banner, detail, heading, key_line, legend, plain, restriction
from ranklog_collector.top.screens.facts import FactsScreen
from ranklog_collector.top.screens.help import HelpScreen
from ranklog_collector.top.screens.log import LogScreen
from ranklog_collector.top.screens.verdict import VerdictScreen
from ranklog_collector.top.spans import Line
from ranklog_collector.top.table import Column, chosen_columns, head, row_line
from ranklog_collector.top.watch import Watcher

if TYPE_CHECKING:
    from ranklog_collector.top.app import TopApp


class GridScreen(Screen[None]):
    """The processes of the run, and one of them in detail."""

    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "move(0, 1)", show=False),
        Binding("up,k", "move(0, -1)", show=False),
        Binding("right,l", "move(1, 0)", show=False),
        Binding("left,h", "move(-1, 0)", show=False),
        Binding("pagedown,space,ctrl+f,ctrl+d", "page(1)", show=False),
        Binding("pageup,b,ctrl+b,ctrl+u", "page(-1)", show=False),
        Binding("home,g", "go(0)", show=False),
        Binding("end,G", "go(-1)", show=False),
        Binding("enter,o", "open", show=False),
        Binding("m,tab", "turn_map", show=False),
        Binding("s,>", "order(1)", show=False),
        Binding("S,<", "order(-1)", show=False),
        Binding("r", "reverse", show=False),
        Binding("x", "turn_outliers", show=False),
        Binding("n", "next_outlier(1)", show=False),
        Binding("N", "next_outlier(-1)", show=False),
        Binding("slash,f", "ask_filter", show=False),
        Binding("escape", "clear", show=False),
        Binding("v", "verdict", show=False),
        Binding("i", "facts", show=False),
        Binding("p", "pause", show=False),
        Binding("question_mark,f1", "help", show=False),
        Binding("q", "app.quit", show=False),
    ]

    def __init__(self, watcher: Watcher, choice: Choice, is_map: bool) -> None:
        super().__init__()
        self._watcher = watcher
        self._choice = choice
        self._is_map = is_map
        self._frame: Frame | None = None
        self._is_paused = False
        self._rows: list[Row] = []
        self._map = Map((), (), 0, 0)
        self._columns: list[Column] = []
        self._current = 0
        self._kept: str | None = None
        """The process that the cursor stays on, once somebody has moved it."""
        self._first = 0

    def compose(self) -> ComposeResult:
        """From the top to the bottom."""
        yield Canvas("heading")
        yield Canvas("banner")
        yield Canvas("restriction")
        yield Canvas("head")
        yield Canvas("grid")
        yield Canvas("detail")
        yield Input(
            placeholder="node, state (failed, silent, …) or ranks 0-7,12; ! before it for all others", id="filter"
        )
        yield Canvas("keys")

    def on_mount(self) -> None:
        """Wait for the first frame."""
        self.query_one("#filter").display = False
        self._draw()

    def show(self, frame: Frame) -> None:
        """Show what is new."""
        if not self._is_paused:
            self._frame = frame
            self._put_in_order()

    def on_resize(self, event: events.Resize) -> None:
        """Fill the new size."""
        self.call_after_refresh(self._put_in_order)

    # ---- keys -------------------------------------------------------------------------------------------------------

    def action_move(self, dx: int, dy: int) -> None:
        """Move the cursor by one."""
        if self._is_map:
            self._go(self._map.moved(self._current, dx, dy))
        else:
            self._go(self._current + dy)

    def action_page(self, pages: int) -> None:
        """Move the cursor by as much as is to be seen."""
        height = max(1, self._height - 1)
        if self._is_map and self._rows:
            number = self._current
            for _ in range(height):
                number = self._map.moved(number, 0, pages)
            self._go(number)
        else:
            self._go(self._current + pages * height)

    def action_go(self, number: int) -> None:
        """Move the cursor to the beginning, or the end."""
        self._go(number if number >= 0 else len(self._rows) - 1)

    def action_open(self) -> None:
        """Read the log of the process under the cursor."""
        if self._rows:
            self.app.push_screen(LogScreen(self._watcher, self._rows, self._current))

    def action_turn_map(self) -> None:
        """Change between table and map."""
        self._is_map = not self._is_map
        self._kept = self._rows[self._current].name if self._rows else None
        self._first = 0
        self._put_in_order()

    def action_order(self, by: int) -> None:
        """Order by the next column."""
        place = (ORDERS.index(self._choice.order) + by) % len(ORDERS)
        self._choose(replace(self._choice, order=ORDERS[place], is_reversed=False))

    def action_reverse(self) -> None:
        """Turn the order round."""
        self._choose(replace(self._choice, is_reversed=not self._choice.is_reversed))

    def action_turn_outliers(self) -> None:
        """Show only what stands out, or all again."""
        self._choose(replace(self._choice, only_standing_out=not self._choice.only_standing_out))

    def action_next_outlier(self, by: int) -> None:
        """Move the cursor to the next process that stands out."""
        count = len(self._rows)
        for distance in range(1, count + 1):
            number = (self._current + by * distance) % count
            if self._rows[number].stands_out:
                self._go(number)
                return

    def action_ask_filter(self) -> None:
        """Ask what to show."""
        asked = self.query_one("#filter", Input)
        asked.value = self._choice.filter
        asked.display = True
        self.query_one("#keys").display = False
        asked.focus()

    @on(Input.Changed, "#filter")
    def _filter_typed(self, event: Input.Changed) -> None:
        self._choose(replace(self._choice, filter=event.value))

    @on(Input.Submitted, "#filter")
    def _filter_done(self) -> None:
        self._close_filter()

    def action_clear(self) -> None:
        """Show all again."""
        if self.query_one("#filter").display:
            self._close_filter()
        self._choose(replace(self._choice, filter="", only_standing_out=False))

    def action_verdict(self) -> None:
        """Show the verdict whole."""
        self.app.push_screen(VerdictScreen(self._frame))

    def action_facts(self) -> None:
        """Show all that is known of the run."""
        self.app.push_screen(FactsScreen(self._frame))

    def action_pause(self) -> None:
        """Hold the picture, or go on."""
        self._is_paused = not self._is_paused
        latest = cast("TopApp", self.app).frame
        if not self._is_paused and latest is not None:
            self.show(latest)
        self._draw()

    def action_help(self) -> None:
        """Show the keys."""
        self.app.push_screen(HelpScreen())

    def on_click(self, event: events.Click) -> None:
        """Move the cursor to what is clicked at; twice opens it."""
        grid = self.query_one("#grid")
        if event.widget is not grid:
            return
        y = self._first + event.y
        number = self._map.at(event.x, y) if self._is_map else y
        if number is not None and 0 <= number < len(self._rows):
            self._go(number)
            if event.chain > 1:
                self.action_open()

    def on_mouse_scroll_down(self) -> None:
        """Scroll by the wheel."""
        self.action_move(0, 1)

    def on_mouse_scroll_up(self) -> None:
        """Scroll by the wheel."""
        self.action_move(0, -1)

    # ---- the picture ------------------------------------------------------------------------------------------------

    @property
    def _height(self) -> int:
        return self.query_one("#grid").size.height

    def _close_filter(self) -> None:
        self.query_one("#filter").display = False
        self.query_one("#keys").display = True
        self.set_focus(None)

    def _choose(self, choice: Choice) -> None:
        self._choice = choice
        if self._kept is None:
            self._current = self._first = 0
        self._put_in_order()

    def _go(self, number: int) -> None:
        self._current = min(max(number, 0), max(0, len(self._rows) - 1))
        self._kept = self._rows[self._current].name if self._rows and self._current else None
        self._draw()

    def _put_in_order(self) -> None:
        """Put the rows in order anew; the cursor stays on its process."""
        if self._frame is None or not self.is_mounted:
            return
        choice = replace(self._choice, order=Order.RANK, is_reversed=False) if self._is_map else self._choice
        rows = arranged(self._frame.rows, choice, self._frame.now_ns)
        self._rows = by_node(rows) if self._is_map else rows
        if self._is_map:
            self._map = laid_out(self._rows, self.size.width, self._height)
        else:
            self._columns = chosen_columns(self._frame.rows, self.size.width)
        places = {row.name: number for number, row in enumerate(self._rows)}
        kept = places.get(self._kept or "", self._current if self._kept else 0)
        self._current = min(kept, max(0, len(self._rows) - 1))
        self._draw()

    def _draw(self) -> None:
        frame, width = self._frame, self.size.width
        if not self.is_mounted or not width:
            return
        if frame is None:
            self.query_one("#heading", Canvas).draw_all([plain("reading the run …")])
            return
        self.query_one("#heading", Canvas).draw_all(heading(frame, width))
        self.query_one("#banner", Canvas).draw_all(banner(frame.verdict, width))
        lines = restriction(self._choice, len(self._rows), len(frame.rows), width)
        self.query_one("#restriction", Canvas).draw_all(lines)
        current = self._rows[self._current] if self._rows else None
        self.query_one("#detail", Canvas).draw(detail(current, frame.now_ns, width))
        right = "paused" if self._is_paused else "seeking why …" if frame.is_judging and frame.verdict is None else ""
        keys = [*KEYS[:5], ("v", "verdict"), *KEYS[5:]] if frame.verdict is not None else KEYS
        self.query_one("#keys", Canvas).draw([key_line(keys, width, right)])
        self._draw_grid(frame, width)

    def _draw_grid(self, frame: Frame, width: int) -> None:
        height = max(1, self._height)
        y = self._map.places[self._current].y if self._is_map and self._rows else self._current
        total = self._map.height if self._is_map else len(self._rows)
        self._first = min(max(self._first, y - height + 1, 0), y, max(0, total - height))
        titles: list[Line] = []
        if self._is_map:
            titles = [legend(frame, self._first, height, total, width)]
            lines = map_lines(self._rows, self._map, frame.now_ns, self._current, self._first, height)
            seen: Sequence[Row] = self._rows[self._current : self._current + 1]
        else:
            shown = self._columns
            seen = self._rows[self._first : self._first + height]
            titles = [head(shown, self._choice, width)]
            lines = [
                row_line(row, shown, frame.now_ns, width, number == self._current)
                for number, row in enumerate(seen, self._first)
            ]
        if not self._rows:
            titles, lines = [], [plain("nothing matches; esc shows all" if frame.rows else "")]
        self.query_one("#head", Canvas).draw_all(titles)
        self.query_one("#grid", Canvas).draw(lines)
        self._watcher.see(frozenset(row.name for row in seen))
