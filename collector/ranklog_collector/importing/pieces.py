"""Consoles and container logs, read piece by piece: whose, to which stream, when."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from ranklog_collector.importing.formats import cri, tags
from ranklog_collector.importing.formats.found import File
from ranklog_collector.importing.formats.xml_console import XmlConsole
from ranklog_collector.importing.gather import read
from ranklog_collector.importing.model import Coding


def pieces(
    files: Sequence[File],
    coding: Coding,
    style: tags.Style | None,
    failed: Callable[[File, OSError], None],
    nodes: dict[int, str] | None = None,
    pids: dict[int, int] | None = None,
) -> Iterator[tags.Piece]:
    """Read files as one console; what cannot be read is told to `failed`, and the next file goes on.

    `nodes` and `pids` are given what the tags tell of each rank.
    """
    taggers: dict[str, tags.Tagged | XmlConsole] = {}
    for stream, data, time_ns in _texts(files, coding, failed):
        if style is None:
            yield tags.Piece(None, stream, data, time_ns=time_ns)
            continue
        tagger = taggers.setdefault(stream, XmlConsole() if style.is_xml else tags.Tagged(style))
        yield from _placed(tagger.feed(data), stream, time_ns)
    for stream, tagger in taggers.items():
        yield from _placed(tagger.finish(), stream, None)
        if nodes is not None and pids is not None and isinstance(tagger, tags.Tagged):
            nodes |= tagger.nodes
            pids |= tagger.pids


def _placed(found: Iterator[tags.Piece], stream: str, time_ns: int | None) -> Iterator[tags.Piece]:
    """Pieces of what was one of a container's streams."""
    if stream == "stdout" and time_ns is None:
        return found
    return (
        piece._replace(time_ns=time_ns, stream=stream if piece.stream == "stdout" else piece.stream) for piece in found
    )


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
