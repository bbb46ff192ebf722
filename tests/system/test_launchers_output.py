"""What ranks print comes home whole under every launcher, however they end and however much it is."""

from __future__ import annotations

import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from ranklog_collector.reading.processes import ProcessState
from tests.support import launchers, programs
from tests.support.cluster import Cluster, Run, captured, sized, with_options
from tests.support.launchers import HostCommand, Launcher

OVER_HOSTS = ("openmpi4", "openmpi5", "mpich5", "slurm")
SPAM_LINES = sized(100_000, 20_000)
BAR_STEPS = 200


@pytest.mark.parametrize(
    ("launcher", "options"),
    [*((name, ()) for name in OVER_HOSTS), ("slurm", ("--kill-on-bad-exit=1",))],
    indirect=["launcher"],
    ids=[*OVER_HOSTS, "slurm that kills"],
)
def test_all_that_was_printed_is_kept_when_a_rank_is_killed(
    launcher: Launcher, options: tuple[str, ...], cluster4: Cluster, tmp_path: Path
) -> None:
    printed = tmp_path / "printed"
    printed.mkdir()
    program = programs.script("pyfail.py")
    bare = with_options(launcher.commands(cluster4.hosts, [*program, "kill", "2"], (2, 1)), *options)
    with Run(cluster4, (0, 1)) as run:
        noting = captured([*program, "kill", "2", str(printed)])
        job = with_options(launcher.commands(cluster4.hosts, noting, (2, 1)), *options)
        (without,) = launchers.start(cluster4.hosts, bare, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        codes = run.finish(job)
        # Bare hydra itself says 255 or 9, as the rank's end or the proxies' trouble about it comes to it first.
        usual = {"mpich5": {255, 9}}.get(launcher.name, {without.wait()})
        assert set(codes) <= usual, "the exit code is not what it is without exec"
        run.prove()
        kept = {rank: run.lines(rank) for rank in range(3)}
        for rank, lines in kept.items():
            noted = (printed / str(rank)).read_text().splitlines()
            assert lines[: len(noted)] == noted, f"rank {rank}"
            assert len(lines) <= len(noted) + 1, f"rank {rank}"
        assert kept[2][-1] == "rank 2 LAST LINE before kill"
        assert (run.ranks[2].state, run.ranks[2].signal) == (ProcessState.FAILED, 9)
        others = {run.ranks[rank].state for rank in (0, 1)}
        assert others <= {ProcessState.COMPLETED, ProcessState.TERMINATED}
        assert run.state.state == "failed"
        print(f"{launcher.name}: {sum(map(len, kept.values()))} lines, exit code {codes[0]}, others {others}")


def test_a_static_program_that_is_killed_keeps_its_last_words(launcher: Launcher, cluster4: Cluster) -> None:
    program = [str(programs.compiled("last_words", "gcc", "-static"))]
    with Run(cluster4, (1,)) as run:
        run.finish(launcher.commands(cluster4.hosts, captured(program), (0, 1)))
        run.prove()
        assert run.lines(0) == ["first line", "last words"]
        assert run.ranks[0].signal == 9


@pytest.mark.parametrize("launcher", OVER_HOSTS, indirect=True)
def test_no_line_of_many_is_missing_or_torn(launcher: Launcher, cluster4: Cluster) -> None:
    program = [*programs.script("spam.sh"), str(SPAM_LINES)]
    bare_s = wall_s(cluster4, launcher.commands(cluster4.hosts, program, (2, 2)))
    with Run(cluster4, (0, 1)) as run:
        started = time.monotonic()
        codes = [job.wait() for job in run.start(launcher.commands(cluster4.hosts, captured(program), (2, 2)))]
        exec_s = time.monotonic() - started
        run.await_end()
        assert codes == [0]
        run.prove()
        for rank in range(4):
            assert run.output(rank) == spam(rank), difference(run.lines(rank), spam(rank).decode().splitlines())
        torn = sum((Counter(run.console.splitlines()) - Counter(spam_of_all().splitlines())).values())
        print(f"{launcher.name}: {4 * SPAM_LINES} lines, wall {bare_s:.2f} s bare, {exec_s:.2f} s under exec")
        print(f"{launcher.name}: {torn} torn lines on the launcher's console")


@pytest.mark.parametrize("launcher", OVER_HOSTS, indirect=True)
def test_progress_bars_are_kept_as_they_are_and_shown_by_their_last_state(
    launcher: Launcher, cluster4: Cluster
) -> None:
    program = [*programs.script("bar.py"), str(BAR_STEPS)]
    with Run(cluster4, (0, 1)) as run:
        assert run.finish(launcher.commands(cluster4.hosts, captured(program), (2, 2))) == [0]
        run.prove()
        for rank in range(4):
            assert run.output(rank) == bar(rank)
        shown = cluster4.command("logs", run.run_id).splitlines()
        expected = [f"[{rank}] rank {rank}: 100.0%|{'#' * 20}| {BAR_STEPS}/{BAR_STEPS}" for rank in range(4)]
        expected += [f"[{rank}] rank {rank} epoch done loss=0.5" for rank in range(4)]
        assert sorted(shown) == sorted(expected)


def wall_s(cluster: Cluster, commands: list[HostCommand]) -> float:
    """How long a job takes whose output goes to a file."""
    started = time.monotonic()
    with (cluster.folder / "bare").open("wb") as file:
        jobs = launchers.start(cluster.hosts, commands, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
        assert [job.wait() for job in jobs] == [0]
    return time.monotonic() - started


def spam(rank: int) -> bytes:
    """What spam.sh prints."""
    return b"".join(b"rank %d line %d %b\n" % (rank, line, b"x" * 53) for line in range(1, SPAM_LINES + 1))


def spam_of_all() -> str:
    return b"".join(spam(rank) for rank in range(4)).decode()


def difference(found: list[str], expected: list[str]) -> str:
    """The first line that is not as it should be."""
    at = next((at for at, (one, other) in enumerate(zip(found, expected, strict=False)) if one != other), -1)
    return f"{len(found)} lines instead of {len(expected)}; line {at} is {found[at] if found else None!r}"


def bar(rank: int) -> bytes:
    """What bar.py prints."""
    states = (step / BAR_STEPS for step in range(BAR_STEPS + 1))
    drawn = "".join(
        f"\rrank {rank}: {share:6.1%}|{'#' * int(20 * share):20s}| {round(share * BAR_STEPS)}/{BAR_STEPS}"
        for share in states
    )
    return f"{drawn}\nrank {rank} epoch done loss=0.5\n".encode()
