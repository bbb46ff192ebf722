"""A run folder that is imported is whole, exact and verified, or it is not there."""

from __future__ import annotations

import gzip
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ranklog_collector.core.event_files import is_event_file
from ranklog_collector.errors import StoreFullError
from ranklog_collector.importing import gather
from ranklog_collector.importing.load import ACCOUNT, Done, Prospect, Request, load, prospect
from ranklog_collector.importing.model import ImportingError
from ranklog_collector.importing.recorder import Recorder
from ranklog_collector.reading.folder import RunFolder
from ranklog_collector.reading.processes import ProcessState, processes
from ranklog_collector.reading.rebuild import rebuild
from ranklog_collector.reading.runs import find_runs
from ranklog_collector.reading.verify import verify

NOISE = bytes(range(256)) * 40
KILLED = "mpirun noticed that process rank 1 with PID 7 on node node1 exited on signal 9 (Killed).\n"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tmp_path / "source"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "runs"


def put(folder: Path, files: dict[str, bytes | str]) -> Path:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
    return folder


def two_ranks(folder: Path) -> Path:
    files: dict[str, bytes | str] = {f"log/1/rank.{rank}/stdout": b"rank %d\n" % rank + NOISE for rank in (0, 1)}
    return put(folder, {**files, "log/1/rank.1/stderr": "last words\n", "mpirun.txt": KILLED})


def look(root: Path, *places: Path, **options: Any) -> Prospect:
    return prospect(Request(tuple(map(str, places)), str(root), **options))


def take(root: Path, *places: Path, **options: Any) -> Done:
    return load(look(root, *places, **options), "default", str(root))


def read(done: Done) -> RunFolder:
    return RunFolder(done.folder)


def snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def test_bytes_are_taken_over_exactly_and_the_source_is_left_alone(source: Path, root: Path) -> None:
    two_ranks(source)
    before = snapshot(source)
    done = take(root, source)
    folder = read(done)
    logs = Path(done.folder, "node1/azureml-logs")
    assert (logs / "70_driver_log_1.txt").read_bytes() == b"rank 1\n" + NOISE
    assert (logs / "70_driver_log_1_stderr.txt").read_bytes() == b"last words\n"
    assert Path(done.folder, "azureml-logs/70_mpi_log.txt").read_text() == KILLED
    report = verify(folder, with_sources=True)
    assert report.is_intact
    assert report.problems == []
    assert report.notes == []
    assert snapshot(source) == before


def test_ends_that_the_launcher_told_are_states_and_others_are_not_made_up(source: Path, root: Path) -> None:
    folder = read(take(root, two_ranks(source)))
    unknown, killed, launcher = processes(folder.state)
    assert (launcher.name, launcher.exit) == ("launcher", "")
    assert (killed.state, killed.signal, killed.node, killed.pid) == (ProcessState.FAILED, 9, "node1", 7)
    assert (unknown.state, unknown.exit, unknown.node) == (ProcessState.TERMINATED, "", "unknown")
    assert folder.state.state == "failed"


@pytest.mark.parametrize(("exit_code", "state"), [(None, "lost"), (0, "completed"), (3, "failed")])
def test_the_launchers_exit_code_tells_the_rest(source: Path, root: Path, exit_code: int | None, state: str) -> None:
    put(source, {"rank_0.log": "fine\n", "rank_1.log": "fine\n"})
    folder = read(take(root, source, exit_code=exit_code))
    assert folder.state.state == state
    assert {one.exit for one in processes(folder.state)} == ({"0"} if exit_code == 0 else {""})


def test_the_derived_files_are_those_that_the_journal_makes(source: Path, root: Path) -> None:
    done = take(root, two_ranks(source))
    assert not any(rebuild(read(done)).values())
    story = Path(done.folder, "overall/execution.txt").read_text().splitlines()
    assert story[0].endswith(", imported")
    assert any(line.endswith("rank_1 on node node1 has failed: signal 9 (SIGKILL)") for line in story)
    assert not any("joined" in line or "collector" in line for line in story)
    status = Path(done.folder, "azureml-logs/process_status.json").read_text()
    assert [json.loads(line)["status"] for line in status.splitlines()] == ["Started", "Started", "Failed", "Failed"]


def test_the_same_files_have_the_same_id_wherever_they_are(source: Path, root: Path, tmp_path: Path) -> None:
    found = look(root, two_ranks(source))
    load(found, "default", str(root))
    again = look(root, source)
    assert (again.run_id, again.existing, again.is_same) == (found.run_id, found.folder, True)
    shutil.copytree(source, tmp_path / "copy" / "source")
    assert look(root, tmp_path / "copy" / "source").run_id == found.run_id
    (source / "log/1/rank.1/stderr").write_text("other words\n")
    assert look(root, source).existing is None


def test_importing_again_replaces_the_folder_as_a_whole(source: Path, root: Path) -> None:
    first = take(root, two_ranks(source), run_id="r1")
    Path(first.folder, "stranger").touch()
    second = take(root, source, run_id="r1")
    assert second.folder == first.folder
    assert not Path(second.folder, "stranger").exists()
    assert verify(read(second)).is_intact
    assert [run.run_id for run in find_runs(str(root))] == ["r1"]


def test_an_import_that_fails_half_way_leaves_nothing(
    source: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = take(root, two_ranks(source), run_id="r1")
    before = snapshot(Path(first.folder))

    def full(*_: Any) -> None:
        raise StoreFullError("no space left")

    monkeypatch.setattr(Recorder, "finish", full)
    for run_id in ("r1", "r2"):
        with pytest.raises(ImportingError, match="no space left"):
            take(root, source, run_id=run_id)
    assert [run.run_id for run in find_runs(str(root))] == ["r1"]
    assert snapshot(Path(first.folder)) == before
    assert sorted(os.listdir(root)) == ["default"]


def test_what_a_killed_import_left_is_no_run_and_in_nobodys_way(
    source: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = look(root, two_ranks(source))
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "rmtree", lambda *_, **__: None)
        patched.setattr("ranklog_collector.importing.load.verify", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            load(found, "default", str(root))
    assert find_runs(str(root)) == []
    assert verify(read(load(look(root, source), "default", str(root)))).is_intact


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def test_a_tagged_console_is_split_and_kept(source: Path, root: Path) -> None:
    console = b"[1,0]<stdout>:zero\n[1,1]<stdout>:one\n[1,1]<stderr>:oops\n" + KILLED.encode()
    put(source, {"out.txt": console})
    done = take(root, source)
    files = snapshot(Path(done.folder))
    assert files["unknown/azureml-logs/70_driver_log_0.txt"][0] == b"zero\n"
    assert files["node1/azureml-logs/70_driver_log_1.txt"][0] == b"one\n"
    assert files["node1/azureml-logs/70_driver_log_1_stderr.txt"][0] == b"oops\n"
    assert files["azureml-logs/70_mpi_log.txt"][0] == KILLED.encode()
    assert files["logs/out.txt"][0] == console
    assert verify(read(done)).is_intact


def test_what_ranks_files_have_is_not_taken_from_the_console_again(source: Path, root: Path) -> None:
    put(
        source,
        {"1/rank.0/stdout": "zero\n", "1/rank.1/stdout": "one\n", "out.txt": "[1,0]<stdout>:zero\nmpirun said\n"},
    )
    done = take(root, source, format_name="openmpi")
    files = snapshot(Path(done.folder))
    assert files["azureml-logs/70_driver_log_0.txt"][0] == b"zero\n"
    assert files["azureml-logs/70_mpi_log.txt"][0] == b"mpirun said\n"


def torchrun_folder(folder: Path) -> Path:
    for group, base in (("job_x", 2), ("job_a", 0)):
        for local in (0, 1):
            for attempt in (0, 1):
                where = f"{group}/attempt_{attempt}/{local}"
                says = f"attempt {attempt}\n[Gloo] Rank {base + local} is connected to 3 peer ranks.\n"
                put(folder, {f"{where}/stdout.log": says, f"{where}/stderr.log": ""})
    return folder


def test_attempts_are_kept_apart(source: Path, root: Path) -> None:
    done = take(root, torchrun_folder(source))
    found = processes(read(done).state)
    assert [(one.rank, one.attempt) for one in found] == [(rank, attempt) for rank in range(4) for attempt in (1, 2)]
    names = {path.name for path in Path(done.folder).rglob("70_driver_log_3*") if path.stat().st_size}
    assert names == {"70_driver_log_3.txt", "70_driver_log_3_attempt2.txt"}


def pods(folder: Path) -> Path:
    first = b"2026-11-24T10:00:01.000000001Z stdout F hello\n2026-11-24T10:00:02Z stdout P one, \n"
    newest = b"2026-11-24T10:00:03Z stdout F two\n2026-11-24T10:00:04Z stderr F ValueError: boom\n"
    again = b"2026-11-24T10:00:09Z stdout F again\n"
    pod = "ml_train-worker-1_0a1b/main"
    put(
        folder, {f"{pod}/0.log.20261124-100002.gz": gzip.compress(first), f"{pod}/0.log": newest, f"{pod}/1.log": again}
    )
    return put(folder, {"ml_train-worker-0_0a1c/main/0.log": b"2026-11-24T10:00:01Z stdout F hi\n"})


def test_rotated_container_logs_are_one_stream_and_restarts_are_attempts(source: Path, root: Path) -> None:
    done = take(root, pods(source))
    folder = read(done)
    files = snapshot(Path(done.folder))
    logs = "train-worker-1/azureml-logs/70_driver_log_1"
    assert files[f"{logs}.txt"][0] == b"hello\none, two\n"
    assert files[f"{logs}_stderr.txt"][0] == b"ValueError: boom\n"
    assert files[f"{logs}_attempt2.txt"][0] == b"again\n"
    assert f"{logs}_attempt2_stderr.txt" not in files
    first, second = (one for one in processes(folder.state) if one.rank == 1)
    assert first.started_ns == 1795514401 * 10**9 + 1
    assert second.last_output_ns == 1795514409 * 10**9
    assert verify(folder).is_intact


def test_what_kubectl_tells_of_pods_is_how_they_ended(source: Path, root: Path) -> None:
    def status(name: str, ip: str, restarts: int, **states: Any) -> dict[str, Any]:
        container = {"name": "main", "restartCount": restarts, **states}
        return {"metadata": {"name": name}, "status": {"podIP": ip, "containerStatuses": [container]}}

    killed = {"terminated": {"exitCode": 137, "reason": "OOMKilled", "finishedAt": "2026-11-24T10:00:05Z"}}
    fine = {"terminated": {"exitCode": 0, "finishedAt": "2026-11-24T10:00:09Z"}}
    items = [
        status("train-worker-0", "10.0.0.7", 0, state=killed),
        status("train-worker-1", "../../../tmp", 1, lastState=killed, state=fine),
    ]
    put(pods(source), {"pods.json": json.dumps({"apiVersion": "v1", "kind": "PodList", "items": items})})
    folder = read(take(root, source))
    found = [(one.rank, one.attempt, one.exit, one.ip) for one in processes(folder.state)]
    assert found == [(0, 1, "OOM", "10.0.0.7"), (1, 1, "OOM", ""), (1, 2, "0", "")]
    assert folder.state.state == "failed"
    assert (Path(folder.path) / "10.0.0.7/azureml-logs/70_driver_log_0.txt").exists()
    assert verify(folder).is_intact


def test_pods_of_several_jobs_are_not_thrown_together(source: Path, root: Path) -> None:
    put(pods(source), {"ml_other-0_aa/main/0.log": b"2026-11-24T10:00:01Z stdout F hi\n"})
    with pytest.raises(ImportingError, match=r"several jobs of Kubernetes \(ml/other, ml/train\)"):
        look(root, source)


def test_the_pod_that_ran_mpirun_has_the_ranks_output(source: Path, root: Path) -> None:
    lines = (b"[1,0]<stdout>:zero", b"[1,1]<stdout>:one", b"mpirun said")
    data = b"".join(b"2026-11-24T10:00:01Z stdout F %b\n" % line for line in lines)
    put(source, {"ml_train-launcher-x8k2p_0a/mpi/0.log": data})
    put(source, {f"ml_train-worker-{rank}_0{rank}/mpi/0.log": b"" for rank in (0, 1)})
    done = take(root, source)
    assert Path(done.folder, "azureml-logs/70_mpi_log.txt").read_bytes() == b"mpirun said\n"
    texts = [path.read_bytes() for path in sorted(Path(done.folder).rglob("70_driver_log_?.txt"))]
    assert b"one\n" in texts
    assert b"zero\n" in texts


def ray_session(folder: Path) -> Path:
    logs = folder / "session_2026-11-24_15-22-32_972402_12085/logs"
    worker = f"worker-{'ab' * 28}-01000000"
    put(logs, {f"{worker}-101.out": ":job_id:01000000\nhello\n", f"{worker}-101.err": "", f"{worker}-102.out": "x\n"})
    failure = '{"label":"RAY_WORKER_FAILURE","message":"Worker PID: 102 SYSTEM_ERROR","timestamp":7}\n'
    node = "Raylet started. node_manager address: 10.0.0.7:0 object_manager address: 10.0.0.7:1 hostname: gpu7\n"
    put(logs, {"events/event_RAYLET.log": failure, "raylet.out": node, "gcs_server.out": "gcs\n"})
    return put(logs, {f"python-core-worker-{'ab' * 28}_101.log": "Disconnect, exit_type=INTENDED_USER_EXIT, …\n"})


def test_a_ray_session_has_workers_without_ranks_on_its_node(source: Path, root: Path) -> None:
    folder = read(take(root, ray_session(source)))
    found = [(one.name, one.node, one.ip, one.exit, one.state) for one in processes(folder.state)]
    assert found == [
        ("process_101", "gpu7", "10.0.0.7", "0", ProcessState.COMPLETED),
        ("process_102", "gpu7", "10.0.0.7", "", ProcessState.TERMINATED),
    ]
    assert folder.state.state == "failed"
    assert (Path(folder.path) / "azureml-logs/70_driver_log_pid101.txt").read_text() == ":job_id:01000000\nhello\n"
    assert (Path(folder.path) / "logs/gcs_server.out").read_text() == "gcs\n"


def test_tensorboards_files_among_the_output_are_the_runs(source: Path, root: Path) -> None:
    put(source, {"rank_0.log": "x\n", "runs/exp/events.out.tfevents.1795536245.host.24538.0": NOISE})
    folder = read(take(root, source))
    assert [stream.path for stream in folder.state.streams.values() if is_event_file(stream.path)] == [
        "logs/runs/exp/events.out.tfevents.1795536245.host.24538.0"
    ]


TAGGED = "[default0]:zero here\n[default1]:one here\n"


def test_consoles_of_torchruns_are_told_apart_by_the_user_if_by_nothing_else(source: Path, root: Path) -> None:
    put(source, {"a.txt": TAGGED, "b.txt": TAGGED})
    with pytest.raises(ImportingError, match="--node NAME=FILE"):
        look(root, source)
    nodes = (("n0", str(source / "b.txt")), ("n1", str(source / "a.txt")))
    folder = read(take(root, source, nodes=nodes))
    ranks = [(one.rank, one.node) for one in processes(folder.state) if one.rank is not None]
    assert ranks == [(0, "n0"), (1, "n0"), (2, "n1"), (3, "n1")]


def test_run_folders_and_hidden_ones_are_not_imported_again(source: Path) -> None:
    first = look(source / "runs", two_ranks(source))
    done = load(first, "default", str(source / "runs"))
    put(source, {".git/rank_7.log": "x\n"})
    assert look(source / "runs", source).is_same
    with pytest.raises(ImportingError, match="is a run folder already"):
        look(source / "runs", Path(done.folder))


def test_a_file_that_still_grows_is_told(source: Path, root: Path) -> None:
    found = look(root, two_ranks(source))
    with (source / "log/1/rank.0/stdout").open("a") as file:
        file.write("more\n")
    done = load(found, "default", str(root))
    assert any("changed while it was read" in remark for remark in done.remarks)
    assert verify(read(done)).is_intact


# ---- hostile sources ------------------------------------------------------------------------------------------------


def test_links_pipes_and_strange_names_do_no_harm(source: Path, root: Path, tmp_path: Path) -> None:
    put(tmp_path, {"secret": "not yours\n"})
    two_ranks(source)
    (source / "log/1/rank.2").mkdir()
    (source / "log/1/rank.2/stdout").symlink_to(tmp_path / "secret")
    (source / "out").symlink_to(tmp_path)
    os.mkfifo(source / "log/1/rank.0/stderr")
    (source / "new\nline\x1b[2J.log").write_text("x\n")
    (source / os.fsdecode(b"not\xffutf8.log")).write_text("y\n")
    found = look(root, source)
    done = load(found, "default", str(root))
    assert {one.rank for one in processes(read(done).state)} == {0, 1, None}
    assert verify(read(done)).is_intact
    assert b"not yours" not in b"".join(data for data, _ in snapshot(Path(done.folder)).values())
    told = "\n".join(found.plan.remarks)
    assert "2 symbolic links are not followed" in told
    assert "1 pipes" in told


def test_what_cannot_be_read_is_said_and_a_gap(source: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    two_ranks(source)
    really_read = gather.read_raw

    def unreadable(file: Any) -> Iterator[bytes]:
        yield from really_read(file)
        if file.path.endswith("rank.1/stdout"):
            raise OSError(5, "Input/output error")

    monkeypatch.setattr("ranklog_collector.importing.recorder.read_raw", unreadable)
    done = take(root, source)
    assert [remark for remark in done.remarks if "Input/output error" in remark]
    assert any("Input/output error" in note for note in verify(read(done)).notes)
    assert "Input/output error" in Path(done.folder, ACCOUNT).read_text()


@pytest.mark.parametrize("damage", ["bomb", "torn", "none of it"])
def test_packed_files_that_are_no_good_are_bounded_and_said(
    source: Path, root: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    monkeypatch.setattr(gather, "UNPACKED_MAX", 1 << 20)
    line = b"2026-11-24T10:00:01Z stdout F " + b"x" * 1000 + b"\n"
    data = {"bomb": gzip.compress(line * 5000), "torn": gzip.compress(NOISE * 9)[:-20], "none of it": NOISE}[damage]
    put(pods(source), {"ml_train-worker-0_0a1c/main/0.log.20261124-100000.gz": data})
    done = take(root, source)
    assert done.remarks
    assert (Path(done.folder) / "train-worker-0/azureml-logs/70_driver_log_0.txt").read_bytes().endswith(b"hi\n")
    assert sum(path.stat().st_size for path in Path(done.folder).rglob("70_driver_log*")) < 2 << 20


def test_binary_output_and_endless_lines_are_bytes_like_others(source: Path, root: Path) -> None:
    data = b"\0" * 100 + b"y" * (3 << 20) + NOISE.replace(b"\n", b"")
    done = take(root, put(source, {"rank_0.log": data, "out.txt": b"[1,1]<stdout>:" + data + b"\n"}))
    files = snapshot(Path(done.folder))
    assert files["azureml-logs/70_driver_log_0.txt"][0] == data
    assert files["azureml-logs/70_driver_log_1.txt"][0] == data + b"\n"


def test_an_absurd_rank_does_not_make_a_million_others(source: Path, root: Path) -> None:
    put(source, {"rank_0.log": "x\n", "rank_999999999.log": "y\n"})
    assert len(processes(read(take(root, source)).state)) == 2


@pytest.mark.parametrize(
    ("files", "told"), [({}, "no output of ranks"), ({"notes.md": "# Hello\n"}, "no output of ranks")]
)
def test_where_nothing_is_recognised_it_is_said_what_to_do(
    source: Path, root: Path, files: dict[str, bytes | str], told: str
) -> None:
    source.mkdir()
    with pytest.raises(ImportingError, match=told):
        look(root, put(source, files))
    assert not root.exists()


def test_a_place_that_is_not_there_is_an_error(source: Path, root: Path) -> None:
    with pytest.raises(ImportingError, match="cannot be read: No such file"):
        look(root, source)
