"""Rules by which lines that a job prints become points (docs/how-to/printed-metrics.md). Pure.

Regular expressions are RE2's: they take time in proportion to the line, whatever they are and whatever is in it.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

import re2

RULES_MAX = 256
PATTERN_MAX = 4096
_MEMORY_BYTES = 32 << 20
_SHOWN_MAX = 100
AUTO = "auto"
ALL = "all"


class RulesError(Exception):
    """A text is no rules; the message says where and why."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What a line must be like, and what in it are metrics.

    Named groups: `step`; `name` and `value` for each pair that is found; any other is a metric of its own name.
    """

    name: str
    pattern: str
    when: str = ""
    """What the line must match besides; its groups count as well."""
    streams: tuple[str, ...] = ("stdout", "stderr")
    """Roles of streams, or patterns of paths in the run folder."""
    ranks: str = ""
    """Which ranks, as 0,3-5; empty: all."""
    prefix: str = ""
    """Goes before the names of metrics."""
    ignore: tuple[str, ...] = ()
    """Names that are no metrics."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What a file says."""

    rules: tuple[Rule, ...] = ()
    presets: tuple[str, ...] | str = AUTO
    """Names of ready rules; `all`; or `auto`: all, if the run has logged nothing."""


def load_rules(text: str, presets: Mapping[str, Any]) -> Rules:
    """Read a file of rules, in TOML. Raises RulesError."""
    try:
        loaded = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RulesError(f"it is no TOML: {error}") from error
    unknown = sorted(set(loaded) - {"rule", "presets"})
    if unknown:
        raise RulesError(f"there is no {unknown[0]!r}, only presets and [[rule]]")
    listed = loaded.get("rule", [])
    if not isinstance(listed, list) or len(listed) > RULES_MAX:
        raise RulesError(f"rules are written as [[rule]], at most {RULES_MAX}")
    return Rules(tuple(_rule(one, number) for number, one in enumerate(listed, 1)), _presets(loaded, presets))


def compiled(pattern: str) -> Any:
    """Compile a regular expression for bytes. Raises RulesError."""
    try:
        return _compiled(pattern)
    except re2.error as error:
        reason = error.args[0].decode(errors="replace") if error.args and isinstance(error.args[0], bytes) else error
        raise RulesError(f"{pattern[:_SHOWN_MAX]!r} is no regular expression of RE2: {reason}") from error


def one_of(patterns: list[str]) -> Any:
    """Compile several of which it is to be told which ones a line matches."""
    found = re2.Set.SearchSet(_options())
    for pattern in patterns:
        found.Add(pattern)
    found.Compile()
    return found


def _options() -> Any:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY_BYTES
    return options


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> Any:
    return re2.compile(pattern, _options())


def _presets(loaded: dict[str, Any], known: Mapping[str, Any]) -> tuple[str, ...] | str:
    wanted = loaded.get("presets", AUTO)
    if wanted in (AUTO, ALL):
        return str(wanted)
    if not isinstance(wanted, list) or any(not isinstance(name, str) or name not in known for name in wanted):
        raise RulesError(f"presets: {wanted!r} is none of {ALL!r}, {AUTO!r} and a list of {', '.join(known)}")
    return tuple(wanted)


def _rule(table: Any, number: int) -> Rule:
    where = f"rule {number}"
    if not isinstance(table, dict):
        raise RulesError(f"{where} is no table: write [[rule]] before it")
    where = f"{where} ({table['name']!r})" if isinstance(table.get("name"), str) else where
    known = {field.name for field in fields(Rule)}
    unknown = sorted(set(table) - known)
    if unknown:
        raise RulesError(f"{where}: there is no {unknown[0]!r}, only {', '.join(sorted(known))}")
    lists: dict[str, Any] = {
        name: _texts(table[name], f"{where}: {name}") for name in ("streams", "ignore") if name in table
    }
    rest = {name: value for name, value in table.items() if name not in lists}
    wrong = sorted(name for name, value in rest.items() if not isinstance(value, str) or len(value) > PATTERN_MAX)
    if wrong:
        raise RulesError(f"{where}: {wrong[0]} is no text of at most {PATTERN_MAX} characters")
    if "pattern" not in rest:
        raise RulesError(f"{where} has no pattern")
    rule = Rule(**{"name": f"rule {number}", **rest}, **lists)
    try:
        _check(rule)
    except RulesError as error:
        raise RulesError(f"{where}: {error}") from error
    return rule


def _check(rule: Rule) -> None:
    groups = set(compiled(rule.pattern).groupindex) | set(compiled(rule.when).groupindex)
    if ("name" in groups) != ("value" in groups):
        raise RulesError("the groups name and value go together")
    if not groups - {"step"}:
        raise RulesError("no metric is named: write (?P<loss>…), or (?P<name>…) and (?P<value>…)")


def _texts(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or any(not isinstance(one, str) for one in value):
        raise RulesError(f"{where} is no list of texts")
    return tuple(value)
