"""Folders that come, go, are links, or raise no events; and files that may not be read."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from tests.support.pipeline import Pipeline, wait_until
from tests.system.conftest import require

SOON_S = 9.0
"""Before a scan of everything comes round, which is every ten seconds."""


def test_a_folder_that_is_made_later_is_mirrored_at_once(tmp_path: Path) -> None:
    later = tmp_path / "later"
    with Pipeline(tmp_path, "--watch", f"{later}/**") as pipeline:
        wait_until(lambda: "execution" in {stream.role for stream in pipeline.state.streams.values()}, "the agent")
        (later / "sub").mkdir(parents=True)
        source = later / "sub" / "a.log"
        source.write_bytes(b"made together with its folder\n")
        pipeline.await_bytes(source, source.read_bytes(), SOON_S)
        with source.open("ab") as file:
            file.write(b"and growing\n")
        pipeline.await_bytes(source, source.read_bytes(), SOON_S)
        pipeline.finish()


def test_a_folder_that_is_deleted_and_made_again_is_watched_again(tmp_path: Path) -> None:
    with Pipeline(tmp_path) as pipeline:
        pipeline.await_agent()
        for life in range(3):
            shutil.rmtree(pipeline.sources)
            pipeline.sources.mkdir()
            source = pipeline.sources / f"{life}.log"
            source.write_bytes(b"life %d\n" % life)
            pipeline.await_bytes(source, b"life %d\n" % life, SOON_S)
        pipeline.finish()


def test_a_watched_folder_may_be_a_link(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.mkdir()
    link.symlink_to(real)
    with Pipeline(tmp_path, "--watch", f"{link}/**") as pipeline:
        source = link / "a.log"
        source.write_bytes(b"1\n")
        pipeline.await_bytes(source, b"1\n")
        for line in (b"2\n", b"3\n"):
            with source.open("ab") as file:
                file.write(line)
            pipeline.await_bytes(source, source.read_bytes(), SOON_S)
        (link / "sub").mkdir()
        (link / "sub" / "b.log").write_bytes(b"below\n")
        pipeline.await_bytes(link / "sub" / "b.log", b"below\n", SOON_S)
        pipeline.finish()


def test_a_link_to_a_file_is_mirrored_under_its_own_name_also_when_it_is_turned(tmp_path: Path) -> None:
    """The files are outside the watched folder: nothing is heard of their growth."""
    with Pipeline(tmp_path) as pipeline:
        pipeline.await_agent()
        first, second = tmp_path / "first.log", tmp_path / "second.log"
        first.write_bytes(b"first\n")
        second.write_bytes(b"second\n")
        link = pipeline.sources / "link.log"
        link.symlink_to(first)
        pipeline.await_bytes(link, b"first\n", SOON_S)
        with first.open("ab") as file:
            file.write(b"first grows\n")
        pipeline.await_bytes(link, b"first\nfirst grows\n", SOON_S)
        # In the watched folder it might be seen by this name first, and a file that is renamed goes on in its stream.
        turned = tmp_path / "turned"
        turned.symlink_to(second)
        os.replace(turned, link)
        pipeline.await_bytes(link, b"first\nfirst grows\nsecond\n", SOON_S)
        with second.open("ab") as file:
            file.write(b"second grows\n")
        pipeline.await_bytes(link, b"first\nfirst grows\nsecond\nsecond grows\n", SOON_S)
        pipeline.finish()


def test_a_file_that_is_written_by_another_of_its_names_is_followed(tmp_path: Path) -> None:
    with Pipeline(tmp_path) as pipeline:
        pipeline.await_agent()
        elsewhere, here = tmp_path / "elsewhere.log", pipeline.sources / "here.log"
        elsewhere.write_bytes(b"1\n")
        os.link(elsewhere, here)
        pipeline.await_bytes(here, b"1\n", SOON_S)
        with elsewhere.open("ab") as file:
            file.write(b"2\n")
        pipeline.await_bytes(here, b"1\n2\n", SOON_S)
        pipeline.finish()


def test_a_pipe_in_the_watched_folder_is_never_opened(tmp_path: Path) -> None:
    """Who waits for a reader must go on waiting, not write to an agent that is not interested."""
    with Pipeline(tmp_path) as pipeline:
        pipeline.await_agent()
        fifo = pipeline.sources / "fifo"
        writer = (
            f"import os; os.mkfifo({str(fifo)!r}); file = open({str(fifo)!r}, 'wb'); file.write(b'hello'); file.close()"
        )
        process = subprocess.Popen([sys.executable, "-c", writer])
        try:
            wait_until(fifo.exists, "the pipe")
            pipeline.await_agent()
            assert process.poll() is None
            assert fifo.read_bytes() == b"hello"
            assert process.wait(20) == 0
        finally:
            process.kill()
        assert "fifo" not in pipeline.agent.words
        pipeline.finish()


def test_a_file_that_may_not_be_read_is_told_once_and_mirrored_when_it_may(tmp_path: Path) -> None:
    require("the agent has to run as somebody else: this needs root" if os.geteuid() != 0 else None)
    with Pipeline(tmp_path) as pipeline:
        pipeline.agent.kill()
        for folder in (tmp_path, *tmp_path.parents[:3]):
            folder.chmod(0o755)
        (tmp_path / "spool").mkdir(exist_ok=True)
        shutil.chown(tmp_path / "spool", "nobody")
        secret = pipeline.sources / "secret.log"
        secret.write_bytes(b"hidden\n")
        secret.chmod(0o000)
        prefix = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        watch = f"{pipeline.sources}/**"
        agent = pipeline.agent = pipeline.new_agent("--watch", watch, prefix=prefix, spool="nobodys")
        (tmp_path / "nobodys").mkdir()
        shutil.chown(tmp_path / "nobodys", "nobody")
        agent.start()
        pipeline.await_agent()
        with secret.open("ab") as file:
            file.write(b"still hidden\n")
        pipeline.await_agent()
        assert agent.words.count("secret.log") == 1
        assert "cannot read" in agent.words
        assert pipeline.collected(secret) is None
        secret.chmod(0o644)
        pipeline.await_bytes(secret, b"hidden\nstill hidden\n", SOON_S)
        pipeline.finish()


def test_more_files_than_may_be_open_are_all_mirrored_in_the_end(tmp_path: Path) -> None:
    with Pipeline(tmp_path) as pipeline:
        pipeline.agent.kill()
        sources = [pipeline.sources / f"{number}.log" for number in range(200)]
        for number, source in enumerate(sources):
            source.write_bytes(b"file %d\n" % number)
        limit = ["prlimit", "--nofile=300:300"]
        agent = pipeline.agent = pipeline.new_agent("--watch", f"{pipeline.sources}/**", prefix=limit)
        agent.start()
        wait_until(lambda: "limit" in agent.words, "a word about the limit")
        assert agent.stop() == 0, agent.words
        pipeline.await_files(*sources)
        assert agent.words.count("ulimit -n") == 1


def test_polled_folders_lose_nothing_either(tmp_path: Path) -> None:
    """No inotify instance is to be had, so nothing is heard: the scans alone must find everything."""
    require("limits of the system are lowered in a namespace of ours: this needs root" if os.geteuid() != 0 else None)
    no_inotify = 'echo 0 > /proc/sys/user/max_inotify_instances && exec "$@"'
    with Pipeline(tmp_path) as pipeline:
        pipeline.agent.kill()
        prefix = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", no_inotify, "sh"]
        agent = pipeline.agent = pipeline.new_agent("--watch", f"{pipeline.sources}/**", prefix=prefix)
        agent.start()
        wait_until(lambda: "limit of file watchers" in agent.words, "a word about the limit")
        sources = [pipeline.sources / f"{number % 7}" / f"{number}.log" for number in range(300)]
        for number, source in enumerate(sources):
            source.parent.mkdir(exist_ok=True)
            source.write_bytes(b"file %d\n" % number)
        for source in sources:
            with source.open("ab") as file:
                file.write(b"and more\n")
        pipeline.await_files(*sources)
        assert agent.words.count("is scanned every") == 2  # the spool, too
        pipeline.finish()


def test_folders_beyond_the_limit_of_watches_are_found_by_scanning(tmp_path: Path) -> None:
    require("limits of the system are lowered in a namespace of ours: this needs root" if os.geteuid() != 0 else None)
    few_watches = 'echo 30 > /proc/sys/user/max_inotify_watches && exec "$@"'
    with Pipeline(tmp_path) as pipeline:
        pipeline.agent.kill()
        sources = [pipeline.sources / f"{number}" / "a.log" for number in range(100)]
        for source in sources:
            source.parent.mkdir()
        prefix = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", few_watches, "sh"]
        agent = pipeline.agent = pipeline.new_agent("--watch", f"{pipeline.sources}/**", prefix=prefix)
        agent.start()
        pipeline.await_agent()
        for source in sources:
            source.write_bytes(b"in a folder like all others\n")
        pipeline.await_files(*sources)
        pipeline.finish()


def test_more_events_than_the_system_queues_cost_no_file(tmp_path: Path) -> None:
    with Pipeline(tmp_path) as pipeline:
        pipeline.await_agent()
        files = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text()) // 2  # at least three events each
        folder = pipeline.sources / "many"
        folder.mkdir()
        pipeline.agent.signal(signal.SIGSTOP)
        for number in range(files):
            (folder / f"{number}.log").write_bytes(b"file %d\n" % number)
        pipeline.agent.signal(signal.SIGCONT)
        inside = pipeline.run_folder / "logs" / "many"
        wait_until(lambda: inside.is_dir() and len(list(inside.iterdir())) == files, f"{files} files")
        report = pipeline.finish()
        assert sum(check.size for check in report.checks if "/many/" in check.path) == sum(
            len(b"file %d\n" % number) for number in range(files)
        )
