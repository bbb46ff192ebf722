"""Patterns of .gitignore and .amlignore. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Pattern:
    """One line of such a file."""

    regex: re.Pattern[str]
    is_exception: bool
    """Begins with `!`: takes back what an earlier pattern has left out."""
    is_folder: bool
    """Ends with `/`: is about folders only."""


def parse(text: str) -> list[Pattern]:
    """Read the lines of a file; a line that is no pattern is skipped."""
    return [pattern for line in text.splitlines() if (pattern := _pattern(line)) is not None]


def is_ignored(path: str, is_folder: bool, patterns: Iterable[Pattern]) -> bool:
    """Whether the last pattern that fits a path, relative to the file of patterns, leaves it out.

    The folder that it is in must have been asked about before: what is in one that is left out, is out.
    """
    ignored = False
    for pattern in patterns:
        if (is_folder or not pattern.is_folder) and pattern.regex.fullmatch(path):
            ignored = not pattern.is_exception
    return ignored


def _pattern(line: str) -> Pattern | None:
    text = re.sub(r"(?<!\\)\s+$", "", line)
    if not text or text.startswith("#"):
        return None
    is_exception = text.startswith("!")
    text = text[1:] if is_exception else text.removeprefix("\\") if text[:2] in ("\\#", "\\!") else text
    is_folder = text.endswith("/")
    text = text.rstrip("/")
    # A slash other than the last one ties the pattern to the folder of the file.
    is_tied = "/" in text
    try:
        regex = re.compile(("" if is_tied else "(?:.*/)?") + _regex(text.lstrip("/")), re.DOTALL)
    except re.error:
        return None
    return Pattern(regex, is_exception, is_folder) if text.strip("/") else None


_TOKENS = re.compile(r"^\*\*/|/\*\*/|/\*\*$|\*+|\?|\[[!^]?\]?[^\]]*\]|\\.|.", re.DOTALL)


def _regex(glob: str) -> str:
    return "".join(_translated(token) for token in _TOKENS.findall(glob))


def _translated(token: str) -> str:
    fixed = {"**/": "(?:.*/)?", "/**/": "/(?:.*/)?", "/**": "/.*", "?": "[^/]"}
    if token in fixed:
        return fixed[token]
    if token.startswith("*"):
        return "[^/]*"
    if token.startswith("[") and len(token) > 2:
        inside = token[1:-1].replace("\\", "\\\\")
        return f"[^{inside[1:]}]" if inside[0] in "!^" else f"[{inside}]"
    return re.escape(token[1] if token.startswith("\\") and len(token) == 2 else token)
