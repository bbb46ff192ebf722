"""The verdict on a run."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ranklog_collector.core.verdict.finding import Verdict
from ranklog_collector.reading.folder import RunFolder
from ranklog_collector.verdict import judge
from ranklog_collector.views.shapes import Json, with_times

_SPANS = ("delay_min", "delay_max", "error")


def verdict_view(folder: RunFolder, run: str = "", signatures: str | None = None) -> Json:
    """Judge a run; `run` is what to type for it. Raises ReadingError if signatures are none."""
    return verdict_json(folder.run_id, judge(folder, run, signatures))


def verdict_json(run_id: str, verdict: Verdict) -> Json:
    """A verdict for programs: times as text, spans of time in seconds."""
    shaped = _shaped(asdict(verdict))
    assert isinstance(shaped, dict)
    return {"run": run_id, **shaped}


def _shaped(value: Any) -> Any:
    if isinstance(value, dict):
        spans = {f"{name}_s": _seconds(value[f"{name}_ns"]) for name in _SPANS if f"{name}_ns" in value}
        rest = {name: _shaped(one) for name, one in value.items() if name.removesuffix("_ns") not in _SPANS}
        return with_times(rest) | spans
    if isinstance(value, (tuple, list)):
        return [_shaped(one) for one in value]
    return getattr(value, "value", value)


def _seconds(span_ns: int | None) -> float | None:
    return None if span_ns is None else span_ns / 1e9
