"""What the processes of a run said last: the ends of their streams, looked through for what signatures know."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from ranklog_collector.core.verdict.evidence import Moment, Sign, Step
from ranklog_collector.core.verdict.finding import Quote
from ranklog_collector.core.verdict.scan import Found, plain, scan, shown
from ranklog_collector.core.verdict.signatures import Catalogue
from ranklog_collector.reading.folder import RunFolder
from ranklog_collector.reading.state import Stream
from ranklog_collector.reading.timeline import Moments
from ranklog_collector.verdict.steps import printed_step

TAIL_BYTES = 64 << 10
DEEP_BYTES = 4 << 20
"""Of a process that ended badly, if its last words do not tell why."""
QUOTE_BYTES_MAX = 4000
LINE_END_BYTES = 1024
READING_NS = 150_000_000
"""An agent sees bytes at most so long after they were written, unless the machine is very busy."""
SIGHTINGS_MAX = 200


@dataclass(frozen=True, slots=True)
class Words:
    """What came of one stream."""

    stream: Stream
    signs: tuple[Sign, ...]
    last: Quote | None
    step: Step | None
    moments: Moments
    problem: str = ""
    """Why the stream could not be read."""


def words_of(
    folder: RunFolder, stream: Stream, speaker: str, catalogue: Catalogue, bytes_max: int = TAIL_BYTES
) -> Words:
    """Read the last `bytes_max` bytes of a stream; one that cannot be read says nothing but that."""
    moments = stream.timeline.moments(folder.state.clock(stream))
    try:
        with folder.opened(stream) as file:
            size = os.fstat(file).st_size
            start = max(0, size - bytes_max)
            data = os.pread(file, size - start, start)
    except OSError as error:
        return Words(stream, (), None, None, moments, f"{stream.path} cannot be read: {error.strerror or error}")
    if start:
        # Of an unfinished line the end remains: an error may be glued to it.
        newline = max(0, data.find(b"\n") + 1 - LINE_END_BYTES)
        start, data = start + newline, data[newline:]
    found = scan(data, start, catalogue)
    signs = tuple(_sign(folder, stream, speaker, moments, one) for one in found)
    own = data[: _end_of_own(data, start, found)]
    return Words(stream, signs, _last_line(stream, speaker, moments, own, start), printed_step(own), moments)


def spoke(words: Sequence[Words]) -> tuple[int, ...]:
    """When the streams grew: the latest times, in order."""
    return tuple(sorted(time for one in words for time in one.moments.times[-SIGHTINGS_MAX:]))


def _sign(folder: RunFolder, stream: Stream, speaker: str, moments: Moments, found: Found) -> Sign:
    signature = found.match.signature
    moment = _moment(folder, stream, moments, found.start)
    text = found.text if len(found.text) <= QUOTE_BYTES_MAX else _abridged(found.text)
    return Sign(
        signature.name,
        signature.role,
        signature.category,
        found.says,
        Quote(text, stream.path, found.start, moment.latest_ns or None, speaker, signature.name),
        moment,
        found.match.facts,
        signature.is_timeout,
        signature.is_launchers,
        found.is_traceback and not found.is_thread,
        found.lines_after,
        found.has_gone_on,
    )


def _moment(folder: RunFolder, stream: Stream, moments: Moments, place: int) -> Moment:
    """When the byte at `place` came: it was there at one sighting, and not at the one before."""
    latest = moments.of(place + 1)
    before = moments.before(latest)
    at = moments.of(before) if before else 0
    earliest = max(at, latest - READING_NS)
    return Moment(earliest, latest, folder.state.clock(stream).error_ns, stream.node)


def _end_of_own(data: bytes, start: int, found: Sequence[Found]) -> int:
    """Where a process's own last words end, before what signatures have taken at the end."""
    end = len(data)
    for one in reversed(found):
        if data[one.end - start : end].strip():
            break
        end = one.start - start
    return end


def _last_line(stream: Stream, speaker: str, moments: Moments, data: bytes, start: int) -> Quote | None:
    end = len(data)
    while end > 0:
        begin = data.rfind(b"\n", 0, end - 1) + 1 if end > 1 else 0
        text = shown(plain(data[begin:end].rstrip(b"\n"))).strip()
        if text:
            at = start + begin
            return Quote(text[:QUOTE_BYTES_MAX], stream.path, at, moments.of(start + end) or None, speaker)
        end = begin
    return None


def _abridged(text: str) -> str:
    half = QUOTE_BYTES_MAX // 2
    return f"{text[:half]}\n… {len(text) - 2 * half} letters …\n{text[-half:]}"
