"""What a line must contain so that a regular expression can match it: plain text is found much faster. Pure."""

from __future__ import annotations

import re

LENGTH_MIN = 2
_TOKEN = re.compile(
    r"\\(?P<escaped>[^0-9A-Za-z])"
    r"|(?P<class>\\[dDwWsSbB]|[.^$]|\[\^?\]?(?:\\.|[^\]\\])*\])"
    r"|(?P<optional>[*?]|\{[^}]*\})"
    r"|(?P<repeated>\+)"
    r"|(?P<bar>\|)"
    r"|(?P<plain>[^\\.^$*+?{}\[\]()|])",
    re.DOTALL,
)
_GROUP_PART = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|[^\\\[()]+|(?P<open>\()|(?P<close>\))", re.DOTALL)
_FLAGS = re.compile(r"\(\?[^:)P=!<>#]")


def needles(expression: str) -> list[str]:
    """Find texts of which every line that matches contains one; none if that cannot be told."""
    if _FLAGS.search(expression):
        return []
    found: list[str] = []
    best, run, at = "", "", 0
    while at < len(expression):
        if expression[at] == "(":
            at = _group_end(expression, at)
            best, run = max(best, run, key=len), ""
            continue
        token = _TOKEN.match(expression, at)
        if token is None:
            return []
        at = token.end()
        if token["plain"] or token["escaped"]:
            run += token["plain"] or token["escaped"]
            continue
        best, run = max(best, run[:-1] if token["optional"] else run, key=len), ""
        if token["bar"]:
            found.append(best)
            best = ""
    found.append(max(best, run, key=len))
    return found if min(map(len, found)) >= LENGTH_MIN and not any("\n" in one for one in found) else []


def _group_end(expression: str, at: int) -> int:
    """Where what stands behind a group begins."""
    depth = 0
    while at < len(expression):
        part = _GROUP_PART.match(expression, at)
        if part is None:
            break
        at = part.end()
        depth += bool(part["open"]) - bool(part["close"])
        if depth == 0:
            return at
    return len(expression)
