"""Lines that are alike but for numbers: what they have in common, and between what and what they differ. Pure."""

from __future__ import annotations

import re
from functools import lru_cache

_TOKEN = re.compile(
    rb"""
    (?=[\x1b0-9a-fA-F+-])                                         # most of a text is soon passed over
    (?:
        ( \x1b\[[0-9;:]*m )                                       # a colour
      | ( \d{4}-\d\d-\d\d(?:[T\ ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?)? | \d\d:\d\d:\d\d(?:[.,]\d+)? )
      | ( 0x[0-9a-fA-F]+
        | \d+(?:\.\d+){2,}
        | [0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}
        | (?:\d(?<!\w\w)(?=\d*[a-f])|[a-f](?<!\w\w)(?=[a-f]*\d))[0-9a-f]{6,63}(?!\w) )
      | ( (?:[-+](?<=[\s=:(\[,|][-+]))?\d+(?:\.\d+)?(?:[eE][-+]?\d+)? )
    )
    """,
    re.VERBOSE,
)
_SAYS_WHICH = re.compile(
    rb"""
      \b(?i:steps?|epochs?|iter|iteration|batch|round|tick|line|signal|code|status|errno|error|version|attempt)
      ["']?[\ =:\#\[(]{1,3}$
    | \.(?:py|cc|cpp|cxx|cu|cuh|c|h|hpp|rs|go|java|jl|f90):$     # a line of a program
    """,
    re.VERBOSE,
)
"""Before a number that says which, not how much."""
_STEP = re.compile(rb"""\b(?i:steps?|epochs?|iter|iteration|batch|round|tick)["']?[\ =:\#\[(]{1,3}\d""")
_GROUPS = 5
"""Parts of a text that was split: what stands between, kept, time, name, number; and so on, and what stands last."""
_KEPT, _TIME, _NUMBER = 1, 2, 4
_DIGITS_MAX = 300
_WORD_MAX = 20
_TO = "…".encode()

Parts = list["bytes | None"]
Template = tuple[object, ...]


def parts_of(text: bytes) -> Parts:
    """Take a text apart."""
    parts = _TOKEN.split(text)
    for index in range(_NUMBER, len(parts), _GROUPS):
        before = parts[index - _NUMBER]
        if before and parts[index] is not None and _says_which(before):
            parts[index - _NUMBER + _KEPT], parts[index] = parts[index], None
    return parts


@lru_cache(4096)
def _says_which(before: bytes) -> bool:
    return _SAYS_WHICH.search(before[-_WORD_MAX:]) is not None


def template_of(parts: Parts) -> Template:
    """What is left of a text without its numbers: the same for all that are alike."""
    kinds = [[part is None for part in parts[kind::_GROUPS]] for kind in range(_TIME, _NUMBER)]
    return (*parts[::_GROUPS], *parts[_KEPT::_GROUPS], *kinds[0], *kinds[1])


def template(text: bytes) -> Template:
    """See template_of."""
    return template_of(parts_of(text))


def says_step(text: bytes) -> bool:
    """Whether it says how far its rank is."""
    return _STEP.search(text) is not None


class Spread:
    """Texts that are alike, as one: `{least…most}` where their numbers differ."""

    def __init__(self, parts: Parts) -> None:
        self._first = parts
        self._between: dict[int, tuple[_Order, _Order]] = {}

    def add(self, parts: Parts) -> None:
        """Take in another text of the same template."""
        between = self._between
        for index, (first, part) in enumerate(zip(self._first, parts, strict=True)):
            if first != part and first is not None and part is not None:
                order, known = _order(index, part), between.get(index)
                least, most = known or (_order(index, first),) * 2
                between[index] = (min(least, order), max(most, order))

    def text(self) -> bytes:
        """All of them as one text."""
        shown = list(self._first)
        for index, ((_, least), (_, most)) in self._between.items():
            shown[index] = _from_to(index % _GROUPS, least, most)
        return b"".join([part for part in shown if part is not None])


_Order = tuple[float, bytes]


def _order(index: int, field: bytes) -> _Order:
    return (float(field[:_DIGITS_MAX]) if index % _GROUPS == _NUMBER else 0.0, field)


def _from_to(kind: int, least: bytes, most: bytes) -> bytes:
    if kind == _TIME:
        return least + _TO
    if least.startswith(b"0x"):
        return b"0x" + _TO
    return b"{%b%b%b}" % (least, _TO, most)
