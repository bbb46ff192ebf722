"""The keys."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from ranklog_collector.top.frame import Mark
from ranklog_collector.top.screens.text import TextScreen
from ranklog_collector.top.spans import Line, Span, line
from ranklog_collector.top.words import LOOKS, MARKS, SHADES

_PARTS = (
    (
        "Processes",
        (
            ("↑ ↓ ← →  k j h l", "move; PgUp, PgDn, Space and b by a page, Home, End, g and G to the ends"),
            ("Enter  o", "the log of the process under the cursor"),
            ("m  Tab", "a map with a cell for each process, or the table"),
            ("s S  < >", "order by rank, age of the last line, step, CPU, memory or state; r turns it round"),
            ("/  f", "show only some: a node, a state, ranks such as 0-7,12; !word: all but these; Esc: all"),
            ("x", "show only what stands out: failed, lost, silent, behind, or named by the verdict"),
            ("n N", "to the next process that stands out, or the one before"),
            ("v", "why: the verdict, with its evidence"),
            ("i", "the run: nodes, gaps, clocks"),
            ("p", "hold the picture"),
            ("t", "light or dark"),
            ("q", "quit"),
        ),
    ),
    (
        "Log",
        (
            ("↑ ↓ PgUp PgDn g G", "scroll; at the end new lines are followed (f)"),
            ("← →  h l", "sideways"),
            ("/", "search a text; capitals matter if there are some; n and N: the next one, the one before"),
            ("Tab", "the next file of this process"),
            ("[ ]", "the log of the process before, of the next one"),
            ("Esc  q", "back"),
        ),
    ),
)
_KEY_WIDTH = 20


class HelpScreen(TextScreen):
    """What can be pressed, and what is to be seen."""

    NAME = "ranklog top"

    def texts(self, width: int) -> Sequence[Line]:
        """All keys and all symbols."""
        lines: list[Line] = []
        for title, keys in _PARTS:
            lines.append(line(Span(title, "title")))
            for key, what in keys:
                words = _wrapped(what, width - _KEY_WIDTH - 2)
                lines.append(line("  ", Span(key.ljust(_KEY_WIDTH - 2), "key"), words[0]))
                lines += [line(" " * _KEY_WIDTH, word) for word in words[1:]]
            lines.append(Line())
        lines.append(line(Span("Symbols", "title"), Span("  in the table, and in the map", "dim")))
        for state, look in LOOKS.items():
            lines.append(
                line("  ", Span(f"{look.symbol} {look.word:<10} {look.letter}", look.tone), f"    {state.value}")
            )
        meanings = {
            Mark.SILENT: "the others have spoken since it last did, by far",
            Mark.BEHIND: "its step is behind that of the others, by far",
        }
        for mark, look in MARKS.items():
            lines.append(
                line("  ", Span(f"{look.symbol} {look.word:<10} {look.letter}", look.tone), f"    {meanings[mark]}")
            )
        shades = [Span(f"{shade} ", f"heat{degree}") for degree, shade in enumerate(SHADES)]
        lines.append(
            line("  ", *shades, "     runs, and has said nothing for up to 10 s, 1 min, 5 min, 30 min, longer")
        )
        return lines


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, max(20, width)) or [""]
