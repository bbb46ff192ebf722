"""Lines that belong together: tracebacks and other stacks, which nothing of another rank should part. Pure."""

from __future__ import annotations

import re

LINES_MAX = 1000
BYTES_MAX = 64 << 10
"""A passage that gets larger is parted."""
_PYTHON = re.compile(rb"^(?P<tag>.*?)(?P<group>\+ Exception Group )?Traceback \(most recent call last\):")
_GROUP = b"+ Exception Group Traceback"
_RAISED = re.compile(rb"[A-Za-z_][\w.]*(?::|$| \()")
_CHAINED = (b"During handling of the above exception", b"The above exception was the direct cause")
_TAGGED = re.compile(rb"^(?P<tag>\[[^\]]{1,100}:\d+\] )\*\*\* (?:Process received signal|An error occurred in)")
_TAGGED_END = b"*** End of error message ***"
_KINDS = [
    # faulthandler
    (
        rb"^Fatal Python error: ",
        rb"$|Current thread |Thread 0x|  File |  <|  \.\.\.|Extension modules: |Python runtime state",
    ),
    # PyTorch's C++
    (rb"\(most recent call first\):", rb"frame #\d+|  File |  <"),
    # glog
    (rb"\*\*\* Check failure stack trace: \*\*\*", rb"\s+@ "),
    (rb"^thread '.*' panicked at", rb"note: |stack backtrace:|\s+\S"),
    (
        rb"^(?:Exception in thread |Caused by: |(?:[\w$]+\.)+[\w$]*(?:Exception|Error)\b)",
        rb"\s+at |\s+\.\.\. \d+ |Caused by: |\s+Suppressed: ",
    ),
    (rb"ERROR: AddressSanitizer", rb"\s+#\d+ |READ of |WRITE of |SUMMARY: "),
]
_OTHERS = [(re.compile(opener), re.compile(rest)) for opener, rest in _KINDS]
_WORDS = (
    b"(most recent call ",
    b"*** ",
    b" panicked at ",
    b"Fatal Python error",
    b"Exception",
    b"Error",
    b"Caused by:",
    b"AddressSanitizer",
)


class Passage:
    """Lines that belong together, from the first one on; `take` tells of each next line whether it is one of them.

    `spare` counts the last lines that were taken in the belief that more would follow: at the end they are not of it.
    """

    def __init__(self) -> None:
        self.spare = 0
        self._lines = 1
        self._bytes = 0

    def take(self, line: bytes) -> bool:
        """Whether the next line belongs to it."""
        self._lines += 1
        self._bytes += len(line)
        return self._lines <= LINES_MAX and self._bytes <= BYTES_MAX and self._takes(line)

    def _takes(self, line: bytes) -> bool:
        raise NotImplementedError


class _Python(Passage):
    def __init__(self, tag: bytes, is_group: bool) -> None:
        super().__init__()
        self._tag = tag
        self._is_group = is_group
        self._takes_next = self._frame

    def _takes(self, line: bytes) -> bool:
        body = line[len(self._tag) :] if self._tag and line.startswith(self._tag) else line
        return self._takes_next(body)

    def _frame(self, line: bytes) -> bool:
        if self._is_group and line.startswith(_GROUP):
            return False
        if line[:1] in (b" ", b"\t") or (self._is_group and line[:1] in (b"|", b"+")):
            return True
        self._takes_next = self._after
        return not self._is_group and _RAISED.match(line) is not None

    def _after(self, line: bytes) -> bool:
        if line.strip():
            return line[:1] in (b" ", b"\t")
        self.spare = 1
        self._takes_next = self._chain
        return True

    def _chain(self, line: bytes) -> bool:
        if not line.startswith(_CHAINED):
            return False
        self.spare = 0
        self._takes_next = self._again
        return True

    def _again(self, line: bytes) -> bool:
        if line.strip():
            self._takes_next = self._frame
            return _PYTHON.match(line) is not None
        return True


class _Tagged(Passage):
    def __init__(self, tag: bytes) -> None:
        super().__init__()
        self._tag = tag
        self._is_over = False

    def _takes(self, line: bytes) -> bool:
        is_ours = not self._is_over and line.startswith(self._tag)
        self._is_over = line.endswith(_TAGGED_END)
        return is_ours


class _Other(Passage):
    def __init__(self, rest: re.Pattern[bytes], takes_any: bool) -> None:
        super().__init__()
        self._rest = rest
        self._takes_any = takes_any

    def _takes(self, line: bytes) -> bool:
        takes_any, self._takes_any = self._takes_any, False
        return takes_any or self._rest.match(line) is not None


def may_begin(text: bytes) -> bool:
    """Whether passages may begin in a text; if not, no line of it need be asked."""
    return any(word in text for word in _WORDS)


def begun(line: bytes) -> Passage | None:
    """Begin a passage, if one begins with this line."""
    if not may_begin(line):
        return None
    if (found := _PYTHON.match(line)) is not None:
        return _Python(found["tag"], found["group"] is not None)
    if (found := _TAGGED.match(line)) is not None:
        return _Tagged(found["tag"])
    for opener, rest in _OTHERS:
        if opener.search(line) is not None:
            return _Other(rest, takes_any=line.startswith(b"thread '") and line.endswith(b":"))
    return None
