"""Where two texts part ways, line by line, in bounded memory. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from ranklog_collector.core.alike import Template, template

WINDOW = 200
"""So many lines one side may have more than the other before they come together again."""
CONFIRMED = 3
"""So many lines must be alike again; a single one may be chance."""


class Line(NamedTuple):
    """A line and what is left of it without its numbers."""

    text: bytes
    key: Template


@dataclass(frozen=True, slots=True)
class Difference:
    """Lines that only one side has, or each its own."""

    common: tuple[tuple[bytes, bytes], ...]
    """The last lines before, which are alike: of each side."""
    left_line: int
    """Number of the first line on the left that differs, from 1."""
    right_line: int
    left: tuple[bytes, ...]
    right: tuple[bytes, ...]
    is_for_good: bool
    """Whether the two do not come together again within a window; then only the first lines of each side are given."""


@dataclass(slots=True)
class Parting:
    """Compares two texts. After `differences` has ended, or so far as it was read, `alike` counts lines."""

    left: Iterator[bytes]
    right: Iterator[bytes]
    context: int = 3
    alike: int = 0
    _one: deque[Line] = field(default_factory=deque)
    _other: deque[Line] = field(default_factory=deque)

    def differences(self) -> Iterator[Difference]:
        """Yield where the two differ, one place after another, until they end or part for good."""
        left_line = right_line = 1
        common: deque[tuple[bytes, bytes]] = deque(maxlen=self.context)
        one, other = self._one, self._other
        while self._fill(1):
            if one and other and one[0].key == other[0].key:
                common.append((one.popleft().text, other.popleft().text))
                self.alike += 1
                left_line, right_line = left_line + 1, right_line + 1
                continue
            self._fill(WINDOW)
            meeting = _meeting(list(one), list(other), len(one) < WINDOW and len(other) < WINDOW)
            left, right = meeting or (len(one), len(other))
            yield Difference(
                tuple(common),
                left_line,
                right_line,
                tuple(line.text for line in islice(one, left)),
                tuple(line.text for line in islice(other, right)),
                meeting is None,
            )
            if meeting is None:
                return
            for _ in range(left):
                one.popleft()
            for _ in range(right):
                other.popleft()
            common.clear()
            left_line, right_line = left_line + left, right_line + right

    def _fill(self, count: int) -> bool:
        for lines, source in ((self._one, self.left), (self._other, self.right)):
            if len(lines) < count:
                lines.extend(Line(text, template(text)) for text in islice(source, count - len(lines)))
        return bool(self._one or self._other)


def _meeting(one: list[Line], other: list[Line], are_all: bool) -> tuple[int, int] | None:
    """Find after how few lines of each side the two are alike again; `are_all` if nothing follows on either side."""
    places: dict[Template, list[int]] = {}
    for index, line in enumerate(other):
        places.setdefault(line.key, []).append(index)
    best = (len(one), len(other)) if are_all else None
    for index, line in enumerate(one):
        if best is not None and index >= sum(best):
            break
        for place in places.get(line.key, ()):
            if best is not None and index + place >= sum(best):
                break
            if _is_alike(one[index : index + CONFIRMED], other[place : place + CONFIRMED], are_all):
                best = (index, place)
                break
    return best


def _is_alike(one: Iterable[Line], other: Iterable[Line], are_all: bool) -> bool:
    left, right = [line.key for line in one], [line.key for line in other]
    if are_all and len(left) != len(right):
        short = min(len(left), len(right))
        return left[:short] == right[:short] and short > 0
    return left == right and bool(left)
