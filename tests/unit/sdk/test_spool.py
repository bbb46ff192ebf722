"""The spool: names, folders, records, whoever wrote them."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ranklog import layout, spool
from ranklog.jsontext import encode
from ranklog.spool import SpoolError, StreamRecord

LEAST = {"key": "3-100-17", "pid": 100, "start_ns": 17, "hostname": "node0"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


# Whatever else the machine has to do, these are to find wrong answers, not slow ones.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def raw(**fields: object) -> bytes:
    return json.dumps({**LEAST, **fields}).encode()


def test_a_process_record_needs_little() -> None:
    record = spool.parse_process(raw())
    assert (record.key, record.pid, record.start_ns, record.hostname) == ("3-100-17", 100, 17, "node0")
    assert (record.role, record.rank, record.launcher, record.streams, record.argv) == ("rank", None, "none", (), ())


def test_fields_that_are_not_known_are_kept() -> None:
    assert spool.parse_process(raw(gpu="H100")).other == {"gpu": "H100"}


def test_streams_are_read() -> None:
    streams = [{"file": "streams/3-100-17/stdout.log", "kind": "stdout", "name": "x.txt"}, {"file": "streams/a/b"}]
    record = spool.parse_process(raw(streams=streams))
    assert record.streams == (
        StreamRecord("streams/3-100-17/stdout.log", "stdout", "x.txt"),
        StreamRecord("streams/a/b", "stdout", None),
    )


NO_RECORDS = {
    "nothing": b"",
    "half": raw()[:-1],
    "no object": b"[]",
    "null": b"null",
    "no text": b"\xff\xfe",
    "too deep": b"[" * 100_000,
    "too long": b" " * (1 << 21),
    "empty": b"{}",
    "another version": raw(version=2),
    "key with a way out": raw(key="../x"),
    "hidden key": raw(key=".hidden"),
    "key with a folder": raw(key="a/b"),
    "no key": raw(key=""),
    "long key": raw(key="k" * 200),
    "number as key": raw(key=7),
    "text as number": raw(pid="1"),
    "truth as number": raw(pid=True),
    "fraction": raw(start_ns=1.5),
    "huge number": raw(pid=10**30),
    "no host": raw(hostname=None),
    "list as rank": raw(rank=[]),
    "number as stream": raw(streams=[7]),
    "number as file": raw(streams=[{"file": 1}]),
    "no kind": raw(streams=[{"file": "x", "kind": None}]),
    "number as argument": raw(argv=[1]),
}


@pytest.mark.parametrize("bytes_", NO_RECORDS.values(), ids=NO_RECORDS)
def test_what_is_no_process_record_is_refused(bytes_: bytes) -> None:
    with pytest.raises(SpoolError):
        spool.parse_process(bytes_)


@unhurried
@given(st.binary(max_size=200) | st.dictionaries(st.sampled_from([*LEAST, "streams", "argv"]), JSON).map(json.dumps))
def test_any_bytes_are_a_record_or_refused(content: bytes | str) -> None:
    bytes_ = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
    for parse in (spool.parse_process, spool.parse_exit, spool.parse_agent):
        with contextlib.suppress(SpoolError):
            parse(bytes_)


def test_an_exit_record_is_read() -> None:
    record = spool.parse_exit(b'{"key": "k", "end_ns": 5, "signal": 9, "oom_killed": true, "output_bytes": {"f": 3}}')
    assert (record.signal, record.oom_killed, record.output_bytes, record.exit_code) == (9, True, {"f": 3}, None)
    with pytest.raises(SpoolError, match="output_bytes"):
        spool.parse_exit(b'{"key": "k", "end_ns": 5, "output_bytes": {"f": -3}}')


OUTSIDE = ["/etc/passwd", "streams/../../x", "streams/k/../../../x", "procs/k.json", "streams/k", "streams//x", ""]


@pytest.mark.parametrize("file", [*OUTSIDE, "streams/k/\0"])
def test_a_stream_outside_its_folder_has_no_path(file: str) -> None:
    assert spool.stream_path("/spool", StreamRecord(file)) is None


def test_a_stream_has_a_path() -> None:
    assert spool.stream_path("/spool", StreamRecord("streams/k/stdout.log")) == "/spool/streams/k/stdout.log"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("3-1-2.json", ("3-1-2", False)),
        ("3-1-2.exit.json", ("3-1-2", True)),
        (".3-1-2.json.77", (None, False)),
        ("x.txt", (None, False)),
        (".json", (None, False)),
        (".exit.json", (None, True)),
        ("a b.json", (None, False)),
    ],
)
def test_keys_are_told_from_file_names(name: str, expected: tuple[str | None, bool]) -> None:
    assert spool.key_of(name) == expected


@unhurried
@given(st.text())
def test_any_text_can_be_made_a_key(text: str) -> None:
    assert layout.is_key(spool.safe_key(text))


def test_texts_that_differ_in_what_a_key_cannot_hold_give_different_keys() -> None:
    assert len({spool.safe_key(text) for text in ("a/b", "a-b", "a b", "a/b/" + "x" * 300, "a/b/" + "x" * 301)}) == 5


@unhurried
@given(JSON.filter(lambda value: "Infinity" not in json.dumps(value) and "NaN" not in json.dumps(value)))
def test_records_are_written_as_json(value: object) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return  # half of a surrogate pair, which neither arguments nor file names have
    assert json.loads(encode(value)) == value


def test_bytes_that_are_not_utf_8_are_shown() -> None:
    assert json.loads(encode(os.fsdecode(b"a\xffb\n"))) == "a\\xffb\n"


def test_a_value_without_a_form_is_refused() -> None:
    with pytest.raises(TypeError, match="bytes"):
        encode({"a": b""})


def test_a_record_appears_whole_and_leaves_nothing_else(tmp_path: Path) -> None:
    layout.write_record(str(tmp_path / "x.json"), {"a": [1, None, True]})
    assert json.loads((tmp_path / "x.json").read_text()) == {"a": [1, None, True]}
    assert os.listdir(tmp_path) == ["x.json"]


def test_an_agent_announces_itself(tmp_path: Path) -> None:
    spool.announce_agent(str(tmp_path), run_id="r1", experiment="e", hostname="node0", collector="h:1")
    record = spool.parse_agent(Path(spool.agent_path(str(tmp_path), "node0")).read_bytes())
    assert (record.run_id, record.pid, record.spool) == ("r1", os.getpid(), str(tmp_path))


def test_a_spool_is_private(tmp_path: Path) -> None:
    layout.prepare(str(tmp_path / "a" / "b"), "procs", "streams/k")
    assert (tmp_path / "a" / "b" / "streams" / "k").is_dir()
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700


def test_a_spool_that_cannot_be_made_says_where_and_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SpoolError, match=r"cannot make .*/file/procs: Not a directory"):
        layout.prepare(str(tmp_path / "file"), "procs")


def test_the_spool_is_where_the_user_says(tmp_path: Path) -> None:
    assert layout.default_folder({"RANKLOG_SPOOL": str(tmp_path)}, "r") == str(tmp_path)
    assert layout.default_folder({"OMPI_MCA_ranklog_spool": str(tmp_path)}, "r") == str(tmp_path)


def test_the_spool_goes_where_there_is_room_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b", "c", "d"):
        (tmp_path / name).mkdir()
    uid = os.getuid()
    (tmp_path / "a" / f"ranklog-{uid}").symlink_to(tmp_path / "d")  # somebody waits for us there
    (tmp_path / "b" / f"ranklog-{uid}").write_text("")
    bases = tuple(str(tmp_path / name) for name in ("missing", "a", "b", "c", "d"))
    monkeypatch.setattr(layout, "BASES", bases)
    assert layout.default_folder({}, "my run") == f"{tmp_path}/c/ranklog-{uid}/my-run"
    monkeypatch.setattr(layout, "BASES", bases[:3])
    with pytest.raises(SpoolError, match=rf"{tmp_path}/missing/ranklog-{uid}, {tmp_path}/a/.*set RANKLOG_SPOOL"):
        layout.default_folder({}, "r")


NAMES = {"slurm-12_3": "slurm-12_3", "prterun-n0-6@1": "prterun-n0-6-1", "../../etc": "-..-etc", "": "-", "..": "-"}


@pytest.mark.parametrize(("text", "name"), NAMES.items())
def test_run_ids_are_safe_as_names(text: str, name: str) -> None:
    assert layout.safe_name(text) == name
