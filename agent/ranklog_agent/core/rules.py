"""Which files to watch, and what a path says about the rank that writes it.

A rule is a glob with, perhaps, a regular expression over the path. The presets are the layouts that launchers leave
(`ranklog.launcher_files`).
"""

from __future__ import annotations

import re
from collections.abc import Set
from dataclasses import dataclass
from enum import Enum

from ranklog.launcher_files import BY_NODE, PRESETS
from ranklog_agent.core.facts import StreamName, spelled

_GLOB_PART = re.compile(r"\*\*/|\*\*|\*|\?|\[!?[^\]]*\]")


class Mode(Enum):
    """How a file is mirrored."""

    TAIL = "tail"
    SNAPSHOT = "snapshot"
    """Rewritten rather than appended to: mirrored whole, each time it has changed."""
    AT_END = "at-end"
    """Mirrored whole when the job has ended."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Files to mirror. `pattern` is absolute; `names` has groups rank, local_rank, attempt, stream, name, node."""

    pattern: str
    names: re.Pattern[str] | None = None
    mode: Mode = Mode.TAIL
    folder: str = "logs"
    """Where in the run folder files go that belong to no rank."""
    is_by_node: bool = False
    """Whether each node writes its own files, so that those of another node are that one's business."""

    @property
    def has_wildcard(self) -> bool:
        """Whether it may mean several files."""
        return _GLOB_PART.search(self.pattern) is not None

    @property
    def base(self) -> str:
        """The folder above the first wildcard."""
        found = _GLOB_PART.search(self.pattern)
        return self.pattern[: self.pattern.rindex("/", 0, found.start())] if found else self.pattern.rpartition("/")[0]

    @property
    def depth(self) -> int | None:
        """How many folders below `base` can matter; None if there is no limit."""
        return None if "**" in self.pattern else self.pattern.count("/") - self.base.count("/") - 1


@dataclass(frozen=True, slots=True)
class Match:
    """What a rule makes of a path."""

    rule: Rule
    role: str
    name: str
    """Relative to the run folder's root, for a file that belongs to no rank."""
    rank: int | None = None
    local_rank: int | None = None
    attempt: int = 0

    def stream(self, process: str) -> StreamName:
        """The stream's name, given the key of the process that writes it."""
        return StreamName(self.role, process, spelled(self.name))


def glob_regex(pattern: str) -> re.Pattern[str]:
    """Translate a glob: `**` crosses folders, `*` and `?` do not."""
    out, end = [], 0
    for part in _GLOB_PART.finditer(pattern):
        out.append(re.escape(pattern[end : part.start()]))
        token = part.group()
        if token in ("**/", "**"):
            out.append("(?:.*/)?" if token == "**/" else ".*")
        elif token == "*":
            out.append("[^/]*")
        elif token == "?":
            out.append("[^/]")
        else:
            out.append("[^" + token[2:] if token.startswith("[!") else token)
        end = part.end()
    return re.compile("".join(out) + re.escape(pattern[end:]), re.DOTALL)


class Rules:
    """All rules of an agent, whose node has some `names`; the first that fits a path decides."""

    def __init__(self, rules: list[Rule], names: Set[str] = frozenset()) -> None:
        self._rules = [(rule, glob_regex(rule.pattern)) for rule in rules]
        self._names = names

    @property
    def all(self) -> list[Rule]:
        """The rules, in order."""
        return [rule for rule, _ in self._rules]

    def match(self, path: str) -> Match | None:
        """What to make of a path; None if it is nobody's business."""
        for rule, regex in self._rules:
            if regex.fullmatch(path):
                found = rule.names.search(path) if rule.names else None
                groups = found.groupdict() if found else {}
                if rule.is_by_node and groups.get("node") not in (None, *self._names):
                    return None
                if rule.names is None or found is not None:
                    return _match(rule, path, groups)
        return None


def _match(rule: Rule, path: str, groups: dict[str, str | None]) -> Match:
    relative = path[len(rule.base) :].lstrip("/")
    name = groups.get("name") or f"{rule.folder}/{relative}"
    rank, local_rank = _number(groups.get("rank")), _number(groups.get("local_rank"))
    attempt = _number(groups.get("attempt")) or 0
    if rank is None and local_rank is None:
        return Match(rule, "output_file" if rule.folder == "outputs" else "log", name)
    role = "stderr" if (groups.get("stream") or "").startswith("err") or groups.get("stream") == "stderr" else "stdout"
    return Match(rule, role, "", rank, local_rank, attempt)


def _number(text: str | None) -> int | None:
    return int(text) if text else None


def preset(name: str, folder: str) -> list[Rule]:
    """The rules for the files that a launcher leaves below `folder`. Raises KeyError for an unknown name."""
    return [
        Rule(f"{folder.rstrip('/')}/{glob}", re.compile(names), is_by_node=name in BY_NODE)
        for glob, names in PRESETS[name]
    ]
