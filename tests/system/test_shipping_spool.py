"""What processes leave in the spool beside their output: points, uploaded files, the SDK's own log."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path

from ranklog import spool as records
from tests.support.pipeline import Pipeline, wait_until

HERE = socket.gethostname()


class Process:
    """A process that has a record in the spool, and writes there what the SDK would; in truth it is the test."""

    def __init__(self, pipeline: Pipeline, rank: int = 0, hostname: str = HERE) -> None:
        self.spool = pipeline.folder / "spool"
        self.key = records.process_key(rank, os.getpid(), time.time_ns())
        self.rank = rank
        self.hostname = hostname
        self.node = pipeline.run_folder / ".ranklog" / "metrics" / HERE

    def appear(self) -> None:
        record = {"key": self.key, "pid": os.getpid(), "start_ns": time.time_ns(), "hostname": self.hostname}
        record |= {"version": 1, "rank": self.rank, "pid_namespace": Path("/proc/self/ns/pid").stat().st_ino}
        records.prepare(str(self.spool), "procs")
        records.write_record(records.process_path(str(self.spool), self.key), record)

    def log(self, text: bytes) -> None:
        (self.spool / "metrics").mkdir(exist_ok=True)
        with (self.spool / "metrics" / f"{self.key}.jsonl").open("ab", buffering=0) as file:
            file.write(text)

    def upload(self, path: str | bytes, content: bytes) -> None:
        target = os.path.join(os.fsencode(self.spool / "artifacts" / self.key), os.fsencode(path))
        folder, name = os.path.split(target)
        os.makedirs(folder, exist_ok=True)
        fresh = os.path.join(folder, b"." + name + b".new")
        Path(os.fsdecode(fresh)).write_bytes(content)
        os.rename(fresh, target)

    def points_in(self, folder: Path) -> bytes:
        path = folder / ".ranklog" / "metrics" / HERE / f"{self.key}.jsonl"
        return path.read_bytes() if path.exists() else b""


def has(path: Path, content: bytes) -> bool:
    return path.is_file() and path.read_bytes() == content


def test_points_come_byte_for_byte_whatever_they_hold_and_whoever_is_killed(tmp_path: Path) -> None:
    with Pipeline(tmp_path) as pipeline:
        pipeline.await_agent()
        process = Process(pipeline)
        process.appear()
        written = b""
        for number in range(60):
            line = b'{"t": %d, "k": "x", "v": %d}\n' % (time.time_ns(), number)
            line = b"\0\xff half a li" if number % 20 == 7 else line
            process.log(line)
            written += line
            if number % 20 == 10:
                pipeline.agent.kill()
                pipeline.agent.start()
            if number == 35:
                pipeline.collector.kill()
                pipeline.collector.start()
        wait_until(lambda: process.points_in(pipeline.run_folder) == written, "the points")
        process.log(b"no end")
        assert not pipeline.finish().problems
        assert process.points_in(pipeline.run_folder) == written + b"no end"


def test_uploaded_files_are_in_their_places_and_replaced_ones_replaced(tmp_path: Path) -> None:
    with Pipeline(tmp_path) as pipeline:
        pipeline.await_agent()
        process = Process(pipeline)
        process.appear()
        process.upload("outputs/a b/model.pt", b"first")
        wait_until(lambda: has(pipeline.run_folder / "outputs/a b/model.pt", b"first"), "the first version")
        pipeline.agent.kill()
        process.upload("outputs/a b/model.pt", os.urandom(3 << 20))
        pipeline.agent.start()
        for version in range(30):
            process.upload("outputs/a b/model.pt", b"version %d" % version)
        process.upload(b"images/\xff\n.png", b"hostile")
        process.upload("empty", b"")
        (process.spool / "artifacts" / process.key / ".half.new").write_bytes(b"not there yet")
        pipeline.await_agent()
        pipeline.finish()
        found = {
            str(path.relative_to(pipeline.run_folder)): path.read_bytes()
            for folder in ("outputs", "images")
            for path in (pipeline.run_folder / folder).rglob("*")
            if path.is_file()
        }
        model = found.pop("outputs/a b/model.pt")
        assert model == b"version 29"
        assert list(found.values()) == [b"hostile"]
        assert "\n" not in "".join(found)
        assert has(pipeline.run_folder / "empty", b"")
        assert not list(pipeline.run_folder.rglob("*half*"))


def test_what_the_sdk_has_to_say_is_the_log_of_its_rank(tmp_path: Path) -> None:
    with Pipeline(tmp_path) as pipeline:
        process = Process(pipeline, rank=3)
        process.appear()
        folder = process.spool / "logs" / process.key
        folder.mkdir(parents=True)
        (folder / "110_azureml.log").write_bytes(b"said\n")
        logs = pipeline.run_folder / "logs" / "azureml"
        wait_until(lambda: any(has(path, b"said\n") for path in logs.glob("110_azureml*.log")), "the SDK's log")
        pipeline.finish()


def test_everything_that_appears_just_before_the_end_is_kept(tmp_path: Path) -> None:
    with Pipeline(tmp_path) as pipeline:
        pipeline.await_agent()
        process = Process(pipeline)
        process.log(b"early\n")
        pipeline.agent.signal(signal.SIGSTOP)
        pipeline.agent.signal(signal.SIGTERM)
        process.log(b"late\n")
        process.upload("outputs/late.bin", os.urandom(100_000))
        process.appear()
        pipeline.agent.signal(signal.SIGCONT)
        assert pipeline.agent.wait() == 0
        assert pipeline.collector.stop() == 0
        pipeline.verified()
        assert process.points_in(pipeline.run_folder) == b"early\nlate\n"
        assert (pipeline.run_folder / "outputs/late.bin").stat().st_size == 100_000


def test_what_lies_in_a_shared_spool_is_taken_by_its_own_host_only(tmp_path: Path) -> None:
    with Pipeline(tmp_path) as pipeline:
        pipeline.await_agent()
        ours, theirs, nobodys = Process(pipeline), Process(pipeline, 1, "another-host"), Process(pipeline, 2)
        for process in (theirs, nobodys, ours):
            process.log(b"point\n")
            process.upload(f"outputs/{process.rank}.bin", b"x")
        theirs.appear()
        ours.appear()
        wait_until(lambda: has(pipeline.run_folder / "outputs/0.bin", b"x"), "our file")
        pipeline.finish()
        assert ours.points_in(pipeline.run_folder) == b"point\n"
        assert [path.name for path in (pipeline.run_folder / "outputs").iterdir()] == ["0.bin"]
        points = (pipeline.run_folder / ".ranklog" / "metrics").rglob("*-*.jsonl")
        assert [path.name for path in points if "resources" not in path.name] == [f"{ours.key}.jsonl"]


def test_links_that_lead_out_of_the_spool_are_not_followed(tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "token").write_bytes(b"secret")
    with Pipeline(tmp_path) as pipeline:
        pipeline.await_agent()
        process = Process(pipeline)
        process.appear()
        process.upload("outputs/file", b"harmless")
        process.upload("outputs/later", b"harmless")
        wait_until(lambda: has(pipeline.run_folder / "outputs/later", b"harmless"), "the files")
        folder = process.spool / "artifacts" / process.key / "outputs"
        (folder / "link").symlink_to(secrets / "token")
        (folder / "folder").symlink_to(secrets)
        (folder / "fresh").symlink_to(secrets / "token")
        (folder / "fresh").rename(folder / "later")
        process.upload("outputs/last", b"harmless")
        pipeline.finish()
        files = [path for path in pipeline.run_folder.rglob("*") if path.is_file()]
        assert not [path for path in files if path.read_bytes() == b"secret"]
        assert "it leads out of the spool" in pipeline.agent.words


def test_a_spool_whose_folders_are_links_that_lead_out_is_not_read(tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    with Pipeline(tmp_path) as pipeline:
        pipeline.await_agent()
        process = Process(pipeline)
        process.appear()
        (secrets / f"{process.key}.jsonl").write_bytes(b"secret")
        (secrets / process.key).mkdir()
        (secrets / process.key / "token").write_bytes(b"secret")
        for folder in ("metrics", "artifacts", "logs"):
            (process.spool / folder).symlink_to(secrets)
        pipeline.await_agent()
        pipeline.finish()
        files = [path for path in pipeline.run_folder.rglob("*") if path.is_file()]
        assert not [path for path in files if path.read_bytes() == b"secret"]


def test_names_that_differ_only_as_bytes_are_kept_apart(tmp_path: Path) -> None:
    with Pipeline(tmp_path) as pipeline:
        pipeline.await_agent()
        process = Process(pipeline)
        process.appear()
        hostile = [b"\xff", b"\\xff", b"a\nb", b"-rf *", b"x" * 250, b"\xe2\x80\xaegnp.exe", b"deep/" * 40 + b"file"]
        for number, name in enumerate(hostile):
            process.upload(b"outputs/" + name, b"content %d" % number)
        pipeline.await_agent()
        pipeline.finish()
        found = [path.read_bytes() for path in (pipeline.run_folder / "outputs").rglob("*") if path.is_file()]
        assert sorted(found) == [b"content %d" % number for number in range(len(hostile))]


def test_thousands_of_files_come_once_each_with_few_descriptors(tmp_path: Path) -> None:
    with Pipeline(tmp_path) as pipeline:
        pipeline.await_agent()
        process = Process(pipeline)
        process.appear()
        for number in range(3000):
            process.upload(f"images/{number // 100}/{number}.png", b"picture %d" % number)
        most = 0
        images = pipeline.run_folder / "images"

        def are_all_there() -> bool:
            nonlocal most
            most = max(most, len(os.listdir(f"/proc/{pipeline.agent.pid}/fd")))
            return sum(len(names) for _, _, names in os.walk(images)) == 3000

        wait_until(are_all_there, "the pictures", 90)
        assert most < 400
        pipeline.agent.kill()
        pipeline.agent.start()
        pipeline.await_agent()
        pipeline.finish()
        assert (images / "29" / "2999.png").read_bytes() == b"picture 2999"
        segments = [segment for segment in pipeline.state.segments.values() if "/artifacts/" in segment.source]
        assert len(segments) == 3000
