"""Agent, collector and the connection between them come and go; the bytes stay the same."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.logfile import LogFile
from tests.support.pipeline import Pipeline, wait_until
from tests.support.proxy import Proxy
from tests.system.conftest import require

LINES = 20_000


def received(pipeline: Pipeline, log: LogFile) -> int:
    return len(pipeline.collected(log.path) or b"")


def lines_follow(pipeline: Pipeline, log: LogFile, lines: int = 5_000) -> None:
    """Write more, and wait until a part of it has arrived."""
    before = received(pipeline, log)
    log.write(lines)
    wait_until(lambda: received(pipeline, log) > before, "more bytes")


# ---- killed ---------------------------------------------------------------------------------------------------------


def test_an_agent_that_is_killed_in_the_middle_leaves_nothing_out_and_nothing_twice(tmp_path: Path) -> None:
    with Pipeline(tmp_path) as pipeline:
        log = LogFile(pipeline.sources / "app.log")
        for _ in range(3):
            lines_follow(pipeline, log)
            log.write(LINES)
            pipeline.agent.kill()
            log.write(LINES)
            pipeline.agent.start()
        pipeline.await_bytes(log.path, bytes(log.written))
        log.close()
        assert not pipeline.finish().problems


def test_a_collector_that_is_killed_in_the_middle_leaves_nothing_out_and_nothing_twice(tmp_path: Path) -> None:
    with Pipeline(tmp_path) as pipeline:
        log = LogFile(pipeline.sources / "app.log")
        for _ in range(5):
            lines_follow(pipeline, log)
            log.write(LINES)
            pipeline.collector.kill()
            log.write(LINES)
            pipeline.collector.start()
        pipeline.await_bytes(log.path, bytes(log.written))
        log.close()
        assert not pipeline.finish().problems


def test_what_was_written_without_a_collector_outlives_the_agent(tmp_path: Path) -> None:
    with Pipeline(tmp_path) as pipeline:
        pipeline.await_agent()
        pipeline.collector.kill()
        log = LogFile(pipeline.sources / "app.log")
        log.write(LINES)
        wait_until(lambda: "lost" in pipeline.agent.words, "the agent notices")
        pipeline.agent.kill()
        pipeline.agent.start()
        pipeline.collector.start()
        pipeline.await_bytes(log.path, bytes(log.written))
        log.close()
        assert not pipeline.finish().problems


def test_a_collector_that_is_stopped_and_started_again_goes_on(tmp_path: Path) -> None:
    with Pipeline(tmp_path) as pipeline:
        log = LogFile(pipeline.sources / "app.log")
        for _ in range(3):
            lines_follow(pipeline, log)
            log.write(LINES)
            assert pipeline.collector.stop() == 0
            log.write(LINES)
            pipeline.collector.start()
        pipeline.await_bytes(log.path, bytes(log.written))
        log.close()
        assert not pipeline.finish().problems


def test_an_agent_may_be_there_before_its_collector(tmp_path: Path) -> None:
    pipeline = Pipeline(tmp_path)
    try:
        log = LogFile(pipeline.sources / "app.log")
        log.write(LINES)
        pipeline.agent.start()
        wait_until(lambda: "trying again" in pipeline.agent.words, "the agent says that nobody answers")
        log.write(LINES)
        pipeline.collector.start()
        pipeline.await_bytes(log.path, bytes(log.written))
        assert pipeline.agent.words.count("trying again") == 1
        log.close()
        assert not pipeline.finish().problems
    finally:
        pipeline.kill()


# ---- the connection -------------------------------------------------------------------------------------------------


def through(pipeline: Pipeline, proxy: Proxy) -> None:
    pipeline.agent.kill()
    pipeline.agent = pipeline.new_agent("--watch", f"{pipeline.sources}/**", collector=proxy.address)
    pipeline.agent.start()


@pytest.mark.parametrize("trouble", ["cut", "half_close"])
def test_a_connection_that_breaks_again_and_again_costs_nothing(tmp_path: Path, trouble: str) -> None:
    with Pipeline(tmp_path) as pipeline, Proxy(pipeline.collector.address) as proxy:
        through(pipeline, proxy)
        log = LogFile(pipeline.sources / "app.log")
        for _ in range(5):
            lines_follow(pipeline, log)
            log.write(LINES)
            proxy.await_flow()
            getattr(proxy, trouble)()
        pipeline.await_bytes(log.path, bytes(log.written))
        log.close()
        assert not pipeline.finish().problems


def test_a_connection_that_stalls_holds_up_nobody_and_goes_on(tmp_path: Path) -> None:
    with Pipeline(tmp_path) as pipeline, Proxy(pipeline.collector.address) as proxy:
        through(pipeline, proxy)
        log = LogFile(pipeline.sources / "app.log")
        lines_follow(pipeline, log)
        proxy.stall()
        written = log.path.stat().st_size
        log.write(20 * LINES)  # far more than the window
        assert log.path.stat().st_size > written
        short = pipeline.sources / "short.log"
        short.write_bytes(b"came and went while nothing moved\n")
        wait_until(lambda: is_open(pipeline.agent.pid, short), "the agent holds the short file")
        short.unlink()
        proxy.resume()
        pipeline.await_bytes(log.path, bytes(log.written))
        pipeline.await_bytes(short, b"came and went while nothing moved\n")
        log.close()
        assert not pipeline.finish().problems


def is_open(pid: int, path: Path) -> bool:
    inode = path.stat().st_ino
    descriptors = Path(f"/proc/{pid}/fd").iterdir()
    return any(one.exists() and one.stat().st_ino == inode for one in descriptors)


def test_a_collector_that_does_not_move_for_a_while_is_waited_for(tmp_path: Path) -> None:
    """Files that were idle, grown or deleted meanwhile included."""
    with Pipeline(tmp_path) as pipeline:
        logs = [LogFile(pipeline.sources / f"{number}.log") for number in range(3)]
        for log in logs:
            log.write(5_000)
            pipeline.await_bytes(log.path, bytes(log.written))
        os.kill(pipeline.collector.pid, signal.SIGSTOP)
        logs[0].write(8)
        logs[1].write(10 * LINES)
        logs[2].write(8)
        logs[2].path.unlink()
        logs[2].reopen()
        logs[2].write(8)
        time.sleep(1)
        os.kill(pipeline.collector.pid, signal.SIGCONT)
        for log in logs:
            pipeline.await_bytes(log.path, bytes(log.written))
            log.close()
        assert not pipeline.finish().problems


# ---- the end --------------------------------------------------------------------------------------------------------


def test_sigterm_in_a_backlog_delivers_every_file_to_its_end(tmp_path: Path) -> None:
    with Pipeline(tmp_path) as pipeline:
        pipeline.await_agent()
        pipeline.collector.kill()
        sources = [pipeline.sources / f"{number}.log" for number in range(4)]
        for source in sources:
            source.write_bytes(os.urandom(25 << 20))
        pipeline.collector.start()
        report = pipeline.finish()
        assert not report.problems
        pipeline.await_files(*sources)
        assert "agent leaves: signalled" in pipeline.agent.words


def test_the_drain_deadline_says_what_is_left_and_a_later_agent_delivers_it(tmp_path: Path) -> None:
    with Pipeline(tmp_path, "--watch", f"{tmp_path}/src/**", "--drain-timeout", "1") as pipeline:
        log = LogFile(pipeline.sources / "app.log")
        log.write(1_000)
        pipeline.await_bytes(log.path, bytes(log.written))
        pipeline.collector.kill()
        rest = len(log.write(LINES))
        assert pipeline.agent.stop() == 1
        told = re.search(r"(\d+) bytes could not be delivered to \S+ in time", pipeline.agent.words)
        assert told is not None, pipeline.agent.words
        assert int(told[1]) >= rest
        assert "Traceback" not in pipeline.agent.words
        pipeline.collector.start()
        pipeline.agent.start()
        pipeline.await_bytes(log.path, bytes(log.written))
        log.close()
        assert not pipeline.finish().problems


def test_a_second_sigterm_ends_the_drain_at_once(tmp_path: Path) -> None:
    with Pipeline(tmp_path) as pipeline:
        pipeline.await_agent()
        pipeline.collector.kill()
        LogFile(pipeline.sources / "app.log").write(100)
        pipeline.agent.signal(signal.SIGTERM)
        wait_until(lambda: "agent leaves" in pipeline.agent.words, "the drain")

        def is_told_again() -> bool:
            pipeline.agent.signal(signal.SIGTERM)  # those that come within a second are the same one
            return not pipeline.agent.is_alive

        wait_until(is_told_again, "the end")
        assert pipeline.agent.wait() in (1, -signal.SIGTERM)
        assert "could not be delivered" in pipeline.agent.words
        assert "Traceback" not in pipeline.agent.words


def test_a_sidecar_ends_by_itself_when_the_process_it_stands_by_has_ended(tmp_path: Path) -> None:
    with Pipeline(tmp_path) as pipeline:
        source = pipeline.sources / "app.log"
        program = (
            "import os, sys, time\n"
            f"file = open({str(source)!r}, 'wb', buffering=0)\n"
            "file.write(b'working\\n'); sys.stdin.read(); file.write(b'last words'); os._exit(3)\n"
        )
        main = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE)
        pipeline.agent.kill()
        agent = pipeline.new_agent("--watch", f"{pipeline.sources}/**", "--end-with", str(main.pid))
        agent.start()
        pipeline.await_bytes(source, b"working\n")
        assert main.stdin is not None
        main.stdin.close()
        assert main.wait(20) == 3
        assert agent.wait(20) == 0
        assert source.read_bytes() == pipeline.collected(source) == b"working\nlast words"


# ---- who may speak --------------------------------------------------------------------------------------------------


def test_a_newer_agent_of_the_node_takes_over_and_the_older_one_says_so_and_ends(tmp_path: Path) -> None:
    with Pipeline(tmp_path) as pipeline:
        log = LogFile(pipeline.sources / "app.log")
        lines_follow(pipeline, log)
        newer = pipeline.new_agent("--watch", f"{pipeline.sources}/**")
        newer.start()
        log.write(LINES)
        assert pipeline.agent.wait(30) == 1
        log.write(LINES)
        assert "another agent has taken over node" in pipeline.agent.words
        assert "Traceback" not in pipeline.agent.words
        assert list((tmp_path / "spool" / "agents").glob("*.json")), "the newer agent's announcement is gone"
        pipeline.agent = newer
        pipeline.await_bytes(log.path, bytes(log.written))
        log.close()
        assert not pipeline.finish().problems


def test_a_wrong_token_ends_the_agent_with_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("right\n")
    pipeline = Pipeline(tmp_path)
    pipeline.collector._options = ("--token-file", str(tmp_path / "token"))
    with pipeline:
        pipeline.agent.kill()
        wrong = pipeline.new_agent("--watch", f"{pipeline.sources}/**", environment={"RANKLOG_TOKEN": "wrong"})
        wrong.start()
        assert wrong.wait(20) == 1
        told = [line for line in wrong.words.splitlines() if "token" in line]
        assert len(told) == 1, wrong.words
        assert "refuses" in told[0]
        assert "Traceback" not in wrong.words
        right = pipeline.agent = pipeline.new_agent(
            "--watch", f"{pipeline.sources}/**", environment={"RANKLOG_TOKEN": "right"}
        )
        right.start()
        pipeline.await_agent()


# ---- versions -------------------------------------------------------------------------------------------------------


def test_a_snapshot_that_is_rewritten_all_the_time_ends_up_as_its_last_version(tmp_path: Path) -> None:
    watch = ("--snapshot", f"{tmp_path}/src/*.json", "--watch", f"{tmp_path}/src/**")
    with Pipeline(tmp_path, *watch) as pipeline:
        pipeline.await_agent()
        replaced, rewritten = pipeline.sources / "replaced.json", pipeline.sources / "rewritten.json"
        for version in range(60):
            content = b'{"version": %d, "padding": "%s"}\n' % (version, b"x" * (version * 997 % 5000))
            fresh = pipeline.sources.parent / "fresh"
            fresh.write_bytes(content)
            os.replace(fresh, replaced)
            rewritten.write_bytes(content)
            time.sleep(0.05)
        pipeline.await_files(replaced, rewritten)
        pipeline.finish()
        pipeline.await_files(replaced, rewritten)


def test_outputs_come_whole_and_only_at_the_end(tmp_path: Path) -> None:
    watch = ("--outputs", f"{tmp_path}/src/out/**", "--watch", f"{tmp_path}/src/**")
    with Pipeline(tmp_path, *watch) as pipeline:
        model = pipeline.sources / "out" / "sub" / "model.pt"
        model.parent.mkdir(parents=True)
        model.write_bytes(b"half a model")
        pipeline.await_agent()
        assert pipeline.collected(model) is None
        model.write_bytes(os.urandom(3 << 20))
        pipeline.await_agent()
        assert pipeline.collected(model) is None
        pipeline.finish()
        pipeline.await_files(model)
        assert (pipeline.run_folder / "outputs" / "sub" / "model.pt").exists()


# ---- the agent's own folder -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("trouble", ["full", "read-only"])
def test_a_spool_that_cannot_be_written_does_not_stop_the_agent(tmp_path: Path, trouble: str) -> None:
    require("a small file system has to be mounted: this needs root" if os.geteuid() != 0 else None)
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(small)], check=True)
    try:
        with Pipeline(tmp_path) as pipeline:
            pipeline.agent.kill()
            if trouble == "full":
                (small / "spool").mkdir()
                with suppress(OSError), (small / "filler").open("wb", buffering=0) as filler:
                    while filler.write(bytes(4096)):
                        pass
            else:
                subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
            agent = pipeline.agent = pipeline.new_agent("--watch", f"{pipeline.sources}/**", spool="small/spool")
            agent.start()
            log = LogFile(pipeline.sources / "app.log")
            log.write(LINES)
            pipeline.await_bytes(log.path, bytes(log.written))
            log.close()
            assert "cannot" in agent.words
            assert "Traceback" not in agent.words
            assert not pipeline.finish().problems
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)


# ---- commands around the job ----------------------------------------------------------------------------------------


def test_commands_around_the_job_are_part_of_the_run_and_end_with_the_agent(tmp_path: Path) -> None:
    prep, release = "echo getting ready; exit 3", "echo cleaning; sleep 1000"
    watch = ("--watch", f"{tmp_path}/src/**", "--prep", prep, "--release", release)
    with Pipeline(tmp_path, *watch) as pipeline:
        pipeline.await_agent()
        logs = pipeline.run_folder / "azureml-logs"
        (output,) = logs.glob("65_job_prep-*.txt")
        wait_until(lambda: output.read_text() == "getting ready\n", "the output of --prep")
        pipeline.agent.signal(signal.SIGTERM)
        wait_until(lambda: any(path.read_text() for path in logs.glob("75_job_post-*.txt")), "the output of --release")
        time.sleep(1.1)  # two signals within a second are the same one
        assert pipeline.agent.stop() == 0, pipeline.agent.words
        (output,) = logs.glob("75_job_post-*.txt")
        assert output.read_text() == "cleaning\n"
        assert "--prep ended with exit code 3" in pipeline.agent.words
