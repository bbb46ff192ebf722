"""What of a job's bytes may be shown to people: redraws collapsed, nothing that a terminal would obey but colours."""

from __future__ import annotations

import re

_SEQUENCE = re.compile(
    rb"\x1b(?:"
    rb"\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor movement, erasing
    rb"|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?"  # OSC and other strings: titles, clipboard, links
    rb"|[ -/]*[0-~]?"  # anything else
    rb")"
)
_COLOUR = re.compile(rb"\x1b\[[0-9;:]*m")
_C1 = re.compile(rb"\xc2[\x80-\x9f]")
_RESET = b"\x1b[0m"
_CONTROLS = bytes(byte for byte in (*range(32), 127) if byte not in b"\t\n")
_PICTURES = {byte: 0x2400 + byte for byte in range(32) if byte not in b"\t\n"} | {127: 0x2421, 8: None}


def shown(data: bytes, colour: bool = False) -> bytes:
    """Make whole lines fit to be shown: as many lines, valid UTF-8, no control characters.

    Of a line that was redrawn with carriage returns the last visible state is kept. Colours stay if `colour` is set.
    What is fit already is returned as it is, the very object.
    """
    if not data.isascii():
        valid = _C1.sub(b"\xef\xbf\xbd", data.decode(errors="replace").encode())
        data = data if valid == data else valid
    if len(data.translate(None, _CONTROLS)) == len(data):
        return data
    return b"\n".join([_line(line, colour) for line in data.split(b"\n")])


def joint(data: bytes) -> int:
    """Where the first thing is that is taken out of a line so that what was apart comes together; -1 if nowhere."""
    escape = data.find(b"\x1b")
    back = data.find(b"\b", 0, len(data) if escape < 0 else escape)
    return escape if back < 0 else back


def may_be_ours(text: str) -> bool:
    """Whether it has characters that may be shown in place of bytes."""
    return "\ufffd" in text or any(chr(code) in text for code in _PICTURES.values() if code is not None)


def printable(text: str) -> str:
    """Escape what is not printable in a name: names come from the job, and go to a terminal."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _line(line: bytes, colour: bool) -> bytes:
    if b"\r" in line:
        line = _last_state(line)
    if b"\x1b" in line:
        coloured = _keep_colours(line) if colour else None
        if coloured is not None:
            return coloured
        line = _SEQUENCE.sub(b"", line)
    if len(line.translate(None, _CONTROLS)) == len(line):
        return line
    return line.decode().translate(_PICTURES).encode()


def _last_state(line: bytes) -> bytes:
    end = len(line)
    while end > 0:
        end = len(line[:end].rstrip(b"\r"))
        start = line.rfind(b"\r", 0, end) + 1
        state = line[start:end]
        if _SEQUENCE.sub(b"", state).strip():
            return state
        end = start - 1
    return b""


def _keep_colours(line: bytes) -> bytes | None:
    kept = _SEQUENCE.sub(lambda found: found[0] if _COLOUR.fullmatch(found[0]) else b"", line)
    plain = _COLOUR.sub(b"", kept)
    if len(plain.translate(None, _CONTROLS)) != len(plain):
        return None
    return kept if len(kept) == len(plain) or kept.endswith((_RESET, b"\x1b[m")) else kept + _RESET
