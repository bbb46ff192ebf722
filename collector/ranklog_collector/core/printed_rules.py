"""Rules by which lines that a job prints become points (docs/how-to/printed-metrics.md). Pure.

Regular expressions are RE2's: they take time in proportion to the line, whatever they are and whatever is in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import re2

from ranklog_collector.core.toml_tables import TableError, checked, load

RULES_MAX = 256
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
        loaded = load(text, "rule", RULES_MAX, ("presets",))
        rules = tuple(_rule(one, number) for number, one in enumerate(loaded["rule"], 1))
    except TableError as error:
        raise RulesError(str(error)) from error
    return Rules(rules, _presets(loaded, presets))


def compiled(pattern: str, memory_bytes: int = _MEMORY_BYTES) -> Any:
    """Compile a regular expression for bytes. With too little memory it is slow. Raises RulesError."""
    try:
        return _compiled(pattern, memory_bytes)
    except re2.error as error:
        reason = error.args[0].decode(errors="replace") if error.args and isinstance(error.args[0], bytes) else error
        raise RulesError(f"{pattern[:_SHOWN_MAX]!r} is no regular expression of RE2: {reason}") from error


def one_of(patterns: list[str]) -> Any:
    """Compile several of which it is to be told which ones a line matches."""
    found = re2.Set.SearchSet(_options(_MEMORY_BYTES))
    for pattern in patterns:
        found.Add(pattern)
    found.Compile()
    return found


def _options(memory_bytes: int) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = memory_bytes
    return options


@lru_cache(maxsize=1024)
def _compiled(pattern: str, memory_bytes: int) -> Any:
    return re2.compile(pattern, _options(memory_bytes))


def _presets(loaded: dict[str, Any], known: Mapping[str, Any]) -> tuple[str, ...] | str:
    wanted = loaded.get("presets", AUTO)
    if wanted in (AUTO, ALL):
        return str(wanted)
    if not isinstance(wanted, list) or any(not isinstance(name, str) or name not in known for name in wanted):
        raise RulesError(f"presets: {wanted!r} is none of {ALL!r}, {AUTO!r} and a list of {', '.join(known)}")
    return tuple(wanted)


def _rule(table: Any, number: int) -> Rule:
    values, where = checked(table, Rule, "rule", number)
    if "pattern" not in values:
        raise RulesError(f"{where} has no pattern")
    rule = Rule(**{"name": f"rule {number}", **values})
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
