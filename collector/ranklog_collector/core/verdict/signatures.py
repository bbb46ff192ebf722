"""What programs and launchers say when something breaks: signatures as data, applied to lines. Pure.

Regular expressions are RE2's: they take time in proportion to the line, whatever they are and whatever is in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple

from ranklog_collector.core import toml_tables
from ranklog_collector.core.printed_rules import RulesError, compiled, one_of
from ranklog_collector.core.toml_tables import TableError, checked
from ranklog_collector.core.verdict.finding import Category

SIGNATURES_MAX = 512
LINE_BYTES_MAX = 4096
"""Of a line no more is looked at."""
MEMORY_BYTES = 160 << 20
"""For all patterns as one. A traceback brings it into many states; with half of this 100 signatures take 100 times as
long. It is not used before it is needed."""
_GROUP = re.compile(r"\(\?P<\w+>")
_FIELD = re.compile(r"\{(\w+)\}")


class SignatureError(Exception):
    """A text is no catalogue of signatures; the message says where and why."""


class Role(str, Enum):
    """What a line that matches proves."""

    ROOT = "root"
    """Something broke here."""
    CONSEQUENCE = "consequence"
    """Something broke elsewhere."""
    TEARDOWN = "teardown"
    """The job is being ended."""
    CONFIRMATION = "confirmation"
    """Somebody says of another that it has ended, or how."""


@dataclass(frozen=True, slots=True)
class Signature:
    """One kind of line."""

    name: str
    role: Role
    category: Category
    pattern: str
    """To be found in a line. Named groups: rank, pid, host, ip, peer, signal, code, work, enqueued, absent, …"""
    says: str = ""
    """What it means, in a few words, with {groups}; else the line itself is quoted."""
    sample: str = ""
    note: str = ""
    is_timeout: bool = False
    """Of a consequence: somebody did not come, rather than went."""
    is_launchers: bool = False
    """A launcher, a scheduler or the kernel says it. All else in a launcher's output is a copy of what ranks say."""


class Match(NamedTuple):
    """A line that matches."""

    signature: Signature
    facts: dict[str, str]
    """What its named groups have found."""

    @property
    def words(self) -> str:
        """What it means; empty if the line must speak for itself."""
        return _FIELD.sub(lambda field: self.facts.get(field[1]) or "a peer", self.signature.says)


class Catalogue:
    """Signatures, ready to be applied. Those that come first are asked first. Raises SignatureError."""

    def __init__(self, signatures: Sequence[Signature]) -> None:
        self.signatures = tuple(signatures)
        try:
            self._patterns = [compiled(one.pattern) for one in signatures]
            self._set = one_of([one.pattern for one in signatures])
            anything = "|".join(f"(?:{_GROUP.sub('(?:', one.pattern)})" for one in signatures)
            self._anything = compiled(f"(?m:{anything})", MEMORY_BYTES) if signatures else None
        except RulesError as error:
            raise SignatureError(str(error)) from error

    def match(self, line: bytes) -> Match | None:
        """Tell which signature a line, as people would see it, is."""
        line = line[:LINE_BYTES_MAX]
        for index in sorted(self._set.Match(line) or ()):
            found = self._patterns[index].search(line)
            if found is not None:
                facts = {
                    name: value.decode(errors="replace").strip()
                    for name, value in found.groupdict().items()
                    if value is not None
                }
                return Match(self.signatures[index], facts)
        return None

    def all_of(self, line: bytes) -> list[str]:
        """Name all signatures that a line matches."""
        return [self.signatures[index].name for index in sorted(self._set.Match(line[:LINE_BYTES_MAX]) or ())]

    def places(self, data: bytes) -> Iterator[int]:
        """Find lines of a text that may match: the offset of a byte of each, in order, quickly."""
        at = 0
        while self._anything is not None and (found := self._anything.search(data, at)) is not None:
            yield found.start()
            newline = data.find(b"\n", max(found.start(), at))
            if newline < 0:
                return
            at = newline + 1


def load(text: str) -> list[Signature]:
    """Read a catalogue, in TOML. Raises SignatureError."""
    try:
        listed = toml_tables.load(text, "signature", SIGNATURES_MAX)["signature"]
        return [_signature(one, number) for number, one in enumerate(listed, 1)]
    except TableError as error:
        raise SignatureError(str(error)) from error


def _signature(table: Any, number: int) -> Signature:
    values, where = checked(table, Signature, "signature", number)
    if missing := sorted({"name", "role", "pattern"} - set(values)):
        raise SignatureError(f"{where} has no {missing[0]}")
    return _checked({"category": Category.UNKNOWN.value, **values}, where)


def _checked(values: dict[str, Any], where: str) -> Signature:
    for name, kind in (("role", Role), ("category", Category)):
        try:
            values[name] = kind(values[name])
        except ValueError:
            raise SignatureError(f"{where}: {name} is none of {', '.join(one.value for one in kind)}") from None
    try:
        pattern = compiled(values["pattern"])
    except RulesError as error:
        raise SignatureError(f"{where}: {error}") from error
    if pattern.search(b"") is not None:
        raise SignatureError(f"{where}: the pattern matches every line")
    return Signature(**values)
