"""A real Slurm on simulated hosts: the controller on host 0, a slurmd on each."""

from __future__ import annotations

import os
import time
from pathlib import Path
from types import TracebackType

from tests.support.hosts import HostProcess, Hosts

START_TIMEOUT_S = 30
CPUS_PER_HOST = 4
PATIENCE_S = 120
"""How long a job may take, on a machine that has much else to do."""


class Slurm:
    """Up when entered; it ends with its hosts. A silent host is called lost after `lost_after_s`.

    Jobs in the partition `urgent` preempt those in `patient`, which are put back into the queue.
    """

    def __init__(self, hosts: Hosts, *, lost_after_s: int = 15) -> None:
        self._hosts = hosts
        self._lost_after_s = lost_after_s
        self._daemons: list[HostProcess] = []

    def __enter__(self) -> Slurm:
        self.folder = self._hosts.state / "slurm"
        for name in ("state", "log", *(f"spool.{name}" for name in self._hosts.names)):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "slurm.conf").write_text(self._configuration())
        (self.folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\nCgroupAutomount=no\n")
        (self.folder / "munge.key").write_bytes(os.urandom(1024))
        (self.folder / "munge.key").chmod(0o600)
        self._start_munge()
        self._start(0, "slurmctld", "-D")
        for host, name in enumerate(self._hosts.names):
            self._start(host, "slurmd", "-D", "-N", name)
        self._wait_until_idle()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for daemon in self._daemons:
            daemon.kill()
            daemon.wait()

    @property
    def environment(self) -> dict[str, str]:
        """What srun, sbatch and the like need."""
        return {"SLURM_CONF": str(self.folder / "slurm.conf")}

    def submit(self, script: Path, *options: str, **environment: str) -> str:
        """Submit a script from its folder; returns the job's id. What it says goes to `<id>.out` there."""
        where = (f"--output={script.parent}/%A.out", f"--chdir={script.parent}", "--parsable")
        env = {**self.environment, **environment}
        return self._hosts.run(0, "sbatch", *where, *options, str(script), env=env, cwd=script.parent).stdout.strip()

    def control(self, *words: str) -> str:
        """Run scontrol, scancel or their like, and return what it said."""
        return self._hosts.run(0, *words, env=self.environment, check=False).stdout

    def await_state(self, job: str, *signs: str, hurry: bool = False) -> None:
        """Wait until `scontrol show job` says these words of a job, of an array of each task.

        A job that is put back into the queue would wait for two minutes; `hurry` starts it as soon as Slurm lets us.
        """
        deadline = time.monotonic() + PATIENCE_S
        while True:
            if hurry:
                self.control("scontrol", "update", f"JobId={job}", "StartTime=now")
            tasks = [told for told in self.control("scontrol", "show", "job", job).split("\n\n") if told.strip()]
            if tasks and all(set(signs) <= set(told.split()) for told in tasks):
                return
            if time.monotonic() > deadline:
                raise TimeoutError(f"job {job} is not {signs} after {PATIENCE_S} s but:\n{tasks}")
            time.sleep(0.1)

    def _start(self, host: int, *command: str) -> None:
        log = (self.folder / "log" / f"{Path(command[0]).name}.{self._hosts.names[host]}.out").open("wb")
        with log:
            self._daemons.append(self._hosts.popen(host, *command, env=self.environment, stdout=log, stderr=log))

    def _start_munge(self) -> None:
        files = {"socket": "munge.sock", "key-file": "munge.key", "pid-file": "munge.pid", "seed-file": "munge.seed"}
        paths = [f"--{option}={self.folder / name}" for option, name in files.items()]
        self._start(0, "munged", "--foreground", "--force", *paths, f"--log-file={self.folder / 'log' / 'munge.log'}")

    def _wait_until_idle(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while self._states() != ["idle"] * len(self._hosts.names):
            if time.monotonic() > deadline:
                logs = "\n".join(path.read_text() for path in sorted((self.folder / "log").iterdir()))
                raise TimeoutError(f"Slurm did not come up in {START_TIMEOUT_S} s; its logs:\n{logs}")
            time.sleep(0.05)

    def _states(self) -> list[str]:
        what = ("--partition=main", "--Node", "--noheader", "--format=%T")
        answer = self._hosts.run(0, "sinfo", *what, env=self.environment, check=False)
        return answer.stdout.split()

    def _configuration(self) -> str:
        folder = self.folder
        lines = [
            "ClusterName=test",
            f"SlurmctldHost={self._hosts.names[0]}({self._hosts.ip(0)})",
            "AuthType=auth/munge",
            f"AuthInfo=socket={folder}/munge.sock",
            "CryptoType=crypto/munge",
            "SlurmUser=root",
            "SlurmdUser=root",
            f"StateSaveLocation={folder}/state",
            f"SlurmdSpoolDir={folder}/spool.%n",
            f"SlurmctldPidFile={folder}/slurmctld.pid",
            f"SlurmdPidFile={folder}/slurmd.%n.pid",
            f"SlurmctldLogFile={folder}/log/slurmctld.log",
            f"SlurmdLogFile={folder}/log/slurmd.%n.log",
            "ProctrackType=proctrack/linuxproc",
            "TaskPlugin=task/none",
            "SelectType=select/cons_tres",
            "SelectTypeParameters=CR_CPU",
            "JobAcctGatherType=jobacct_gather/none",
            "SlurmdParameters=config_overrides",  # the hosts have more CPUs on paper than the machine has
            "SwitchType=switch/none",
            "MpiDefault=none",
            "ReturnToService=2",
            f"SlurmdTimeout={self._lost_after_s}",
            "InactiveLimit=0",
            "KillWait=5",
            "SchedulerParameters=sched_interval=1",
            "PreemptType=preempt/partition_prio",
            "PreemptMode=REQUEUE",
        ]
        for host, name in enumerate(self._hosts.names):
            address = self._hosts.ip(host)
            lines.append(f"NodeName={name} NodeAddr={address} CPUs={CPUS_PER_HOST} RealMemory=4000 State=UNKNOWN")
        lines.append("PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP OverSubscribe=FORCE:4")
        lines.append("PartitionName=patient Nodes=ALL PriorityTier=1 PreemptMode=REQUEUE")
        lines.append("PartitionName=urgent Nodes=ALL PriorityTier=9")
        return "\n".join(lines) + "\n"
