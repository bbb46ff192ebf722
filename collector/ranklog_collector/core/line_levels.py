"""How grave a line is, in the formats that programs usually write. Pure."""

from __future__ import annotations

import re

LEVELS = ("debug", "info", "warning", "error", "critical")
HEAD_BYTES = 256
"""Of a line, no more is looked at."""
_WORDS_BEFORE_MAX = 10
_NAMES = {
    **dict.fromkeys((b"trace", b"debug", b"verbose"), "debug"),
    **dict.fromkeys((b"info", b"information", b"notice", b"success"), "info"),
    **dict.fromkeys((b"warn", b"warning"), "warning"),
    **dict.fromkeys((b"err", b"error", b"severe", b"exception"), "error"),
    **dict.fromkeys((b"critical", b"crit", b"fatal", b"panic", b"emerg", b"alert"), "critical"),
}
_GLOG = {b"I": "info", b"W": "warning", b"E": "error", b"F": "critical"}
_TAGS = rb"^(?:\[[^\]\s]{1,60}\]:? ?)*"
_ESCAPE = re.compile(rb"\x1b\[[0-9;:]*m")
_FIELD = re.compile(rb"""(?i)(?:^|[\s{,"'])(?:level|lvl|levelname|severity|log\.level)["']?\s*[:=]\s*["']?([a-z]+)""")
_UPPER = re.compile(
    rb"(?:^|[\s\[|(<:>\"',-])(TRACE|DEBUG|INFO|NOTICE|SUCCESS|WARN(?:ING)?|ERROR|SEVERE|CRITICAL|FATAL|PANIC)"
    rb"(?=$|[\s\]|)>:,\"'-])"
)
_GLOG_HEAD = re.compile(_TAGS + rb"\[?([IWEF])\d{4} \d\d:\d\d:\d\d")
_LOWER = re.compile(rb"^(?:[^\s:]+:(?:\d+:)* ?){0,3}(fatal|error|warning)(?: error)?: ")
_BRACKETED = re.compile(rb"[\[<(](trace|debug|info|notice|warn|warning|err|error|critical|fatal)[\])>]")
_WARNING = re.compile(rb"(?:^|\s)[A-Z]\w*Warning: ")
_RAISED = re.compile(_TAGS + rb"(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Interrupt|Exit)(?:: |$)")
_SAID = (
    (re.compile(rb"Traceback \(most recent call last\):"), "error"),
    (re.compile(rb"\*\*\* (?:Process received signal|An error occurred in)"), "error"),
    (re.compile(rb"Fatal Python error|terminate called|Check failed|panicked at|^Segmentation fault"), "critical"),
)
_SUSPECT = {
    "debug": rb"trace|debug|verbose",
    "info": rb"info|notice|success|\bI\d{4} ",
    "warning": rb"warn|\bW\d{4} ",
    "error": rb"err|severe|exception|interrupt|exit|traceback|received signal|\bE\d{4} ",
    "critical": rb"crit|fatal|panic|emerg|alert|terminate called|check failed|segmentation|\bF\d{4} ",
}


def suspects(least: str) -> str:
    """Give a regular expression, blind to case, that all lines match which are at least so grave."""
    return "|".join(_SUSPECT[level].decode() for level in LEVELS[LEVELS.index(least) :])


def line_level(line: bytes) -> str | None:
    """Tell how grave a line is, as it is shown; None if it does not say."""
    head = line[:HEAD_BYTES]
    if b"\x1b" in head:
        head = _ESCAPE.sub(b"", head)
    if (found := _GLOG_HEAD.match(head)) is not None:
        return _GLOG[found[1]]
    if (found := _FIELD.search(head)) is not None and (name := _NAMES.get(found[1].lower())) is not None:
        return name
    if (found := _UPPER.search(head)) is not None and head.count(b" ", 0, found.start()) <= _WORDS_BEFORE_MAX:
        return _NAMES[found[1].lower()]
    if (found := _LOWER.match(head) or _BRACKETED.search(head)) is not None:
        return _NAMES[found[1]]
    if _WARNING.search(head) is not None:
        return "warning"
    if _RAISED.match(head) is not None:
        return "error"
    return next((level for pattern, level in _SAID if pattern.search(head)), None)
