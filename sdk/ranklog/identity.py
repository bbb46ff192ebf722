"""Who a process is in its job: rank, launcher and the like, from the variables that launchers set.

Imports nothing: `ranklog exec` pays for every import once a rank.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

RANK_MAX = 2**31 - 1
SLURM_SPECIAL_STEPS = 0xFFFFFFF0
"""Steps from here on are no tasks of a program: batch script, extern, interactive."""


class Identity:
    """What the launcher says of a process; None where it says nothing."""

    launcher: str = "none"
    rank: int | None = None
    local_rank: int | None = None
    world_size: int | None = None
    local_size: int | None = None
    node_rank: int | None = None
    job_id: str | None = None
    restart: int = 0
    """How often the job was started before: by an elastic launcher, by a scheduler that put it back into its queue."""
    role: str = "process"
    """`rank`, or `process` if no launcher numbers it."""
    is_whole_node: bool = False
    """The rank numbers nodes or pods. It is that of the one process there, unless that one is itself a launcher."""
    nested: tuple[str, ...] = ()
    """Other launchers seen, outermost first."""

    def __repr__(self) -> str:
        """Only what is known."""
        return f"Identity({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"


def setting(environ: "Mapping[str, str]", name: str) -> str | None:
    """A setting of ours such as RANKLOG_RUN_ID; None if unset or empty.

    Open MPI hands on only variables that start with OMPI_MCA_, so OMPI_MCA_ranklog_run_id counts as well.
    """
    return environ.get(name) or environ.get(f"OMPI_MCA_{name.lower()}") or None


def detect(environ: "Mapping[str, str]") -> Identity:
    """Tell who the process with this environment is. The innermost launcher wins: it counts processes, others nodes."""
    found = next((found for detector in DETECTORS if (found := detector(environ)) is not None), Identity())
    if found.rank is not None:
        found.role = "rank"
    found.nested = tuple(name for name, is_seen in SEEN if is_seen(environ) and name != found.launcher)
    found.restart = (_count(environ, "TORCHELASTIC_RESTART_COUNT") or 0) + starts_before(environ)
    return found


def starts_before(environ: "Mapping[str, str]") -> int:
    """Tell how often the job's scheduler has started it before: it puts jobs back into its queue."""
    return _count(environ, "SLURM_RESTART_COUNT") or 0


def job_ids(environ: "Mapping[str, str]") -> "Iterator[tuple[str, str]]":
    """Yield the launchers' own names of the job, innermost first, as (launcher, id)."""
    torch = environ.get("TORCHELASTIC_RUN_ID")
    if torch and torch != "none":
        yield "torchrun", torch
    namespace = environ.get("PMIX_NAMESPACE")
    if namespace and "OMPI_COMM_WORLD_RANK" in environ:
        yield "openmpi", namespace
    slurm = environ.get("SLURM_JOB_ID")
    array, task = environ.get("SLURM_ARRAY_JOB_ID"), environ.get("SLURM_ARRAY_TASK_ID")
    if slurm:
        yield "slurm", f"{array}_{task}" if array and task else slurm
    elif namespace and "OMPI_COMM_WORLD_RANK" not in environ:
        yield "pmix", namespace


def _torchrun(environ: "Mapping[str, str]") -> Identity | None:
    if "TORCHELASTIC_RUN_ID" not in environ or "LOCAL_RANK" not in environ:
        return None
    return _pytorch("torchrun", environ)


def _pytorch(launcher: str, environ: "Mapping[str, str]") -> Identity | None:
    found = _named(launcher, environ, "RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "GROUP_RANK")
    if found is not None:
        found.job_id = next((job for name, job in job_ids(environ) if name == launcher), None)
    return found


def _openmpi(environ: "Mapping[str, str]") -> Identity | None:
    # OMPI_COMM_WORLD_NODE_RANK is no index of nodes: it equals the local rank.
    names = (f"OMPI_COMM_WORLD_{name}" for name in ("RANK", "LOCAL_RANK", "SIZE", "LOCAL_SIZE"))
    found = _named("openmpi", environ, *names)
    if found is not None:
        found.job_id = environ.get("PMIX_NAMESPACE")
    return found


def _pmi(environ: "Mapping[str, str]") -> Identity | None:
    by_hydra = "MPI_LOCALRANKID" in environ
    rank = environ.get("PMI_RANK", environ.get("PMIX_RANK"))
    if not by_hydra and _is_slurm_task(environ) and rank == environ.get("SLURM_PROCID"):
        return None  # srun --mpi=pmi2 or pmix, which says more by its own variables
    found = _named("mpich", environ, "PMI_RANK", "MPI_LOCALRANKID", "PMI_SIZE", "MPI_LOCALNRANKS")
    if found is None:
        found = _named("pmix", environ, "PMIX_RANK")
        if found is not None:
            found.job_id = environ.get("PMIX_NAMESPACE")
    return found


def _slurm(environ: "Mapping[str, str]") -> Identity | None:
    if not _is_slurm_task(environ):
        return None
    world = "SLURM_STEP_NUM_TASKS" if "SLURM_STEP_NUM_TASKS" in environ else "SLURM_NTASKS"
    found = _named("slurm", environ, "SLURM_PROCID", "SLURM_LOCALID", world, node_rank="SLURM_NODEID")
    if found is not None:
        found.local_size = _slurm_local_size(environ, found.node_rank)
        found.job_id = environ.get("SLURM_JOB_ID")
    return found


def _is_slurm_task(environ: "Mapping[str, str]") -> bool:
    """Whether this is a task of a step: a batch script has SLURM_PROCID=0 as well."""
    step = _count(environ, "SLURM_STEP_ID", limit=SLURM_SPECIAL_STEPS - 1)
    return step is not None and "SLURM_PROCID" in environ


def _has_plain_pmix(environ: "Mapping[str, str]") -> bool:
    """Open MPI and srun speak PMIx themselves."""
    return "PMIX_RANK" in environ and "OMPI_COMM_WORLD_RANK" not in environ and not _is_slurm_task(environ)


def _slurm_local_size(environ: "Mapping[str, str]", node: int | None) -> int | None:
    """Read `2(x3),1`: two tasks on each of the first three nodes, one on the fourth."""
    nodes_before = 0
    for part in environ.get("SLURM_STEP_TASKS_PER_NODE", "").split(","):
        tasks, _, times = part.partition("(x")
        times = times.rstrip(")") or "1"
        if node is None or not (tasks.isdecimal() and times.isdecimal()):
            return None
        nodes_before += int(times)
        if node < nodes_before:
            return int(tasks)
    return None


def _unnamed(environ: "Mapping[str, str]") -> Identity | None:
    """PyTorch's variables without torchrun: DeepSpeed's launcher, or the user's own script."""
    return _pytorch("none", environ) if "LOCAL_RANK" in environ else None


def _kubeflow(environ: "Mapping[str, str]") -> Identity | None:
    """A PyTorchJob numbers pods by RANK, a TrainJob by PET_NODE_RANK."""
    found = _named("kubeflow", environ, "RANK", world_size="WORLD_SIZE")
    return _whole_node(found or _named("kubeflow", environ, "PET_NODE_RANK", world_size="PET_NNODES"))


def _indexed(environ: "Mapping[str, str]") -> Identity | None:
    found = _named("indexed", environ, "SKYPILOT_NODE_RANK", world_size="SKYPILOT_NUM_NODES")
    return _whole_node(found or _named("indexed", environ, "JOB_COMPLETION_INDEX"))


def _whole_node(found: Identity | None) -> Identity | None:
    if found is not None:
        found.is_whole_node = True
        found.node_rank = found.rank
    return found


def _named(
    launcher: str,
    environ: "Mapping[str, str]",
    rank: str,
    local_rank: str = "",
    world_size: str = "",
    local_size: str = "",
    node_rank: str = "",
) -> Identity | None:
    """Read an identity from the variables of these names; None if there is no rank."""
    found = Identity()
    found.launcher = launcher
    found.rank = _count(environ, rank)
    found.local_rank = _count(environ, local_rank)
    found.world_size = _count(environ, world_size)
    found.local_size = _count(environ, local_size)
    found.node_rank = _count(environ, node_rank)
    return found if found.rank is not None else None


def _count(environ: "Mapping[str, str]", name: str, limit: int = RANK_MAX) -> int | None:
    text = environ.get(name, "")
    if not (text.isascii() and text.isdecimal() and len(text) <= 10):
        return None
    return int(text) if int(text) <= limit else None


DETECTORS = (_torchrun, _openmpi, _pmi, _slurm, _unnamed, _kubeflow, _indexed)

SEEN = (
    ("indexed", lambda environ: "SKYPILOT_NODE_RANK" in environ or "JOB_COMPLETION_INDEX" in environ),
    ("kubeflow", lambda environ: "PET_NODE_RANK" in environ or ("RANK" in environ and "LOCAL_RANK" not in environ)),
    ("slurm", lambda environ: "SLURM_JOB_ID" in environ),
    ("mpich", lambda environ: "MPI_LOCALRANKID" in environ),
    ("pmix", _has_plain_pmix),
    ("openmpi", lambda environ: "OMPI_COMM_WORLD_RANK" in environ),
    ("torchrun", lambda environ: "TORCHELASTIC_RUN_ID" in environ and "LOCAL_RANK" in environ),
)
"""Signs of each launcher, outermost first."""
