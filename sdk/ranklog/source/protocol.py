"""What runs are read from. Answers are the plain objects of docs/reference/http.md, wherever they come from."""

from __future__ import annotations

from typing import Any, Protocol

Json = dict[str, Any]
EMPTY: Json = {name: [] for name in ("step", "count", "min", "mean", "max", "min_rank", "max_rank")}
"""Over ranks, a metric that nobody has logged."""


class Source(Protocol):
    """Runs that can be read.

    `run_id` is an id, a unique prefix, `experiment/id`, `latest`, or the id of a child run. Every method raises
    RunNotFoundError if there is no such run, and UnreachableError if what was asked cannot be reached or read.
    """

    @property
    def url(self) -> str:
        """Where people find these runs: an http address, or file:// and a folder."""

    def runs(self, experiment: str | None = None) -> list[Json]:
        """All runs, or those of an experiment, newest first."""

    def run(self, run_id: str) -> Json:
        """One run with its tags, properties, children, error and so on."""

    def processes(self, run_id: str) -> list[Json]:
        """The processes of a run, ranks in their order first."""

    def verdict(self, run_id: str) -> Json:
        """Why a run is as it is; empty where nobody can tell."""

    def files(self, run_id: str, prefix: str = "") -> list[Json]:
        """The files of a run whose paths begin with `prefix`, in the order of their paths."""

    def file(self, run_id: str, path: str, start: int = 0) -> bytes:
        """A file's bytes from `start` on, as many as there are now; none behind its end. Raises RunFileError."""

    def records(self, run_id: str, key: str | None = None, rank: int | None = None) -> list[Json]:
        """All that was logged, in the order of time: `key, kind, value, step, time_ns, node, process, rank, run_id`.

        Numbers that JSON does not have are floats here.
        """

    def metrics(self, run_id: str) -> list[Json]:
        """The metrics of a run by their names: `key, kind, count, processes, ranks, last, min, max, mean` and so on."""

    def series(self, run_id: str, key: str, rank: int | None = None, points: int = 1000) -> list[Json]:
        """A metric of each process that has logged it, `rank, process, step[], value[]`, thinned, extremes kept."""

    def aggregate(self, run_id: str, key: str, points: int = 1000) -> Json:
        """A metric over ranks, thinned, extremes kept: `step[], count[], min[], mean[], max[], min_rank[], max_rank[]`.

        The columns are empty if nobody has logged it.
        """

    def logs(
        self, run_id: str, cursor: str | None = None, rank: str | None = None, tail: int | None = None
    ) -> tuple[list[Json], str]:
        """The lines of all ranks, or of ranks like `0,3-5`, merged in the order of time, as many as fit an answer.

        Also gives a cursor that goes on behind them, also when there is nothing new yet: then there are no lines.
        Without a cursor it begins with the first line, or with the `tail` last ones.
        """
