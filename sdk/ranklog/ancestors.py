"""The launcher's daemon above a process, found through /proc."""

import os

DAEMONS = frozenset(
    [
        "orted",
        "prted",
        "prte",
        "prterun",
        "orterun",
        "mpirun",
        "mpiexec",
        "mpirun.openmpi",
        "mpiexec.openmpi",
        "hydra_pmi_proxy",
        "mpiexec.hydra",
        "mpirun.mpich",
        "mpiexec.mpich",
        "slurmstepd",
        "srun",
        "torchrun",
    ]
)
"""Names of processes that start ranks; the kernel keeps fifteen characters of a name."""

TORCHRUN_MODULES = ("torch.distributed.run", "torch.distributed.launch")
ANCESTORS_MAX = 64


class Daemon:
    """A launcher's process; `start_s` is when it was started, in whole seconds since the Unix epoch."""

    def __init__(self, pid: int, name: str, start_s: int) -> None:
        self.pid = pid
        self.name = name
        self.start_s = start_s


def launcher_daemon(pid: int) -> Daemon | None:
    """The nearest ancestor of a process that is a launcher's; None if there is none, or /proc does not tell."""
    try:
        for _ in range(ANCESTORS_MAX):
            pid = parse_stat(_read(f"/proc/{pid}/stat"))[1]
            if pid <= 0:
                break
            name, _, start_ticks = parse_stat(_read(f"/proc/{pid}/stat"))
            if name in DAEMONS:
                return Daemon(pid, name, _boot_s() + start_ticks // os.sysconf("SC_CLK_TCK"))
            # torchrun names its main thread as it likes, or was started by `python -m`.
            if name.startswith(("python", "pt_")) and is_torchrun(_read(f"/proc/{pid}/cmdline")):
                return Daemon(pid, "torchrun", _boot_s() + start_ticks // os.sysconf("SC_CLK_TCK"))
    except (OSError, ValueError, IndexError):
        pass
    return None


def descends(pid: int, ancestor: int) -> bool:
    """Whether a process is another one or below it; false if /proc does not tell."""
    try:
        for _ in range(ANCESTORS_MAX):
            if pid in (0, ancestor):
                break
            pid = parse_stat(_read(f"/proc/{pid}/stat"))[1]
    except (OSError, ValueError, IndexError):
        return False
    return pid == ancestor


def parse_stat(stat: bytes) -> tuple[str, int, int]:
    """Read name, parent and start (ticks since boot) from /proc/PID/stat. Raises ValueError or IndexError."""
    # The name stands in parentheses and may itself hold blanks and parentheses.
    head, _, tail = stat.rpartition(b")")
    fields = tail.split()
    return os.fsdecode(head.partition(b"(")[2]), int(fields[1]), int(fields[19])


def is_torchrun(command_line: bytes) -> bool:
    """Whether the words of /proc/PID/cmdline start torchrun."""
    words = [os.fsdecode(word) for word in command_line.split(b"\0")[:8]]
    return any(os.path.basename(word) == "torchrun" or word in TORCHRUN_MODULES for word in words)


def _boot_s() -> int:
    for line in _read("/proc/stat").splitlines():
        if line.startswith(b"btime "):
            return int(line.split()[1])
    raise ValueError("/proc/stat tells no time of boot")


def _read(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:
        return file.read(1 << 16) or b""
