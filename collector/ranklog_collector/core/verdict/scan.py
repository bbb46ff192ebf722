"""Finding what signatures know in the last part of a stream; tracebacks are taken whole. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, takewhile

from ranklog_collector.core.verdict.signatures import Catalogue, Match, Role
from ranklog_collector.core.verdict.words import without_numbers

TRACEBACK = "python-traceback"
TERMINATE = "c++-terminate"
OPENMPI = "openmpi-error"
REPORTER = "reporter"
"""Fact of a message: the rank that says it, in whatever stream it is."""
_OPENMPI = b"*** An error occurred in "
_REPORTER = re.compile(rb"\*\*\* reported by process \[\d{1,12},(\d{1,9})\]")
_TRACEBACK_LINES_MAX = 400
_MESSAGE_LINES_MAX = 12
"""Of an exception's message: the end of one is not marked."""
_CHAIN = (b"During handling of the above exception", b"The above exception was the direct cause")
_ESCAPE = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|[@-Z\\-_])")
_BEGINS = b"Traceback (most recent call last):"
_GROUP_BEGINS = b"+ Exception Group " + _BEGINS
_OF_GROUP = re.compile(rb"\s+[|+]")
_BEFORE_BYTES = 4096
_LINE_BEFORE = 200
_EXCEPTION = re.compile(rb"[A-Za-z_][\w.]*(?:: |:$|$)")
_GOING_LINES_MAX = 40
_PROGRESS = 3
"""So many lines after an error that differ in their numbers only are work that goes on."""
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{4}")


@dataclass(frozen=True, slots=True)
class Found:
    """A line or traceback that a signature knows."""

    match: Match
    says: str
    text: str
    start: int
    """Offset of its first byte in the stream."""
    end: int
    is_traceback: bool = False
    is_thread: bool = False
    """Of a traceback: of a thread other than the main one, which does not end a program."""
    lines_after: int = 0
    has_gone_on: bool = False
    """Whether the process then went on with its work, as its lines show."""


@dataclass(frozen=True, slots=True)
class _Line:
    start: int
    end: int
    text: bytes


def scan(data: bytes, offset: int, catalogue: Catalogue) -> list[Found]:
    """Find them in whole lines, the first of which is at `offset` of the stream, in their order."""
    found: list[Found] = []
    done = 0
    for place in catalogue.places(_as_lines(data)):
        if place < done:
            continue
        line = _line_at(data, place)
        match = catalogue.match(line.text)
        if match is None:
            done = line.end
            continue
        one, done = _block(data, offset, line, match, catalogue)
        found.append(one)
    return found


def plain(line: bytes) -> bytes:
    """A line as people would see it, without colours; of one that was redrawn its last state."""
    if b"\r" in line:
        line = line.rstrip(b"\r").rpartition(b"\r")[2]
    return _ESCAPE.sub(b"", line) if b"\x1b" in line else line


def raised(traceback: str) -> str:
    """What a traceback's last exception is, in words; empty if the text is none."""
    lines = [line for line in traceback.split("\n") if line and not line[0].isspace()]
    last = next((line for line in reversed(lines) if _EXCEPTION.match(line.encode()) and ": " in line), "")
    return f"raised {last}" if "Traceback" in traceback and last else ""


def shown(text: bytes) -> str:
    """Bytes of a job as text that plays with no terminal."""
    found = text.decode(errors="replace")
    if found.isprintable():  # as nearly all lines are
        return found
    return "".join(char if char.isprintable() or char in "\n\t" else "�" for char in found)


def _as_lines(data: bytes) -> bytes:
    """As many bytes, of which what is drawn over or coloured begins a line of its own."""
    if b"\x1b" in data:
        data = _ESCAPE.sub(lambda found: b"\n" * len(found[0]), data)
    return data.replace(b"\r", b"\n")


def _block(data: bytes, offset: int, line: _Line, match: Match, catalogue: Catalogue) -> tuple[Found, int]:
    if match.signature.name == TRACEBACK:
        return _traceback(data, offset, line, match, catalogue)
    end, text, says = line.end, line.text, match.words or shown(line.text).strip()
    if match.signature.name == TERMINATE:
        following = _line_at(data, line.end) if line.end < len(data) else None
        if following is not None and following.text.lstrip().startswith(b"what():"):
            end, text = following.end, text + b"\n" + following.text
            what = following.text.partition(b"what():")[2].strip()
            match, says = _better(match, [what], catalogue), f"threw {match.facts.get('type', '')}: {shown(what)}"
            says = match.words or says
    elif _OPENMPI in line.text:
        lines = _same_message(data, line)
        end, text = lines[-1].end, b"\n".join(one.text for one in lines)
        if match.signature.name == OPENMPI:
            match = _better(match, [one.text for one in lines], catalogue, OPENMPI)
        says = match.words
        if (reporter := _REPORTER.search(text)) is not None:
            match = Match(match.signature, {**match.facts, REPORTER: reporter[1].decode()})
    elif match.signature.role is Role.ROOT and not match.words:
        says = f"said: {says}"
    found = Found(
        match,
        says,
        shown(text),
        offset + line.start,
        offset + end,
        lines_after=data.count(b"\n", end),
        has_gone_on=not match.signature.is_launchers and _goes_on(data, end, _said_before(data, line), catalogue),
    )
    return found, end


# ---- tracebacks -----------------------------------------------------------------------------------------------------


def _traceback(data: bytes, offset: int, first: _Line, match: Match, catalogue: Catalogue) -> tuple[Found, int]:
    """Take a traceback with all that it is chained to. The first exception of the chain tells what happened."""
    said = _said_before(data, first)
    block, messages = _chain(data, first, said)
    if messages and (over := _going_on(data, block, len(messages[-1]) - 1)):
        del block[-over:], messages[-1][-over:]
    end = block[-1].end
    message = messages[0] if messages else []
    better = _better(match, message, catalogue)
    raised = shown(message[0]).strip() if message else "an exception"
    before = data[max(0, first.start - 200) : first.start].rstrip(b"\n").rpartition(b"\n")[2]
    return (
        Found(
            better,
            better.words or f"raised {raised}",
            shown(b"\n".join(line.text for line in block)),
            offset + first.start,
            offset + end,
            is_traceback=True,
            is_thread=b"Exception in thread" in before,
            lines_after=data.count(b"\n", end),
            has_gone_on=_goes_on(data, end, said, catalogue),
        ),
        end,
    )


def _chain(data: bytes, first: _Line, said: set[str]) -> tuple[list[_Line], list[list[bytes]]]:
    """Its lines, and for each exception of the chain its message."""
    prefix = _prefix(data, first)
    block: list[_Line] = [first]
    messages: list[list[bytes]] = []
    pending: list[_Line] = []
    is_inside = True
    for line in _lines_after(data, first.end):
        text = line.text[len(prefix) :] if prefix and line.text.startswith(prefix) else line.text
        if prefix and not line.text.startswith(prefix.rstrip()):
            break
        if is_inside:
            block.append(line)
            if text and not text[:1].isspace():
                messages.append([text])
                is_inside = False
        elif text.startswith(_BEGINS) and _is_chained(pending, prefix):
            block += [*pending, line]
            pending, is_inside = [], True
        elif text.startswith(_CHAIN) or not text.strip() or (pending and len(pending) < 4):
            pending.append(line)
            if len(pending) > 4:
                break
        elif not pending and _shape(line) not in said and _is_message(text, messages[-1]):
            messages[-1].append(text)
            block.append(line)
        else:
            break
    if first.text.endswith(_GROUP_BEGINS):
        block += takewhile(lambda line: _OF_GROUP.match(line.text), _lines_after(data, block[-1].end))
    return block, messages


def _going_on(data: bytes, block: list[_Line], count: int) -> int:
    """How many of the last `count` lines are none of a message, but of work that goes on."""
    message = block[len(block) - count :]
    following = islice(_lines_after(data, block[-1].end), _GOING_LINES_MAX)
    told = Counter(_shape(line) for line in {line.text: line for line in (*message, *following)}.values())
    for place, line in enumerate(message):
        if line.text and not line.text[:1].isspace() and told[_shape(line)] >= _PROGRESS:
            return count - place
    return 0


def _prefix(data: bytes, first: _Line) -> bytes:
    """What stands before each line of a traceback, such as a rank; empty if nothing does."""
    before, group, _ = first.text.partition(_GROUP_BEGINS)
    if group:
        return before + b"| "
    prefix = first.text.partition(_BEGINS)[0]
    following = next(_lines_after(data, first.end), _Line(0, 0, b""))
    ends = (prefix[start:] for start in range(len(prefix)))  # an unfinished line may stand before it
    return next((end for end in ends if (end.strip() or end == prefix) and following.text.startswith(end)), b"")


def _said_before(data: bytes, first: _Line) -> set[str]:
    """Shapes of the lines before: a process that says such a line again has come back from its exception."""
    lines = data[max(0, first.start - _BEFORE_BYTES) : first.start].split(b"\n")
    return {without_numbers(shown(plain(line.rstrip(b"\r")))) for line in lines if line.strip()}


def _shape(line: _Line) -> str:
    return without_numbers(shown(line.text))


def _goes_on(data: bytes, end: int, said: set[str], catalogue: Catalogue) -> bool:
    """Whether a process says such things again as it had said before, or tells of progress: it lives with its error."""
    told: dict[str, set[bytes]] = {}
    for line in islice(_lines_after(data, end), _GOING_LINES_MAX):
        if not line.text.strip() or line.text[:1].isspace():
            continue
        text = shown(line.text)
        shape = without_numbers(text)
        told.setdefault(shape, set()).add(line.text)
        is_progress = len(told[shape]) >= _PROGRESS and not _ADDRESS.search(text)
        if (shape in said or is_progress) and catalogue.match(line.text) is None:
            return True
    return False


def _is_chained(pending: list[_Line], prefix: bytes) -> bool:
    return any(line.text[len(prefix) :].startswith(_CHAIN) for line in pending)


def _is_message(text: bytes, message: list[bytes]) -> bool:
    """Whether a line goes on with an exception's message: nothing marks its end."""
    return len(message) < _MESSAGE_LINES_MAX and not text.startswith(b"Traceback ") and not text.startswith(b"[")


def _better(match: Match, message: list[bytes], catalogue: Catalogue, known: str = "") -> Match:
    """What another signature than that which is `known` makes of the message."""
    for line in message:
        found = catalogue.match(line) if line.strip() else None
        if found is not None and found.signature.is_launchers:
            break  # nothing marks the end of a message: this is another one
        if found is not None and found.signature.name not in (TRACEBACK, TERMINATE, known):
            return found
        if line is message[0] and not known and line.strip() and not _EXCEPTION.match(line):
            break
    return match


def _same_message(data: bytes, first: _Line) -> list[_Line]:
    """The lines of one of Open MPI's messages: `[node1:01306] *** …`."""
    found = [first]
    prefix = first.text.partition(b"***")[0]
    for line in _lines_after(data, first.end):
        if not line.text.startswith(prefix + b"***") or len(found) > _MESSAGE_LINES_MAX:
            break
        found.append(line)
    return found


# ---- lines ----------------------------------------------------------------------------------------------------------


def _line_at(data: bytes, place: int) -> _Line:
    """The line at a place; of a very long one what is before that is left out."""
    start = max(data.rfind(b"\n", 0, place) + 1, place - _LINE_BEFORE)
    newline = data.find(b"\n", place)
    end = len(data) if newline < 0 else newline + 1
    return _Line(start, end, plain(data[start:end].rstrip(b"\r\n")))


def _lines_after(data: bytes, start: int) -> Iterator[_Line]:
    for _ in range(_TRACEBACK_LINES_MAX):
        if start >= len(data):
            return
        line = _line_at(data, start)
        yield line
        start = line.end
