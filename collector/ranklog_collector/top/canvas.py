"""Where lines are drawn: a widget that draws again only the cells that have changed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from ranklog_collector.top.spans import TONES, Line, Span, columns, cut

_EMPTY = Line()


class Canvas(Widget):
    """Some lines, from the top; what lies below them is empty."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"canvas--{tone}" for tone in TONES}
    ALLOW_SELECT = False

    def __init__(self, id: str | None = None) -> None:  # noqa: A002 - as textual has it
        super().__init__(id=id)
        self._lines: Sequence[Line] = ()
        self._styles: dict[tuple[str, str], Style] = {}

    def draw(self, lines: Sequence[Line]) -> None:
        """Show these lines."""
        former, self._lines = self._lines, lines
        regions = [
            region
            for y, (old, new) in enumerate(zip_longest(former, lines, fillvalue=_EMPTY))
            if old != new and (region := self._changed(y, old, new)) is not None
        ]
        if regions:
            self.refresh(*regions)

    def draw_all(self, lines: Sequence[Line]) -> None:
        """Show these lines, and be as high as they are many."""
        if len(lines) != self.size.height or self.display != bool(lines):
            self.styles.height = len(lines)
            self.display = bool(lines)
        self.draw(lines)

    def render_line(self, y: int) -> Strip:
        """One line, as wide as the widget."""
        width = self.size.width
        shown = self._lines[y] if y < len(self._lines) else _EMPTY
        spans = cut(shown.spans, width)
        segments = [Segment(span.text, self._style(shown.ground, span.tone)) for span in spans]
        room = width - sum(columns(span.text) for span in spans)
        if room > 0:
            segments.append(Segment(" " * room, self._style(shown.ground, "plain")))
        return Strip(segments, width)

    def notify_style_update(self) -> None:
        """Take in another theme."""
        self._styles.clear()
        super().notify_style_update()

    def _style(self, ground: str, tone: str) -> Style:
        style = self._styles.get((ground, tone))
        if style is None:
            style = self.rich_style
            for name in dict.fromkeys((ground, tone)):
                style += self.get_component_rich_style(f"canvas--{name}", partial=True)
            self._styles[ground, tone] = style
        return style

    def _changed(self, y: int, old: Line, new: Line) -> Region | None:
        """The part of a line that is another one now."""
        width, height = self.size
        if y >= height or width <= 0:
            return None
        if old.ground != new.ground:
            return Region(0, y, width, 1)
        begin = _common(old.spans, new.spans)
        if old.width != new.width:
            return _clipped(begin, y, width, width)
        end = _common(old.spans[::-1], new.spans[::-1])
        return _clipped(begin, y, new.width - end, width)


def _common(old: Sequence[Span], new: Sequence[Span]) -> int:
    """How many columns are the same at the beginning."""
    same = 0
    for one, other in zip(old, new, strict=False):
        if one != other:
            break
        same += columns(one.text)
    return same


def _clipped(begin: int, y: int, end: int, width: int) -> Region | None:
    begin, end = max(0, begin), min(end, width)
    return Region(begin, y, end - begin, 1) if end > begin else None
