"""Which file of the run folder a stream ends up in (docs/reference/run-folder.md).

A stream's path depends on what is known of the job: with a second process the first one's log gets its rank into its
name, with a second node the first one's files move under its address. So every stream has a path that is *wanted*, by
what is known now, and one that it holds; `learned` tells what has to be renamed to bring the two together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ranklog_collector.core.names import Claims, address_component, is_address, safe_component, safe_relative
from ranklog_collector.core.presence import Presence
from ranklog_collector.core.processes import Process, number

RUN = "run.json"
PROCESS_INFO = "azureml-logs/process_info.json"
PROCESS_STATUS = "azureml-logs/process_status.json"
EXECUTION = "overall/execution.txt"
INTERNAL = ".ranklog"
JOURNAL = f"{INTERNAL}/journal/events.jsonl"
INCOMING = f"{INTERNAL}/incoming"
METRICS = f"{INTERNAL}/metrics"
STACKS = f"{INTERNAL}/stacks"
REQUESTS = f"{INTERNAL}/requests"
"""What somebody asks of the collector that holds the folder."""
API_POINTS = f"{METRICS}/api"
API_FILE = f"{API_POINTS}/1.jsonl"
"""Points that came by REST: no node may have this folder."""

_JOB_WIDE = {
    "launcher_stdout": "overall/stdout.txt",
    "launcher_stderr": "overall/stderr.txt",
    "launcher_log": "azureml-logs/70_mpi_log.txt",
    "image_build": "azureml-logs/20_image_build_log.txt",
}
_OF_NODE = {
    "execution": "azureml-logs/55_azureml-execution-{node}.txt",
    "job_prep": "azureml-logs/65_job_prep-{node}.txt",
    "job_post": "azureml-logs/75_job_post-{node}.txt",
    "start_cms": "logs/azureml/sidecar/{node}/start_cms.txt",
    "prep_cmd": "logs/azureml/sidecar/{node}/prep_cmd.txt",
    "release_cmd": "logs/azureml/sidecar/{node}/release_cmd.txt",
}
ROLES = frozenset(
    (*_JOB_WIDE, *_OF_NODE, "stdout", "stderr", "log", "output_file", "metrics", "azureml_log", "artifact", "stacks")
)


@dataclass(frozen=True, slots=True)
class StreamKey:
    """A stream's identity; `role` is the lower-case name of the wire's role."""

    node: str
    role: str
    process: str
    name: str
    snapshot: bool


@dataclass(frozen=True, slots=True)
class Renaming:
    """A stream's file has to move."""

    stream: int
    source: str
    target: str


@dataclass(slots=True)
class _Placed:
    number: int
    key: StreamKey
    wanted: str
    path: str


@dataclass(slots=True)
class Layout:
    """The paths of one run's streams."""

    presence: Presence
    _placed: dict[int, _Placed] = field(default_factory=dict)
    _of_process: dict[tuple[str, str], list[_Placed]] = field(default_factory=dict)
    _folders: dict[str, str] = field(default_factory=dict)
    _claims: Claims = field(default_factory=lambda: Claims((RUN, PROCESS_INFO, PROCESS_STATUS, EXECUTION, API_POINTS)))
    _shape: tuple[bool, bool] = (False, False)
    """Several nodes, several ranks: as it was when all paths were last looked at."""

    def place(self, number: int, key: StreamKey, is_anothers: Callable[[str], bool] = lambda _: False) -> str:
        """Give a new stream its path: none at which there is a file of somebody else's already."""
        path = self._claims.claim(wanted := self._wanted(key))
        while is_anothers(path):
            path = self._claims.claim(wanted)
        return self.restore(number, key, path)

    def restore(self, number: int, key: StreamKey, path: str) -> str:
        """Take over a path that the journal says a stream has."""
        self._claims.take(path)
        placed = _Placed(number, key, self._wanted(key), path)
        self._placed[number] = placed
        self._of_process.setdefault((key.node, key.process), []).append(placed)
        return path

    def restore_renamed(self, number: int, path: str) -> None:
        """Take over a renaming from the journal."""
        placed = self._placed.get(number)
        if placed is not None:
            self._claims.release(placed.path)
            self._claims.take(path)
            placed.path, placed.wanted = path, self._wanted(placed.key)

    def learned(self, node: str, process: str) -> list[Renaming]:
        """Tell what has to move now that something has become known of a node or of one of its processes."""
        if (self.is_multi, self.presence.processes.several) != self._shape:
            return self.settle()
        return self._settle(self._of_process.get((node, process), ()))

    def settle(self) -> list[Renaming]:
        """Tell all that has to move by what is known now."""
        self._shape = (self.is_multi, self.presence.processes.several)
        return self._settle(self._placed.values())

    @property
    def is_multi(self) -> bool:
        """Whether each node has a folder of its own."""
        return self.presence.processes.spread or len(self.presence.nodes) > 1

    def folder_of(self, node_id: str) -> str:
        """The folder of a node's own files, empty if that is the run folder itself."""
        if not self.is_multi:
            return ""
        folder = self._folders.get(node_id)
        if folder is None:
            node = self.presence.nodes.get(node_id)
            folder = address_component(node.ip) if node and node.ip else safe_component(node_id)
            if folder in self._folders.values():
                folder = f"{folder}_{safe_component(node_id)}"
            self._folders[node_id] = folder
        return folder

    def log_of(self, process: Process) -> str:
        """The path of a process's output, also if none has come yet."""
        for placed in self._of_process.get((process.node, process.key), ()):
            if placed.key.role == "stdout":
                return placed.path
        return self._wanted(StreamKey(process.node, "stdout", process.key, "", snapshot=False))

    # ---- inside -----------------------------------------------------------------------------------------------------

    def _settle(self, candidates: Iterable[_Placed]) -> list[Renaming]:
        renamings: list[Renaming] = []
        for placed in candidates:
            wanted = self._wanted(placed.key)
            if wanted != placed.wanted:
                target = self._claims.claim(wanted)
                renamings.append(Renaming(placed.number, placed.path, target))
                self._claims.release(placed.path)
                placed.wanted, placed.path = wanted, target
        return renamings

    def _wanted(self, key: StreamKey) -> str:
        if key.role in _JOB_WIDE:
            return _JOB_WIDE[key.role]
        if key.role == "metrics":
            kind = f".{safe_component(key.name)}" if key.name else ""
            return f"{METRICS}/{safe_component(key.node)}/{safe_component(key.process or 'node')}{kind}.jsonl"
        if key.role == "stacks":
            return f"{STACKS}/{safe_component(key.node)}.jsonl"
        if key.role == "artifact":
            return _not_ours(safe_relative(key.name))
        folder = self.folder_of(key.node)
        path = self._in_node_folder(key)
        return f"{folder}/{path}" if folder else path

    def _in_node_folder(self, key: StreamKey) -> str:
        if key.role in _OF_NODE:
            return _OF_NODE[key.role].format(node=safe_component(key.node))
        if key.role in ("stdout", "stderr"):
            return f"azureml-logs/70_driver_log{self._suffix(key)}{'_stderr' if key.role == 'stderr' else ''}.txt"
        if key.role == "azureml_log":
            path = safe_relative(key.name)
            stem, dot, suffix = path.rpartition(".") if "." in path else (path, "", "")
            return f"logs/azureml/{stem}{self._suffix(key)}{dot}{suffix}"
        path = safe_relative(key.name)
        if key.role == "output_file":
            return path if path.startswith("outputs/") else f"outputs/{path}"
        return _not_ours(path)

    def _suffix(self, key: StreamKey) -> str:
        process = self.presence.processes.get(key.node, key.process)
        if process is None:
            return f"_{safe_component(key.process)}" if key.process and self.presence.processes.several else ""
        suffix = ""
        if self.presence.processes.several:
            suffix = f"_{process.rank}" if process.rank is not None else _without_rank(process)
        return suffix if process.attempt == 1 else f"{suffix}_attempt{process.attempt}"


def _without_rank(process: Process) -> str:
    local = number(process.record, "local_rank")
    return f"_local{local}" if not process.pid and local is not None else f"_pid{process.pid}"


def _not_ours(path: str) -> str:
    """What a job names cannot pass for one of our folders, nor for a node's."""
    first = path.partition("/")[0]
    return f"_{path}" if first.casefold() == INTERNAL or is_address(first.partition("_")[0]) else path
