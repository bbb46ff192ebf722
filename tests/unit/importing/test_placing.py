"""Which rank and which node a file is of, from what is known, and not from what is not."""

from __future__ import annotations

import pytest

from ranklog_collector.importing.formats.found import Evidence, File, Writer
from ranklog_collector.importing.model import ImportingError, Output, Survey
from ranklog_collector.importing.placing import UNKNOWN, Naming, Placing, labels


def torchrun(group: str, local_rank: int, place: int = 0) -> Output:
    file = File(f"/logs/{group}/attempt_0/{local_rank}/stdout.log", place, "", 1, 10, 5)
    return Output(Writer(local_rank=local_rank, group=group, launcher="torchrun"), "stdout", file)


def mpi(rank: int, place: int, node: str = "") -> Output:
    file = File(f"/n{place}/log/1/rank.{rank}/stdout", place, "", 1, 10, 5)
    return Output(Writer(rank, node=node, launcher="openmpi"), "stdout", file)


def placed(
    outputs: list[Output], evidence: Evidence | None = None, naming: Naming | None = None
) -> list[tuple[int, str]]:
    survey = Survey(outputs=outputs, evidence=evidence or Evidence())
    placing = Placing(survey, naming or Naming(tuple(f"/n{place}/log" for place in range(4))))
    return [(placing.rank(one.writer) or 0, placing.node(one.writer, one.file)) for one in outputs]


TWO_NODES = [torchrun("job_x", 0), torchrun("job_x", 1), torchrun("job_a", 0), torchrun("job_a", 1)]


def test_one_folder_of_torchruns_has_the_ranks_from_0_on() -> None:
    assert placed(TWO_NODES[:2]) == [(0, UNKNOWN), (1, UNKNOWN)]


def test_what_torchrun_printed_tells_the_node_of_its_folder() -> None:
    evidence = Evidence(bases={"job_x": (2, "node1"), "job_a": (0, "node0")})
    assert placed(TWO_NODES, evidence) == [(2, "node1"), (3, "node1"), (0, "node0"), (1, "node0")]


def test_the_last_folder_has_the_ranks_that_are_left() -> None:
    assert [rank for rank, _ in placed(TWO_NODES, Evidence(bases={"job_x": (2, "node1")}))] == [2, 3, 0, 1]
    assert [rank for rank, _ in placed(TWO_NODES, Evidence(bases={"job_x": (0, "")}))] == [0, 1, 2, 3]


def test_the_user_names_folders_in_the_order_of_ranks() -> None:
    naming = Naming(("/logs",), (("/logs/job_a", "left"), ("/logs/job_x", "right")))
    assert placed(TWO_NODES, naming=naming) == [(2, "right"), (3, "right"), (0, "left"), (1, "left")]


def test_nothing_is_guessed_where_nothing_is_known() -> None:
    with pytest.raises(ImportingError, match="--node NAME=…/job_a"):
        placed(TWO_NODES)


def test_two_starts_of_a_job_are_not_taken_for_its_nodes() -> None:
    with pytest.raises(ImportingError, match="both have rank 0"):
        placed(TWO_NODES, Evidence(bases={"job_x": (0, ""), "job_a": (0, "")}))


def test_folders_of_nodes_own_disks_are_named_by_what_tells_them_apart() -> None:
    assert placed([mpi(0, 0), mpi(1, 1)]) == [(0, "n0"), (1, "n1")]


def test_a_node_that_a_message_names_is_that_of_the_whole_folder() -> None:
    assert placed([mpi(0, 0), mpi(2, 1), mpi(3, 1)], Evidence(nodes={3: "node1"})) == [
        (0, "n0"),
        (2, "node1"),
        (3, "node1"),
    ]


def test_what_the_path_tells_beats_what_the_folder_is_called() -> None:
    assert placed([mpi(0, 0, "a"), mpi(1, 1, "b")]) == [(0, "a"), (1, "b")]


def test_names_of_nodes_do_not_play_with_a_terminal() -> None:
    assert placed([mpi(0, 0, "n\x1b[2J\n")]) == [(0, "n_[2J_")]


@pytest.mark.parametrize(
    ("paths", "told"),
    [
        (["/backup/node0/log", "/backup/node1/log"], ["node0", "node1"]),
        (["/a", "/b"], ["a", "b"]),
        (["/x/logs", "/x/logs/n1"], ["logs", "logs_n1"]),
    ],
)
def test_paths_are_told_apart_by_what_they_do_not_share(paths: list[str], told: list[str]) -> None:
    assert labels(paths) == told
