"""Entries survive the way to a line and back; damage costs only what it hit."""

from __future__ import annotations

import pytest

from ranklog_collector.core import journal

ENTRIES: list[journal.Entry] = [
    journal.Run(v=1, run_id="r1", experiment="default", time=1),
    journal.Node(node="n", event="joined", time=2, ip="10.0.0.1", hostname="n", epoch=3, version="0.1"),
    journal.Clock(node="n", offset_ns=-5, error_ns=3, time=4),
    journal.Process(node="n", key="0-1-2", event="started", time=5, record={"pid": 1, "argv": ["a", "ü"]}),
    journal.Process(node="n", key="0-1-2", event="lost", time=5),
    journal.Stream(stream=1, node="n", role="stdout", process="0-1-2", name="", path="azureml-logs/70_driver_log.txt"),
    journal.Path(stream=1, path="10.0.0.1/azureml-logs/70_driver_log.txt"),
    journal.Segment(segment=1, id="ab", stream=1, source="/x", dev=1, ino=2, birth_ns=0, snapshot=False, time=6),
    journal.Extent(segment=1, at=0, pos=0),
    journal.Mark(segment=1, end=10, crc=7, seen=((4, 100), (10, 200))),
    journal.Reset(stream=1, size=4),
    journal.Close(segment=1, size=10, crc=7, time=7),
    journal.Snapshot(segment=1, size=10, crc=7, time=8),
    journal.Gap(segment=1, at=10, end=None, reason="vanished", time=9),
    journal.Pause(reason="disk full", time=10),
    journal.Resume(reason="disk full", time=11),
    journal.State(state="completed", time=12),
    journal.Stopped(time=13),
]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.kind)
def test_every_kind_survives_the_way_to_a_line_and_back(entry: journal.Entry) -> None:
    assert journal.parse(journal.dump(entry)) == entry


def test_a_line_has_the_short_names_of_the_reference() -> None:
    assert journal.dump(journal.Mark(1, 10, 7)) == b'{"e":"mark","g":1,"end":10,"crc":7,"seen":[]}\n'


def test_a_torn_tail_is_cut_and_everything_before_it_is_read() -> None:
    lines = b"".join(map(journal.dump, ENTRIES))
    for torn in (b'{"e":"mark","g":1', b'{"e":"mark","g":1\n', b"\0\0\0\0\n", b"\0\0\n" + journal.dump(ENTRIES[0])):
        assert journal.read(lines + torn) == (ENTRIES, len(lines), 0)


def test_a_damaged_line_in_the_middle_costs_only_itself() -> None:
    lines = journal.dump(ENTRIES[0]) + b"garbage\n" + journal.dump(ENTRIES[1])
    assert journal.read(lines) == (ENTRIES[:2], len(lines), 1)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"[]",
        b"7",
        b'{"e":["mark"]}',
        b'{"e":"from-the-future","t":1}',
        b'{"e":"mark","g":1}',
        b'{"e":"mark","g":"1","end":10,"crc":7}',
        b'{"e":"mark","g":1,"end":10,"crc":7,"seen":[1]}',
        b'{"e":"mark","g":1,"end":10,"crc":7,"seen":[[1,null]]}',
        b'{"e":"mark","g":1,"end":null,"crc":7}',
    ],
)
def test_an_unknown_or_damaged_line_is_no_entry(line: bytes) -> None:
    assert journal.parse(line) is None


def test_unknown_fields_are_skipped() -> None:
    assert journal.parse(b'{"e":"stopped","t":1,"mood":"fine"}') == journal.Stopped(time=1)


def test_a_kind_from_the_future_is_not_a_torn_tail() -> None:
    line = b'{"e":"from-the-future"}\n'
    assert journal.read(line) == ([], len(line), 0)
