"""What the processes of a run said last: the ends of their streams, looked through for what signatures know."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from operator import sub

from ranklog_collector.core.verdict.evidence import Moment, Sign
from ranklog_collector.core.verdict.finding import Quote
from ranklog_collector.core.verdict.scan import Found, plain, scan, shown
from ranklog_collector.core.verdict.signatures import Catalogue
from ranklog_collector.reading.folder import RunFolder
from ranklog_collector.reading.state import Stream
from ranklog_collector.reading.timeline import Moments

TAIL_BYTES = 64 << 10
DEEP_BYTES = 4 << 20
"""Of a process that ended badly, if its last words do not tell why."""
QUOTE_BYTES_MAX = 4000
READING_NS = 150_000_000
"""An agent sees bytes at most so long after they were written, unless the machine is very busy."""
RHYTHM_SIGHTINGS, RHYTHM_MIN = 200, 4
_STEP = re.compile(rb"(?i)\b(?:global[_ ]?step|steps?|iter(?:ation)?|batch)\b[\s:=#\[(]{0,4}(\d{1,12})")
_EPOCH = re.compile(rb"(?i)\bepochs?\b[\s:=#\[(]{0,4}(\d{1,12})")
_STEP_LINES = 40
_EPOCH_STEPS = 10**12
"""An epoch counts for more than any step of it."""


@dataclass(frozen=True, slots=True)
class Words:
    """What came of one stream."""

    stream: Stream
    signs: tuple[Sign, ...]
    last: Quote | None
    step: int | None
    moments: Moments


def words_of(
    folder: RunFolder, stream: Stream, speaker: str, catalogue: Catalogue, bytes_max: int = TAIL_BYTES
) -> Words:
    """Read the last `bytes_max` bytes of a stream; what cannot be read says nothing."""
    moments = stream.timeline.moments(folder.state.clock(stream))
    try:
        with folder.opened(stream) as file:
            size = os.fstat(file).st_size
            start = max(0, size - bytes_max)
            data = os.pread(file, size - start, start)
    except OSError:
        return Words(stream, (), None, None, moments)
    if start:
        newline = data.find(b"\n") + 1
        start, data = start + newline, data[newline:]
    signs = tuple(_sign(folder, stream, speaker, moments, found) for found in scan(data, start, catalogue))
    return Words(stream, signs, _last_line(stream, speaker, moments, data, start), _step(data), moments)


def usual_pause_ns(moments: Sequence[Moments]) -> int | None:
    """The longest time between two of the latest sightings; None if there are too few."""
    longest: int | None = None
    for one in moments:
        times = one.times[-RHYTHM_SIGHTINGS:]
        if len(times) >= RHYTHM_MIN:
            gap = max(map(sub, times[1:], times))
            longest = gap if longest is None else max(longest, gap)
    return longest


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
        found.is_traceback and not found.is_thread,
        found.lines_after,
    )


def _moment(folder: RunFolder, stream: Stream, moments: Moments, place: int) -> Moment:
    """When the byte at `place` came: it was there at one sighting, and not at the one before."""
    latest = moments.of(place + 1)
    before = moments.before(latest)
    at = moments.of(before) if before else 0
    earliest = max(at, latest - READING_NS)
    return Moment(earliest, latest, folder.state.clock(stream).error_ns, stream.node)


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


def _step(data: bytes) -> int | None:
    """The latest step that was printed, counted on over epochs."""
    for line in reversed(data.split(b"\n")[-_STEP_LINES:]):
        state = plain(line)
        step, epoch = _STEP.search(state), _EPOCH.search(state)
        if step is not None or epoch is not None:
            return (int(epoch[1]) * _EPOCH_STEPS if epoch else 0) + (int(step[1]) if step else 0)
    return None


def _abridged(text: str) -> str:
    half = QUOTE_BYTES_MAX // 2
    return f"{text[:half]}\n… {len(text) - 2 * half} letters …\n{text[-half:]}"
