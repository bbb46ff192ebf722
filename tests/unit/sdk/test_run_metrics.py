"""get_metrics gives what azureml-core gives."""

from __future__ import annotations

import math
from typing import Any

import pytest

from ranklog.run import shapes


def records(*logged: tuple[str, Any]) -> list[dict[str, Any]]:
    return [{"key": "a", "kind": kind, "value": value} for kind, value in logged]


@pytest.mark.parametrize(
    ("logged", "expected"),
    [
        ([("scalar", 1)], 1),
        ([("scalar", 1.5)], 1.5),
        ([("scalar", True)], True),
        ([("scalar", "x")], "x"),
        ([("scalar", None)], None),
        ([("scalar", 1), ("scalar", 2), ("scalar", 3)], [1, 2, 3]),
        ([("scalar", 1), ("scalar", 2.5)], [1.0, 2.5]),
        ([("scalar", 1), ("scalar", "x")], [1, "x"]),
        ([("scalar", True), ("scalar", 2.5)], [True, 2.5]),
        ([("scalar", 1), ("scalar", None), ("scalar", 2.5)], [1.0, None, 2.5]),
        ([("list", [1, 2, 3])], [1, 2, 3]),
        ([("list", [1])], 1),
        ([("list", [1, 2.5])], [1.0, 2.5]),
        ([("list", [1, 2]), ("list", [3])], [1, 2, 3]),
        ([("list", [1, 2]), ("scalar", 3)], [1, 2, 3]),
        ([("row", {"x": 1, "y": 2})], {"x": 1, "y": 2}),
        ([("row", {"x": 1, "y": 2}), ("row", {"x": 3, "y": 4.5})], {"x": [1, 3], "y": [2.0, 4.5]}),
        ([("row", {"x": 1, "y": 2}), ("row", {"x": 3})], {"x": [1, 3], "y": [2, None]}),
        ([("row", {"x": 1}), ("row", {"x": 3, "y": 4})], {"x": [1, 3], "y": [None, 4]}),
        ([("row", {"t": 1, "k": "a", "v": 2})], {"t": 1, "k": "a", "v": 2}),
        ([("table", {"x": [1, 2], "y": [3, 4]})], {"x": [1, 2], "y": [3, 4]}),
        ([("table", {"x": [1], "y": [3]})], {"x": 1, "y": 3}),
        ([("table", {"x": [1, 2]}), ("row", {"x": 3})], {"x": [1, 2, 3]}),
        ([("table", {"x": ["p", "q"], "y": [1, 2]})], {"x": ["p", "q"], "y": [1, 2]}),
        ([("table", {"x": []}), ("table", {"x": [1]})], {"x": 1}),
        ([("scalar", 7), ("row", {"x": 1})], {"a": [7, None], "x": [None, 1]}),
        ([("image", "outputs/a.png")], "aml://artifactId/ExperimentRun/dcid.r1/outputs/a.png"),
        (
            [("residuals", "outputs/a.json"), ("residuals", "outputs/a_1.json")],
            [f"aml://artifactId/ExperimentRun/dcid.r1/outputs/a{suffix}.json" for suffix in ("", "_1")],
        ),
    ],
)
def test_shapes_are_azuremls(logged: list[tuple[str, Any]], expected: object) -> None:
    given = shapes.metrics(records(*logged), "r1")
    assert repr(given) == repr({"a": expected})


@pytest.mark.parametrize("logged", [[], [("list", [])], [("table", {})], [("table", {"x": []})]])
def test_what_holds_no_value_is_not_there(logged: list[tuple[str, Any]]) -> None:
    assert shapes.metrics(records(*logged), "r1") == {}


def test_nan_stays() -> None:
    assert math.isnan(shapes.metrics(records(("scalar", math.nan)), "r1")["a"])


def test_metrics_come_in_the_order_of_their_first_record() -> None:
    found = [{"key": name, "kind": "scalar", "value": 1} for name in ("b", "a", "b")]
    assert list(shapes.metrics(found, "r1").items()) == [("b", [1, 1]), ("a", 1)]


def test_of_files_is_given_what_is_made_of_them() -> None:
    given = shapes.metrics(records(("image", "outputs/a.png")), "r1", lambda *words: words)
    assert given == {"a": ("r1", "image", "outputs/a.png")}
