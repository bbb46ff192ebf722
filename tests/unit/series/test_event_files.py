"""What TensorBoard's event files become, whole, half written, damaged and hostile."""

from __future__ import annotations

import math
import os
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ranklog_collector.core.event_files import labels
from ranklog_collector.reading.archive import content
from ranklog_collector.reading.event_images import open_file
from ranklog_collector.reading.folder import ReadingError
from ranklog_collector.reading.inside import OutsideError
from ranklog_collector.series import points
from ranklog_collector.series.damage import point_notes
from ranklog_collector.series.read import catalog, facts, records, series
from ranklog_collector.series.seal import seal
from ranklog_proto.v1 import tfevents_pb2 as pb
from tests.support.event_files import PNG, TIME_S, event, record, scalar, tensor
from tests.unit.series.conftest import Job

RECORDED = Path(__file__).parent / "recorded"
"""What TensorFlow 2.21 and the callback of Keras 3.15 wrote, in two epochs and by calls of `tf.summary`."""
FILE = "logs/runs/a/events.out.tfevents.1700000000.host.7.0"


def write(job: Job, process: str, data: bytes, path: str = FILE) -> int:
    stream = job.writer.stream(path, "n0", "log", process, path)
    job.writer.write(stream, data)
    return stream


def told(job: Job) -> list[tuple[str, str, int, Any]]:
    return [(one.key, one.kind, one.step, one.value) for one in records(job.open()).records]


def test_scalars_have_their_tags_steps_and_times(job: Job) -> None:
    process = job.rank(3)
    write(job, process, b"".join(event(scalar("loss", 0.5**n), scalar("lr", 0.25), step=n) for n in range(4)))
    loss, rate = catalog(job.open())
    assert (loss.key, loss.count, loss.ranks, loss.last, loss.last_step) == ("loss", 4, [3], 0.125, 3)
    assert (rate.count, loss.last_ns) == (4, round(TIME_S * 1e9))
    (one,) = series(job.open(), "loss")
    assert (one.rank, one.step.tolist(), one.value.tolist()) == (3, [0, 1, 2, 3], [1, 0.5, 0.25, 0.125])


@pytest.mark.parametrize(
    ("fields", "value"),
    [
        ({"dtype": 1, "float_val": [0.5]}, 0.5),
        ({"dtype": 1, "tensor_content": struct.pack("<f", 0.5)}, 0.5),
        ({"dtype": 2, "double_val": [0.1]}, 0.1),
        ({"dtype": 2, "tensor_content": struct.pack("<d", 0.1)}, 0.1),
        ({"dtype": 3, "int_val": [-7]}, -7),
        ({"dtype": 9, "int64_val": [2**60 + 1]}, 2**60 + 1),
        ({"dtype": 9, "tensor_content": struct.pack("<q", -5)}, -5),
        ({"dtype": 10, "bool_val": [True]}, True),
        ({"dtype": 14, "half_val": [0x3FC0]}, 1.5),
        ({"dtype": 14, "tensor_content": struct.pack("<H", 0x3FC0)}, 1.5),
        ({"dtype": 19, "half_val": [0x3E00]}, 1.5),
        ({"dtype": 19, "tensor_content": struct.pack("<e", 1.5)}, 1.5),
        ({"dtype": 22, "uint32_val": [4_000_000_000]}, 4_000_000_000),
        ({"dtype": 1, "float_val": [0.5], "shape": (1, 1)}, 0.5),
    ],
)
@pytest.mark.parametrize("plugin", ["scalars", ""])
def test_scalars_may_be_tensors_of_any_type(job: Job, fields: dict[str, Any], value: Any, plugin: str) -> None:
    write(job, job.rank(0), event(tensor("x", plugin, **fields), step=2))
    assert repr(told(job)) == repr([("x", "scalar", 2, value)])


@pytest.mark.parametrize(
    "fields",
    [
        {"dtype": 1, "float_val": [1.0, 2.0], "shape": (2,)},
        {"dtype": 1, "tensor_content": b"abc"},
        {"dtype": 1},
        {"dtype": 8, "tensor_content": b"12345678"},
        {"dtype": 99, "tensor_content": b"1234"},
        {"dtype": 19, "half_val": [1 << 20]},
        {"dtype": 1, "float_val": [1.0], "shape": (2**62, 2**62)},
        {"dtype": 7, "string_val": [b"text"]},
    ],
)
def test_what_is_no_number_is_no_scalar(job: Job, fields: dict[str, Any]) -> None:
    write(job, job.rank(0), event(tensor("x", **fields)) + event(scalar("loss", 1.0)))
    assert [key for key, *_ in told(job)] == ["loss"]


def test_histograms_and_other_plugins_are_left_out(job: Job) -> None:
    counts = tensor("weights", "histograms", (3, 3), dtype=2, double_val=[1.0] * 9)
    write(job, job.rank(0), event(counts, tensor("audio", "audio", dtype=7, string_val=[b"RIFF"])))
    assert told(job) == []


def test_odd_numbers_are_numbers(job: Job) -> None:
    write(job, job.rank(0), event(scalar("x", math.nan)) + event(scalar("x", math.inf), step=1))
    (metric,) = catalog(job.open())
    assert (metric.count, metric.min, metric.last) == (2, None, math.inf)


def test_texts_are_texts_and_hyperparameters_are_parameters(job: Job) -> None:
    kinds = {"lr": pb.Hparams.Value(number_value=0.1), "layers": pb.Hparams.Value(number_value=3)}
    kinds |= {"name": pb.Hparams.Value(string_value="adam"), "amp": pb.Hparams.Value(bool_value=True)}
    start = pb.Hparams(session_start_info=pb.Hparams.Start(hparams=kinds))
    plugin = pb.Metadata.Plugin(plugin_name="hparams", content=start.SerializeToString())
    said = pb.Summary.Value(tag="_hparams_/session_start_info", metadata=pb.Metadata(plugin_data=plugin))
    note = tensor("note/text_summary", "text", (1,), dtype=7, string_val=["grüß".encode()])
    write(job, job.rank(0), event(said) + event(note, step=4))
    assert facts(job.open()).params == {"lr": "0.1", "layers": "3", "name": "adam", "amp": "True"}
    assert told(job) == [("note/text_summary", "scalar", 4, "grüß")]


def test_images_stay_in_the_event_file_and_are_given_out_of_it(job: Job) -> None:
    old = pb.Summary.Value(tag="photo", image=pb.Summary.Image(encoded_image_string=PNG))
    new = tensor("grid", "images", (4,), dtype=7, string_val=[b"8", b"6", PNG + b"1", b"\xff\xd8\xff-2"])
    first = event(scalar("loss", 1.0))
    write(job, job.rank(0), first + event(old, new, step=5))
    found = records(job.open()).records[1:]
    assert [(one.key, one.kind, one.step) for one in found] == [("photo", "image", 5)] + [("grid", "image", 5)] * 2
    assert [one.value for one in found] == [f"{FILE}/{len(first)}-{n}.{s}" for n, s in enumerate(("png", "png", "jpg"))]
    root = job.open().path
    assert [b"".join(content(root, one.value)) for one in found] == [PNG, PNG + b"1", b"\xff\xd8\xff-2"]


@pytest.mark.parametrize(
    "name", ["0-0.png", "0-1.png", "1-0.png", "99999999-0.png", "0-999999999.png", "-1-0.png", "x", "../x/0-0.png"]
)
def test_what_is_no_image_is_not_there(job: Job, name: str) -> None:
    write(job, job.rank(0), event(scalar("loss", 1.0)))
    with pytest.raises((FileNotFoundError, OutsideError)):
        open_file(job.open().path, f"{FILE}/{name}")
    with pytest.raises(ReadingError):
        list(content(job.open().path, f"elsewhere/tfevents/{name}"))


def test_a_half_written_record_is_waited_for(job: Job) -> None:
    data = event(scalar("loss", 1.0)) + event(scalar("loss", 2.0), step=1)
    stream = write(job, job.rank(0), data[:1])
    for begin in range(1, len(data)):
        job.writer.write(stream, data[begin : begin + 1])
        if begin % 7 == 0 or begin > len(data) - 3:
            told(job)
    assert [value for *_, value in told(job)] == [1.0, 2.0]
    assert point_notes(job.open()) == []


def test_a_damaged_record_is_skipped_where_its_length_is_right(job: Job) -> None:
    good = event(scalar("loss", 1.0))
    bad = bytearray(event(scalar("loss", 2.0)))
    bad[-6] ^= 1
    write(job, job.rank(0), good + bytes(bad) + record(b"\xff no event") + event(scalar("loss", 3.0), step=2))
    assert [value for *_, value in told(job)] == [1.0, 3.0]
    assert facts(job.open()).damaged == 2


@pytest.mark.parametrize(
    "rest", [b"\0" * 64, b"\xff" * 64, struct.pack("<QI", 1 << 40, 1) + b"x" * 99, b"no record at all"]
)
def test_where_no_record_begins_the_file_ends_and_is_never_read_again(job: Job, rest: bytes) -> None:
    stream = write(job, job.rank(0), event(scalar("loss", 1.0)) + rest)
    folder = job.open()
    for _ in range(3):
        assert [one.value for one in records(folder).records] == [1.0]
        assert facts(folder).damaged == 1
        job.writer.write(stream, event(scalar("loss", 2.0)))
        folder.refresh()
    (note,) = point_notes(folder)
    assert "cannot be read" in note


def test_a_record_that_claims_to_be_endless_is_waited_for_in_vain(job: Job) -> None:
    from ranklog_collector.core.tf_records import masked

    length = struct.pack("<Q", (1 << 63) + 5)
    write(job, job.rank(0), event(scalar("loss", 1.0)) + length + struct.pack("<I", masked(length)) + b"x" * 100)
    assert [value for *_, value in told(job)] == [1.0]


def test_a_record_that_is_too_long_is_skipped_unread(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    from ranklog_collector.series import event_blocks

    monkeypatch.setattr(event_blocks, "RECORD_BYTES_MAX", 1000)
    monkeypatch.setattr(event_blocks, "BLOCK_BYTES", 500)
    write(job, job.rank(0), event(scalar("a", 1.0)) + record(b"x" * 5000) + event(scalar("b", 2.0)))
    assert [key for key, *_ in told(job)] == ["a", "b"]
    assert facts(job.open()).damaged == 1


@pytest.mark.parametrize("time_s", [math.nan, math.inf, -1.0, 1e300])
def test_an_event_without_a_time_that_can_be_is_damage(job: Job, time_s: float) -> None:
    write(job, job.rank(0), event(scalar("x", 1.0), time_s=time_s) + event(scalar("y", 1.0)))
    assert [key for key, *_ in told(job)] == ["y"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200), st.booleans())
def test_no_bytes_harm_a_reader(tmp_path_factory: pytest.TempPathFactory, noise: bytes, is_framed: bool) -> None:
    job = Job(tmp_path_factory.mktemp("run") / "r1")
    write(job, job.rank(0), event(scalar("x", 1.0)) + (record(noise) if is_framed else noise))
    assert ("x", "scalar", 0, 1.0) in told(job)


def test_keras_folders_do_not_mix(job: Job) -> None:
    process = job.rank(0)
    write(job, process, event(scalar("epoch_loss", 1.0)), "logs/fit/1/train/events.out.tfevents.1.h.7.0.v2")
    assert [one.key for one in catalog(job.open())] == ["train/epoch_loss"]
    write(job, process, event(scalar("epoch_loss", 2.0)), "logs/fit/1/validation/events.out.tfevents.2.h.7.1.v2")
    assert [(one.key, one.last) for one in catalog(job.open())] == [
        ("train/epoch_loss", 1.0),
        ("validation/epoch_loss", 2.0),
    ]


def test_what_the_callback_of_keras_wrote_is_read(job: Job) -> None:
    process = job.rank(0)
    for folder in ("train", "validation"):
        path = f"logs/{folder}/events.out.tfevents.1795552832.vm.23402.0.v2"
        write(job, process, (RECORDED / f"keras_{folder}.tfevents").read_bytes(), path)
    found = {one.key: (one.kind, one.count, one.last_step) for one in catalog(job.open())}
    assert found == {
        "train/epoch_learning_rate": ("scalar", 2, 1),
        "train/epoch_loss": ("scalar", 2, 1),
        "train/model/dense/kernel/image": ("image", 2, 1),
        "validation/epoch_loss": ("scalar", 2, 1),
        "validation/evaluation_loss_vs_iterations": ("scalar", 2, 2),
    }
    assert not point_notes(job.open())


def test_summaries_of_tensorflow_are_read(job: Job) -> None:
    write(job, job.rank(0), (RECORDED / "tensorflow.tfevents").read_bytes())
    found = told(job)
    assert found[:2] == [("loss", "scalar", 3, 0.25), ("count", "scalar", 4, 7.0)]
    assert [one[:3] for one in found[2:4]] == [("picture", "image", 5)] * 2
    assert found[4:] == [("note", "scalar", 6, "one\ntwo")]
    assert b"".join(content(job.open().path, found[2][3])).startswith(b"\x89PNG")
    assert catalog(job.open())[1].description == "of its own"
    assert not point_notes(job.open())


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["logs/a/e"], [""]),
        (["logs/a/e", "logs/a/f"], ["", ""]),
        (["logs/a/e", "logs/a/loss_train/e", "logs/a/loss_val/e"], ["", "loss_train", "loss_val"]),
        (["logs/a/e", "logs/b/c/e"], ["a", "b/c"]),
        (["logs/train/e"], ["train"]),
        (["logs/train/e", "logs/validation/e"], ["train", "validation"]),
        (["logs/ab/e", "logs/abc/e"], ["ab", "abc"]),
        (["e"], [""]),
        ([], []),
    ],
)
def test_files_of_a_process_are_named_below_what_they_have_in_common(paths: list[str], expected: list[str]) -> None:
    assert labels(paths) == dict(zip(paths, expected, strict=True))


def test_files_of_different_ranks_are_not_told_apart_by_their_folders(job: Job) -> None:
    for rank in (0, 1):
        write(job, job.rank(rank), event(scalar("loss", float(rank))), f"logs/runs/host{rank}/events.out.tfevents.1")
    (loss,) = catalog(job.open())
    assert (loss.key, loss.ranks) == ("loss", [0, 1])


def test_sealed_events_answer_alike_until_a_new_folder_gives_them_other_names(job: Job) -> None:
    process = job.rank(0)
    write(job, process, b"".join(event(scalar("loss", float(n)), step=n) for n in range(500)) + b"\0" * 20)
    before = repr([told(job), catalog(job.open()), facts(job.open())])
    assert seal(job.open(), 1) == 1
    points._open.clear()
    assert repr([told(job), catalog(job.open()), facts(job.open())]) == before
    write(job, process, event(scalar("loss", 7.0)), "logs/runs/b/events.out.tfevents.2")
    assert [(one.key, one.count) for one in catalog(job.open())] == [("a/loss", 500), ("b/loss", 1)]
    assert seal(job.open(), 1) == 2
    points._open.clear()
    assert [(one.key, one.count) for one in catalog(job.open())] == [("a/loss", 500), ("b/loss", 1)]


def test_an_image_leaves_no_open_file_behind(job: Job) -> None:
    write(job, job.rank(0), event(pb.Summary.Value(tag="i", image=pb.Summary.Image(encoded_image_string=PNG))))
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        os.close(open_file(job.open().path, f"{FILE}/0-0.png"))
    assert len(os.listdir("/proc/self/fd")) == before
