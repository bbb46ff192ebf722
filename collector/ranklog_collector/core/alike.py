"""Lines that are alike but for numbers: what they have in common, and between what and what they differ. Pure."""

from __future__ import annotations

import re

_TOKEN = re.compile(
    rb"""
    (?P<kept>
        \x1b\[[0-9;:]*m                                             # a colour
      | \b(?i:steps?|epochs?|iter|iteration|batch|round|tick|line|signal|code|status|errno|error|version|attempt)
        ["']?[\ =:\#\[(]{1,3}\d[\d,/]*                              # says what, not how much
      | \.(?:py|cc|cpp|cxx|cu|cuh|c|h|hpp|rs|go|java|jl|f90):\d+    # a line of a program
      | \b[45]\d\d\b(?=\ [A-Z])                                     # a status of HTTP
    )
  | (?P<time>
        \d{4}-\d\d-\d\d(?:[T\ ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?)?
      | \d\d:\d\d:\d\d(?:[.,]\d+)?
    )
  | (?P<name>
        [0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}
      | 0x[0-9a-fA-F]+
      | \d+(?:\.\d+){2,}
      | \b(?=[0-9a-f]*[a-f])(?=[a-f]*\d)[0-9a-f]{7,64}\b
    )
  | (?P<number> (?:(?<=[\s=:(\[,|])[-+])? \d+(?:\.\d+)?(?:[eE][-+]?\d+)? )
    """,
    re.VERBOSE,
)
_HOLES = {"time": b"\0t", "name": b"\0x", "number": b"\0n"}
_SPREAD = "…".encode()
_DIGITS_MAX = 300


def template(text: bytes) -> bytes:
    """What is left of a text without its numbers: the same for all that are alike."""
    return _TOKEN.sub(_hole, text)


def _hole(found: re.Match[bytes]) -> bytes:
    return found[0] if found.lastgroup == "kept" else _HOLES[str(found.lastgroup)]


class Spread:
    """Texts that are alike, as one: `{least…most}` where their numbers differ."""

    def __init__(self, text: bytes) -> None:
        self._text = text
        self._kinds, least = _fields(text)
        self._least, self._most = least, list(least)

    def add(self, text: bytes) -> None:
        """Take in another text of the same template."""
        _, fields = _fields(text)
        for index, (kind, field) in enumerate(zip(self._kinds, fields, strict=True)):
            if _order(kind, field) < _order(kind, self._least[index]):
                self._least[index] = field
            elif _order(kind, field) > _order(kind, self._most[index]):
                self._most[index] = field

    def text(self) -> bytes:
        """All of them as one text."""
        spans = iter(zip(self._kinds, self._least, self._most, strict=True))
        return _TOKEN.sub(lambda found: found[0] if found.lastgroup == "kept" else _between(*next(spans)), self._text)


def _fields(text: bytes) -> tuple[list[str], list[bytes]]:
    found = [one for one in _TOKEN.finditer(text) if one.lastgroup != "kept"]
    return [str(one.lastgroup) for one in found], [one[0] for one in found]


def _order(kind: str, field: bytes) -> tuple[float, bytes]:
    return (float(field[:_DIGITS_MAX]) if kind == "number" else 0.0, field)


def _between(kind: str, least: bytes, most: bytes) -> bytes:
    if least == most:
        return least
    if kind == "time":
        return least + _SPREAD
    if least.startswith(b"0x"):
        return b"0x" + _SPREAD
    return b"{%b%b%b}" % (least, _SPREAD, most)
