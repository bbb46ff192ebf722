"""What launchers say of how their ranks ended, as they really say it."""

from __future__ import annotations

import pytest

from ranklog_collector.importing.formats.found import End, Evidence, How
from ranklog_collector.importing.formats.messages import read, read_own

OPEN_MPI_4 = """--------------------------------------------------------------------------
Primary job  terminated normally, but 1 process returned
a non-zero exit code. Per user-direction, the job has been aborted.
--------------------------------------------------------------------------
--------------------------------------------------------------------------
mpirun.openmpi noticed that process rank 3 with PID 13 on node node1 exited on signal 9 (Killed).
--------------------------------------------------------------------------
"""
OPEN_MPI_5 = """--------------------------------------------------------------------------
prterun noticed that process rank 3 with PID 38 on node node1 exited on
signal 9 (Killed).
--------------------------------------------------------------------------
"""
EXIT_CODE = """prterun detected that one or more processes exited with non-zero status,
thus causing the job to be terminated. The first process to do so was:

   Process name: [prterun-node0-149@1,3]
   Exit code:    1
"""
BLAMES_AN_INNOCENT = """prterun has exited due to process rank 1 with PID 0 on node node0 calling
"abort". This may have caused other processes in the application to be
terminated by signals sent by prterun (as reported here).
"""
JOB_MAP = """ Data for JOB [23893,1] offset 0 Total slots allocated 4

 ========================   JOB MAP   ========================

 Data for node: node0\tNum slots: 2\tMax slots: 0\tNum procs: 2
 \tProcess OMPI jobid: [23893,1] App: 0 Process rank: 0 Bound: UNBOUND
 \tProcess OMPI jobid: [23893,1] App: 0 Process rank: 1 Bound: UNBOUND

 Data for node: node1\tNum slots: 2\tMax slots: 0\tNum procs: 2
 \tProcess OMPI jobid: [23893,1] App: 0 Process rank: 2 Bound: N/A

 =============================================================
"""
HYDRA = """===================================================================================
=   BAD TERMINATION OF ONE OF YOUR APPLICATION PROCESSES
=   PID 43 RUNNING AT node1
=   EXIT CODE: 9
=   CLEANING UP REMAINING PROCESSES
=   YOU CAN IGNORE THE BELOW CLEANUP MESSAGES
===================================================================================
[mpiexec@node0] main (mpiexec.c:270): process manager error waiting for completion
"""
SRUN = """srun: error: node1: task 2: Segmentation fault (core dumped)
srun: launch/slurm: _step_signal: Terminating StepId=1.0
srun: error: node0: tasks 0-1: Terminated
srun: error: node1: task 3: Exited with exit code 7
srun: error: node2: task 4: Out Of Memory
"""
TORCHRUN = """E1124 15:22:02.670000 10 torch/distributed/elastic/multiprocessing/api.py:1002] failed (exitcode: 1) local_rank: 0 (pid: 14) of binary: /usr/bin/python3
torch.distributed.elastic.multiprocessing.errors.ChildFailedError:
============================================================
trainer.py FAILED
------------------------------------------------------------
Failures:
[1]:
  time      : 2026-11-24_15:22:02
  host      : node1
  rank      : 3 (local_rank: 1)
  exitcode  : -15 (pid: 15)  (SIGTERM)
  error_file: /tmp/log/job_sbpfb8bj/attempt_0/1/error.json
  traceback : Traceback (most recent call last):
    File "trainer.py", line 47, in main
      dist.all_reduce(ones)
  RuntimeError: Connection closed by peer [10.77.0.11]:6818.

------------------------------------------------------------
Root Cause (first observed failure):
[0]:
  time      : 2026-11-24_15:22:01
  host      : node1
  rank      : 2 (local_rank: 0)
  exitcode  : 1 (pid: 14)
  error_file: <N/A>
  traceback : To enable traceback see: https://pytorch.org/docs/stable/elastic/errors.html
============================================================
"""  # noqa: E501


@pytest.mark.parametrize(
    ("text", "launcher", "end"),
    [
        (OPEN_MPI_4, "openmpi", End(How(signal=9), 3, "node1", 13)),
        (OPEN_MPI_5, "openmpi", End(How(signal=9), 3, "node1", 38)),
        (EXIT_CODE, "openmpi", End(How(1), 3)),
        (EXIT_CODE.replace("prterun-node0-149@1", "[23882,1]"), "openmpi", End(How(1), 3)),
        (HYDRA, "mpich", End(How(signal=9), node="node1", pid=43)),
    ],
    ids=["open mpi 4", "open mpi 5", "exit code", "exit code of 4", "hydra"],
)
def test_the_end_of_a_rank_is_read(text: str, launcher: str, end: End) -> None:
    said = read(text)
    assert said.launcher == launcher
    assert said.evidence.ends == [end]
    assert said.evidence.has_failed


def test_whom_prrte_blames_without_a_pid_is_not_believed() -> None:
    said = read(BLAMES_AN_INNOCENT)
    assert said.evidence.ends == []
    assert said.evidence.has_failed, "but the job has failed"


def test_open_mpis_map_tells_where_ranks_are() -> None:
    assert read(JOB_MAP).evidence.nodes == {0: "node0", 1: "node0", 2: "node1"}


def test_srun_tells_of_tasks_and_their_nodes() -> None:
    evidence = read(SRUN).evidence
    assert evidence.ends == [
        End(How(signal=11), 2, "node1"),
        End(How(signal=15), 0, "node0"),
        End(How(signal=15), 1, "node0"),
        End(How(7), 3, "node1"),
        End(How(signal=9, oom_killed=True), 4, "node2"),
    ]
    assert evidence.nodes[4] == "node2"


@pytest.mark.parametrize(
    ("text", "canceled", "failed"),
    [
        ("slurmstepd: error: *** JOB 7 ON node0 CANCELLED AT 2026-11-24T15:22:18 ***\n", True, False),
        ("slurmstepd: error: *** JOB 7 ON node0 CANCELLED AT 2026-11-24T15:22:18 DUE TO TIME LIMIT ***\n", False, True),
        ("srun: error: node0: task 0: Terminated\n", False, False),
    ],
)
def test_a_cancelled_job_has_not_failed(text: str, canceled: bool, failed: bool) -> None:
    evidence = read(text).evidence
    assert (evidence.was_canceled, evidence.has_failed) == (canceled, failed)


def test_torchruns_summary_tells_ranks_hosts_and_folders() -> None:
    said = read(TORCHRUN, "console 1", zone_ns=3600 * 10**9)
    killed, raised, logged = said.evidence.ends
    assert (killed.rank, killed.node, killed.pid, killed.how) == (3, "node1", 15, How(signal=15))
    assert (raised.rank, raised.how, raised.group) == (2, How(1), "console 1")
    assert raised.time_ns == 1795533721 * 10**9 - 3600 * 10**9
    assert (logged.local_rank, logged.attempt, logged.pid) == (0, 0, 14)
    assert said.evidence.bases == {"job_sbpfb8bj": (2, "node1"), "console 1": (2, "node1")}


def test_a_rank_tells_of_itself_only() -> None:
    abort = "MPI_ABORT was invoked on rank 3 in communicator MPI_COMM_WORLD\n  Proc: [[19088,1],3]\n  Errorcode: 42\n"
    hydra = "Abort(42) on node 3 (rank 3 in comm 0): application called MPI_Abort(MPI_COMM_WORLD, 42) - process 3\n"
    assert read_own(abort, 3) == read_own(hydra, 3) == [End(How(42), 3)]
    assert read_own(abort + hydra, 1) == []
    signal = "[node1:00050] *** Process received signal ***\n[node1:00050] Signal: Segmentation fault (11)\n"
    assert read_own(signal, 3) == [End(How(signal=11), 3, "node1", 50)]


@pytest.mark.parametrize(
    "text", ["", "epoch 1\n", "\0" * 100, "process rank 99 exited", "srun: error: a: tasks 3-1: x\n"]
)
def test_of_other_text_nothing_is_made(text: str) -> None:
    assert read(text).evidence == Evidence()
