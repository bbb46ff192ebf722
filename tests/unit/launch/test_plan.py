"""Which ranks of which command lines are captured, and how."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranklog_collector.launch.known import ambiguous_launcher
from ranklog_collector.launch.plan import Capture, Exec, Plan, plan_command, plan_local

EXEC = Exec(("/opt/ranklog", "exec", "--"), "/opt/ranklog-python")
SETTINGS = {"RANKLOG_RUN_ID": "r1", "RANKLOG_SPOOL": "/tmp/s", "RANKLOG_TOKEN": "secret"}
HERE = "▸"
VERSIONS = {
    "openmpi4": "mpirun (Open MPI) 4.1.4\n\nReport bugs to http://www.open-mpi.org/community/help/\n",
    "openrte": "mpirun.openmpi (OpenRTE) 4.1.4\n",
    "openmpi5": "mpirun (Open MPI) 5.0.11\n",
    "prrte": "prterun (PRRTE) 3.0.9\n",
    "spectrum": "mpirun (IBM Spectrum MPI) 10.4.0.3rtm4\n",
    "hydra": "HYDRA build details:\n    Version:                                 4.0.2\n",
    "intel": "Intel(R) MPI Library for Linux* OS, Version 2021.11 Build 20231005\n",
    "pals": "mpiexec (PALS) version 1.3.2\n",
}


def plan(line: str, version: str = "", **environment: str) -> Plan:
    return plan_command(shlex.split(line), EXEC, SETTINGS, version=version, environment=environment)


@pytest.mark.parametrize(
    "line",
    [
        "mpiexec.hydra -n 4 ▸ ./a.out",
        "mpiexec.hydra -np 4 ▸ python -m pkg.train --lr 0.1",
        "mpiexec.hydra -np=4 ▸ ./a.out",
        "mpiexec.hydra --np 4 -ppn 2 ▸ ./a.out",
        "mpiexec.hydra ▸ ./a.out",
        "mpiexec.hydra -f hosts.txt -n 8 ▸ ./a.out -n 3",
        "mpiexec.hydra --hostfile hosts.txt -n 8 ▸ ./a.out",
        "mpiexec.hydra -hosts a:2,b:2 -np 4 ▸ ./a.out",
        "mpiexec.hydra -launcher ssh -launcher-exec /usr/bin/ssh -hosts a,b -n 2 ▸ hostname",
        "mpiexec.hydra -genv OMP_NUM_THREADS 4 -n 2 ▸ ./a.out",
        "mpiexec.hydra -genv OMP_NUM_THREADS=4 -n 2 ▸ ./a.out",
        "mpiexec.hydra -env A 1 -env B 2 -n 2 ▸ ./a.out",
        "mpiexec.hydra -bind-to core:2 -map-by socket -l -n 2 ▸ ./a.out",
        "mpiexec.hydra -disable-auto-cleanup -print-all-exitcodes -n 2 ▸ ./a.out",
        "mpiexec.hydra -n 1 ▸ ./master : -n 3 ▸ ./worker --id 7",
        "mpiexec.hydra -n 1 -env R 0 ▸ ./a : -n 1 -env R 1 ▸ ./b : -n 2 ▸ ./c",
        "mpiexec.hydra -n 4 ▸ numactl --localalloc python train.py",
        "mpiexec.hydra -n 4 ▸ nsys profile -o out python train.py",
        "mpiexec.mpich -n 2 ▸ bash -c 'echo $PMI_RANK'",
        "/opt/mpich/bin/mpirun.mpich -n 2 ▸ ./a.out",
        "timeout 60 mpiexec.hydra -n 2 ▸ ./a.out",
        "timeout -k 2 --signal=INT 60 mpiexec.hydra -n 2 ▸ ./a.out",
        "env -u X A=1 B=2 nice -n 5 stdbuf -oL mpiexec.hydra -n 2 ▸ ./a.out",
        "srun ▸ ./a.out",
        "srun -n4 ▸ python train.py",
        "srun -n 4 -N 2 ▸ python train.py -n 5",
        "srun -ln4 ▸ ./a.out",
        "srun -lun 4 ▸ ./a.out",
        "srun --ntasks=4 --nodes 2 --gres=gpu:4 ▸ python -u train.py",
        "srun --ntasks-per-node 2 --cpu-bind=none --mem-bind local ▸ ./a.out",
        "srun -N2 -n4 -c 8 --export=ALL,A=b ▸ ./a.out",
        "srun --export ALL ▸ ./a.out",
        "srun --kill-on-bad-exit=1 ▸ ./a.out",
        "srun --kill-on-bad-exit ▸ ./a.out",
        "srun -K1 -I5 --mpi=pmix -J name -p gpu -t 10:00 ▸ ./a.out",
        "srun -K ▸ ./a.out",
        "srun -n2 -- ▸ ./a.out --flag",
        "srun --unbuffered --label --output=log.%t -w node[1-2] ▸ ./a.out",
        "srun --exclusive --overlap --jobid 17 ▸ ./a.out",
        "srun -n1 ▸ ./a : -n3 ▸ ./b --x",
        "srun -n2 ▸ ./train.sh",
        "srun -n2 ▸ singularity exec image.sif python train.py",
        "nohup srun -n2 ▸ ./a.out",
        "taskset -c 0-3 srun -n2 ▸ ./a.out",
        "torchrun --nproc-per-node 2 --no-python ▸ ./train.sh a b",
        "torchrun --nproc_per_node=2 --no_python ▸ bash -c 'echo hi'",
        "python -m torch.distributed.run --nnodes 1 --no-python ▸ ./train.sh",
        "srun -N2 torchrun --nproc-per-node 2 --no-python ▸ ./train.sh",
    ],
)
def test_exec_goes_before_each_program_where_the_launcher_has_no_hook(line: str) -> None:
    made = plan(line.replace(HERE, ""))
    assert list(made.argv) == shlex.split(line.replace(HERE, " ".join(EXEC.command)))
    assert (made.capture, made.note) == (Capture.REWRITTEN, "")


@pytest.mark.parametrize(
    ("line", "launcher"),
    [
        ("mpirun.openmpi -np 4 ./a.out", "openmpi"),
        ("orterun --hostfile x -np=4 ./a.out", "openmpi"),
        ("prterun -n 4 --map-by ppr:2:node ./a.out", "openmpi"),
        ("mpiexec.openmpi --app appfile", "openmpi"),
        ("mpirun.openmpi -n 1 ./a : -n 3 ./b", "openmpi"),
        ("mpirun.openmpi --mca btl tcp,self -x FOO --host a:2,b:2 -np 4 python t.py", "openmpi"),
        ("timeout 9 mpirun.openmpi -np 4 nsys profile ./a.out", "openmpi"),
        ("torchrun --nproc-per-node 4 train.py --lr 1", "torchrun"),
        ("torchrun --standalone --nproc_per_node=gpu -m pkg.train", "torchrun"),
        ("torchrun --an-option-of-tomorrow 3 train.py", "torchrun"),
        ("python -m torch.distributed.run --nproc-per-node=2 train.py", "torchrun"),
        ("/venv/bin/python3.11 -u -m torch.distributed.launch --nproc_per_node=2 train.py", "torchrun"),
        ("env OMP_NUM_THREADS=1 torchrun train.py", "torchrun"),
        ("srun -N 2 torchrun --nnodes 2 --rdzv-backend c10d train.py", "slurm"),
        ("srun -N 2 env A=b python -m torch.distributed.run train.py", "slurm"),
    ],
)
def test_a_launcher_with_a_hook_keeps_its_command_line(line: str, launcher: str) -> None:
    made = plan(line)
    assert list(made.argv) == shlex.split(line)
    assert (made.launcher, made.capture, made.note) == (launcher, Capture.HOOKED, "")


@pytest.mark.parametrize(
    ("version", "launcher"),
    [
        ("openmpi4", "openmpi"),
        ("openrte", "openmpi"),
        ("openmpi5", "openmpi"),
        ("prrte", "openmpi"),
        ("spectrum", "openmpi"),
        ("hydra", "mpich"),
        ("intel", "mpich"),
    ],
)
@pytest.mark.parametrize("program", ["mpirun", "mpiexec", "/usr/bin/mpirun"])
def test_mpirun_is_what_its_version_says(program: str, version: str, launcher: str) -> None:
    assert plan(f"{program} -n 2 ./a.out", VERSIONS[version]).launcher == launcher


def test_only_an_ambiguous_launcher_is_asked_for_its_version() -> None:
    assert ambiguous_launcher(["timeout", "5", "/opt/bin/mpirun", "-n", "2", "x"]) == "/opt/bin/mpirun"
    assert ambiguous_launcher(["mpiexec.hydra", "-n", "2", "mpirun"]) is None
    assert ambiguous_launcher(["python", "mpirun"]) is None
    assert ambiguous_launcher([]) is None


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("mpiexec.hydra -gtool vtune -n 2 ./a.out", "-gtool"),
        ("mpiexec.hydra -configfile jobs.txt", "in a file"),
        ("mpiexec.hydra -n 4", "no program"),
        ("mpiexec.hydra -n 4 ./a :", "no program"),
        ("srun --multi-prog jobs.conf", "in a file"),
        ("srun --bcast=/tmp/a ./a.out", "send"),
        ("srun --container-image=nvcr.io#nvidia/pytorch --container-mounts=/a:/a python train.py", "container"),
        ("srun --tomorrow 3 ./a.out", "--tomorrow"),
        ("srun -n 2 -y ./a.out", "-y"),
        ("srun --ntas 2 ./a.out", "--ntas"),
        ("srun --help", "no program"),
        ("torchrun --tomorrow 3 --no-python ./a.sh", "--tomorrow"),
        ("torchrun --run-path train.py", "--run-path"),
        ("python -m torch.distributed.launch --no-python ./a.sh", "argument"),
        ("mpirun.openmpi --mca orte_fork_agent valgrind -n 2 ./a.out", "fork agent"),
        ("prterun --rtos exec-agent=valgrind -n 2 ./a.out", "fork agent"),
        ("mpirun -n 2 ./a.out", "does not say"),
    ],
)
def test_in_doubt_the_command_is_left_alone_and_the_user_told(line: str, reason: str) -> None:
    made = plan(line)
    assert list(made.argv) == shlex.split(line)
    assert made.capture is Capture.NONE
    assert reason in made.note


@pytest.mark.parametrize(
    "line",
    [
        "python train.py",
        "bash train.sh",
        "bash -c 'srun -n 4 ./a.out'",
        "nsys profile -o srun srun -n 4 ./a.out",
        "grep -r srun .",
        "env",
        "timeout 60",
        "timeout --tomorrow 60 srun ./a.out",
        "accelerate launch train.py",
        "python train.py -m torch.distributed.run",
        "python -m",
    ],
)
def test_any_other_command_is_captured_as_one_process(line: str) -> None:
    made = plan(line)
    assert made.argv == (*EXEC.command, *shlex.split(line))
    assert (made.launcher, made.capture, made.note) == (None, Capture.SINGLE, "")


@pytest.mark.parametrize(
    "line",
    [
        "mpirun -n 4 ranklog exec -- python train.py",
        "srun /venv/bin/ranklog exec -- ./a.out",
        "mpiexec.hydra -n 1 ./a : -n 3 ranklog exec -- ./b",
        "bash -c 'srun ranklog exec -- ./a.out'",
        "python -m ranklog exec -- python train.py",
    ],
)
def test_a_command_that_calls_exec_itself_is_left_alone_without_hooks(line: str) -> None:
    made = plan(line)
    assert list(made.argv) == shlex.split(line)
    assert made.capture is Capture.GIVEN
    assert set(made.environment) == {*SETTINGS, "OMPI_MCA_ranklog_run_id", "OMPI_MCA_ranklog_spool"}


@pytest.mark.parametrize("line", ["mpirun.openmpi ./a", "torchrun a.py", "srun ./a", "bash train.sh", "srun --help"])
def test_the_hooks_are_set_for_launchers_that_start_inside_the_command(line: str) -> None:
    environment = plan(line).environment
    assert environment["OMPI_MCA_orte_fork_agent"] == "/opt/ranklog exec --"
    assert environment["PRTE_MCA_odls_base_exec_agent"] == "/opt/ranklog exec --"
    assert environment["PYTHON_EXEC"] == "/opt/ranklog-python"


def test_settings_travel_plainly_and_as_open_mpi_forwards_them_but_for_the_secret() -> None:
    environment = plan("mpirun.openmpi ./a").environment
    assert environment["RANKLOG_RUN_ID"] == environment["OMPI_MCA_ranklog_run_id"] == "r1"
    assert environment["RANKLOG_TOKEN"] == "secret"
    assert "secret" not in [environment[name] for name in environment if name.startswith("OMPI")]


def test_a_fork_agent_of_the_user_comes_after_ours_once() -> None:
    first = plan("mpirun.openmpi ./a", OMPI_MCA_orte_fork_agent="valgrind -q").environment
    assert first["OMPI_MCA_orte_fork_agent"] == "/opt/ranklog exec -- valgrind -q"
    assert (
        plan("mpirun.openmpi ./a", **first).environment["OMPI_MCA_orte_fork_agent"] == first["OMPI_MCA_orte_fork_agent"]
    )


def test_a_python_that_the_user_chose_is_what_our_stand_in_starts() -> None:
    first = plan("torchrun a.py", PYTHON_EXEC="/conda/python").environment
    assert first["RANKLOG_PYTHON"] == "/conda/python"
    assert "RANKLOG_PYTHON" not in plan("torchrun a.py", **first).environment


def test_open_mpi_cannot_be_hooked_by_a_path_with_a_blank() -> None:
    exec_ = Exec(("/my tools/ranklog", "exec", "--"), "/my tools/ranklog-python")
    made = plan_command(["mpirun.openmpi", "./a"], exec_, SETTINGS)
    assert made.capture is Capture.NONE
    assert "blank" in made.note
    assert "OMPI_MCA_orte_fork_agent" not in made.environment


@pytest.mark.parametrize(
    ("line", "environment"),
    [
        ("srun --export=NONE ./a.out", {}),
        ("srun --export=PATH,HOME ./a.out", {}),
        ("srun --export PATH ./a.out", {}),
        ("srun -n 2 ./a.out", {"SLURM_EXPORT_ENV": "NONE"}),
        ("mpiexec.hydra -genvnone -n 2 ./a.out", {}),
        ("mpiexec.hydra -envlist PATH,HOME -n 2 ./a.out", {}),
    ],
)
def test_where_the_launcher_keeps_the_environment_back_it_goes_by_the_command_line(
    line: str, environment: dict[str, str]
) -> None:
    words = plan(line, **environment).argv
    start = words.index("/usr/bin/env")
    assert words[-4:] == (*EXEC.command, "./a.out")
    assert "RANKLOG_RUN_ID=r1" in words[start:]
    assert not [word for word in words if "secret" in word]


def test_local_processes_find_each_other_as_under_torchrun() -> None:
    plans = plan_local(["python", "train.py"], 2, EXEC, SETTINGS, master_port=29501)
    assert [made.argv for made in plans] == [(*EXEC.command, "python", "train.py")] * 2
    assert [(made.environment["RANK"], made.environment["LOCAL_RANK"]) for made in plans] == [("0", "0"), ("1", "1")]
    for made in plans:
        shared = {
            name: made.environment[name] for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
        }
        assert shared == {
            "WORLD_SIZE": "2",
            "LOCAL_WORLD_SIZE": "2",
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": "29501",
        }
        assert made.environment["RANKLOG_RUN_ID"] == "r1"


def test_local_processes_that_call_exec_themselves_are_not_wrapped_again() -> None:
    (made,) = plan_local(["ranklog", "exec", "--", "x"], 1, EXEC, SETTINGS, master_port=1)
    assert made.argv == ("ranklog", "exec", "--", "x")


OTHER_EXEC = Exec(("▸ranklog", "▸exec", "▸--"), "▸python")
WORDS = (
    "srun mpirun mpiexec.hydra orterun torchrun python env timeout time nice taskset -m torch.distributed.run -n -np"
    " -n4 4 -ln : -- - --no-python --export=NONE -genv A A=b -K --mpi=x ./a -x --multi-prog"
)


@given(
    words=st.lists(st.sampled_from(WORDS.split()), min_size=1, max_size=9),
    version=st.sampled_from(["", *VERSIONS.values()]),
)
def test_whatever_the_command_nothing_is_taken_away_and_only_exec_is_added(words: list[str], version: str) -> None:
    made = plan_command(words, OTHER_EXEC, SETTINGS, version=version)
    for_env = {"/usr/bin/env", *(f"{name}={value}" for name, value in made.environment.items())}
    assert [word for word in made.argv if word not in OTHER_EXEC.command and word not in for_env] == words
    assert (made.capture is Capture.NONE) == bool(made.note)
