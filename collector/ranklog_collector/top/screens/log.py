"""The log of one process: followed, scrolled, searched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Input

from ranklog_collector.reading.folder import ReadingError, RunFolder
from ranklog_collector.reading.processes import ProcessState
from ranklog_collector.reading.text import printable
from ranklog_collector.reading.times import bytes_text
from ranklog_collector.top.canvas import Canvas
from ranklog_collector.top.frame import Frame, Row
from ranklog_collector.top.heading import key_line
from ranklog_collector.top.log import File, Move, Search, Turn, files_of, turned
from ranklog_collector.top.pager import Page
from ranklog_collector.top.spans import Line, Span, line, spread
from ranklog_collector.top.watch import Watcher
from ranklog_collector.top.words import age_text, look_of

SIDEWAYS = 8
_KEYS = (
    ("esc", "back"),
    ("f", "follow"),
    ("/", "search"),
    ("n", "next"),
    ("←→", "sideways"),
    ("tab", "file"),
    ("[ ]", "process"),
)


class LogScreen(Screen[None]):
    """What a process has said."""

    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j,enter", "scroll_by(1)", show=False),
        Binding("up,k", "scroll_by(-1)", show=False),
        Binding("pagedown,space,ctrl+f", "scroll_page(1)", show=False),
        Binding("pageup,b,ctrl+b", "scroll_page(-1)", show=False),
        Binding("home,g", "begin", show=False),
        Binding("end,G,f", "follow", show=False),
        Binding("right,l", "sideways(1)", show=False),
        Binding("left,h", "sideways(-1)", show=False),
        Binding("slash", "ask_search", show=False),
        Binding("n", "again(False)", show=False),
        Binding("N", "again(True)", show=False),
        Binding("tab", "next_file", show=False),
        Binding("right_square_bracket", "next_process(1)", show=False),
        Binding("left_square_bracket", "next_process(-1)", show=False),
        Binding("escape,q", "leave", show=False),
    ]

    class PageCame(Message):
        """A page has been read; or why not."""

        def __init__(self, wish: int, page: Page | str) -> None:
            super().__init__()
            self.wish, self.page = wish, page

    class FilesCame(Message):
        """The process's files are known."""

        def __init__(self, name: str, files: list[File]) -> None:
            super().__init__()
            self.name, self.files = name, files

    class Found(Message):
        """A portion has been searched."""

        def __init__(self, search: Search, offset: int | None, is_over: bool) -> None:
            super().__init__()
            self.search, self.offset, self.is_over = search, offset, is_over

    def __init__(self, watcher: Watcher, rows: Sequence[Row], number: int) -> None:
        super().__init__()
        self._watcher = watcher
        self._rows = rows
        self._number = number
        self._now_ns = 0
        self._files: list[File] = []
        self._file = 0
        self._page = Page(0, (), (), 0)
        self._wish = 0
        self._follows = True
        self._left = 0
        self._says = ""
        self._text = ""
        self._hit: int | None = None
        self._search: Search | None = None

    def compose(self) -> ComposeResult:
        """Whose log it is, the log, the keys."""
        yield Canvas("title")
        yield Canvas("body")
        yield Input(placeholder="text to search for", id="search")
        yield Canvas("keys")

    def on_mount(self) -> None:
        """Ask for the files."""
        self.query_one("#search").display = False
        self._open()

    def show(self, frame: Frame) -> None:
        """Follow the process, and its state."""
        rows = {row.name: row for row in frame.rows}
        self._rows = [rows.get(row.name, row) for row in self._rows]
        self._now_ns = frame.now_ns
        if not self._files:
            self._ask_files()
        elif self._follows:
            self._ask(Move(Turn.END))
        self._draw()

    def on_resize(self, event: events.Resize) -> None:
        """Fill the new size."""
        self.call_after_refresh(self._fill)

    # ---- keys -------------------------------------------------------------------------------------------------------

    def action_scroll_by(self, lines: int) -> None:
        """Scroll; what is scrolled is not followed."""
        self._follows = False
        self._ask(Move(Turn.BY_LINES, self._page.top, lines))

    def action_scroll_page(self, pages: int) -> None:
        """Scroll by as much as is to be seen."""
        self.action_scroll_by(pages * max(1, self._height - 1))

    def action_begin(self) -> None:
        """Go to the first line."""
        self._follows = False
        self._ask(Move(Turn.BEGIN))

    def action_follow(self) -> None:
        """Go to the last line, and stay there."""
        self._follows = True
        self._ask(Move(Turn.END))

    def action_sideways(self, by: int) -> None:
        """Show what is further to the right, or to the left."""
        self._left = max(0, self._left + by * SIDEWAYS)
        self._draw()

    def action_next_file(self) -> None:
        """Read the next file of the process."""
        if len(self._files) > 1:
            self._file = (self._file + 1) % len(self._files)
            self._from_the_end()

    def action_next_process(self, by: int) -> None:
        """Read the log of the next process."""
        number = self._number + by
        if 0 <= number < len(self._rows):
            self._number = number
            self._open()

    def action_ask_search(self) -> None:
        """Ask what to search for."""
        asked = self.query_one("#search", Input)
        asked.value = ""
        asked.display = True
        self.query_one("#keys").display = False
        asked.focus()

    @on(Input.Submitted, "#search")
    def _search_asked(self, event: Input.Submitted) -> None:
        self._close_search()
        self._text = event.value or self._text
        if self._text:
            page = self._page
            # What is at the end of the file is most likely what is looked for.
            self._seek(page.ends[-1] if self._follows and page.ends else page.top, is_back=self._follows)

    def action_again(self, is_back: bool) -> None:
        """Go to the next line with the text, or to the one before."""
        if self._text and self._hit is not None:
            self._seek(self._hit if is_back else self._after_hit(), is_back)

    def action_leave(self) -> None:
        """Go back; or only out of the search."""
        if self.query_one("#search").display:
            self._close_search()
        else:
            self.app.pop_screen()

    def on_mouse_scroll_down(self) -> None:
        """Scroll by the wheel."""
        self.action_scroll_by(3)

    def on_mouse_scroll_up(self) -> None:
        """Scroll by the wheel."""
        self.action_scroll_by(-3)

    # ---- asking -----------------------------------------------------------------------------------------------------

    @property
    def _row(self) -> Row:
        return self._rows[self._number]

    @property
    def _height(self) -> int:
        return max(1, self.query_one("#body").size.height)

    def _open(self) -> None:
        """Begin with another process."""
        self._files, self._file = [], 0
        self._ask_files()
        self._from_the_end()

    def _from_the_end(self) -> None:
        self._page, self._hit, self._search, self._says, self._left = Page(0, (), (), 0), None, None, "", 0
        self._follows = True
        self._ask(Move(Turn.END))
        self._draw()

    def _fill(self) -> None:
        self._ask(Move(Turn.END) if self._follows else Move(Turn.STAY, self._page.top))

    def _ask_files(self) -> None:
        row = self._row
        self._watcher.ask(
            lambda folder: files_of(folder, row), lambda files: self._post(self.FilesCame(row.name, files))
        )

    def _ask(self, move: Move) -> None:
        """Wish for a page; only the latest wish counts."""
        if not self._files:
            return
        self._wish += 1
        wish, number, height = self._wish, self._files[self._file].stream, self._height

        def read(folder: RunFolder) -> Page | str:
            try:
                return turned(folder, number, move, height)
            except (OSError, ReadingError) as error:
                return getattr(error, "strerror", None) or str(error)

        self._watcher.ask(read, lambda page: self._post(self.PageCame(wish, page)))

    def _seek(self, start: int, is_back: bool) -> None:
        if self._files:
            self._says = f"searching {printable(self._text)} …"
            self._search = Search(self._files[self._file].stream, self._text, start, is_back)
            self._go_on(self._search)
            self._draw()

    def _go_on(self, search: Search) -> None:
        self._watcher.ask(search.step, lambda found: self._post(self.Found(search, *found)))

    def _after_hit(self) -> int:
        page = self._page
        begins = (page.top, *page.ends)
        return next((end for begin, end in zip(begins, page.ends, strict=False) if begin == self._hit), page.top)

    def _post(self, message: Message) -> None:
        """From the watcher's thread: what comes after the screen was left is for nobody."""
        if self.is_running:
            self.post_message(message)

    # ---- answers ----------------------------------------------------------------------------------------------------

    def on_log_screen_files_came(self, message: FilesCame) -> None:
        """Read the first of them."""
        if message.name == self._row.name and message.files:
            self._files = message.files
            self._fill()
        self._draw()

    def on_log_screen_page_came(self, message: PageCame) -> None:
        """Show it, unless something else has been wished for meanwhile."""
        if message.wish != self._wish:
            return
        if isinstance(message.page, str):
            self._says = f"it cannot be read: {message.page}"
        else:
            self._page = message.page
        self._draw()

    def on_log_screen_found(self, message: Found) -> None:
        """Show the line, or search on."""
        if message.search is not self._search:
            return
        if message.offset is not None:
            wrapped = ", from the other end" if message.search.is_wrapped else ""
            self._says = f"{printable(self._text)}{wrapped}"
            self._hit, self._follows = message.offset, False
            self._ask(Move(Turn.TO, by=message.offset))
        elif message.is_over:
            self._says = f"{printable(self._text)} is nowhere in this file"
        else:
            self._go_on(message.search)
        self._draw()

    # ---- the picture ------------------------------------------------------------------------------------------------

    def _close_search(self) -> None:
        self.query_one("#search").display = False
        self.query_one("#keys").display = True
        self.set_focus(None)

    def _draw(self) -> None:
        if not self.is_mounted:
            return
        width = self.size.width
        self.query_one("#title", Canvas).draw(self._title(width))
        page = self._page
        begins = (page.top, *page.ends)
        lines = [
            Line(highlighted(text[self._left :], self._text), "current" if begin == self._hit else "plain")
            for text, begin in zip(page.lines, begins, strict=False)
        ]
        if not lines:
            lines = [line(Span("it has said nothing" if self._page.size == 0 else "", "dim"))]
        self.query_one("#body", Canvas).draw(lines)
        keys = [key for key in _KEYS if key[0] != "tab" or len(self._files) > 1]
        self.query_one("#keys", Canvas).draw([key_line(keys, width, self._says or self._where())])

    def _title(self, width: int) -> list[Line]:
        row = self._row
        look = look_of(row)
        name = row.label if row.is_launcher or row.rank is None else f"rank {row.label}"
        exit_text = f" {row.exit}" if row.exit not in ("", "0") else ""
        age = age_text(row, self._now_ns) if self._now_ns else ""
        file = self._files[self._file] if self._files else None
        left = [
            Span(printable(name), "title"),
            Span(f"  {look.symbol} {look.word}{exit_text}", look.tone),
            Span(f"  {printable(row.hostname or row.node)}  {row.ip}", "dim"),
        ]
        path = "" if file is None else printable(file.path)
        of_many = f" ({self._file + 1} of {len(self._files)})" if len(self._files) > 1 else ""
        spoke = "" if not age else "  spoke now" if age == "now" else f"  spoke {age} ago"
        return [
            Line(spread(left, [Span(spoke.strip(), "dim")], width), ground="bar"),
            Line(spread([Span(path + of_many, "dim")], [Span(bytes_text(self._page.size), "dim")], width)),
        ]

    def _where(self) -> str:
        if self._follows:
            return "following" if self._row.state is ProcessState.RUNNING else "end"
        page = self._page
        share = 100 * (page.ends[-1] if page.ends else 0) // max(1, page.size)
        return f"{share}%" + (f" +{self._left}" if self._left else "")


def highlighted(text: str, wanted: str) -> tuple[Span, ...]:
    """A line in which a text is to be seen at a glance."""
    if not wanted:
        return (Span(text),)
    within = text if wanted != wanted.lower() else text.lower()
    spans: list[Span] = []
    at = 0
    # Lower case may be longer than what it was made of; then places do not agree.
    while len(within) == len(text) and (found := within.find(wanted, at)) >= 0:
        spans += [Span(text[at:found]), Span(text[found : found + len(wanted)], "found")]
        at = found + len(wanted)
    return (*spans, Span(text[at:]))
