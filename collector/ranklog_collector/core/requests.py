"""What somebody asks of the collector that holds a run folder, by a file in `.ranklog/requests` (run-folder.md)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import orjson

SUFFIX = ".json"
REQUEST_BYTES_MAX = 1 << 20
TIMEOUT_S, TIMEOUT_S_MAX = 10.0, 300.0
RANKS_MAX = 100_000

_ID = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class StackRequest:
    """For the stacks of living processes."""

    id: str
    """16 hex digits."""
    ranks: frozenset[int] | None = None
    """None: of all processes, also those without a rank."""
    is_native: bool = False
    """Also the native frames of Python programs."""
    is_gentle: bool = False
    """Without stopping a process for a moment, and without a signal."""
    timeout_s: float = TIMEOUT_S
    """For one process."""

    def includes(self, rank: int | None) -> bool:
        """Whether a process of this rank, or of none, is meant."""
        return self.ranks is None or rank in self.ranks

    @property
    def file_name(self) -> str:
        """Of the request's file."""
        return self.id + SUFFIX

    def dump(self) -> bytes:
        """As the file has it."""
        ranks = None if self.ranks is None else sorted(self.ranks)
        fields = {"version": 1, "ask": "stacks", "ranks": ranks, "native": self.is_native, "timeout_s": self.timeout_s}
        return orjson.dumps(fields, option=orjson.OPT_APPEND_NEWLINE)


def id_of(file_name: str) -> str | None:
    """The id of the request that a file of this name holds; None if it can hold none."""
    id_ = file_name.removesuffix(SUFFIX)
    return id_ if id_ != file_name and _ID.fullmatch(id_) else None


def parse(id_: str, data: bytes) -> StackRequest | None:
    """Read a request; None if it is none."""
    try:
        fields: Any = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(fields, dict) or fields.get("ask") != "stacks":
        return None
    ranks, timeout_s = fields.get("ranks"), fields.get("timeout_s", TIMEOUT_S)
    if ranks is not None and not _are_ranks(ranks):
        return None
    if not isinstance(timeout_s, (int, float)) or isinstance(timeout_s, bool) or not 0 < timeout_s <= TIMEOUT_S_MAX:
        return None
    return StackRequest(
        id_, None if ranks is None else frozenset(ranks), fields.get("native") is True, timeout_s=float(timeout_s)
    )


def _are_ranks(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= RANKS_MAX and all(type(one) is int and one >= 0 for one in value)
