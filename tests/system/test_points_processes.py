"""Every point whose log() returned is there, once and whole, whatever forks, threads, spawns, kills and disks do."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ranklog.points import reading
from tests.support.executing import Executor, Spooled, environment, until
from tests.support.launchers import OMPI_AS_ROOT
from tests.system.conftest import require

PATIENCE_S = 60


def start(spool: Path, code: str, **options: Any) -> subprocess.Popen[str]:
    """Run Python code as a process that no launcher knows of."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    env = environment(RANKLOG_SPOOL=str(spool))
    return subprocess.Popen([sys.executable, "-c", code], **{**pipes, "env": env, **options})


def run(spool: Path, code: str, **options: Any) -> str:
    """Run Python code to its end; gives what it said on stderr."""
    with start(spool, code, **options) as process:
        _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, err
    return err


def files(spool: Path) -> list[Path]:
    return sorted((spool / "metrics").glob("*.jsonl"))


def lines(spool: Path) -> list[dict[str, Any]]:
    """All lines, none of which is damaged."""
    return [json.loads(text) for path in files(spool) for text in path.read_bytes().splitlines()]


def values(spool: Path) -> Counter[Any]:
    return Counter(line["v"] for line in lines(spool) if line.get("k") == "x")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(folder)]
    require(None if subprocess.run(words, capture_output=True, check=False).returncode == 0 else "mount is not allowed")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


# ---- processes and threads -------------------------------------------------------------------------------------------


def test_forked_workers_and_threads_log_at_once(tmp_path: Path) -> None:
    code = """
import os, threading
from ranklog import Run
run = Run.get_context()
def work(first):
    for value in range(first, first + 500):
        run.log("x", value, step=value)
def threads(first):
    all = [threading.Thread(target=work, args=(first + 500 * each,)) for each in range(16)]
    [each.start() for each in all], [each.join() for each in all]
workers = []
for worker in range(8):
    pid = os.fork()
    if pid == 0:
        threads(8000 * worker)
        os._exit(0)
    workers.append(pid)
threads(64000)
for pid in workers:
    os.waitpid(pid, 0)
"""
    assert run(tmp_path, code) == ""
    assert values(tmp_path) == Counter(range(72000))
    (path,) = files(tmp_path)
    assert [record.key for record in Spooled(tmp_path).processes()] == [path.stem]
    assert Spooled(tmp_path).end().key == path.stem


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_workers_of_multiprocessing_log_to_their_parents_file(tmp_path: Path, method: str) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        f"""
import multiprocessing
from ranklog import Run
def work(first):
    run = Run.get_context()
    for value in range(first, first + 100):
        run.log("x", value)
if __name__ == "__main__":
    run = Run.get_context()
    context = multiprocessing.get_context({method!r})
    workers = [context.Process(target=work, args=(100 * each,)) for each in range(4)]
    [each.start() for each in workers], [each.join() for each in workers]
    assert len(run.get_metrics("x")["x"]) == 400
"""
    )
    spool = tmp_path / "spool"
    env = environment(RANKLOG_SPOOL=str(spool))
    subprocess.run([sys.executable, program], env=env, check=True, timeout=PATIENCE_S)
    assert values(spool) == Counter(range(400))
    assert len(files(spool)) == 1


@pytest.mark.parametrize("moment", range(3))
def test_what_was_logged_survives_kill_9(tmp_path: Path, moment: int) -> None:
    code = """
import sys
from ranklog import Run
run = Run.get_context()
for value in range(10**9):
    run.log("x", value)
    if value % 100 == 0:
        print(value, flush=True)
"""
    with start(tmp_path, code) as process:
        assert process.stdout is not None
        said = [int(process.stdout.readline()) for _ in range(10 + 20 * moment)]
        process.kill()
        said += [int(text) for text in process.stdout.read().split()]
    assert process.returncode == -signal.SIGKILL
    found = sorted(values(tmp_path).elements())
    assert found == list(range(len(found)))
    assert len(found) > said[-1]


def test_who_closes_all_descriptors_goes_on_logging_and_keeps_its_files_clean(tmp_path: Path) -> None:
    code = """
import os, sys
from ranklog import Run
run = Run.get_context()
run.log("x", 1)
os.closerange(3, 5000)
run.log("x", 2)
os.closerange(3, 5000)
others = [os.open(sys.argv[1] + str(each), os.O_WRONLY | os.O_CREAT) for each in range(600)]
for value in range(3, 1000):
    run.log("x", value)
"""
    others = tmp_path / "others"
    others.mkdir()
    words = [sys.executable, "-c", code, f"{others}/"]
    done = subprocess.run(words, env=environment(RANKLOG_SPOOL=str(tmp_path)), capture_output=True, check=True)
    assert done.stderr == b""
    assert values(tmp_path) == Counter(range(1, 1000))
    assert {path.stat().st_size for path in others.iterdir()} == {0}


# ---- jobs ------------------------------------------------------------------------------------------------------------

LOGS = "from ranklog import Run; run = Run.get_context(); run.log('x', run.id)"


def test_under_exec_points_go_where_the_output_goes(tmp_path: Path) -> None:
    executor = Executor(Spooled(tmp_path))
    ended = executor.having(OMPI_COMM_WORLD_RANK="3").run("sh", "-c", f'{sys.executable} -c "{LOGS}"; true')
    assert ended.returncode == 0, ended.stdout
    record = executor.spool.process()
    assert (record.rank, [path.stem for path in files(tmp_path)]) == (3, [record.key])
    assert values(tmp_path) == {"r1": 1}


def test_ranks_below_a_launcher_under_exec_have_places_of_their_own(tmp_path: Path) -> None:
    executor = Executor(Spooled(tmp_path))
    script = f'for rank in 0 1; do OMPI_COMM_WORLD_RANK=$rank {sys.executable} -c "{LOGS}"; done'
    ended = executor.run("sh", "-c", script)
    assert ended.returncode == 0, ended.stdout
    assert [record.rank for record in executor.spool.processes() if record.role == "rank"] == [0, 1]
    assert len(files(tmp_path)) == 2
    assert len(executor.spool.ends()) == 3


def test_a_daemon_that_outlives_its_command_has_a_place_of_its_own(tmp_path: Path) -> None:
    executor = Executor(Spooled(tmp_path)).having(LOGS=LOGS)
    waits = f'while kill -0 $0 2>/dev/null; do sleep 0.05; done; {sys.executable} -c "$LOGS"'
    ended = executor.run("sh", "-c", f"setsid sh -c '{waits}' $$ </dev/null >/dev/null 2>&1 &")
    assert ended.returncode == 0
    until(lambda: len(executor.spool.ends()) == 2, "the daemon has logged and ended")
    assert [path.stem for path in files(tmp_path)] == [executor.spool.processes()[1].key]
    assert values(tmp_path) == {"r1": 1}


def test_ranks_of_a_launcher_log_without_exec(tmp_path: Path) -> None:
    require(
        None if Path("/usr/bin/mpirun.openmpi").exists() else "Open MPI is missing: run script/install-test-programs"
    )
    words = ["mpirun.openmpi", "--oversubscribe", "-np", "4", sys.executable, "-c", LOGS]
    env = environment(RANKLOG_SPOOL=str(tmp_path), RANKLOG_RUN_ID="job", **OMPI_AS_ROOT)
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr
    spooled = Spooled(tmp_path)
    assert [(record.rank, record.world_size, record.launcher) for record in spooled.processes()] == [
        (rank, 4, "openmpi") for rank in range(4)
    ]
    assert {end.key for end in spooled.ends()} == {path.stem for path in files(tmp_path)}
    assert values(tmp_path) == {"job": 4}


def test_an_exception_at_the_end_is_recorded_as_failure(tmp_path: Path) -> None:
    with start(tmp_path, "from ranklog import Run; Run.get_context().log('x', 1); 1 / 0") as process:
        process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1
    assert Spooled(tmp_path).end().exit_code == 1


# ---- disks -----------------------------------------------------------------------------------------------------------

FILLS = """
import sys
from ranklog import Run
run = Run.get_context()
for value in range(20000):
    run.log("x", value)
print("full", flush=True)
sys.stdin.readline()
for value in range(20000, 20010):
    run.log("x", value)
run.flush()
"""


def test_a_full_disk_costs_points_one_warning_and_nothing_else(disk: Path) -> None:
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(128 << 10))
    with start(disk / "spool", FILLS) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "full\n"
        ballast.unlink()
        _, err = process.communicate("\n", timeout=PATIENCE_S)
    assert process.returncode == 0, err
    assert err.count("\n") == 1
    assert "No space left on device" in err
    (path,) = files(disk / "spool")
    found = list(reading.lines(path.read_bytes()))
    kept = [line["v"] for line in found if "v" in line]
    lost = sum(line.get("lost", 0) for line in found)
    assert kept[-10:] == list(range(20000, 20010))
    assert kept == sorted(set(kept))
    assert len(kept) + lost == 20010
    assert lost > 1000


def test_a_line_that_was_cut_short_does_not_take_the_next_one_with_it(tmp_path: Path) -> None:
    code = """
import os, resource
from ranklog import Run
run = Run.get_context()
run.log("x", 0)
path = run._place.points.path
for value in range(1, 200):
    limit = os.path.getsize(path) + value % 60
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    run.log("x", value)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    run.log("x", value + 1000)
    if value == 100 and os.fork() == 0:  # a child does not count its parent's losses
        run.flush()
        os._exit(0)
"""
    err = run(tmp_path, code)
    (path,) = files(tmp_path)
    found = list(reading.lines(path.read_bytes()))
    kept = [line["v"] for line in found if "v" in line]
    assert set(range(1001, 1200)) < set(kept)
    assert len(kept) == len(set(kept))
    lost = sum(line.get("lost", 0) for line in found)
    assert len(kept) + lost >= 399
    # A line that lacks only its end is both counted as lost and read.
    assert len(kept) + lost < 399 + 20
    assert 1 <= err.count("\n") <= 2


def test_a_read_only_spool_costs_warnings_and_nothing_else(disk: Path) -> None:
    code = """
from ranklog import Run
run = Run.get_context()
for value in range(1000):
    run.log("x", value)
    run.log_list("l", [1, 2])
run.upload_file("outputs/x", "/etc/hostname")
with run.child_run() as child:
    child.tag("a", "b")
run.complete()
"""
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    err = run(disk / "spool", code)
    assert "Traceback" not in err
    assert 1 <= err.count("\n") <= 6


def test_a_spool_that_was_deleted_costs_warnings_and_what_comes_later_is_kept_again_if_it_comes_back(
    tmp_path: Path,
) -> None:
    code = """
import os, shutil, sys, time
from ranklog import Run
run = Run.get_context()
run.log("x", 1)
shutil.rmtree(sys.argv[1])
until = time.monotonic() + 2.5
while time.monotonic() < until:
    run.log("x", 2)
os.mkdir(sys.argv[1])
until = time.monotonic() + 2.5
while time.monotonic() < until:
    run.log("x", 3)
"""
    spool = tmp_path / "spool"
    words = [sys.executable, "-c", code, str(spool)]
    env = environment(RANKLOG_SPOOL=str(spool))
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "No such file or directory" in done.stderr
    assert values(spool).keys() == {3}
    assert any(line.get("lost", 0) > 1000 for line in lines(spool))


def test_a_spool_that_cannot_be_made_is_said_and_the_script_runs(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    err = run(tmp_path / "file" / "spool", "from ranklog import Run; run = Run.get_context(); run.log('x', 1)")
    assert "Not a directory" in err
    assert "Traceback" not in err


def test_nobody_waits_for_the_first_of_several_threads(tmp_path: Path) -> None:
    code = """
import threading
from ranklog import Run
run = Run.get_context()
gate = threading.Barrier(16)
def work(value):
    gate.wait()
    run.log("x", value)
all = [threading.Thread(target=work, args=(each,)) for each in range(16)]
[each.start() for each in all], [each.join() for each in all]
"""
    run(tmp_path, code)
    assert values(tmp_path) == Counter(range(16))


def test_a_process_that_has_exec_around_it_and_is_told_to_end_leaves_all(tmp_path: Path) -> None:
    code = (
        "from ranklog import Run; import time; Run.get_context().log('x', 1); print('on', flush=True); time.sleep(60)"
    )
    executor = Executor(Spooled(tmp_path))
    with executor.start(sys.executable, "-c", code, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == b"on"
        os.kill(process.pid, signal.SIGTERM)
    until(lambda: executor.spool.ends(), "the end is recorded")
    assert executor.spool.end().signal == signal.SIGTERM
    assert values(tmp_path) == {1: 1}
