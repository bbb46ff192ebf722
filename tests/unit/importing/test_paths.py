"""Paths tell who wrote a file."""

from __future__ import annotations

import re

import pytest

from ranklog_collector.importing.formats import ray
from ranklog_collector.importing.formats.found import End, File, How
from ranklog_collector.importing.formats.paths import error_file, written_by

ALL = ("openmpi", "torchrun", "slurm", "mpich", "plain")
WORKER = "0ba3bd110ef3aab7b7976d33c45cd7a4ca5c25381a76b393ec6a0ecb"


def file(path: str) -> File:
    return File(path, 0, path.lstrip("/"), 1, 10, 5)


@pytest.mark.parametrize(
    ("path", "launcher", "rank", "local_rank", "stream", "node"),
    [
        ("/l/1/rank.3/stderr", "openmpi", 3, None, "stderr", ""),
        ("/l/log.prterun-node0-1010@1.2.out", "openmpi", 2, None, "stdout", ""),
        ("/l/none_8k2x/attempt_2/1/stdout.log", "torchrun", None, 1, "stdout", ""),
        ("/l/20_5_node0.err", "slurm", 5, None, "stderr", "node0"),
        ("/l/out.3.node1", "mpich", 3, None, "stdout", "node1"),
        ("/l/err.3", "mpich", 3, None, "stderr", ""),
        ("/l/rank_3.log", "none", 3, None, "stdout", ""),
        ("/l/train-rank3.err", "none", 3, None, "stderr", ""),
        ("/l/70_driver_log_12.txt", "none", 12, None, "stdout", ""),
    ],
)
def test_layouts_are_recognised(
    path: str, launcher: str, rank: int | None, local_rank: int | None, stream: str, node: str
) -> None:
    found = written_by(file(path), ALL)
    assert found is not None
    writer, kind = found
    assert (writer.launcher, writer.rank, writer.local_rank, writer.node) == (launcher, rank, local_rank, node)
    assert kind == stream


@pytest.mark.parametrize(
    "path", ["/l/ranking.log", "/l/rank.txt", "/l/rank_99999999999999999999.log", "/l/model.bin", "/l/x"]
)
def test_other_files_are_left_alone(path: str) -> None:
    assert written_by(file(path), ALL) is None


def test_the_users_own_rule_comes_first() -> None:
    rule = re.compile(r"/(?P<node>n\d)/w(?P<rank>\d+)-(?P<attempt>\d)\.(?P<stream>out|err)$")
    found = written_by(file("/l/n4/w7-2.err"), ALL, [rule])
    assert found is not None
    assert (found[0].rank, found[0].node, found[0].attempt, found[1]) == (7, "n4", 2, "stderr")


def test_torchruns_error_files_are_told_from_output() -> None:
    writer = error_file(file("/l/job_x/attempt_1/3/error.json"))
    assert writer is not None
    assert (writer.group, writer.attempt, writer.local_rank) == ("job_x", 1, 3)
    assert error_file(file("/l/error.json")) is None


def test_rays_workers_are_told_by_their_pids() -> None:
    logs = "/tmp/ray/session_2026-11-24_15-22-32_972402_12085/logs"
    found = ray.written_by(file(f"{logs}/worker-{WORKER}-01000000-12444.err"))
    assert found is not None
    assert (found[0].pid, found[1]) == (12444, "stderr")
    assert ray.written_by(file(f"{logs}/raylet.out")) is None
    assert ray.session("/tmp/ray/logs/raylet.out") is None


def test_rays_daemons_tell_of_the_node_and_of_workers_that_are_gone() -> None:
    started = "node_manager.cc:355: Raylet of id, 43c1 started. node_manager address: 192.0.2.2:0 object_manager address: 192.0.2.2:41155 hostname: vm\n"  # noqa: E501
    evidence = ray.read("raylet.out", started, "g")
    assert (evidence.bases, evidence.addresses) == ({"g": (0, "vm")}, {"vm": "192.0.2.2"})
    failure = (
        '{"label":"RAY_WORKER_FAILURE","message":"… Worker PID: 12444 Worker exit type: SYSTEM_ERROR","timestamp":7}'
    )
    assert ray.read("events/event_RAYLET.log", f"not JSON\n[1]\n{failure}\n", "g").ends == [
        End(None, pid=12444, time_ns=7 * 10**9, group="g")
    ]
    ended = "raylet_ipc_client.cc:133: RayletIpcClient::Disconnect, exit_type=INTENDED_USER_EXIT, exit_detail=…\n"
    assert ray.read(f"python-core-worker-{WORKER}_7.log", ended, "g").ends == [End(How(0), pid=7, group="g")]
