"""What a path says about the rank that writes it."""

from __future__ import annotations

import re

import pytest

from ranklog_agent.core.rules import Mode, Rule, Rules, glob_regex, preset


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("/a/*.log", "/a/x.log", True),
        ("/a/*.log", "/a/b/x.log", False),
        ("/a/**", "/a/b/c.txt", True),
        ("/a/**/x.log", "/a/x.log", True),
        ("/a/**/x.log", "/a/b/c/x.log", True),
        ("/a/?.log", "/a/xy.log", False),
        ("/a/[ab].log", "/a/a.log", True),
        ("/a/[!ab].log", "/a/a.log", False),
        ("/a/x.log", "/a/xylog", False),
        ("/a/*", "/a/two\nlines", True),
    ],
)
def test_globs(pattern: str, path: str, fits: bool) -> None:
    assert bool(glob_regex(pattern).fullmatch(path)) is fits


@pytest.mark.parametrize(
    ("launcher", "path", "role", "rank", "local_rank", "attempt"),
    [
        ("openmpi", "/l/1/rank.3/stdout", "stdout", 3, None, 0),
        ("openmpi", "/l/1/rank.12/stderr", "stderr", 12, None, 0),
        ("openmpi", "/l/prterun-node0-993@1/rank.0/stdout", "stdout", 0, None, 0),
        ("openmpi", "/l/log.prterun-node0-1010@1.2.err", "stderr", 2, None, 0),
        ("torchrun", "/l/none_8k2x/attempt_2/1/stdout.log", "stdout", None, 1, 2),
        ("slurm", "/l/20_5_node0.out", "stdout", 5, None, 0),
        ("slurm", "/l/20_5_node0.err", "stderr", 5, None, 0),
        ("mpich", "/l/out.7.node0", "stdout", 7, None, 0),
        ("mpich", "/l/err.7", "stderr", 7, None, 0),
    ],
)
def test_presets_read_ranks_out_of_paths(
    launcher: str, path: str, role: str, rank: int | None, local_rank: int | None, attempt: int
) -> None:
    match = Rules(preset(launcher, "/l"), {"node0"}).match(path)
    assert match is not None
    assert (match.role, match.rank, match.local_rank, match.attempt) == (role, rank, local_rank, attempt)


def test_files_that_another_nodes_tasks_write_into_a_shared_folder_are_that_ones_business() -> None:
    rules = Rules(preset("slurm", "/l"), {"node0"})
    assert rules.match("/l/20_5_node1.out") is None
    assert rules.match("/l/slurm-20.out") is not None
    assert Rules(preset("mpich", "/l"), {"node0"}).match("/l/out.5.node1") is not None, "the head writes all"


@pytest.mark.parametrize(
    ("launcher", "path"), [("openmpi", "/l/1/rank.x/stdout"), ("torchrun", "/l/x/attempt_0/0/error.json")]
)
def test_presets_leave_other_files_alone(launcher: str, path: str) -> None:
    assert Rules(preset(launcher, "/l")).match(path) is None


def test_files_of_no_rank_keep_their_names_below_logs() -> None:
    match = Rules([Rule("/job/logs/**")]).match("/job/logs/a/b.log")
    assert match is not None
    assert (match.role, match.name) == ("log", "logs/a/b.log")


def test_outputs_are_output_files() -> None:
    match = Rules([Rule("/job/outputs/**", None, Mode.AT_END, "outputs")]).match("/job/outputs/model.pt")
    assert match is not None
    assert (match.role, match.name) == ("output_file", "outputs/model.pt")


def test_the_first_rule_that_fits_decides() -> None:
    rules = Rules([Rule("/l/**", re.compile(r"rank(?P<rank>\d+)")), Rule("/l/*")])
    first, second = rules.match("/l/rank7.log"), rules.match("/l/other.log")
    assert first is not None
    assert first.rank == 7
    assert second is not None
    assert second.rank is None


@pytest.mark.parametrize(
    ("pattern", "base", "depth"), [("/a/b/*.log", "/a/b", 0), ("/a/*/c/*.log", "/a", 2), ("/a/**", "/a", None)]
)
def test_scans_start_at_the_fixed_part_and_go_no_deeper_than_needed(pattern: str, base: str, depth: int | None) -> None:
    rule = Rule(pattern)
    assert (rule.base, rule.depth) == (base, depth)
