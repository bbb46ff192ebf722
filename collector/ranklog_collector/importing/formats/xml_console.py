"""A console in Open MPI 4's XML (`mpirun --xml`): pieces are elements, bytes that are not plain ASCII are numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ranklog_collector.importing.formats.tags import LINE_MAX, Piece

_ELEMENT = re.compile(
    rb"<(?P<stream>std(?:out|err|diag))(?: rank=\"(?P<rank>\d{1,7})\")?>(?P<text>[^<]*)</(?P=stream)>\n?"
)
_ENTITY = re.compile(rb"&(?:#(\d{1,3})|(\w{2,4}));")
_NAMED = {b"lt": b"<", b"gt": b">", b"amp": b"&", b"quot": b'"', b"apos": b"'"}
_FRAME = re.compile(rb"\s*</?mpirun>\s*")


def looks_like(sample: bytes) -> bool:
    """Whether a console is in this form, by its beginning."""
    return sample.lstrip().startswith(b"<mpirun>") and _ELEMENT.search(sample) is not None


@dataclass(slots=True)
class XmlConsole:
    """Takes one console apart. Feed it all bytes in order, then `finish`."""

    _rest: bytes = b""

    def feed(self, data: bytes) -> Iterator[Piece]:
        """Take the next bytes."""
        block = self._rest + data
        end = 0
        for element in _ELEMENT.finditer(block):
            yield from _outside(block[end : element.start()])
            rank = None if element["rank"] is None else int(element["rank"])
            stream = "stdout" if rank is None or element["stream"] == b"stdout" else "stderr"
            yield Piece(rank, stream, _ENTITY.sub(_byte, element["text"]))
            end = element.end()
        self._rest = block[end:]
        if len(self._rest) >= LINE_MAX:
            yield from self.finish()

    def finish(self) -> Iterator[Piece]:
        """There are no more bytes."""
        rest, self._rest = self._rest, b""
        yield from _outside(rest)


def _outside(data: bytes) -> Iterator[Piece]:
    """What is in no element is the launcher's, but for the frame around all."""
    text = _FRAME.sub(b"", data)
    if text.strip():
        yield Piece(None, "stdout", text)


def _byte(entity: re.Match[bytes]) -> bytes:
    if entity[1] is not None:
        return bytes([int(entity[1])]) if int(entity[1]) < 256 else entity[0]
    return _NAMED.get(entity[2], entity[0])
