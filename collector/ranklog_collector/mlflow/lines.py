"""What came by REST, as lines of points.md, and back. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from ranklog_collector.mlflow.run import Dataset, Metric, Run

NS_PER_MS = 1_000_000
TIMESTAMP_MAX = ((1 << 63) - 1) // NS_PER_MS
_SPECIAL = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
_INFO = {
    "display_name": "name",
    "user": "user_id",
    "artifact_uri": "artifact_uri",
    "lifecycle_stage": "lifecycle_stage",
}

Line = dict[str, Any]


def moment_ns(time: int | None, now_ns: int) -> int:
    """A client's time in ms as ns, or now if it can be none."""
    return time * NS_PER_MS if time is not None and 0 < time <= TIMESTAMP_MAX else now_ns


def dump(lines: Iterable[Line]) -> bytes:
    """As bytes of a file."""
    return b"".join([orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE) for line in lines])


def of_metrics(metrics: Sequence[Metric]) -> list[Line]:
    """As few lines as will do: one for each moment and step, or one for each metric."""
    if len(metrics) == 1:
        key, value, timestamp, step = metrics[0]
        return [{"t": timestamp * NS_PER_MS, "k": key, "v": _value(value), "s": step}]
    moments: dict[tuple[int, int], dict[str, Any]] = {}
    keys: dict[str, tuple[list[Any], list[int], list[int]]] = {}
    is_repeated = False
    for key, value, timestamp, step in metrics:
        encoded = value if value - value == 0 else _value(value)
        at = moments.setdefault((timestamp, step), {})
        is_repeated = is_repeated or key in at
        at[key] = encoded
        values, times, steps = keys.setdefault(key, ([], [], []))
        values.append(encoded)
        times.append(timestamp * NS_PER_MS)
        steps.append(step)
    if len(moments) <= len(keys) and not is_repeated:
        return [{"t": time * NS_PER_MS, "m": values, "s": step} for (time, step), values in moments.items()]
    return [
        {"t": times[0], "k": key, "vs": values, "ts": times, "ss": steps}
        for key, (values, times, steps) in keys.items()
    ]


def of_facts(
    now_ns: int, params: Mapping[str, str], tags: Mapping[str, str | None], info: Mapping[str, str] | None = None
) -> list[Line]:
    """One line with what was said of the run, if anything was."""
    line: Line = {"t": now_ns}
    if params:
        line["param"] = params
    if tags:
        line["tag"] = tags
    if info:
        line["set"] = info
    return [line] if len(line) > 1 else []


def of_datasets(now_ns: int, datasets: Iterable[Dataset]) -> Line:
    """One line with datasets."""
    return {
        "t": now_ns,
        "inputs": [
            {
                "name": one.name,
                "digest": one.digest,
                "source_type": one.source_type,
                "source": one.source,
                "schema": one.schema,
                "profile": one.profile,
                "tags": dict(one.tags),
            }
            for one in datasets
        ],
    }


def replay(run: Run, line: Line) -> None:
    """Take in a line of an earlier life; what makes no sense is skipped."""
    if type(line.get("r", "")) is not str or line.get("r"):
        return
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
    inputs = line.get("inputs")
    if type(inputs) is list:
        run.add_datasets(one for one in map(_dataset, inputs) if one is not None)


def _metrics(line: Line) -> list[Metric]:
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


def _value(value: float) -> Any:
    if math.isfinite(value):
        return value
    return {"f": "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"}


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
