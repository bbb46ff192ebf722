"""Text of a job made harmless and legible, for one line of a page or a terminal. Pure."""

from __future__ import annotations

import re

CUT = "…"
ESCAPES = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"  # titles, links
    r"|[\x1b\x9b]\[?[0-?]*[ -/]*[@-~]"  # colours, cursor moves, and the two-character ones
)
SIGNS = {
    **{code: chr(0x2400 + code) for code in range(0x20)},
    0x09: "\t",
    0x7F: "\u2421",
    **dict.fromkeys(range(0x80, 0xA0), "\ufffd"),
    # What turns the direction of the text that follows, or cannot be written in UTF-8.
    **dict.fromkeys((0x200E, 0x200F, 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A)), "\ufffd"),
    **dict.fromkeys(range(0xD800, 0xE000), "\ufffd"),
}


def line(text: str, characters_max: int) -> str:
    """What a line came to if it was redrawn, without colours; control characters become visible signs."""
    last = text.rstrip("\r\n").rpartition("\r")[2]
    # Colours take room that is not seen.
    return cut(ESCAPES.sub("", last[: 4 * characters_max]).translate(SIGNS), characters_max)


def name(text: object, characters_max: int = 200) -> str:
    """A name on one line; nothing for None."""
    return "" if text is None else cut(str(text)[: characters_max + 1].translate(SIGNS), characters_max)


def cut(text: str, characters_max: int) -> str:
    """A text that is not longer than that."""
    return text if len(text) <= characters_max else text[: characters_max - 1] + CUT
