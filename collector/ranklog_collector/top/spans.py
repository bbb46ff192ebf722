"""Lines of text in tones: what is to be drawn, without saying how. Pure.

A tone is a meaning, such as `failed` or `dim`; the style sheet gives it a colour.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size

from ranklog_collector.reading.text import printable, shown

TONES = (
    *("plain", "strong", "dim", "key", "title", "head", "bar"),
    *("good", "running", "completed", "failed", "terminated", "lost", "notstarted"),
    *("warning", "alarm", "suspect", "culprit", "heat0", "heat1", "heat2", "heat3", "heat4"),
    *("cursor", "current", "found"),
)
ELLIPSIS = "…"
_TAB = 8


class Span(NamedTuple):
    """Some text in a tone."""

    text: str
    tone: str = "plain"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the screen; its ground is the tone of the whole width."""

    spans: tuple[Span, ...] = ()
    ground: str = "plain"

    @property
    def text(self) -> str:
        """What it says."""
        return "".join(span.text for span in self.spans)

    @property
    def width(self) -> int:
        """How many columns it takes."""
        return sum(columns(span.text) for span in self.spans)


def line(*spans: Span | str, ground: str = "plain") -> Line:
    """Make a line of spans; of a mere text in the plain tone."""
    return Line(tuple(Span(one) if isinstance(one, str) else one for one in spans), ground)


def columns(text: str) -> int:
    """How many columns of a terminal a text takes."""
    return len(text) if text.isascii() else cell_len(text)


def fitted(text: str, width: int, is_right: bool = False) -> str:
    """Make a text exactly so wide; what does not fit is cut, and the cut is shown."""
    wide = columns(text)
    if wide > width:
        return set_cell_size(text, max(0, width - 1)) + ELLIPSIS if width > 0 else ""
    return " " * (width - wide) + text if is_right else text + " " * (width - wide)


def cut(spans: Iterable[Span], width: int) -> tuple[Span, ...]:
    """Keep what fits into the width; the cut is shown."""
    kept: list[Span] = []
    room = width
    for span in spans:
        wide = columns(span.text)
        if wide > room:
            kept.append(Span(fitted(span.text, room), span.tone))
            break
        kept.append(span)
        room -= wide
    return tuple(kept)


def spread(left: Iterable[Span], right: Iterable[Span], width: int) -> tuple[Span, ...]:
    """Put some spans to the left and some to the right; if there is no room for both, the left ones are cut."""
    end = cut(right, width)
    taken = sum(columns(span.text) for span in end)
    begin = cut(left, max(0, width - taken - 1)) if taken else cut(left, width)
    gap = width - taken - sum(columns(span.text) for span in begin)
    return (*begin, Span(" " * max(0, gap)), *end)


def harmless(text: str) -> str:
    """Make a line of output fit for a screen of cells: nothing that moves, hides or turns what stands beside it."""
    return printable(text.expandtabs(_TAB))


def shown_lines(data: bytes) -> list[str]:
    """What whole lines of output look like."""
    return [harmless(text.decode(errors="replace")) for text in shown(data).split(b"\n")]
