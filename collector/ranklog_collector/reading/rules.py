"""The rules by which a run's output becomes metrics: where they are, and whether they are some."""

from __future__ import annotations

import os
from functools import lru_cache

from ranklog_collector.core.layout import INTERNAL
from ranklog_collector.core.printed_presets import PRESETS
from ranklog_collector.core.printed_rules import Rules, RulesError, load_rules
from ranklog_collector.reading.folder import ReadingError, RunFolder
from ranklog_collector.reading.inside import open_inside
from ranklog_collector.reading.select import parse_ranks

RUN_RULES = f"{INTERNAL}/rules.toml"
"""In a run folder; a run that has none takes those beside the experiments' folders."""
ROOT_RULES = ".ranklog-rules.toml"
RULES_BYTES_MAX = 1 << 20


def rules_of(folder: RunFolder) -> Rules:
    """The rules of a run. Raises ReadingError if they are none."""
    root = os.path.dirname(os.path.dirname(folder.path))
    for where, name in ((folder.path, RUN_RULES), (root, ROOT_RULES)):
        try:
            file = open_inside(where, name)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise ReadingError(f"{where}/{name} cannot be read: {error.strerror or error}") from error
        try:
            return read_rules(os.path.join(where, name), os.pread(file, RULES_BYTES_MAX + 1, 0))
        finally:
            os.close(file)
    return Rules()


def complaint(folder: RunFolder) -> str | None:
    """Why there are no printed metrics, if that is because of the rules."""
    try:
        rules_of(folder)
    except ReadingError as error:
        return str(error)
    return None


@lru_cache(maxsize=64)
def read_rules(path: str, data: bytes) -> Rules:
    """Read rules; `path` is for messages. Raises ReadingError."""
    try:
        if len(data) > RULES_BYTES_MAX:
            raise RulesError(f"it is larger than {RULES_BYTES_MAX} bytes")
        rules = load_rules(data.decode(), PRESETS)
        for rule in rules.rules:
            if rule.ranks:
                parse_ranks(rule.ranks)
    except (RulesError, ValueError) as error:
        raise ReadingError(f"{path}: {error}") from error
    return rules
