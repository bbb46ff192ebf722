"""A run's life: the part of class Run with beginning, end and children."""

from __future__ import annotations

import os
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ranklog.errors import UserError
from ranklog.run.facts import Facts
from ranklog.run.family_names import child_id, parent_of
from ranklog.run.files import Files
from ranklog.run.own_log import note, warn

if TYPE_CHECKING:
    from typing_extensions import Self

CHILDREN_MAX = 100


class Life(Facts, Files):
    """In a run that a launcher or `ranklog run` owns, its state is theirs to tell; of its children it is ours."""

    def start(self) -> None:
        """Say that the run has begun."""
        self._say_state("running")

    def complete(self, _set_status: bool = True) -> None:
        """Say that the run has done what it was to do."""
        self.flush()
        self._upload_outputs()
        if _set_status:
            self._say_state("completed")

    def fail(
        self,
        error_details: str | BaseException | None = None,
        error_code: str | None = None,
        _set_status: bool = True,
    ) -> None:
        """Say that the run has failed, and why."""
        self.flush()
        self._upload_outputs()
        if _set_status:
            self._say_state("failed", _error(error_details, error_code))

    def cancel(self) -> None:
        """Say that the run is given up. A job goes on: it is its launcher that can end it."""
        if self._is_owned:
            warn(f"run {self._run_id} is not canceled: it belongs to the launcher that started it; stop it there")
            return
        self._say_state("canceled")
        self.flush()

    def flush(self, timeout_seconds: int = 300) -> None:
        """Nothing waits to be written: each call of log() has done so. What a full disk left untold is told now."""
        del timeout_seconds
        if self._place is not None:
            self._place.points.settle()

    def __enter__(self) -> Self:
        """The run, which ends with the block."""
        return self

    def __exit__(
        self, exit_type: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        """End the run: as failed if an exception ends the block. `sys.exit(0)` is none, and goes no further."""
        del exit_type, traceback
        is_exit = isinstance(value, SystemExit) and value.code in (None, 0)
        if value is None or is_exit:
            self.complete()
        else:
            self.fail(value)
        return is_exit

    # ---- family -----------------------------------------------------------------------------------------------------

    def child_run(self, name: str | None = None, run_id: str | None = None, outputs: str | None = None) -> Self:
        """Begin a run that is a part of this one. It has files, metrics, tags and a state of its own.

        Its id is made from the parent's. A `run_id` that has not this form becomes part of it as a checksum, and the
        display name if no `name` is given; the same one gives the same child run again.
        """
        return self._child_run(name, run_id, outputs)

    def create_children(
        self, count: int | None = None, tag_key: str | None = None, tag_values: Sequence[object] | None = None
    ) -> list[Self]:
        """Begin several: so many, or one for each value of a tag. Raises UserError for neither, both or too many."""
        if (tag_key is None) != (tag_values is None) or (count is None) == (tag_key is None):
            raise UserError("create_children takes either count, or tag_key and tag_values")
        if tag_values is None:
            tag_key, tag_values = "azureml.batch_child_number", range(count or 0)
        if len(tag_values) > CHILDREN_MAX:
            raise UserError(f"create_children makes {CHILDREN_MAX} runs at most, not {len(tag_values)}")
        children = [self._child_run(None, None, None) for _ in tag_values]
        for child, value in zip(children, tag_values, strict=True):
            child.tag(str(tag_key), str(value))
        return children

    def get_children(
        self,
        recursive: bool = False,
        tags: Any = None,
        properties: Any = None,
        type: str | None = None,  # noqa: A002 (azureml's name)
        status: str | None = None,
        _rehydrate_runs: bool = True,
    ) -> list[Self]:
        """The child runs, or all descendants, with these tags, properties (a name, or names and values) and status."""
        del _rehydrate_runs
        ids = self._ids_below()[1:]
        if not recursive:
            ids = [str(child["run_id"]) for child in self._facts().get("children") or []]
        children = [self._relative(run_id) for run_id in ids]
        return [child for child in children if matches(child, tags, properties, type, status)]

    @property
    def parent(self) -> Self | None:
        """The run that this one is a part of."""
        if self._child is None:
            return None
        return self._relative(parent_of(self._run_id) or self._root)

    # ---- inside -----------------------------------------------------------------------------------------------------

    @property
    def _is_owned(self) -> bool:
        return self._child is None and self._place is not None and self._place.is_owned

    def _say_state(self, state: str, error: str | None = None) -> None:
        if not self._is_owned:
            self._tell({"status": state, **({"error": error} if error else {})})
            note("run %s is %s", self._run_id, state)
        elif error:
            note("the script says that run %s is %s: %s", self._run_id, state, error)

    def _upload_outputs(self) -> None:
        if self._outputs and self._place is not None and os.path.isdir(self._outputs):
            name = self._outputs if not os.path.isabs(self._outputs) else os.path.basename(self._outputs)
            self.upload_folder(os.path.normpath(name), self._outputs)

    def _child_run(self, name: str | None, run_id: str | None, outputs: str | None) -> Self:
        child = self._relative(child_id(self._run_id, run_id), outputs)
        self._tell({"child": child.id})
        if name or run_id not in (None, child.id):
            child.display_name = str(name or run_id)
        child.start()
        return child

    def _relative(self, run_id: str, outputs: str | None = None) -> Self:
        """Another run of the same family."""
        return self.__class__(self._known_experiment, run_id, outputs, source=self._known_source, place=self._place)


def matches(run: Facts, tags: Any, properties: Any, kind: str | None, status: str | None) -> bool:
    """Whether a run has these tags and properties (a name, or names and values), this type and this status."""
    return (
        (not tags or _has(run.get_tags(), tags))
        and (not properties or _has(run.get_properties(), properties))
        and kind in (None, run.type)
        and status in (None, run.get_status())
    )


def _has(known: dict[str, Any], wanted: Any) -> bool:
    """Whether there is a name, or are all names with these values."""
    return wanted in known if isinstance(wanted, str) else all(known.get(name) == wanted[name] for name in wanted)


def _error(details: str | BaseException | None, code: str | None) -> str | None:
    if isinstance(details, BaseException):
        details = f"{type(details).__name__}: {details}"
    return ": ".join(str(part) for part in (code, details) if part) or None
