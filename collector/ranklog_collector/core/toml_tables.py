"""Files that users write as a list of TOML tables, `[[rule]]` or `[[signature]]`, checked with care. Pure."""

from __future__ import annotations

import sys
from collections.abc import Collection
from dataclasses import fields
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

TEXT_MAX = 4096


class TableError(Exception):
    """A text is no such file; the message says where and why."""


def load(text: str, name: str, tables_max: int, others: Collection[str] = ()) -> dict[str, Any]:
    """Read a file whose tables have a name and that may have keys besides. Raises TableError."""
    try:
        loaded = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise TableError(f"it is no TOML: {error}") from error
    if unknown := sorted(set(loaded) - {name, *others}):
        raise TableError(f"there is no {unknown[0]!r}, only {' and '.join((*others, f'[[{name}]]'))}")
    listed = loaded.setdefault(name, [])
    if not isinstance(listed, list) or len(listed) > tables_max:
        raise TableError(f"{name}s are written as [[{name}]], at most {tables_max}")
    return loaded


def checked(table: Any, kind: type, name: str, number: int) -> tuple[dict[str, Any], str]:
    """The values of one table, as the fields of a dataclass want them, and what to call it. Raises TableError."""
    where = f"{name} {number}"
    if not isinstance(table, dict):
        raise TableError(f"{where} is no table: write [[{name}]] before it")
    where = f"{where} ({table['name']!r})" if isinstance(table.get("name"), str) else where
    known = {field.name: str(field.type) for field in fields(kind)}
    if unknown := sorted(set(table) - set(known)):
        raise TableError(f"{where}: there is no {unknown[0]!r}, only {', '.join(sorted(known))}")
    return {key: _value(value, known[key], f"{where}: {key}") for key, value in table.items()}, where


def _value(value: Any, wanted: str, where: str) -> Any:
    if wanted == "bool":
        if not isinstance(value, bool):
            raise TableError(f"{where} is neither true nor false")
        return value
    if wanted.startswith("tuple["):
        if not isinstance(value, list) or any(not isinstance(one, str) for one in value):
            raise TableError(f"{where} is no list of texts")
        return tuple(value)
    if not isinstance(value, str) or len(value) > TEXT_MAX:
        raise TableError(f"{where} is no text of at most {TEXT_MAX} characters")
    return value
