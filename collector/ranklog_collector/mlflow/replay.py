"""Lines of points.md that came by REST in an earlier life, taken in again. Pure."""

from __future__ import annotations

import math
from typing import Any

from ranklog.mlflow_api.lines import NS_PER_MS, Line
from ranklog.mlflow_api.metrics import Logged
from ranklog_collector.mlflow.run import Dataset, Run

_SPECIAL = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
_INFO = {
    "display_name": "name",
    "user": "user_id",
    "artifact_uri": "artifact_uri",
    "lifecycle_stage": "lifecycle_stage",
}


def replay(run: Run, line: Line) -> None:
    """Take in a line of an earlier life; what makes no sense is skipped."""
    run.add_metrics(_metrics(line))
    run.add_params(_texts(line.get("param")))
    tags = line.get("tag")
    if type(tags) is dict:
        run.set_tags({key: value for key, value in tags.items() if value is None or type(value) is str})
    replay_beyond_points(run, line)


def replay_beyond_points(run: Run, line: Line) -> None:
    """Take in of a line only what series know nothing of."""
    info = {_INFO[key]: value for key, value in _texts(line.get("set")).items() if key in _INFO}
    if info:
        run.set_info(**info)
    models = line.get("models")
    if type(models) is dict:
        given, made = models.get("inputs"), models.get("outputs")
        run.add_models(
            [one for one in given if type(one) is str] if type(given) is list else [],
            {key: one for key, one in made.items() if type(one) is int} if type(made) is dict else {},
        )
    take_datasets(run, line.get("inputs"))


def take_datasets(run: Run, inputs: Any) -> None:
    """Take in datasets; what is none is skipped."""
    if type(inputs) is list:
        run.add_datasets(one for one in map(_dataset, inputs) if one is not None)


def _metrics(line: Line) -> list[Logged]:
    try:
        time, step, key = line["t"], line.get("s", 0), line.get("k", "")
        found = [(name, value, time, step) for name, value in line["m"].items()] if "m" in line else []
        if "v" in line:
            found.append((key, line["v"], time, step))
        if "vs" in line:
            values = line["vs"]
            times, steps = line.get("ts", [time] * len(values)), line.get("ss", [step] * len(values))
            found += [(key, *point) for point in zip(values, times, steps, strict=True)]
        return [
            (str(name), number, at // NS_PER_MS, int(of))
            for name, value, at, of in found
            if (number := _number(value)) is not None
        ]
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        return []


def _number(value: Any) -> float | None:
    """A value that MLflow knows: a number, or a truth value."""
    if type(value) is dict:
        return _SPECIAL.get(value.get("f", ""))
    return float(value) if type(value) in (int, float, bool) else None


def _texts(value: Any) -> dict[str, str]:
    return {key: one for key, one in value.items() if type(one) is str} if type(value) is dict else {}


def _dataset(value: Any) -> Dataset | None:
    fields = _texts(value)
    if not fields.get("name") or not fields.get("digest"):
        return None
    return Dataset(
        fields["name"],
        fields["digest"],
        fields.get("source_type", ""),
        fields.get("source", ""),
        fields.get("schema", ""),
        fields.get("profile", ""),
        _texts(value.get("tags")),
    )
