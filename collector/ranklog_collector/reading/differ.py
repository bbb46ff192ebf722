"""Comparing what one rank said with what another one did, or with what most of them did."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from ranklog_collector.core.alike import Template, template
from ranklog_collector.core.parting import Parting
from ranklog_collector.reading.folder import ReadingError, RunFolder
from ranklog_collector.reading.logs import LogReader
from ranklog_collector.reading.merge import lines
from ranklog_collector.reading.select import Selection, chosen

HEAD_LINES = 200
"""By so many first lines it is told which ranks are alike."""


def parting(folder: RunFolder, selection: Selection, left: int, right: int) -> Parting:
    """Compare the output of two ranks. Raises ReadingError if one of them has none."""
    return Parting(_said(folder, selection, left), _said(folder, selection, right))


def most(folder: RunFolder, selection: Selection, but: int) -> tuple[int, int, int]:
    """Find a rank that stands for most of the others; returns it, how many begin as it does, and how many there are.

    Raises ReadingError if there are no others.
    """
    ranks = {source.rank for source in chosen(folder.state, selection)} - {None, but}
    alike: dict[tuple[Template, ...], list[int]] = defaultdict(list)
    for rank in sorted(rank for rank in ranks if rank is not None):
        head = tuple(template(text) for text in islice(_said(folder, selection, rank), HEAD_LINES))
        alike[head].append(rank)
    if not alike:
        raise ReadingError(f"rank {but} cannot be compared: no other rank has output")
    largest = max(alike.values(), key=len)
    return largest[0], len(largest), len(ranks)


def _said(folder: RunFolder, selection: Selection, rank: int) -> Iterator[bytes]:
    reader = LogReader(folder, replace(selection, ranks=(range(rank, rank + 1),)))
    if not reader.sources:
        raise ReadingError(f"rank {rank} has no output; ranklog ps shows the ranks")
    return (text for block in reader.read() for _, text in lines(block))
