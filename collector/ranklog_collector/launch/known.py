"""The launchers that ranklog knows, the options they take, and how each is recognised."""

from __future__ import annotations

import os.path
import re
from collections.abc import Sequence

from ranklog_collector.launch.options import UnknownOptionError, head_of, syntax

OPEN_MPI = "openmpi"
HYDRA = "mpich"
SLURM = "slurm"
TORCHRUN = "torchrun"

BY_NAME = {
    "mpirun.openmpi": OPEN_MPI,
    "mpiexec.openmpi": OPEN_MPI,
    "orterun": OPEN_MPI,
    "prterun": OPEN_MPI,
    "mpirun.mpich": HYDRA,
    "mpiexec.mpich": HYDRA,
    "mpiexec.hydra": HYDRA,
    "srun": SLURM,
    "torchrun": TORCHRUN,
}
# Every MPI calls its launcher so; which one it is, only it can say.
AMBIGUOUS = ("mpirun", "mpiexec")
# What --version says. Intel MPI and MVAPICH have a Hydra too; Spectrum MPI is an Open MPI.
BY_VERSION = (
    (re.compile(r"Open ?MPI|OpenRTE|PRRTE|Spectrum MPI", re.IGNORECASE), OPEN_MPI),
    (re.compile(r"HYDRA|Intel\(R\) MPI"), HYDRA),
)
TORCHRUN_MODULES = ("torch.distributed.run", "torch.distributed.launch")

HYDRA_OPTIONS = syntax(
    flags="genvnone genvall envnone envall enable-x disable-x verbose v debug info version print-all-exitcodes profile"
    " prepend-rank l disable-auto-cleanup enable-auto-cleanup disable-hostname-propagation"
    " enable-hostname-propagation pmi-port skip-launch-node hybrid-hosts",
    valued="genvlist f hostfile machinefile hosts host hostlist machine machines wdir configfile envlist n np launcher"
    " launcher-exec bootstrap bootstrap-exec rmk topolib bind-to binding map-by membind demux iface ppn rankmap"
    " prepend-pattern outfile-pattern errfile-pattern outfile errfile nameserver order-nodes localhost usize"
    " gpus-per-proc gpu-subdevs-per-proc memory-alloc-kinds",
    pairs="genv env",
    letters=False,
)
SRUN_OPTIONS = syntax(
    flags="E H l O Q s u v X Z h V bcast compress contiguous disable-status exact exclusive hold immediate interactive"
    " kill-on-bad-exit label multi-prog nice no-allocate no-kill overcommit overlap oversubscribe preserve-env"
    " propagate pty quiet quit-on-interrupt reboot resv-ports send-libs spread-job unbuffered use-min-nodes verbose"
    " whole x11 help usage version",
    valued="A b c d D e i J L m M n N o p q r S t T W w x C B G account acctg-freq accel-bind bb bbf bcast-exclude"
    " begin chdir cluster cluster-constraint clusters comment constraint container core-spec cores-per-socket cpu-bind"
    " cpu-freq cpus-per-gpu cpus-per-task deadline delay-boot dependency distribution epilog error exclude export"
    " extra-node-info gid gpu-bind gpu-freq gpus gpus-per-node gpus-per-socket gpus-per-task gres gres-flags het-group"
    " hint input job-name jobid licenses mail-type mail-user mcs-label mem mem-bind mem-per-cpu mem-per-gpu mincpus mpi"
    " network nodelist nodes ntasks ntasks-per-core ntasks-per-gpu ntasks-per-node ntasks-per-socket output partition"
    " power prefer priority profile prolog qos relative reservation signal slurmd-debug sockets-per-node switches"
    " task-epilog task-prolog thread-spec threads threads-per-core time time-min tmp uid wait wckey",
    attached="IKk",
)
TORCHRUN_OPTIONS = syntax(
    flags="h help standalone m module no-python run-path virtual-local-rank use-env",
    valued="nnodes nproc-per-node rdzv-backend rdzv-endpoint rdzv-id rdzv-conf max-restarts monitor-interval"
    " start-method event-log-handler role log-dir r redirects t tee local-ranks-filter duplicate-stdout-filters"
    " duplicate-stderr-filters node-rank master-addr master-port local-addr logs-specs numa-binding signals-to-handle"
    " shutdown-timeout",
    letters=False,
)
PYTHON_OPTIONS = syntax(flags="b B d E h i I O P q s S u v V x", valued="c m W X check-hash-based-pycs")
# They start what follows them and have no say in what it does.
WRAPPERS = {
    "env": syntax(flags="i 0 v ignore-environment null debug", valued="u C S unset chdir split-string"),
    "nice": syntax(valued="n adjustment"),
    "nohup": syntax(),
    "numactl": syntax(
        flags="l a localalloc all", valued="i p P N C m w interleave preferred cpunodebind physcpubind membind"
    ),
    "setsid": syntax(flags="c f w ctty fork wait"),
    "stdbuf": syntax(valued="i o e input output error"),
    "taskset": syntax(flags="a c all-tasks cpu-list", operands=1),
    "time": syntax(flags="a v p q append verbose portability quiet", valued="f o format output"),
    "timeout": syntax(flags="v foreground preserve-status verbose", valued="k s kill-after signal", operands=1),
}


def ambiguous_launcher(argv: Sequence[str]) -> str | None:
    """Return the program whose `--version` must be asked before a plan can be made, if there is one."""
    word = next(iter(argv[wrapping(argv) :]), "")
    return word if os.path.basename(word) in AMBIGUOUS else None


def launcher_of(words: Sequence[str], version: str) -> str | None:
    """Name the launcher that these words start; `version` is what an ambiguous one says of itself."""
    program = os.path.basename(words[0]) if words else ""
    if program in AMBIGUOUS:
        return next((launcher for pattern, launcher in BY_VERSION if pattern.search(version)), None)
    if program.startswith("python") and module_of(words) in TORCHRUN_MODULES:
        return TORCHRUN
    return BY_NAME.get(program)


def module_of(words: Sequence[str]) -> str | None:
    """Name the module that `python … -m MODULE` runs."""
    try:
        options = head_of(words[1 : words.index("-m", 1) + 2], PYTHON_OPTIONS).options
    except (UnknownOptionError, ValueError):
        return None
    return options.get("m")


def wrapping(words: Sequence[str]) -> int:
    """Count the words of the wrappers before the program: `timeout 60 env A=b mpirun` has 4."""
    name = os.path.basename(words[0]) if words else ""
    if name not in WRAPPERS:
        return 0
    try:
        length = 1 + head_of(words[1:], WRAPPERS[name]).length
    except UnknownOptionError:
        return 0
    while name == "env" and length < len(words) and "=" in words[length]:
        length += 1
    return length + wrapping(words[length:])
