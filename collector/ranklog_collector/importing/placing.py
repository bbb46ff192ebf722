"""Which global rank and which node a file's writer is. No I/O."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from ranklog_collector.importing.formats.found import Evidence, File, Writer
from ranklog_collector.importing.model import ImportingError, Output, Survey

UNKNOWN = "unknown"
_NODE_LENGTH_MAX = 200


@dataclass(frozen=True, slots=True)
class Naming:
    """What is called how."""

    tops: tuple[str, ...]
    """Each place's folder."""
    folders: tuple[tuple[str, str], ...] = ()
    """Folders or files of which the user has said of which node they are: (path, node), in the order of ranks."""
    addresses: dict[str, str] = field(default_factory=dict)
    """Of nodes, as the user has said."""

    def node_of(self, path: str) -> str:
        """The node that the user has said a file is of, or ""."""
        inside = [
            (len(folder), node) for folder, node in self.folders if path == folder or path.startswith(folder + "/")
        ]
        return max(inside)[1] if inside else ""


def plain(node: str) -> str:
    """What a node is called: whatever a path or a message says, without what plays with a terminal."""
    text = "".join(letter if letter.isprintable() else "_" for letter in node)
    return text[:_NODE_LENGTH_MAX] or UNKNOWN


def labels(paths: list[str]) -> list[str]:
    """Tell several paths apart: by what is left of each without what all begin and end with."""
    parts = [path.strip("/").split("/") for path in paths]
    while all(len(one) > 1 for one in parts) and len({one[0] for one in parts}) == 1:
        parts = [one[1:] for one in parts]
    while all(len(one) > 1 for one in parts) and len({one[-1] for one in parts}) == 1:
        parts = [one[:-1] for one in parts]
    return ["_".join(one) for one in parts]


@dataclass(slots=True)
class Placing:
    """Answers which rank and on which node a writer is. Raises ImportingError where too little is known for that."""

    survey: Survey
    naming: Naming
    bases: dict[str, int] = field(default_factory=dict)
    """The global rank of a group's local rank 0."""
    _group_nodes: dict[str, str] = field(default_factory=dict)
    _place_nodes: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Draw all conclusions."""
        self._find_bases()
        self._name_groups()
        self._name_places()

    @property
    def evidence(self) -> Evidence:
        """What launchers say."""
        return self.survey.evidence

    def rank(self, writer: Writer) -> int | None:
        """The global rank of a writer, None of one that has none."""
        if writer.rank is not None or writer.local_rank is None:
            return writer.rank
        return self.bases[writer.group] + writer.local_rank

    def node(self, writer: Writer, file: File) -> str:
        """The node of a writer."""
        rank = self.rank(writer)
        told = writer.node or self.naming.node_of(file.path)
        if not told and writer.group:
            told = self._group_nodes.get(writer.group, "")
        if not told and rank is not None:
            told = self.evidence.nodes.get(rank, "")
        return plain(told or self._place_nodes.get(file.place, ""))

    def node_of_rank(self, rank: int) -> str:
        """The node of a rank of which there is no file."""
        return plain(self.evidence.nodes.get(rank, ""))

    def group_node(self, group: str) -> str:
        """The node of a group, "" if none is known."""
        found = self._group_nodes.get(group, "")
        return plain(found) if found else ""

    # ---- torchrun: one group a node ---------------------------------------------------------------------------------

    def _find_bases(self) -> None:
        folders = _sizes(self.survey.outputs)
        told = {group: base for group, (base, _) in self.evidence.bases.items()}
        if not all(group in told for group in folders):
            told |= self._by_order(folders) or _by_elimination(folders, told)
        taken: dict[int, str] = {}
        for group, size in folders.items():
            for rank in range(told[group], told[group] + size):
                if rank in taken:
                    raise ImportingError(
                        f"{taken[rank]} and {group} both have rank {rank}: they are of two jobs, or of two starts of "
                        "one; name the folders of one"
                    )
                taken[rank] = group
        self.bases = told
        self._find_bases_of_consoles(folders)

    def _find_bases_of_consoles(self, folders: dict[str, int]) -> None:
        """Consoles with local ranks: of the folder beside, else in the order in which the user has named them."""
        local = [one for one in self.survey.consoles if one.style is not None and one.style.is_local]
        base = 0
        order = [path for path, _ in self.naming.folders]
        for console in sorted(local, key=lambda one: order.index(one.file.path) if one.file.path in order else -1):
            beside = {self.bases[group] for group in folders if self._is_beside(group, console.file)}
            if console.group not in self.bases and len(beside) == 1:
                self.bases[console.group] = beside.pop()
            elif console.group not in self.bases and len(local) > 1 and console.file.path not in order:
                raise ImportingError(
                    f"{console.file.path} tells local ranks only, and nothing tells of which node it is; leave it out, "
                    "or say so with --node NAME=FILE, one for each node in the order of ranks"
                )
            self.bases.setdefault(console.group, base)
            base = self.bases[console.group] + max((rank for rank, _ in console.ranks), default=-1) + 1

    def _is_beside(self, group: str, file: File) -> bool:
        return any(one.writer.group == group and one.file.place == file.place for one in self.survey.outputs)

    def _by_order(self, folders: dict[str, int]) -> dict[str, int] | None:
        """By the order in which the user has named the folders of the nodes."""
        position = {folder: index for index, (folder, _) in enumerate(self.naming.folders)}
        found: dict[str, int] = {}
        for output in self.survey.outputs:
            inside = [at for folder, at in position.items() if output.file.path.startswith(folder + "/")]
            if inside and output.writer.group in folders:
                found[output.writer.group] = min(inside)
        if set(found) != set(folders):
            return None
        bases, base = {}, 0
        for group in sorted(found, key=lambda one: found[one]):
            bases[group] = base
            base += folders[group]
        return bases

    def _name_groups(self) -> None:
        groups = set(_sizes(self.survey.outputs)) | set(self.evidence.bases) | set(self.bases)
        by_base = {base: node for base, node in self.evidence.bases.values() if node}
        for group in groups:
            base = self.bases.get(group)
            node = self.evidence.bases.get(group, (0, ""))[1]
            if not node and base is not None and not group.startswith("console "):
                node = by_base.get(base, "") or self.evidence.nodes.get(base, "")
            if node:
                self._group_nodes[group] = node
        for console in self.survey.consoles:
            if named := self.naming.node_of(console.file.path):
                self._group_nodes[console.group] = named
        for group in _sizes(self.survey.outputs):
            if len(_sizes(self.survey.outputs)) > 1:
                self._group_nodes.setdefault(group, group)

    # ---- folders from each node's own disk --------------------------------------------------------------------------

    def _name_places(self) -> None:
        ranks: dict[int, set[int]] = defaultdict(set)
        for output in self.survey.outputs:
            if (rank := self.rank(output.writer)) is not None or output.writer.launcher == "ray":
                ranks[output.file.place].add(-1 if rank is None else rank)
        if len(ranks) < 2:
            return
        names = dict(zip(ranks, labels([self.naming.tops[place] for place in ranks]), strict=True))
        for place in ranks:
            others = set().union(*(ranks[one] for one in ranks if len(ranks[one]) < len(ranks[place])))
            nodes = {self.evidence.nodes[rank] for rank in ranks[place] - others if rank in self.evidence.nodes}
            self._place_nodes[place] = nodes.pop() if len(nodes) == 1 else names[place]


def _sizes(outputs: list[Output]) -> dict[str, int]:
    """How many ranks each group of local ranks has."""
    sizes: dict[str, int] = {}
    for output in outputs:
        writer = output.writer
        if writer.rank is None and writer.local_rank is not None:
            sizes[writer.group] = max(sizes.get(writer.group, 0), writer.local_rank + 1)
    return sizes


def _by_elimination(folders: dict[str, int], told: dict[str, int]) -> dict[str, int]:
    unknown = [group for group in folders if group not in told]
    if len(unknown) == 1:
        taken = {
            rank for group in folders if group in told for rank in range(told[group], told[group] + folders[group])
        }
        free = next(rank for rank in range(len(taken) + 1) if rank not in taken)
        return {unknown[0]: free}
    listed = "\n".join(f"  --node NAME=…/{group}" for group in sorted(unknown))
    raise ImportingError(
        "nothing tells which ranks these folders of torchrun's are of; name their nodes in the order of ranks, or add "
        f"what torchrun printed:\n{listed}"
    )
