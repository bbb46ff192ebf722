"""What the answers consist of, for the OpenAPI description. Tests hold the real answers against it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from ranklog_collector.core.requests import RANKS_MAX, TIMEOUT_S, TIMEOUT_S_MAX


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")


class RunRow(_Answer):
    """A run in a list."""

    run_id: str = Field(examples=["train-20261124-115200-7f3a"])
    experiment: str = Field(examples=["default"])
    path: str = Field(description="The run folder, on the collector's machine.")
    state: str = Field(
        description="notstarted, running, finalizing, completed, failed, canceled, lost; interrupted if it has not "
        "ended and no collector writes it.",
        examples=["running"],
    )
    started: str = Field(examples=["2026-11-24T11:52:00.123456789Z"])
    ended: str | None
    nodes: int
    processes: int = Field(description="Seen, or said to be there by the launcher.")
    failed: int = Field(description="Processes that have failed.")
    display_name: str | None
    tags: dict[str, str]


class Runs(_Answer):
    """A page of runs, newest first."""

    runs: list[RunRow]
    cursor: str | None = Field(description="Of the next page; null if this is the last one.")


class Child(_Answer):
    """A child run."""

    run_id: str = Field(examples=["train-20261124-115200-7f3a.0badcafe"])
    display_name: str | None
    state: str


class Run(RunRow):
    """A run."""

    description: str | None
    properties: dict[str, str]
    params: dict[str, Any]
    children: list[Child]
    error: str | None
    is_live: bool = Field(description="Whether a collector writes it and it has not ended.")
    asked: str | None = Field(
        None, description="Why `ranklog run` asked the job to end, if it did: time-limit, or canceled."
    )


class Process(_Answer):
    """A process of a run. What is not known is null or empty."""

    run: str
    name: str = Field(examples=["rank_3"])
    role: str = Field(description="rank, launcher or process.")
    rank: int | None
    state: str = Field(description="NotStarted, Running, Completed, Failed, Terminated or Lost.")
    attempt: int = Field(description="1 is the first process of its rank.")
    life: int = Field(description="Which life of the job it belongs to, counted from 0.")
    is_current: bool = Field(description="Whether no restart of the job has replaced it.")
    local_rank: int | None
    node: str
    ip: str
    hostname: str
    pid: int | None
    program: str
    key: str
    exit_code: int | None
    signal: int | None
    was_oom_killed: bool
    started: str | None
    ended: str | None
    bytes: int = Field(description="Of its output.")
    last_output: str | None
    log: str = Field(description="Path of its output.")
    exit: str = Field(description="How it ended, in a word: its code, its signal, or OOM.", examples=["SIGSEGV"])
    duration_s: float | None


class Quote(_Answer):
    """A line that proves something."""

    text: str
    path: str = Field(description="Of the file in the run folder.")
    offset: int = Field(description="Of the line in the file, in bytes.")
    time: str | None
    process: str
    signature: str = Field(description="The signature that knows the line, if its text is the evidence.")


class Culprit(_Answer):
    """A process or node that the verdict names."""

    name: str = Field(examples=["rank_3"])
    category: str
    summary: str = Field(examples=["was killed by SIGKILL"])
    rank: int | None
    node: str
    ip: str
    hostname: str
    pid: int | None
    exit: str
    time: str | None
    error_s: float = Field(description="The time is right to ± this much.")
    quotes: list[Quote]
    last_words: list[Quote]


class Consequence(_Answer):
    """Processes to which the same thing happened in its wake."""

    what: str = Field(examples=["connection closed by 10.77.0.11"])
    names: list[str]
    ranks: list[int]
    delay_min_s: float | None
    delay_max_s: float | None
    quotes: list[Quote]


class Verdict(_Answer):
    """Why a run is as it is: docs/reference/verdict.md."""

    run: str
    status: str = Field(description="failed, suspect, canceled, fine or unknown.")
    headline: str
    category: str | None
    confidence: str | None = Field(description="certain, likely or possible.")
    culprits: list[Culprit]
    is_tie: bool = Field(description="One of the culprits was first, nobody can tell which.")
    consequences: list[Consequence]
    quotes: list[Quote] = Field(description="What proves it, if it is about the job and not about culprits.")
    attempt: int | None
    remarks: list[str]
    next_steps: list[str] = Field(description="Commands to type.")


class Processes(_Answer):
    """All processes of a run, ranks in their order first."""

    processes: list[Process]


class File(_Answer):
    """A file of a run."""

    path: str = Field(examples=["azureml-logs/70_driver_log_0.txt"])
    size: int
    modified: str
    role: str = Field(description="What the file is to the run, stdout for example; empty for a derived file.")
    node: str
    process: str
    rank: int | None
    segments: int
    is_complete: bool = Field(description="Whether all of it has come and has been verified.")
    is_growing: bool = Field(description="Whether more may come.")


class Files(_Answer):
    """Files of a run by path."""

    files: list[File]


class Line(_Answer):
    """A line of output."""

    run: str
    rank: int | None
    node: str
    stream: str = Field(examples=["stdout"])
    path: str
    time: str = Field(description="When it was complete.")
    offset: int = Field(description="Of the line in the file.")
    level: str | None = Field(description="How grave it is, if it says so: debug, info, warning, error, critical.")
    text: str = Field(description="As it is shown: of redraws the last, control characters replaced, no colours.")


class Lines(_Answer):
    """Lines of output, of all ranks in one order."""

    lines: list[Line]
    cursor: str = Field(description="Goes on where this answer ends, also if there is nothing new yet.")
    more: bool = Field(description="Whether there is more already: ask again at once.")


Number = float | int | str
"""A number that JSON does not have is "NaN", "Infinity" or "-Infinity"."""


class Metric(_Answer):
    """A metric over all its processes."""

    key: str = Field(examples=["loss"])
    kind: str = Field(description="scalar, list, row, table, image, confusion_matrix, …")
    count: int
    processes: int
    ranks: list[int]
    first_step: int
    last_step: int
    last: Any = Field(description="The latest value by time, in the kind's own shape.")
    last_time: str
    min: float | None = Field(description="Of the finite numbers, like max and mean.")
    max: float | None
    mean: float | None
    description: str
    is_resource: bool = Field(description="Whether an agent observed it.")
    is_printed: bool = Field(description="Whether rules found it in what was printed, and nobody logged it.")


class Metrics(_Answer):
    """The metrics of a run by name."""

    metrics: list[Metric]


class Record(_Answer):
    """A point as it was logged."""

    key: str
    kind: str
    value: Any = Field(description="A scalar, a list, a row {column: value}, a table {column: [value]}, or a path.")
    step: int
    time_ns: int
    node: str
    process: str
    rank: int | None
    run_id: str


class Records(_Answer):
    """Points in the order of time."""

    records: list[Record]
    cursor: str | None = Field(description="Of those that follow; null if there are none now.")


class OneSeries(_Answer):
    """A metric of one process, as columns."""

    node: str
    process: str
    rank: int | None
    attempt: int
    step: list[int]
    time_ns: list[int]
    value: list[Number]
    total: int = Field(description="Points before thinning.")


class Series(_Answer):
    """A metric, a series for each process."""

    series: list[OneSeries]


class Aggregate(_Answer):
    """A metric over ranks, as columns."""

    by: str
    step: list[int] | None = None
    time_ns: list[int] | None = Field(None, description="The beginnings of the spans.")
    count: list[int]
    nonfinite: list[int] = Field(description="How many of `count` are NaN or infinite; the others are of the rest.")
    min: list[Number]
    mean: list[Number]
    max: list[Number]
    std: list[Number]
    p50: list[Number]
    p99: list[Number]
    min_rank: list[int | None]
    max_rank: list[int | None]
    total: int = Field(description="Rows before thinning.")


class StacksQuestion(_Answer):
    """Which stacks are wanted."""

    ranks: list[Annotated[int, Field(ge=0)]] | None = Field(None, max_length=RANKS_MAX, description="null: all.")
    native: bool = Field(False, description="Also native frames, and a debugger for what is not Python.")
    timeout_s: float = Field(TIMEOUT_S, gt=0, le=TIMEOUT_S_MAX, description="How long one process may take.")


class StacksAsked(_Answer):
    """The agents will be asked."""

    request: str = Field(description="Its id, by which the stacks can be asked for.", examples=["0badcafe0badcafe"])


class StackFrame(_Answer):
    """A call."""

    function: str
    file: str
    line: int = Field(description="0 if it is not known.")


class StackGroup(_Answer):
    """Processes with the very same stack."""

    processes: list[str]
    ranks: list[int]
    waits_in: str | None = Field(description="The collective in which they wait, if they do.")
    is_suspect: bool
    frames: list[StackFrame] = Field(description="The innermost first.")


class StackBranch(StackFrame):
    """A call in the tree; those from it follow, one deeper."""

    depth: int
    count: int
    ranks: str = Field(examples=["0-6,8"])
    processes: list[str] | None = Field(None, description="Those that have no rank.")


class StackThread(_Answer):
    """A thread."""

    name: str
    is_main: bool
    frames: list[StackFrame]


class ProcessStack(_Answer):
    """A process."""

    process: str
    rank: int | None
    node: str
    pid: int
    parent: int | None
    command: str
    state: str
    time: str
    how: str | None = Field(description="py-spy, faulthandler, native or proc.")
    error: str | None
    threads: list[StackThread]


class Stacks(_Answer):
    """Where the processes of a run were."""

    run: str
    request: str
    why: str = Field(description="asked, or silence.")
    time: str
    is_complete: bool = Field(description="Whether all nodes that were asked have answered.")
    waiting_for: list[str] = Field(description="Nodes that have not.")
    basis: str | None = Field(description="Of the suspicion: not-waiting, waiting-elsewhere, minority.")
    groups: list[StackGroup]
    tree: list[StackBranch]
    processes: list[ProcessStack]
    children: list[ProcessStack]


class Health(_Answer):
    """How the collector is."""

    status: str = Field(description="ok, paused (a run folder cannot be written: is the disk full?) or stalled.")


class Fault(_Answer):
    """What is wrong."""

    code: str = Field(examples=["not_found"])
    message: str


class Error(_Answer):
    """The answer to a request that failed."""

    error: Fault
