"""Reads pickles that hold nothing but plain values: None, booleans, numbers, text, bytes, lists, tuples, dictionaries.

A pickle is a program, and Python's own reader runs it: it calls what it is told to, and takes as much memory as it is
told to. This one knows only the instructions that put plain values together; any other one makes it refuse the whole.
What it builds is never larger than the data, but for what is in it several times.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

INTEGER_BYTES_MAX = 16
PROTOCOL_MAX = 5


class NotPlainError(ValueError):
    """These bytes are no pickle of plain values."""


def loads(data: bytes) -> Any:
    """Read a pickle. Raises NotPlainError."""
    machine = _Machine(data)
    try:
        while not machine.is_done:
            code = data[machine.take(1)]
            _INSTRUCTIONS[code](machine)
        return machine.pop()
    except KeyError:
        raise NotPlainError(f"instruction {code:#04x} does not make a plain value") from None
    except (IndexError, ValueError, struct.error, TypeError) as error:
        raise NotPlainError(f"damaged: {error}") from None


class _Machine:
    """The stack, the places in it that are marked, and what is remembered by number."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.is_done = False

    def take(self, length: int) -> int:
        """Go on by so many bytes; returns where they begin."""
        start, end = self.at, self.at + length
        if length < 0 or end > len(self.data):
            raise NotPlainError("it ends too early")
        self.at = end
        return start

    def bytes(self, length: int) -> bytes:
        return self.data[self.take(length) : self.at]

    def number(self, form: str) -> Any:
        return struct.unpack_from(form, self.data, self.take(struct.calcsize(form)))[0]

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def pop(self) -> Any:
        if self.marks and self.marks[-1] == len(self.stack):
            raise NotPlainError("it takes what is not there")
        return self.stack.pop()

    def pop_marked(self) -> list[Any]:
        mark = self.marks.pop()
        values = self.stack[mark:]
        del self.stack[mark:]
        return values

    def top(self, kind: type) -> Any:
        value = self.stack[-1]
        if type(value) is not kind:
            raise NotPlainError(f"it adds to a {type(value).__name__} as if that were a {kind.__name__}")
        return value

    def tuple(self, length: int) -> None:
        self.push(tuple([self.pop() for _ in range(length)][::-1]))

    def extend(self, values: list[Any]) -> None:
        self.top(list).extend(values)

    def update(self, values: list[Any]) -> None:
        target = self.top(dict)
        for key, value in zip(values[::2], values[1::2], strict=True):
            # Text and numbers only: the hash of what is nested deep enough brings any Python down.
            if not isinstance(key, (str, int, float, bytes)):
                raise NotPlainError(f"a {type(key).__name__} is a key")
            target[key] = value

    def dictionary(self, values: list[Any]) -> None:
        self.push({})
        self.update(values)

    def integer(self, length: int) -> int:
        if length > INTEGER_BYTES_MAX:
            raise NotPlainError(f"an integer of {length} bytes")
        return int.from_bytes(self.bytes(length), "little", signed=True)

    def text(self, length: int) -> str:
        return self.bytes(length).decode("utf-8", errors="surrogatepass")

    def get(self, number: int) -> None:
        if number not in self.memo:
            raise NotPlainError(f"it has not remembered a number {number}")
        self.push(self.memo[number])

    def put(self, number: int) -> None:
        self.memo[number] = self.stack[-1]

    def protocol(self) -> None:
        if (version := self.number("<B")) > PROTOCOL_MAX:
            raise NotPlainError(f"protocol {version}")

    def stop(self) -> None:
        self.is_done = True


_INSTRUCTIONS: dict[int, Callable[[_Machine], Any]] = {
    0x80: _Machine.protocol,
    0x95: lambda m: m.take(8),  # the length of a frame
    ord("."): _Machine.stop,
    ord("("): lambda m: m.marks.append(len(m.stack)),
    ord("0"): lambda m: m.pop(),
    ord("1"): lambda m: m.pop_marked(),
    ord("N"): lambda m: m.push(None),
    0x88: lambda m: m.push(True),
    0x89: lambda m: m.push(False),
    ord("K"): lambda m: m.push(m.number("<B")),
    ord("M"): lambda m: m.push(m.number("<H")),
    ord("J"): lambda m: m.push(m.number("<i")),
    0x8A: lambda m: m.push(m.integer(m.number("<B"))),
    0x8B: lambda m: m.push(m.integer(m.number("<i"))),
    ord("G"): lambda m: m.push(m.number(">d")),
    ord("X"): lambda m: m.push(m.text(m.number("<I"))),
    0x8C: lambda m: m.push(m.text(m.number("<B"))),
    0x8D: lambda m: m.push(m.text(m.number("<Q"))),
    ord("U"): lambda m: m.push(m.text(m.number("<B"))),
    ord("T"): lambda m: m.push(m.text(m.number("<i"))),
    ord("C"): lambda m: m.push(m.bytes(m.number("<B"))),
    ord("B"): lambda m: m.push(m.bytes(m.number("<I"))),
    0x8E: lambda m: m.push(m.bytes(m.number("<Q"))),
    ord("]"): lambda m: m.push([]),
    ord("l"): lambda m: m.push(m.pop_marked()),
    ord("a"): lambda m: m.extend([m.pop()]),
    ord("e"): lambda m: m.extend(m.pop_marked()),
    ord(")"): lambda m: m.push(()),
    ord("t"): lambda m: m.push(tuple(m.pop_marked())),
    0x85: lambda m: m.tuple(1),
    0x86: lambda m: m.tuple(2),
    0x87: lambda m: m.tuple(3),
    ord("}"): lambda m: m.push({}),
    ord("d"): lambda m: m.dictionary(m.pop_marked()),
    ord("s"): lambda m: m.update([m.pop(), m.pop()][::-1]),
    ord("u"): lambda m: m.update(m.pop_marked()),
    ord("h"): lambda m: m.get(m.number("<B")),
    ord("j"): lambda m: m.get(m.number("<I")),
    ord("q"): lambda m: m.put(m.number("<B")),
    ord("r"): lambda m: m.put(m.number("<I")),
    0x94: lambda m: m.put(len(m.memo)),
}
"""What each instruction does, by its byte; those of the text protocol 0 are left out, nobody writes it any more."""
