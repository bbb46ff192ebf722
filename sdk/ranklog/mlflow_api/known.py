"""What lines of points come to in MLflow's terms: latest values, parameters, tags, state. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ranklog.mlflow_api.lines import NAME_TAG, NS_PER_MS, PARENT_TAG
from ranklog.mlflow_api.metrics import Metric
from ranklog.mlflow_api.statuses import ENDS, status_of
from ranklog.points import reading

Line = reading.Line


@dataclass
class Known:
    """A run, or a child run, by its lines as far as they have been read."""

    run_id: str
    parent: str | None = None
    metrics: dict[str, Metric] = field(default_factory=dict)
    """Of each the value with the highest step, time and value, which is what MLflow takes for the latest."""
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    inputs: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    """Datasets by name and digest."""
    name: str | None = None
    state: str = "running"
    began_ns: int | None = None
    ended_ns: int | None = None
    _tagged: dict[str, int] = field(default_factory=dict)
    """When each tag was last said: files are not read in the order of time."""
    _said: dict[str, int] = field(default_factory=dict)

    def take(self, line: Line, ordinals: dict[str, int]) -> None:
        """Take in a line; `ordinals` count the values of each metric in its file, and stand for steps."""
        moment = line["t"]
        if self.began_ns is None or moment < self.began_ns:
            self.began_ns = moment
        for one in values(line, ordinals):
            self.take_metric(one)
        if "k" in line:
            return
        for name, value in _texts(line.get("param")):
            self.params.setdefault(name, value)
        self._take_tags(line, moment)
        for name, value in _texts(line.get("set")):
            if name == "display_name" and self._is_later("name", moment):
                self.name = value
        if isinstance(line.get("status"), str) and self._is_later("status", moment):
            self.state = line["status"]
            self.ended_ns = moment if self.state in ENDS else None
        found = line.get("inputs")
        for one in found if isinstance(found, list) else ():
            if isinstance(one, dict):
                self.inputs.setdefault((str(one.get("name")), str(one.get("digest"))), one)

    def take_metric(self, one: Metric) -> None:
        """Take in a value."""
        latest = self.metrics.get(one.key)
        if latest is None or _rank(one) >= _rank(latest):
            self.metrics[one.key] = one

    @property
    def status(self) -> str:
        """MLflow's word for the state."""
        return status_of(self.state)

    def all_tags(self, parent: str | None) -> dict[str, str]:
        """The tags as MLflow has them: with the run's name, and its parent's id if it has one."""
        more = {NAME_TAG: self.name, PARENT_TAG: parent}
        return self.tags | {name: value for name, value in more.items() if value is not None}

    def _take_tags(self, line: Line, moment: int) -> None:
        said = line.get("tag")
        for name, value in said.items() if isinstance(said, dict) else ():
            if moment >= self._tagged.get(name, 0):
                self._tagged[name] = moment
                if value is None:
                    self.tags.pop(name, None)
                else:
                    self.tags[name] = str(value)

    def _is_later(self, what: str, moment: int) -> bool:
        is_later = moment >= self._said.get(what, 0)
        if is_later:
            self._said[what] = moment
        return is_later


def values(line: Line, ordinals: dict[str, int]) -> Iterator[Metric]:
    """Yield the numbers of a line. A value without a step has its ordinal for one."""
    value, step = line.get("v"), line.get("s")
    if (
        (type(value) is float or type(value) is int) and type(step) is int and type(line.get("k")) is str
    ):  # nearly all lines are like this
        ordinals[line["k"]] = ordinals.get(line["k"], -1) + 1
        yield Metric(line["k"], float(value), line["t"] // NS_PER_MS, step)
        return
    if "k" not in line and "m" not in line:
        return
    for record in reading.records(line):
        if record["kind"] != "scalar":
            continue
        key, value, step = record["key"], record["value"], record["step"]
        ordinal = ordinals[key] = ordinals.get(key, -1) + 1
        if isinstance(value, bool | int | float):
            place = step if isinstance(step, int) else ordinal
            yield Metric(key, float(value), record["time_ns"] // NS_PER_MS, place)


def _rank(one: Metric) -> tuple[int, int, float]:
    return one.step, one.timestamp, -math.inf if math.isnan(one.value) else one.value


def _texts(found: Any) -> list[tuple[str, str]]:
    return [(name, str(value)) for name, value in found.items()] if isinstance(found, dict) else []
