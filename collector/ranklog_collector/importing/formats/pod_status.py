"""What `kubectl get pods -o json` tells of pods: their addresses, and how each life of their containers ended."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from ranklog_collector.importing.formats.cri import time_ns
from ranklog_collector.importing.formats.found import End, How

_SHELL_SIGNALS = range(129, 160)
"""Runtimes tell of a signal as shells do."""


@dataclass(slots=True)
class PodFacts:
    """One pod."""

    namespace: str
    name: str
    ip: str = ""
    ends: dict[tuple[str, int], End] = field(default_factory=dict)
    """Of each container, by how often it had been started before."""


def looks_like(sample: bytes) -> bool:
    """Whether a file that begins so may tell of pods."""
    return sample.lstrip().startswith(b"{") and b'"apiVersion"' in sample and (b'"Pod' in sample or b'"List"' in sample)


def read(data: bytes) -> list[PodFacts]:
    """Read the answer; nothing if it is none."""
    try:
        loaded = orjson.loads(data)
    except orjson.JSONDecodeError:
        return []
    if not isinstance(loaded, dict):
        return []
    items = loaded.get("items") if "items" in loaded else [loaded]
    pods = [_pod(item) for item in items if isinstance(item, dict)] if isinstance(items, list) else []
    return [pod for pod in pods if pod.name]


def _pod(item: dict[str, Any]) -> PodFacts:
    about, status = _of(item, "metadata"), _of(item, "status")
    pod = PodFacts(str(about.get("namespace") or ""), str(about.get("name") or ""), str(status.get("podIP") or ""))
    for container in _containers(status):
        count = container.get("restartCount")
        restarts = count if isinstance(count, int) else 0
        for kind, restart in (("lastState", restarts - 1), ("state", restarts)):
            end = _end(_of(_of(container, kind), "terminated"))
            if end is not None and restart >= 0:
                pod.ends[str(container.get("name")), restart] = end
    return pod


def _containers(status: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for kind in ("containerStatuses", "initContainerStatuses"):
        found = status.get(kind)
        yield from (one for one in found if isinstance(one, dict)) if isinstance(found, list) else ()


def _end(terminated: dict[str, Any]) -> End | None:
    code = terminated.get("exitCode")
    if not isinstance(code, int) or not 0 <= code <= 255:
        return None
    finished = terminated.get("finishedAt")
    how = How(signal=code - 128) if code in _SHELL_SIGNALS else How(code)
    if terminated.get("reason") == "OOMKilled":
        how = How(signal=9, oom_killed=True)
    return End(how, time_ns=time_ns(finished) if isinstance(finished, str) else None)


def _of(value: dict[str, Any], name: str) -> dict[str, Any]:
    found = value.get(name)
    return found if isinstance(found, dict) else {}
