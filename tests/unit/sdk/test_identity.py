"""Who a process is, by the environments that real launchers gave to real ranks (numbers shortened)."""

from __future__ import annotations

import pytest

from ranklog.identity import detect, job_ids, setting

OPENMPI = {
    "OMPI_COMM_WORLD_RANK": "3",
    "OMPI_COMM_WORLD_LOCAL_RANK": "1",
    "OMPI_COMM_WORLD_SIZE": "4",
    "OMPI_COMM_WORLD_LOCAL_SIZE": "2",
    "OMPI_COMM_WORLD_NODE_RANK": "1",
    "PMIX_RANK": "3",
}
OPENMPI_4 = {**OPENMPI, "PMIX_NAMESPACE": "1605304321"}
OPENMPI_5 = {**OPENMPI, "PMIX_NAMESPACE": "prterun-node0-679@1"}
MPICH = {"PMI_RANK": "2", "PMI_SIZE": "3", "PMI_FD": "5", "MPI_LOCALRANKID": "0", "MPI_LOCALNRANKS": "1"}
SRUN = {
    "SLURM_JOB_ID": "1234",
    "SLURM_STEP_ID": "0",
    "SLURM_PROCID": "2",
    "SLURM_LOCALID": "0",
    "SLURM_NODEID": "1",
    "SLURM_NTASKS": "3",
    "SLURM_STEP_NUM_TASKS": "3",
    "SLURM_STEP_TASKS_PER_NODE": "2,1",
}
SBATCH = {"SLURM_JOB_ID": "1234", "SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NODEID": "0"}
TORCHRUN = {
    "TORCHELASTIC_RUN_ID": "j17",
    "TORCHELASTIC_RESTART_COUNT": "2",
    "RANK": "5",
    "LOCAL_RANK": "1",
    "WORLD_SIZE": "8",
    "LOCAL_WORLD_SIZE": "4",
    "GROUP_RANK": "1",
    "MASTER_ADDR": "node0",
}


def test_a_process_without_a_launcher_is_no_rank() -> None:
    found = detect({"HOME": "/root", "PATH": "/bin"})
    assert (found.launcher, found.role, found.rank, found.nested) == ("none", "process", None, ())


@pytest.mark.parametrize(
    ("environ", "job"), [(OPENMPI_4, "1605304321"), (OPENMPI_5, "prterun-node0-679@1")], ids=["4", "5"]
)
def test_open_mpi_tells_all_but_the_node_index(environ: dict[str, str], job: str) -> None:
    found = detect(environ)
    assert (found.launcher, found.rank, found.local_rank, found.world_size, found.local_size) == ("openmpi", 3, 1, 4, 2)
    assert found.node_rank is None, "OMPI_COMM_WORLD_NODE_RANK counts processes of a node, not nodes"
    assert (found.job_id, found.role, found.nested) == (job, "rank", ())


def test_mpich_tells_no_job_and_no_node() -> None:
    found = detect(MPICH)
    assert (found.launcher, found.rank, found.local_rank, found.world_size, found.local_size) == ("mpich", 2, 0, 3, 1)
    assert (found.node_rank, found.job_id) == (None, None)


def test_plain_pmix_tells_the_rank_and_the_namespace() -> None:
    found = detect({"PMIX_RANK": "7", "PMIX_NAMESPACE": "ns"})
    assert (found.launcher, found.rank, found.job_id, found.local_rank) == ("pmix", 7, "ns", None)


def test_a_slurm_task_is_a_rank() -> None:
    found = detect(SRUN)
    assert (found.launcher, found.rank, found.local_rank, found.world_size) == ("slurm", 2, 0, 3)
    assert (found.local_size, found.node_rank, found.job_id) == (1, 1, "1234")


@pytest.mark.parametrize(
    ("counts", "node", "expected"),
    [
        ("2(x3),1", "0", 2),
        ("2(x3),1", "2", 2),
        ("2(x3),1", "3", 1),
        ("2(x3),1", "4", None),
        ("4", "0", 4),
        ("", "0", None),
        ("x", "0", None),
        ("2(xx)", "0", None),
    ],
)
def test_slurm_counts_the_tasks_of_each_node(counts: str, node: str, expected: int | None) -> None:
    assert detect({**SRUN, "SLURM_STEP_TASKS_PER_NODE": counts, "SLURM_NODEID": node}).local_size == expected


@pytest.mark.parametrize("step", [None, "batch", "4294967291", "4294967290", "extern"])
def test_a_batch_script_is_no_rank_though_it_has_a_procid(step: str | None) -> None:
    found = detect(SBATCH if step is None else {**SBATCH, "SLURM_STEP_ID": step})
    assert (found.launcher, found.rank, found.role, found.nested) == ("none", None, "process", ("slurm",))


@pytest.mark.parametrize("protocol", [{"PMI_RANK": "2", "PMI_SIZE": "3", "PMI_FD": "9"}, {"PMIX_RANK": "2"}])
def test_srun_that_speaks_pmi_is_still_srun(protocol: dict[str, str]) -> None:
    found = detect({**SRUN, **protocol})
    assert (found.launcher, found.rank, found.local_rank, found.nested) == ("slurm", 2, 0, ())


def test_torchrun_tells_everything() -> None:
    found = detect(TORCHRUN)
    assert (found.launcher, found.rank, found.local_rank, found.world_size, found.local_size) == (
        "torchrun",
        5,
        1,
        8,
        4,
    )
    assert (found.node_rank, found.job_id, found.restart) == (1, "j17", 2)


def test_torchruns_default_id_is_no_job() -> None:
    assert detect({**TORCHRUN, "TORCHELASTIC_RUN_ID": "none"}).job_id is None


def test_a_kubeflow_pod_has_a_rank_for_its_one_process() -> None:
    found = detect({"RANK": "2", "WORLD_SIZE": "4", "MASTER_ADDR": "job-master-0"})
    assert (found.launcher, found.rank, found.node_rank, found.world_size) == ("kubeflow", 2, 2, 4)
    assert found.is_whole_node
    assert detect({"PET_NODE_RANK": "1", "PET_NNODES": "2", "PET_NPROC_PER_NODE": "4"}).node_rank == 1


@pytest.mark.parametrize("name", ["SKYPILOT_NODE_RANK", "JOB_COMPLETION_INDEX"])
def test_an_indexed_job_has_a_rank_for_its_one_process(name: str) -> None:
    found = detect({name: "3"})
    assert (found.launcher, found.rank, found.node_rank, found.is_whole_node) == ("indexed", 3, 3, True)


def test_ranks_that_another_launcher_numbers_by_pytorchs_variables_are_ranks() -> None:
    found = detect({"RANK": "5", "LOCAL_RANK": "1", "WORLD_SIZE": "8"})
    assert (found.launcher, found.rank, found.local_rank, found.is_whole_node) == ("none", 5, 1, False)


@pytest.mark.parametrize(
    ("outer", "inner", "launcher", "rank", "nested"),
    [
        (SRUN, TORCHRUN, "torchrun", 5, ("slurm",)),
        (SRUN, OPENMPI_5, "openmpi", 3, ("slurm",)),
        (SRUN, MPICH, "mpich", 2, ("slurm",)),
        (SBATCH, OPENMPI_4, "openmpi", 3, ("slurm",)),
        (OPENMPI_4, TORCHRUN, "torchrun", 5, ("openmpi",)),
        ({"JOB_COMPLETION_INDEX": "1"}, TORCHRUN, "torchrun", 5, ("indexed",)),
        ({"PET_NODE_RANK": "1", **SRUN}, TORCHRUN, "torchrun", 5, ("kubeflow", "slurm")),
    ],
)
def test_the_innermost_of_nested_launchers_wins(
    outer: dict[str, str], inner: dict[str, str], launcher: str, rank: int, nested: tuple[str, ...]
) -> None:
    found = detect({**outer, **inner})
    assert (found.launcher, found.rank, found.nested) == (launcher, rank, nested)


def test_restarts_of_all_launchers_add_up() -> None:
    assert detect({**SRUN, **TORCHRUN, "SLURM_RESTART_COUNT": "1"}).restart == 3


@pytest.mark.parametrize("text", ["", "-1", "1.0", " 1", "٣", "9" * 30, "0x1", "nan"])
def test_what_is_no_count_is_no_rank(text: str) -> None:
    assert detect({"OMPI_COMM_WORLD_RANK": text}).rank is None


def test_a_setting_comes_from_its_own_name_or_from_one_that_open_mpi_hands_on() -> None:
    assert setting({"RANKLOG_RUN_ID": "a", "OMPI_MCA_ranklog_run_id": "b"}, "RANKLOG_RUN_ID") == "a"
    assert setting({"RANKLOG_RUN_ID": "", "OMPI_MCA_ranklog_run_id": "b"}, "RANKLOG_RUN_ID") == "b"
    assert setting({"OMPI_MCA_RANKLOG_RUN_ID": "b"}, "RANKLOG_RUN_ID") is None


def test_jobs_are_named_from_the_inside_out() -> None:
    assert list(job_ids({**SRUN, **TORCHRUN})) == [("torchrun", "j17"), ("slurm", "1234")]
    assert list(job_ids({**SRUN, **TORCHRUN, "TORCHELASTIC_RUN_ID": "none"})) == [("slurm", "1234")]
    assert list(job_ids({**SBATCH, **OPENMPI_4})) == [("openmpi", "1605304321"), ("slurm", "1234")]
    assert list(job_ids({**SRUN, "SLURM_ARRAY_JOB_ID": "12", "SLURM_ARRAY_TASK_ID": "7"})) == [("slurm", "12_7")]
    assert list(job_ids(MPICH)) == []
