"""How the ranks of a command come under `ranklog exec` without the user editing it: words in, words and variables out.

Open MPI and torchrun are asked by their environment, which also reaches them inside a script. Hydra and srun know no
such variable: there `ranklog exec` goes before the program in their command line, if it is certain where that is.
"""

from __future__ import annotations

import enum
import os.path
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from ranklog_collector.launch.known import (
    HYDRA,
    HYDRA_OPTIONS,
    OPEN_MPI,
    SLURM,
    SRUN_OPTIONS,
    TORCHRUN,
    TORCHRUN_OPTIONS,
    ambiguous_launcher,
    launcher_of,
    module_of,
    wrapping,
)
from ranklog_collector.launch.options import Head, UnknownOptionError, head_of

# Of Open MPI up to 4, and of PRRTE, which is that of 5: what each node's daemon puts before a rank's command.
FORK_AGENTS = ("OMPI_MCA_orte_fork_agent", "PRTE_MCA_odls_base_exec_agent")
OWN_AGENT_OPTIONS = ("orte_fork_agent", "odls_base_exec_agent", "exec-agent")
# What torchrun starts instead of its own Python.
PYTHON = "PYTHON_EXEC"
INNER_PYTHON = "RANKLOG_PYTHON"
# Open MPI forwards variables of this prefix, and by command lines that all can read: a secret has no place there.
OPEN_MPI_PREFIX = "OMPI_MCA_"
SECRETS = ("RANKLOG_TOKEN",)
# Options by which Hydra is told not to hand on the environment as it is.
HYDRA_ENVIRONMENT_OPTIONS = ("genvnone", "genvlist", "envnone", "envlist")
OPTIONS = {HYDRA: HYDRA_OPTIONS, SLURM: SRUN_OPTIONS}
# Options with which the program's place in the command line is not where `ranklog exec` could go.
FORBIDDING_OPTIONS = {
    "multi-prog": "the programs are in a file",
    "configfile": "the programs are in a file",
    "bcast": "srun would send ranklog to the nodes in place of the program",
    "container": "the ranks run inside a container",
    "container-image": "the ranks run inside a container",
    "container-name": "the ranks run inside a container",
}


class Capture(enum.Enum):
    """How the ranks are captured."""

    HOOKED = "hooked"
    """The launcher starts each by `ranklog exec`, because its environment says so."""
    REWRITTEN = "rewritten"
    """`ranklog exec` now stands before each program in the command."""
    GIVEN = "given"
    """The user's command has `ranklog exec` in it."""
    SINGLE = "single"
    """No launcher known to us: the command is captured itself, and what a launcher inside it starts by the hooks."""
    NONE = "none"
    """A launcher whose ranks cannot be captured; the note says why."""


@dataclass(frozen=True)
class Exec:
    """What stands between launcher and rank: absolute paths, the same on every node."""

    command: tuple[str, ...]
    """`ranklog exec --`"""
    python: str
    """A program that is to its parent, torchrun, as that one's Python, and runs it under `ranklog exec`."""


@dataclass(frozen=True)
class Plan:
    """What to start: `environment` is added to the caller's. `note` is for the user, and empty if all is as wished."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    launcher: str | None
    capture: Capture
    note: str = ""


class _UncertainError(Exception):
    """It is not certain how the ranks could be captured."""

    def __init__(self, reason: str, advice: str = "put `ranklog exec --` before the program yourself") -> None:
        super().__init__(reason)
        self.note = f"The ranks are not captured: {reason}; {advice}."


def plan_command(
    argv: Sequence[str],
    exec_: Exec,
    settings: Mapping[str, str],
    *,
    version: str = "",
    environment: Mapping[str, str] = MappingProxyType({}),
) -> Plan:
    """Plan the start of a user's command.

    `settings` are the RANKLOG_… variables that every rank must find; `version` is what `ambiguous_launcher` says of
    itself when asked; `environment` is the one that the command would have without us.
    """
    transport = dict(settings) | _for_open_mpi(settings)
    if has_exec(argv):
        return Plan(tuple(argv), transport, launcher_of(argv[wrapping(argv) :], version), Capture.GIVEN)
    hooks = _hooks(exec_, environment)
    planner = _Planner(exec_, version, environment, {**settings, **hooks})
    return replace(planner.plan(list(argv)), environment=transport | hooks)


def plan_local(
    argv: Sequence[str], count: int, exec_: Exec, settings: Mapping[str, str], *, master_port: int
) -> list[Plan]:
    """Plan `count` processes of one command on this node, which find each other by torchrun's variables."""
    command = tuple(argv) if has_exec(argv) else (*exec_.command, *argv)
    capture = Capture.GIVEN if has_exec(argv) else Capture.REWRITTEN
    common = {
        "WORLD_SIZE": str(count),
        "LOCAL_WORLD_SIZE": str(count),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(master_port),
    }
    return [
        Plan(command, {**settings, **common, "RANK": str(rank), "LOCAL_RANK": str(rank)}, None, capture)
        for rank in range(count)
    ]


def has_exec(argv: Sequence[str]) -> bool:
    """Tell whether a command calls `ranklog exec` itself, be it inside a shell's words."""
    pairs = zip(argv, [*argv[1:], ""], strict=True)
    return any(
        "ranklog exec" in word or (os.path.basename(word), next_) == ("ranklog", "exec") for word, next_ in pairs
    )


@dataclass(frozen=True)
class _Planner:
    exec: Exec
    version: str
    environment: Mapping[str, str]
    wanted: Mapping[str, str]
    """What the ranks must find in their environment."""

    def plan(self, words: list[str]) -> Plan:
        """Find the launcher that the words start and have its ranks captured."""
        start = wrapping(words)
        launcher = launcher_of(words[start:], self.version)
        try:
            if launcher == OPEN_MPI:
                return self._open_mpi(words)
            if launcher == TORCHRUN:
                return self._torchrun(words, start)
            if launcher is not None:
                return self._segments(words, start, launcher)
            if program := ambiguous_launcher(words):
                raise _UncertainError(f"{program} does not say that it is of an MPI known to ranklog")
        except _UncertainError as error:
            return _plan(words, launcher, Capture.NONE, error.note)
        return _plan([*self.exec.command, *words], None, Capture.SINGLE)

    def _open_mpi(self, words: list[str]) -> Plan:
        if any(option in word for option in OWN_AGENT_OPTIONS for word in words):
            raise _UncertainError("the command has a fork agent of its own")
        if any(" " in word for word in self.exec.command):
            raise _UncertainError(f"Open MPI cannot start {self.exec.command[0]!r}, whose path has a blank in it")
        return _plan(words, OPEN_MPI, Capture.HOOKED)

    def _torchrun(self, words: list[str], start: int) -> Plan:
        module = module_of(words[start:])
        first = words.index("-m", start) + 2 if module else start + 1
        try:
            head = head_of(words[first:], TORCHRUN_OPTIONS)
        except UnknownOptionError as unknown:
            if any(word.replace("_", "-") == "--no-python" for word in words):
                raise _UncertainError(f"torchrun has an option unknown to ranklog, {unknown.word}") from None
            return _plan(words, TORCHRUN, Capture.HOOKED)
        if "run-path" in head.options:
            raise _UncertainError("torchrun starts no program for --run-path", "give the script without it")
        if "no-python" not in head.options:
            return _plan(words, TORCHRUN, Capture.HOOKED)
        if module == "torch.distributed.launch" and "use-env" not in head.options:
            raise _UncertainError("torch.distributed.launch puts an argument after the program's name")
        program = first + head.length
        return _plan([*words[:program], *self.exec.command, *words[program:]], TORCHRUN, Capture.REWRITTEN)

    def _segments(self, words: list[str], start: int, launcher: str) -> Plan:
        """Rewrite a command line that may start several programs, parted by colons."""
        segments = list(_split(words[start + 1 :]))
        heads = [_head(segment, launcher) for segment in segments]
        prefix = self._environment_words() if any(self._is_cut_off(launcher, head) for head in heads) else []
        result, captures = words[: start + 1], set()
        for segment, head in zip(segments, heads, strict=True):
            program = self._of_program(segment[head.length :])
            captures.add(program.capture)
            result += [*segment[: head.length], *prefix, *program.argv, ":"]
        capture = Capture.REWRITTEN if Capture.REWRITTEN in captures else Capture.HOOKED
        return _plan(result[:-1], launcher, capture)

    def _of_program(self, words: list[str]) -> Plan:
        """Capture what hydra or srun starts: a rank, or a torchrun whose ranks are meant."""
        start = wrapping(words)
        if launcher_of(words[start:], self.version) == TORCHRUN:
            return self._torchrun(words, start)
        return _plan([*self.exec.command, *words], None, Capture.REWRITTEN)

    def _is_cut_off(self, launcher: str, head: Head) -> bool:
        """Tell whether the ranks' environment is not that of the launcher."""
        if launcher == HYDRA:
            return any(option in head.options for option in HYDRA_ENVIRONMENT_OPTIONS)
        exported = head.options.get("export", self.environment.get("SLURM_EXPORT_ENV", "ALL"))
        return "ALL" not in exported.split(",")

    def _environment_words(self) -> list[str]:
        return ["/usr/bin/env", *(f"{name}={value}" for name, value in self.wanted.items() if name not in SECRETS)]


def _plan(words: Sequence[str], launcher: str | None, capture: Capture, note: str = "") -> Plan:
    return Plan(tuple(words), {}, launcher, capture, note)


def _head(segment: list[str], launcher: str) -> Head:
    try:
        head = head_of(segment, OPTIONS[launcher])
    except UnknownOptionError as unknown:
        raise _UncertainError(f"the launcher has an option unknown to ranklog, {unknown.word}") from None
    for option in head.options.keys() & FORBIDDING_OPTIONS.keys():
        raise _UncertainError(f"with --{option} {FORBIDDING_OPTIONS[option]}")
    if head.length == len(segment):
        raise _UncertainError("no program is to be seen in the command")
    return head


def _split(words: list[str]) -> Iterator[list[str]]:
    while ":" in words:
        yield words[: words.index(":")]
        words = words[words.index(":") + 1 :]
    yield words


def _hooks(exec_: Exec, environment: Mapping[str, str]) -> dict[str, str]:
    """Give the variables that make launchers start ranks by `ranklog exec`; what they were set to comes after it."""
    inner_python = environment.get(PYTHON, exec_.python)
    hooks = {PYTHON: exec_.python} | ({INNER_PYTHON: inner_python} if inner_python != exec_.python else {})
    if any(" " in word for word in exec_.command):
        return hooks
    agent = " ".join(exec_.command)
    for name in FORK_AGENTS:
        own = environment.get(name, "").removeprefix(agent).strip()
        hooks[name] = f"{agent} {own}".strip()
    return hooks


def _for_open_mpi(settings: Mapping[str, str]) -> dict[str, str]:
    return {OPEN_MPI_PREFIX + name.lower(): value for name, value in settings.items() if name not in SECRETS}
