"""What is logged becomes one line, and that line the same values again, whatever they are."""

from __future__ import annotations

import enum
import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranklog.points import line, reading
from ranklog.points.facts import gather
from ranklog.points.values import is_scalar, plain, read, written

HOSTILE_NAMES = ['"', "\\", "a\nb", "\0", "\ud800", "\udcff", "ü€😀", "x" * 50_000, "", '{"t":1}', "\u2028"]


class Scalar:
    """A scalar of some array package: one element, to be had by item()."""

    def __init__(self, element: object) -> None:
        self._element = element

    def item(self) -> object:
        if isinstance(self._element, Exception):
            raise self._element
        return self._element


class BFloat16:
    """Gives itself by item(), as scalars without a Python type do."""

    def item(self) -> BFloat16:
        return self

    def __float__(self) -> float:
        return 1.5


class Spiteful:
    """Raises whatever is done with it."""

    @property
    def item(self) -> object:
        raise RuntimeError("no")

    def __repr__(self) -> str:
        raise RuntimeError("no")


class Colour(str, enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


def back(text: bytes) -> list[dict[str, Any]]:
    return [record for found in reading.lines(text) for record in reading.records(found)]


def same(one: object, other: object) -> bool:
    both_nan = isinstance(one, float) and isinstance(other, float) and math.isnan(one) and math.isnan(other)
    return both_nan or (type(one) is type(other) and one == other)


# ---- values ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, 1),
        (1.0, 1.0),
        (True, True),
        ("x", "x"),
        (None, None),
        (Scalar(3), 3),
        (Scalar(0.5), 0.5),
        (Scalar(True), True),
        (Scalar("a"), "a"),
        (BFloat16(), 1.5),
        (Decimal("1.5"), 1.5),
        (Fraction(1, 4), 0.25),
        (Decimal("1e999"), math.inf),
        (Colour.RED, "red"),
        (Level.HIGH, 3),
        (2**64 - 1, 2**64 - 1),
        (2**64, 2.0**64),
        (10**400, math.inf),
        (-(10**400), -math.inf),
        ([1], "[1]"),
        ({"x": 1}, "{'x': 1}"),
        (1 + 2j, "(1+2j)"),
        (b"x", "b'x'"),
        (Decimal("sNaN"), "Decimal('sNaN')"),
        (Spiteful(), "<Spiteful>"),
    ],
)
def test_values_become_numbers_text_or_their_repr(value: object, expected: object) -> None:
    assert same(plain(value), expected)
    assert is_scalar(value) == (not isinstance(expected, str) or isinstance(value, str | Scalar))


def test_arrays_of_several_elements_become_their_repr() -> None:
    assert plain(Scalar(ValueError("can only convert an array of size 1"))).startswith("<")  # type: ignore[union-attr]


def test_scalars_of_numpy_of_every_type_become_numbers() -> None:
    numpy = pytest.importorskip("numpy")
    for kind in "bhilqBHILQ":
        assert same(plain(numpy.dtype(kind).type(3)), 3)
    for kind in "efdg":
        assert same(plain(numpy.dtype(kind).type(0.5)), 0.5)
    assert same(plain(numpy.bool_(True)), True)
    assert same(plain(numpy.str_("x")), "x")
    assert same(plain(numpy.array(7)), 7)
    assert same(plain(numpy.float32(0.1)), 0.10000000149011612)
    assert plain(numpy.array([1, 2])) == "array([1, 2])"
    assert not is_scalar(numpy.datetime64("2020-01-01"))


@given(st.one_of(st.none(), st.booleans(), st.floats(), st.text(), st.integers(-(2**63), 2**64 - 1)))
def test_a_value_is_read_as_it_was_written(value: float | str | None) -> None:
    assert same(read(orjson.loads(orjson.dumps(written(value)))), value)


# ---- lines -----------------------------------------------------------------------------------------------------------


def test_a_value_is_one_line_that_begins_with_its_time() -> None:
    text = line.value(17, "loss", 0.25, 3, "what it is", "r.0badcafe")
    assert text == b'{"t":17,"k":"loss","v":0.25,"s":3,"d":"what it is","r":"r.0badcafe"}\n'
    assert line.value(17, "acc", 1) == b'{"t":17,"k":"acc","v":1}\n'
    assert line.value(17, "acc", 1.0) == b'{"t":17,"k":"acc","v":1.0}\n'
    assert line.value(17, "x", math.nan) == b'{"t":17,"k":"x","v":{"f":"nan"}}\n'


@pytest.mark.parametrize("name", HOSTILE_NAMES)
@pytest.mark.parametrize("value", [1.5, "text", "\ud800", '\n{"t":1}', math.inf, 2**70])
def test_whatever_a_metric_is_called_it_is_one_line_and_readable(name: str, value: object) -> None:
    text = line.value(17, name, value, description=name)
    assert text.count(b"\n") == 1
    (record,) = back(text)
    assert record["key"] == name.encode("utf-8", "backslashreplace").decode()
    assert record["value"] == plain(value) if isinstance(value, float | int) else True


@pytest.mark.parametrize("name", [3, None, ("a", 1), Colour.RED])
def test_a_name_that_is_no_text_becomes_text(name: Any) -> None:
    for value in (1.5, "x"):
        assert back(line.value(17, name, value))[0]["key"] in (str(name), "red")


@pytest.mark.parametrize(
    ("step", "expected"),
    [(3, 3), (Scalar(4), 4), (5.0, 5), (5.5, None), ("6", None), (True, 1), (None, None), (-1, -1)],
)
def test_a_step_is_an_integer_or_none(step: object, expected: int | None) -> None:
    assert back(line.value(17, "x", 1.0, step))[0]["step"] == expected


@pytest.mark.parametrize(
    ("fields", "kind", "value"),
    [
        ({"list": [1, 2.5, "x", None, {"f": "nan"}]}, "list", [1, 2.5, "x", None, math.nan]),
        ({"row": {"t": 1, "k": "a", "v": 2}}, "row", {"t": 1, "k": "a", "v": 2}),
        ({"table": {"t": [1, 2], "\ud800": [3, 4]}}, "table", {"t": [1, 2], "\\ud800": [3, 4]}),
        ({"kind": "image", "file": "outputs/x.png"}, "image", "outputs/x.png"),
    ],
)
def test_other_kinds_keep_their_shapes(fields: dict[str, object], kind: str, value: Any) -> None:
    (record,) = back(line.entry(17, fields, name="m"))
    assert (record["kind"], repr(record["value"])) == (kind, repr(value))


def test_columns_of_values_are_as_many_points() -> None:
    text = b'{"t":1,"k":"x","vs":[1,2,3],"ts":[10,11,12],"ss":[5,6,7]}\n{"t":2,"m":{"a":1,"b":{"f":"inf"}},"s":9}\n'
    found = [(record["key"], record["value"], record["time_ns"], record["step"]) for record in back(text)]
    assert found == [("x", 1, 10, 5), ("x", 2, 11, 6), ("x", 3, 12, 7), ("a", 1, 2, 9), ("b", math.inf, 2, 9)]


# ---- damage ----------------------------------------------------------------------------------------------------------

WHOLE = line.value(1, "whole", 1.0)
ROW = line.entry(2, {"row": {"t": 5, "k": "fake", "v": 1}}, name="row")


@pytest.mark.parametrize("cut", range(1, len(ROW)))
def test_a_line_that_was_cut_short_costs_no_other_line_and_invents_none(cut: int) -> None:
    names = [record["key"] for record in back(ROW[:cut] + WHOLE + ROW[:cut] + b"\n" + WHOLE)]
    # The line is whole if only its end is missing.
    kept = ["row"] if cut == len(ROW) - 1 else []
    assert names == ["whole", *kept, "whole"]


def test_a_last_line_without_its_end_is_not_there_yet() -> None:
    assert [record["key"] for record in back(WHOLE + WHOLE[:-1])] == ["whole"]


@pytest.mark.parametrize(
    "text",
    [
        b"null",
        b"[]",
        b"{}",
        b'{"t":null}',
        b'{"t":true,"k":"x","v":1}',
        b'{"t":1}',
        b'{"t":1,"k":3,"v":1}',
        b'{"t":1,"k":"x"}',
        b'{"t":1,"k":"x","vs":5}',
        b'{"t":1,"k":"x","table":{"a":1}}',
        b'{"t":1,"m":[1]}',
        b'{"t":1,"k":"x","kind":"virus","file":"y"}',
        b"\xff\xfe",
        b'{"t":' * 1000,
    ],
)
def test_lines_that_say_nothing_are_passed_over(text: bytes) -> None:
    assert [record["key"] for record in back(text + b"\n" + WHOLE)] == ["whole"]


@given(st.binary(max_size=200))
def test_any_bytes_can_be_read(text: bytes) -> None:
    assert back(text + b"\n" + WHOLE)[-1]["key"] == "whole"


def test_long_lines_are_skipped() -> None:
    text = line.value(1, "long", "x" * (16 << 20))
    assert [record["key"] for record in back(text + WHOLE)] == ["whole"]


# ---- facts -----------------------------------------------------------------------------------------------------------


def test_facts_are_those_of_the_last_line_but_properties_of_the_first() -> None:
    text = (
        b'{"t":1,"status":"running"}\n{"t":2,"tag":{"a":"1","b":"2"}}\n{"t":3,"tag":{"a":null,"c":""}}\n'
        b'{"t":4,"property":{"p":"1"}}\n{"t":5,"property":{"p":"2","q":"3"}}\n'
        b'{"t":6,"set":{"display_name":"x"}}\n{"t":7,"child":"root.1"}\n{"t":8,"status":"failed","error":"why","r":"root.1"}\n'
    )
    facts = gather(reading.lines(text), "root")
    root, child = facts["root"], facts["root.1"]
    assert (root.state, root.tags, root.properties) == ("running", {"b": "2", "c": ""}, {"p": "1", "q": "3"})
    assert (root.names, root.children, root.parent) == ({"display_name": "x"}, ["root.1"], None)
    assert (child.state, child.error, child.parent, child.ended_ns) == ("failed", "why", "root", 8)
