"""Consoles and container logs, read piece by piece: whose, to which stream, when."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ranklog_collector.importing.formats import cri, tags
from ranklog_collector.importing.formats.found import File
from ranklog_collector.importing.gather import read
from ranklog_collector.importing.model import Coding


@dataclass(frozen=True, slots=True)
class Timed:
    """A piece of a console, with the time that its container runtime gave it."""

    rank: int | None
    stream: str
    data: bytes
    time_ns: int | None
    local_ns: int | None


def pieces(
    files: Sequence[File],
    coding: Coding,
    style: tags.Style | None,
    failed: Callable[[File, OSError], None],
    nodes: dict[int, str] | None = None,
    pids: dict[int, int] | None = None,
) -> Iterator[Timed]:
    """Read files as one console; what cannot be read is told to `failed`, and the next file goes on.

    `nodes` and `pids` are given what the tags tell of each rank.
    """
    taggers: dict[str, tags.Tagged] = {}
    for stream, data, time_ns in _texts(files, coding, failed):
        if style is None:
            yield Timed(None, stream, data, time_ns, None)
            continue
        tagger = taggers.setdefault(stream, tags.Tagged(style))
        for piece in tagger.feed(data):
            yield Timed(piece.rank, _stream(stream, piece.stream), piece.data, time_ns, piece.local_ns)
    for stream, tagger in taggers.items():
        for piece in tagger.finish():
            yield Timed(piece.rank, _stream(stream, piece.stream), piece.data, None, piece.local_ns)
        if nodes is not None and pids is not None:
            nodes |= tagger.nodes
            pids |= tagger.pids


def _stream(outer: str, inner: str) -> str:
    return outer if inner == "stdout" else inner


def _texts(
    files: Sequence[File], coding: Coding, failed: Callable[[File, OSError], None]
) -> Iterator[tuple[str, bytes, int | None]]:
    decoder = cri.Decoder()
    for file in files:
        try:
            for data in read(file):
                if coding is Coding.PLAIN:
                    yield "stdout", data, None
                else:
                    for text in decoder.feed(data):
                        yield text.stream, text.data, text.time_ns
        except OSError as error:
            failed(file, error)
    for text in decoder.finish():
        yield text.stream, text.data, text.time_ns
