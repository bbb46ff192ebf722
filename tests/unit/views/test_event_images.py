"""Images of event files by the SDK's way to read a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from ranklog.errors import RunFileError
from ranklog_collector.views.source import FolderSource
from ranklog_proto.v1 import tfevents_pb2 as pb
from tests.support.event_files import PNG, event
from tests.support.run_writer import RunWriter

FILE = "logs/runs/a/events.out.tfevents.1.h.7.0"


def test_a_source_gives_out_the_image_that_a_record_names(tmp_path: Path) -> None:
    writer = RunWriter(tmp_path / "exp/r1", run_id="r1", experiment="exp")
    stream = writer.stream(FILE, "n0", "log", writer.rank(0), FILE)
    image = pb.Summary.Value(tag="photo", image=pb.Summary.Image(encoded_image_string=PNG))
    writer.write(stream, event(image, step=3))
    source = FolderSource(str(tmp_path))
    (record,) = source.records("r1")
    assert (record["key"], record["kind"], record["step"]) == ("photo", "image", 3)
    assert source.file("r1", record["value"]) == PNG
    assert source.file("r1", record["value"], start=1) == PNG[1:]
    with pytest.raises(RunFileError):
        source.file("r1", f"{FILE}/7-0.png")
