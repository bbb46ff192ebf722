"""Logging values: the part of class Run that is called in training loops."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from time import time_ns
from typing import Any

from ranklog.errors import UserError
from ranklog.points import line
from ranklog.points.reading import LINE_BYTES_MAX
from ranklog.points.values import Written, clean, is_scalar, written
from ranklog.run.base import Base
from ranklog.run.own_log import warn
from ranklog.run.pictures import file_name, picture

Columns = dict[str, list[Written]]
NO_SCALARS = frozenset((list, tuple, dict, range, set))


class Measures(Base):
    """Each call is one append to a file: no thread, no lock, no network, no wait."""

    def log(self, name: str, value: object, description: str = "", step: int | None = None) -> None:
        """Log a value of a metric. Called again with the same name, the values form a series.

        Numbers (also numpy's, torch's and jax's), text, booleans and None stay what they are; anything else is logged
        as its `repr`.
        """
        if type(value) in NO_SCALARS:
            warn(
                f"log({str(name)[:100]!r}, …) takes one value: a {type(value).__name__} is logged as text; see log_list"
            )
        if step is not None and type(step) is not int and line.whole(step) is None:
            warn(f"log({str(name)[:100]!r}, …): a step is an integer; {str(step)[:100]!r} is left out")
        place = self._place or self._writing
        now_ns = time_ns()
        place.points.append(line.value(now_ns, name, value, step, description, self._child), now_ns)

    def log_list(self, name: str, value: Iterable[object], description: str = "") -> None:
        """Log several values of a metric at once; any iterable. Raises UserError if one is neither number nor text."""
        values = [_checked(name, each) for each in _items(name, value)]
        self._log_rows(name, "list", {"": values}, description, lambda part: part[""])

    def log_row(self, name: str, description: str | None = None, **kwargs: object) -> None:
        """Log a row; the keywords are its columns. Called again, the rows form a table."""
        row = {clean(column): _checked(f"{name}.{column}", value) for column, value in kwargs.items()}
        self._tell_metric(name, {"row": row}, description)

    def log_table(self, name: str, value: Mapping[str, object], description: str = "") -> None:
        """Log a table: columns of equal length, or a single value each. Raises UserError if they are not."""
        if not isinstance(value, Mapping):
            raise UserError(f"log_table({name!r}, …) takes a dict of columns, not a {type(value).__name__}")
        table: Columns = {}
        for column, cells in value.items():
            items = [cells] if is_scalar(cells) else _items(name, cells)
            table[clean(str(column))] = [_checked(f"{name}.{column}", cell) for cell in items]
        heights = {column: len(cells) for column, cells in table.items()}
        if len(set(heights.values())) > 1:
            raise UserError(f"log_table({name!r}, …) takes columns of equal length, not {heights}")
        self._log_rows(name, "table", table, description, lambda part: part)

    def log_image(self, name: str, path: object = None, plot: Any = None, description: str = "") -> None:
        """Log an image: a file (or a stream of one), or a matplotlib plot or figure; exactly one of the two."""
        if (path is None) == (plot is None):
            raise UserError(f"log_image({name!r}, …) takes either path or plot")
        content, suffix = picture(path, plot)
        self._log_file(name, "image", f"{file_name(name)}_{time_ns() // 10**9}", suffix, content, description)

    def log_confusion_matrix(self, name: str, value: Mapping[str, Any] | str, description: str = "") -> None:
        """Log a confusion matrix: a dict or JSON text of schema `confusion_matrix`."""
        self._log_document(name, "confusion_matrix", value, description)

    def log_accuracy_table(self, name: str, value: Mapping[str, Any] | str, description: str = "") -> None:
        """Log an accuracy table (for ROC, lift and precision-recall curves): a dict or JSON text of that schema."""
        self._log_document(name, "accuracy_table", value, description)

    def log_predictions(self, name: str, value: Mapping[str, Any] | str, description: str = "") -> None:
        """Log binned predictions of a regression: a dict or JSON text of schema `predictions`."""
        self._log_document(name, "predictions", value, description)

    def log_residuals(self, name: str, value: Mapping[str, Any] | str, description: str = "") -> None:
        """Log a histogram of residuals: a dict or JSON text of schema `residuals`."""
        self._log_document(name, "residuals", value, description)

    # ---- lines ------------------------------------------------------------------------------------------------------

    def _tell_metric(self, name: str, fields: Mapping[str, object], description: str | None) -> None:
        self._writing.tell(fields, name=name, description=description, run=self._child)

    def _log_rows(
        self, name: str, member: str, columns: Columns, description: str, form: Callable[[Columns], object]
    ) -> None:
        """Write columns, on several lines if they are too long for one: what is logged again is appended."""
        height = max(map(len, columns.values()), default=0)
        now_ns = time_ns()
        text = line.entry(now_ns, {member: form(columns)}, name=name, description=description, run=self._child)
        if len(text) <= LINE_BYTES_MAX:
            self._writing.points.append(text, now_ns)
        elif height > 1:
            middle = height // 2
            for part in (slice(middle), slice(middle, None)):
                cut = {column: cells[part] for column, cells in columns.items()}
                self._log_rows(name, member, cut, description, form)
        else:
            warn(f"a value of {name[:100]!r} has {len(text)} bytes and is not logged: {LINE_BYTES_MAX} is the most")

    # ---- files ------------------------------------------------------------------------------------------------------

    def _log_document(self, name: str, kind: str, value: Mapping[str, Any] | str, description: str) -> None:
        """Store a document of a schema. Raises UserError if it is no JSON object."""
        document = _document(name, value)
        if document.get("schema_type") != kind or not isinstance(document.get("data"), dict):
            warn(f"log_{kind}({name!r}, …): 'schema_type' should be {kind!r}, and 'data' a dict; charts may lack it")
        try:
            content = json.dumps(document, default=written).encode()
        except (TypeError, ValueError) as error:
            raise UserError(f"log_{kind}({name!r}, …) takes what JSON can hold: {error}") from error
        self._log_file(name, kind, file_name(name), ".json", content, description)

    def _log_file(self, name: str, kind: str, stem: str, suffix: str, content: bytes, description: str) -> None:
        """Store a file, under a name that no other rank uses, and say that it is what was logged."""
        place = self._writing
        of_rank = f"_rank{place.rank}" if place.rank else ""
        path = place.keep_new(f"{self._prefix}outputs/{stem}{of_rank}", suffix, content)
        if path is not None:
            self._tell_metric(name, {"kind": kind, "file": path}, description)


def _items(name: str, value: object) -> list[object]:
    """The elements of an iterable; arrays and tensors of several dimensions are none. Raises UserError."""
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        raise UserError(f"{name!r} takes a list of values, not a {type(value).__name__}")
    tolist = getattr(value, "tolist", None)
    listed = tolist() if callable(tolist) else value
    return list(listed) if isinstance(listed, Iterable) else [listed]


def _checked(name: str, value: object) -> Written:
    if not is_scalar(value):
        raise UserError(f"{name!r} takes numbers, text, booleans and None, not a {type(value).__name__}")
    return written(value)


def _document(name: str, value: Mapping[str, Any] | str) -> Mapping[str, Any]:
    try:
        document = json.loads(value) if isinstance(value, str) else value
    except ValueError as error:
        raise UserError(f"{name!r} is no valid JSON: {error}") from error
    if not isinstance(document, Mapping):
        raise UserError(f"{name!r} takes a dict or the JSON text of one, not a {type(document).__name__}")
    return document
