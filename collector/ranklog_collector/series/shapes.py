"""What readers of series get."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric over all its processes. `last` is the latest value by time, in the kind's own shape.

    min, max and mean are of the numbers that are finite: if there are none, they are None.
    """

    key: str
    kind: str
    count: int
    processes: int
    ranks: list[int]
    first_step: int
    last_step: int
    last: Any
    last_ns: int
    min: float | None
    max: float | None
    mean: float | None
    description: str = ""
    is_resource: bool = False
    """Whether agents observed it."""
    is_printed: bool = False
    """Whether rules found it in what was printed, and nobody logged it."""


@dataclass(frozen=True, slots=True)
class Record:
    """One point as it was logged: a scalar, a list, a row as {column: value}, a table as {column: [value]} or a path.

    `process` is the process's name, `run_id` the run's own id or the child run's.
    """

    key: str
    kind: str
    value: Any
    step: int
    time_ns: int
    node: str
    process: str
    rank: int | None
    run_id: str


@dataclass(frozen=True, slots=True)
class Records:
    """Some records, and the `cursor` with which to ask for those that follow."""

    records: list[Record]
    cursor: str


@dataclass(frozen=True, slots=True)
class Series:
    """One metric of one process, thinned. `total` is how many points there were."""

    node: str
    process: str
    rank: int | None
    attempt: int
    step: Ints
    time_ns: Ints
    value: Floats
    total: int


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One metric over ranks, a row for each step or each span of time that is shown.

    Statistics are of finite numbers; where a row has none but others, they are NaN or infinite. `count` is of all
    numbers, `nonfinite` of those that are NaN or infinite. A rank of -1 has no number, or none is known.
    """

    by: str
    """step or time."""
    x: Ints
    """The step, or the beginning of the span in nanoseconds since the Unix epoch."""
    count: Ints
    nonfinite: Ints
    min: Floats
    mean: Floats
    max: Floats
    std: Floats
    p50: Floats
    p99: Floats
    min_rank: Ints
    max_rank: Ints
    total: int
    """Rows before thinning."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What was said of a run."""

    tags: dict[str, str] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    display_name: str | None = None
    description: str | None = None
    status: str | None = None
    """running, completed, failed or canceled, if anybody said."""
    error: str | None = None
    children: list[Child] = field(default_factory=list)
    artifacts: list[str] = field(default_factory=list)
    inputs: list[str] = field(default_factory=list)
    """Datasets, each an object in JSON."""
    lost: int = 0
    """Lines that their writers could not write, of all runs of the folder."""
    damaged: int = 0
    """Lines that were cut or say nothing that can be; what was cut counts as lost with its writer."""


@dataclass(frozen=True, slots=True)
class Child:
    """A child run; its state is running until it says another."""

    run_id: str
    name: str | None
    state: str
    started_ns: int
    ended_ns: int | None
