"""The processes as a map: a cell each, which stays in its place, node by node. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from ranklog_collector.reading.text import printable
from ranklog_collector.top.frame import Row
from ranklog_collector.top.spans import Line, Span, columns, fitted
from ranklog_collector.top.words import cell_of

LABEL_WIDTH_MAX = 16
GAP, NARROW_GAP = 3, 1
CELLS_MIN = 4
"""Nodes with fewer processes than this on average have no labels of their own: they would take all the room."""
_TENS = 10


@dataclass(frozen=True, slots=True)
class Place:
    """Where a cell is: its line, its column on the screen."""

    y: int
    x: int


@dataclass(frozen=True, slots=True)
class Group:
    """The label of cells that stand together behind it."""

    label: str
    y: int
    x: int


@dataclass(frozen=True, slots=True)
class Map:
    """Where everything is."""

    groups: tuple[Group, ...]
    places: tuple[Place, ...]
    """Of each row."""
    label_width: int
    height: int

    def at(self, x: int, y: int) -> int | None:
        """Which row is there."""
        found = {(place.y, place.x): row for row, place in enumerate(self.places)}
        return found.get((y, x))

    def moved(self, row: int, dx: int, dy: int) -> int:
        """The row that is one step away: beside another one in its order, or nearest to it above or below."""
        if not self.places:
            return 0
        if dx:
            return min(max(row + dx, 0), len(self.places) - 1)
        here = self.places[row]
        beyond = [number for number, place in enumerate(self.places) if (place.y - here.y) * dy > 0]
        if not beyond:
            return row
        nearest = min(abs(self.places[number].y - here.y - dy) for number in beyond)
        line = [number for number in beyond if abs(self.places[number].y - here.y - dy) == nearest]
        return min(line, key=lambda number: abs(self.places[number].x - here.x))


def by_node(rows: Sequence[Row]) -> list[Row]:
    """Put the job's processes in the order of the map: node after node, those of the lowest ranks first."""
    own = [row for row in rows if not row.is_launcher]
    order: dict[str, int] = {}
    for row in own:
        order.setdefault(row.node, len(order))
    return sorted(own, key=lambda row: (not row.node, order[row.node]))


def laid_out(rows: Sequence[Row], width: int, height: int | None = None) -> Map:
    """Give every row its place: nodes beside each other as there is room, or, of tiny nodes, ranks in lines.

    If that is higher than `height`, names are shortened to what tells the nodes apart, and stand closer.
    """
    nodes = [(name, list(members)) for name, members in groupby(range(len(rows)), key=lambda n: _node(rows[n]))]
    if len(rows) < CELLS_MIN * len(nodes):
        nodes = _lines_of_ranks(rows, width)
    members = [some for _, some in nodes]
    labels = [name for name, _ in nodes]
    wide = _placed(labels, members, width, GAP)
    if height is None or wide.height <= height:
        return wide
    narrow = _placed(_without_common_beginning(labels), members, width, NARROW_GAP)
    return narrow if narrow.height < wide.height else wide


def _placed(labels: Sequence[str], members: Sequence[Sequence[int]], width: int, gap: int) -> Map:
    label_width = min(LABEL_WIDTH_MAX, max([1, *map(columns, labels)]))
    longest = max([1, *map(len, members)])
    group_width = label_width + 1 + longest
    across = max(1, (width + gap) // (group_width + gap))
    in_line = max(1, min(longest, width - label_width - 1))
    groups, places, y = [], [Place(0, 0)] * sum(map(len, members)), 0
    for first in range(0, len(labels), across):
        tallest = 1
        for number, some in enumerate(members[first : first + across]):
            x = number * (group_width + gap)
            groups.append(Group(labels[first + number], y, x))
            for nth, row in enumerate(some):
                places[row] = Place(y + nth // in_line, x + label_width + 1 + nth % in_line)
            tallest = max(tallest, -(-len(some) // in_line))
        y += tallest
    return Map(tuple(groups), tuple(places), label_width, y)


def map_lines(rows: Sequence[Row], laid: Map, now_ns: int, current: int, first: int, height: int) -> list[Line]:
    """Draw so many lines of the map; the cell of the current row is shown as the cursor."""
    drawn: dict[int, dict[int, Span]] = {}
    for group in laid.groups:
        if first <= group.y < first + height:
            label = Span(fitted(group.label, laid.label_width, is_right=True), "dim")
            drawn.setdefault(group.y, {})[group.x] = label
    for number, place in enumerate(laid.places):
        if first <= place.y < first + height:
            cell = cell_of(rows[number], now_ns)
            drawn.setdefault(place.y, {})[place.x] = Span(cell.text, "cursor") if number == current else cell
    return [_joined(drawn.get(y, {})) for y in range(first, min(first + height, laid.height))]


def _joined(parts: dict[int, Span]) -> Line:
    """Put spans at their columns; equal neighbours become one."""
    spans: list[Span] = []
    at = 0
    for x in sorted(parts):
        span = parts[x]
        if x > at:
            spans.append(Span(" " * (x - at)))
        if spans and x == at and spans[-1].tone == span.tone:
            spans[-1] = Span(spans[-1].text + span.text, span.tone)
        else:
            spans.append(span)
        at = x + columns(span.text)
    return Line(tuple(spans))


def _without_common_beginning(labels: Sequence[str]) -> list[str]:
    """Leave out what all nodes' names begin with, but no digit of their numbers."""
    common = 0
    if len(labels) > 1:
        least, most = min(labels), max(labels)
        while common < len(least) and least[common] == most[common] and not least[common].isdigit():
            common += 1
    return [label[common:] for label in labels]


def _lines_of_ranks(rows: Sequence[Row], width: int) -> list[tuple[str, list[int]]]:
    """Cut the order of ranks into lines of a round length, labelled with their first."""
    label_width = max([1, *(columns(printable(row.label)) for row in rows)])
    length = max(1, width - min(label_width, LABEL_WIDTH_MAX) - 1)
    if length > _TENS:
        length = length // _TENS * _TENS
    return [
        (printable(rows[first].label), list(range(first, min(first + length, len(rows)))))
        for first in range(0, len(rows), length)
    ]


def _node(row: Row) -> str:
    return printable(row.hostname or row.node) or "unseen"
