"""A plan, while it is put together: who there is, and what each of their streams is called. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, field

from ranklog.layout import safe_name
from ranklog_collector.core.event_files import is_event_file
from ranklog_collector.importing.formats.found import End, File
from ranklog_collector.importing.formats.tags import zone_ns
from ranklog_collector.importing.model import Coding, Console, Copy, Split, Stream, Survey
from ranklog_collector.importing.placing import Naming, Placing

Key = tuple[int | str, int]
"""A rank, or a name where there is none, and its attempt."""


@dataclass(slots=True)
class Found:
    """A process, while it is put together."""

    node: str
    rank: int | None = None
    local_rank: int | None = None
    attempt: int = 0
    pid: int | None = None
    launcher: str = "none"
    is_launcher: bool = False
    began_ns: list[int] = field(default_factory=list)
    spoke_ns: list[int] = field(default_factory=list)
    raised_ns: int | None = None
    """When the exception was raised that torchrun has kept of it."""
    end: End | None = None
    key: str = ""


@dataclass(slots=True)
class Draft:
    """A plan, while it is put together."""

    survey: Survey
    naming: Naming
    placing: Placing
    processes: dict[Key, Found] = field(default_factory=dict)
    copies: list[tuple[Key, str, list[File]]] = field(default_factory=list)
    splits: list[tuple[Console, dict[tuple[int | None, str], tuple[Key, str]]]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    keys: dict[str, int] = field(default_factory=dict)
    """How often each key was given."""


@dataclass(slots=True)
class Streams:
    """Names the streams of a plan."""

    draft: Draft
    nodes: list[str]

    def copies(self) -> list[Copy]:
        """What is taken over file by file."""
        copies = [Copy(self._of(key, role), tuple(files)) for key, role, files in self.draft.copies]
        for file, group in self.draft.survey.logs:
            copies.append(Copy(self._log(file, group), (file,)))
        for console, _ in self.draft.splits:
            if console.style is not None or console.coding is Coding.CONTAINER:
                # What was taken apart is there as it was, too.
                copies += [Copy(self._log(file, console.group), (file,)) for file in console.files]
        return copies

    def splits(self) -> list[Split]:
        """What is taken apart."""
        return [
            Split(
                console.files,
                console.coding,
                console.style,
                {one: self._of(key, role) for one, (key, role) in targets.items()},
                zone_ns(console.local_ns and console.local_ns[1], console.file.mtime_ns),
            )
            for console, targets in self.draft.splits
        ]

    def _of(self, key: Key, role: str) -> Stream:
        process = self.draft.processes[key]
        return Stream(process.node, role, process.key)

    def _log(self, file: File, group: str) -> Stream:
        """A file of no process: of its node if that is known, else of the whole job."""
        node = self.draft.naming.node_of(file.path) or self.draft.placing.group_node(group)
        node = node or (group if group in self.nodes else "") or (self.nodes[0] if len(self.nodes) == 1 else "")
        plain = file.name.encode(errors="replace").decode()
        name = plain if plain.startswith(("logs/", "outputs/", "user_logs/")) else f"logs/{plain}"
        if node in self.nodes:
            return Stream(node, "log", self._writer(file, node), name)
        return Stream(self.nodes[0], "artifact", "", name)

    def _writer(self, file: File, node: str) -> str:
        """The process that wrote TensorBoard's file, which has its pid in its name; "" if nobody knows."""
        if not is_event_file(file.path):
            return ""
        own = [one for one in self.draft.processes.values() if one.node == node]
        named = [one for one in own if one.pid is not None and f".{node}.{one.pid}." in file.base]
        return (named or (own if len(own) == 1 else [Found("")]))[0].key


def default_name(launcher: str, survey: Survey, places: list[str]) -> str:
    """What a run is about that was given no name: the launcher's job, or the place."""
    if survey.pods:
        return safe_name(survey.pods[0].container.job.partition("/")[2])
    jobs = [console.job for console in survey.consoles if console.job]
    jobs += [output.writer.job for output in survey.outputs if len(output.writer.job) > 1]
    about = jobs[0] if jobs else places[0].rstrip("/").rpartition("/")[2]
    return safe_name(f"{launcher}-{about}" if jobs and launcher != "none" else about)
