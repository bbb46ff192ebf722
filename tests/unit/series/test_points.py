"""Lines of points to columns: what is read, what is skipped, and that no value becomes another."""

from __future__ import annotations

import math
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ranklog.points.reading import LINE_BYTES_MAX
from ranklog_collector.core.point_totals import Totals, TotalsError, load_totals
from ranklog_collector.core.point_values import KINDS, TYPES, decode
from ranklog_collector.core.points import Fact, Parsed, parse

T = 1_790_000_000_000_000_000


def line(**members: Any) -> bytes:
    return orjson.dumps({"t": T, **members}) + b"\n"


def read(data: bytes, offset: int = 0) -> tuple[list[tuple[Any, ...]], Totals, Parsed]:
    """All points as (run, key, kind, step, n, line, place, value)."""
    totals = Totals()
    parsed = parse(data, offset, totals.names)
    points = totals.add(parsed, offset + len(data))
    kinds, types = list(KINDS), list(TYPES)
    rows = []
    for index in range(len(points)):
        run, key = totals.names.all[points.names[index]]
        text = points.texts[index] if points.texts is not None else None
        value = decode(types[points.types[index]], float(points.values[index]), text)
        place = (int(points.at[index]), int(points.places[index]))
        rows.append(
            (run, key, kinds[points.kinds[index]], int(points.steps[index]), int(points.n[index]), *place, value)
        )
    return rows, totals, parsed


def values(data: bytes) -> list[Any]:
    return [row[-1] for row in read(data)[0]]


def test_a_plain_line_is_a_point_with_its_place_and_ordinal() -> None:
    first = line(k="loss", v=0.5, s=7)
    assert read(first + line(k="loss", v=0.25), 100)[0] == [
        ("", "loss", "scalar", 7, 0, 100, 0, 0.5),
        ("", "loss", "scalar", 1, 1, 100 + len(first), 0, 0.25),
    ]


@pytest.mark.parametrize(
    "value",
    [1, 1.0, True, False, "1", "", None, 0, -0.0, 2**53 + 1, -(2**63), 2**64 - 1, 1e308, 5e-324, "naïve\n\0", "[1]"],
)
def test_a_value_comes_back_as_what_it_was(value: Any) -> None:
    (found,) = values(line(k="x", v=value))
    assert type(found) is type(value)
    assert found == value


def test_numbers_that_json_lacks_are_numbers() -> None:
    nan, inf, minus = values(b"".join(line(k="x", v={"f": name}) for name in ("nan", "inf", "-inf")))
    assert math.isnan(nan)
    assert (inf, minus) == (math.inf, -math.inf)


def test_an_integer_beyond_64_bits_is_a_float() -> None:
    assert values(b'{"t":1,"k":"x","v":123456789012345678901234567890}\n') == [123456789012345678901234567890.0]


def test_several_metrics_of_one_line_have_places_in_it() -> None:
    rows, _, _ = read(line(m={"a": 1, "b": 2.0}, s=3))
    assert [row[1:] for row in rows] == [("a", "scalar", 3, 0, 0, 0, 1), ("b", "scalar", 3, 0, 0, 1, 2.0)]


def test_columns_are_points_with_times_and_steps_of_their_own() -> None:
    totals = Totals()
    parsed = parse(line(k="a", vs=[1, 2.5, "x"], ts=[5, 6, 7], ss=[10, None, 30]), 0, totals.names)
    points = totals.add(parsed, 1)
    assert points.times.tolist() == [5, 6, 7]
    assert points.steps.tolist() == [10, 1, 30]
    assert points.places.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("members", "kind", "value"),
    [
        ({"list": [1, 2.0, "x", {"f": "inf"}]}, "list", [1, 2.0, "x", math.inf]),
        ({"list": []}, "list", []),
        ({"row": {"x": 1, "t": "u"}}, "row", {"x": 1, "t": "u"}),
        ({"table": {"x": [1, 2], "y": [3.0, None]}}, "table", {"x": [1, 2], "y": [3.0, None]}),
        ({"kind": "image", "file": "outputs/a.png"}, "image", "outputs/a.png"),
    ],
)
def test_other_kinds_keep_their_shape(members: dict[str, Any], kind: str, value: Any) -> None:
    ((_, _, found_kind, _, _, _, _, found),) = read(line(k="x", **members))[0]
    assert (found_kind, found) == (kind, value)


def test_a_child_runs_points_are_counted_apart() -> None:
    rows, _, _ = read(line(k="x", v=1) + line(k="x", v=2, r="r1.0000") + line(k="x", v=3))
    assert [(run, n) for run, _, _, _, n, *_ in rows] == [("", 0), ("r1.0000", 0), ("", 1)]


def test_facts_are_told_apart_from_points() -> None:
    _, totals, parsed = read(
        line(tag={"a": "b", "gone": None})
        + line(property={"p": "1"}, r="c")
        + line(set={"display_name": "mine"})
        + line(child="c")
        + line(status="failed", error="why")
        + line(artifact="outputs/x")
        + line(lost=3)
    )
    assert [(fact.run, fact.sort, fact.name, fact.value) for fact in parsed.facts] == [
        ("", "tag", "a", "b"),
        ("", "tag", "gone", None),
        ("c", "property", "p", "1"),
        ("", "set", "display_name", "mine"),
        ("", "child", "c", ""),
        ("", "status", "", "failed"),
        ("", "error", "", "why"),
        ("", "artifact", "outputs/x", ""),
    ]
    assert (totals.lost, totals.damaged) == (3, 0)


def test_the_latest_tag_counts_and_the_first_parameter() -> None:
    _, totals, _ = read(line(tag={"a": "1"}, param={"p": "1"}) + line(tag={"a": "2"}, param={"p": "2"}))
    assert totals.facts["", "tag", "a"].value == "2"
    assert totals.facts["", "param", "p"].value == "1"


# ---- damage ----------------------------------------------------------------------------------------------------------


def test_what_follows_a_cut_line_on_the_same_line_is_read() -> None:
    whole = line(k="x", v=1)
    rows, totals, _ = read(line(k="x", v=0) + whole[:12] + whole + line(k="x", v=2))
    assert [row[-1] for row in rows] == [0, 1, 2]
    assert [row[5] for row in rows] == [0, len(line(k="x", v=0)), len(line(k="x", v=0)) + 12 + len(whole)]
    assert totals.damaged == 1


def test_a_line_cut_and_ended_is_counted_and_costs_no_other() -> None:
    rows, totals, _ = read(line(k="x", v=0) + line(k="x", v=1)[:-3] + b"\n" + line(k="x", v=2))
    assert [row[-1] for row in rows] == [0, 2]
    assert totals.damaged == 1


def test_what_lacks_its_newline_is_not_there_yet() -> None:
    assert values(line(k="x", v=0) + line(k="x", v=1)[:-1]) == [0]


@pytest.mark.parametrize(
    "hostile",
    [
        b"\xff\xfe",
        b"1,2",
        b'{"t":1},{"t":2}',
        b"[]",
        b"null",
        b'{"t":"x","k":"x","v":1}',
        b'{"t":-1,"k":"x","v":1}',
        b'{"t":true,"k":"x","v":1}',
        b'{"t":1.5,"k":"x","v":1}',
        b'{"t":99999999999999999999,"k":"x","v":1}',
        b'{"t":1,"k":1,"v":1}',
        b'{"t":1,"k":"x","v":1,"r":5}',
        b'{"k":"x","v":1}',
        b'{"t":1,"k":"x","vs":1}',
        b'{"t":1,"k":"x","vs":[1,2],"ts":[1]}',
        b'{"t":1,"k":"x","vs":[1],"ts":["a"]}',
        b'{"t":1,"k":"x","row":[]}',
        b'{"t":1,"k":"x","table":{"a":[1],"b":[]}}',
        b'{"t":1,"k":"x","kind":"virus","file":"a"}',
        b'{"t":1,"k":"x","kind":"image","file":1}',
        b'{"t":1,"m":3}',
        b'{"t":1,"tag":{"a":1}}',
        b'{"t":1,"lost":-1}',
        b'{"t":1,"k":"\\ud800","v":1}',
        b"[" * 5000,
        b'{"t":1,"k":"x","v":' + b"[" * 5000,
    ],
)
def test_nonsense_is_counted_and_skipped(hostile: bytes) -> None:
    data = line(k="x", v=0) + hostile + b"\n" + line(k="x", v=2)
    rows, totals, _ = read(data)
    assert [row[-1] for row in rows] == [0, 2]
    assert totals.damaged == 1
    assert rows[1][5] == len(data) - len(line(k="x", v=2))


ITEMS = st.tuples(
    st.one_of(st.floats(allow_nan=False), st.integers(-(2**63), 2**63), st.booleans(), st.text(max_size=3), st.none()),
    st.integers(0, 2**63 - 1),
    st.one_of(st.integers(-(2**63), 2**63), st.just("7")),
)


@given(st.lists(ITEMS, min_size=1, max_size=6), st.booleans(), st.sampled_from([{}, {"r": "a.00000000"}]))
@example([(None, 0, -(2**63))], True, {})
def test_a_line_of_many_values_is_read_like_many_lines(
    items: list[tuple[Any, int, Any]], is_alike: bool, more: dict[str, str]
) -> None:
    items = items[:1] * 100 if is_alike else items * 20
    together = line(k="x", **dict(zip(("vs", "ts", "ss"), zip(*items, strict=True), strict=True)), **more)
    apart = b"".join(
        orjson.dumps({"t": time, "k": "x", "v": value, "s": step, **more}) + b"\n" for value, time, step in items
    )
    (few, _, parsed), (many, _, expected) = read(together), read(apart)
    assert [(*row[:5], row[7]) for row in few] == [(*row[:5], row[7]) for row in many]
    assert [row[6] for row in few] == list(range(len(items)))
    assert parsed.points.times.tolist() == expected.points.times.tolist()


@pytest.mark.parametrize("time", [-1, 2**63, "x", None])
def test_a_line_of_many_values_with_a_time_that_cannot_be_is_skipped_as_a_whole(time: object) -> None:
    times = [*([T] * 99), time]
    rows, totals, _ = read(line(k="x", vs=[0.5] * 100, ts=times, ss=[1] * 100))
    assert (rows, totals.damaged) == ([], 1)


@pytest.mark.parametrize("step", ["7", 7.5, True, 2**63, [], None])
def test_a_step_that_is_none_costs_no_point(step: Any) -> None:
    rows, totals, _ = read(line(k="x", v=1, s=step))
    assert [(row[3], row[-1]) for row in rows] == [(0, 1)]
    assert totals.damaged == 0


def test_deep_nesting_ends_as_null() -> None:
    deep = b'{"t":1,"k":"x","list":' + b"[" * 500 + b"]" * 500 + b"}\n"
    assert values(deep + line(k="x", v=1)) == [None, 1]


def test_a_line_that_is_too_long_is_skipped() -> None:
    long = line(k="x", v="a" * LINE_BYTES_MAX)
    rows, totals, _ = read(long + line(k="x", v=1))
    assert [row[-1] for row in rows] == [1]
    assert totals.damaged == 1


def test_unknown_members_and_lines_that_say_nothing_are_skipped() -> None:
    rows, totals, _ = read(line(k="x", v=1, future=[1]) + line(future=2) + b"\n")
    assert [row[-1] for row in rows] == [1]
    assert totals.damaged == 0


# ---- in pieces -------------------------------------------------------------------------------------------------------

numbers = st.one_of(st.floats(), st.integers(-(2**63), 2**64 - 1), st.booleans(), st.text(max_size=3), st.none())


def written(value: Any) -> Any:
    return {"f": repr(value)} if isinstance(value, float) and not math.isfinite(value) else value


plain = st.builds(
    lambda key, value, step: line(k=key, v=written(value), **({} if step is None else {"s": step})),
    st.sampled_from("abc"),
    numbers,
    st.none() | st.integers(-5, 5),
)
many = st.builds(lambda found: line(k="a", vs=[written(one) for one in found]), st.lists(numbers, max_size=4))
several = st.builds(lambda a, b: line(m={"a": written(a), "b": written(b)}, r="child"), numbers, numbers)
fact = st.builds(lambda name, value: line(tag={name: value}), st.sampled_from("xy"), st.none() | st.text(max_size=2))
garbage = st.binary(max_size=20).map(lambda data: data.replace(b"\n", b"") + b"\n")
cut = st.builds(lambda whole, at: whole[: min(at, len(whole) - 1)], plain, st.integers(1, 60))


@given(st.lists(st.one_of(plain, many, several, fact, garbage, cut), max_size=30), st.data())
def test_reading_in_pieces_is_reading_at_once(lines: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(lines)
    whole = whole[: whole.rfind(b"\n") + 1]
    ends = [index + 1 for index, byte in enumerate(whole) if byte == 10]
    cuts = sorted(data.draw(st.sets(st.sampled_from(ends)))) if ends else []
    rows, at_once, _ = read(whole)
    totals, begin, found = Totals(), 0, []
    for end in [*cuts, len(whole)]:
        if end > begin:
            points = totals.add(parse(whole[begin:end], begin, totals.names), end)
            found += list(
                zip(points.at.tolist(), points.places.tolist(), points.n.tolist(), points.steps.tolist(), strict=True)
            )
            totals = load_totals(totals.dump())
            begin = end
    assert found == [(at, place, n, step) for _, _, _, step, n, at, place, _ in rows]
    assert totals.names == at_once.names
    assert totals.facts == at_once.facts
    assert (totals.end, totals.damaged) == (at_once.end if whole else 0, at_once.damaged)
    for one, other in zip(totals.metrics, at_once.metrics, strict=True):
        assert one.sum == pytest.approx(other.sum, rel=1e-9, abs=1e-300, nan_ok=True) or not math.isfinite(other.sum)
        one.sum = other.sum
        assert repr(one) == repr(other)


def test_of_zeros_of_both_signs_the_least_is_the_same_in_whatever_order_they_come() -> None:
    for first, second in ((0.0, -0.0), (-0.0, 0.0)):
        _, totals, _ = read(line(k="a", v=first) + line(k="a", v=second))
        assert (repr(totals.metrics[0].least), repr(totals.metrics[0].most)) == ("0.0", "0.0")


def test_totals_of_another_version_or_damaged_are_refused() -> None:
    for text in ("", "null", "[]", '{"version":2}', '{"version":1,"end":1}'):
        with pytest.raises(TotalsError):
            load_totals(text)


def test_totals_hold_what_was_said() -> None:
    totals = Totals()
    totals.add(Parsed(facts=[Fact("", "tag", "a", "b", T, 0)], damaged=2, lost=1), 10)
    again = load_totals(totals.dump())
    assert (again.facts, again.damaged, again.lost, again.end) == (totals.facts, 2, 1, 10)
