"""The kubelet's files become what the container wrote."""

from __future__ import annotations

import json

import pytest

from ranklog_collector.importing.formats.cri import Decoder, Text, container, looks_like, time_ns

NOON = "2026-11-24T12:00:00.5Z"
NOON_NS = 1795521600 * 10**9 + 500_000_000


def decode(data: bytes, size: int = 1 << 20) -> tuple[dict[str, bytes], int]:
    decoder = Decoder()
    texts = [text for at in range(0, len(data), size) for text in decoder.feed(data[at : at + size])]
    streams = {"stdout": b"", "stderr": b""}
    for text in [*texts, *decoder.finish()]:
        streams[text.stream] += text.data
    return streams, decoder.damaged


def line(stream: str, tags: str, text: str) -> bytes:
    return f"{NOON} {stream} {tags} {text}\n".encode()


@pytest.mark.parametrize("size", [1, 5, 1 << 20])
def test_partial_lines_are_joined_and_streams_kept_apart(size: int) -> None:
    data = (
        line("stdout", "P", "one, ")
        + line("stderr", "F", "oops")
        + line("stdout", "F:x", "two")
        + line("stdout", "F", "")
    )
    assert decode(data, size) == ({"stdout": b"one, two\n\n", "stderr": b"oops\n"}, 0)


def test_dockers_json_is_read_as_well() -> None:
    lines = [{"log": "one, ", "stream": "stdout", "time": NOON}, {"log": "two\n", "stream": "stdout", "time": NOON}]
    data = b"".join(json.dumps(one).encode() + b"\n" for one in lines)
    assert decode(data) == ({"stdout": b"one, two\n", "stderr": b""}, 0)
    assert looks_like(data)


def test_times_are_read_to_the_nanosecond() -> None:
    (text,) = Decoder().feed(line("stdout", "F", "x"))
    assert text == Text("stdout", b"x\n", NOON_NS)
    assert time_ns("2016-10-06T02:17:09.669794202+02:00") == time_ns("2016-10-06T00:17:09.669794202Z")
    assert time_ns("yesterday") is None


@pytest.mark.parametrize(
    "data", [b"\xff\0\n", b"no format\n", b'{"log": 3}\n', b"{" * 100 + b"\n", b"2026-99-99T00:00:00Z x y z\n"]
)
def test_what_is_neither_format_is_passed_on_and_counted(data: bytes) -> None:
    assert decode(data) == ({"stdout": data, "stderr": b""}, 1)


def test_a_damaged_line_belongs_to_the_stream_before() -> None:
    streams, damaged = decode(line("stderr", "F", "x") + b"torn\n")
    assert (streams["stderr"], damaged) == (b"x\ntorn\n", 1)


@pytest.mark.parametrize(
    ("pod", "job", "role", "index"),
    [
        ("train-worker-3", "ml/train", "worker", 3),
        ("train-master-0", "ml/train", "master", 0),
        ("train-launcher-x8k2p", "ml/train", "launcher", None),
        ("train-7-abcde", "ml/train", "", 7),
        ("web-2", "ml/web", "", 2),
        ("lonely", "ml/lonely", "", None),
    ],
)
def test_the_pods_name_tells_job_role_and_index(pod: str, job: str, role: str, index: int | None) -> None:
    found = container(f"/var/log/pods/ml_{pod}_0a1b-22/pytorch/1.log")
    assert found is not None
    assert (found.job, found.role, found.index, found.restart) == (job, role, index, 1)


def test_rotated_files_sort_before_the_newest() -> None:
    names = ["0.log", "0.log.20261124-100003.gz", "0.log.20261123-100003"]
    files = [container(f"/p/ml_a_b/c/{name}") for name in names]
    ordered = sorted((one for one in files if one is not None), key=lambda one: one.order)
    assert [one.rotated for one in ordered] == ["20261123-100003", "20261124-100003", ""]
    assert ordered[1].is_packed


@pytest.mark.parametrize("path", ["/var/log/syslog", "/p/ml_a/c/0.log", "/p/ml_a_b/c/x.log", "/p/ml_a_b/c/0.log.tmp"])
def test_other_paths_are_no_containers(path: str) -> None:
    assert container(path) is None
