"""Points as they were logged, in the order of time, in portions that follow each other without loss or repetition."""

from __future__ import annotations

import base64
import binascii
import zlib

import numpy as np
import orjson

from ranklog_collector.core.point_values import decode
from ranklog_collector.reading.folder import QuestionError, RunFolder
from ranklog_collector.series.points import points_of
from ranklog_collector.series.selection import Writer, own_run, with_metric, writers
from ranklog_collector.series.shapes import Record, Records

_CURSOR_BYTES_MAX = 1 << 20
_EVERYTHING = (1 << 62) - 1
_FEW = 100_000
# Of each stream only what may be among the first is put in order.
_QUERY = """
    WITH asked AS (
        SELECT * FROM {source} JOIN bounds USING (stream)
        WHERE run = $1 AND {key} AND (line > after_line OR (line = after_line AND place > after_place))
    ), ends AS (SELECT stream, {last} AS last_line FROM asked GROUP BY stream)
    SELECT * EXCLUDE moment FROM (
        SELECT stream, key, kind, step, t, line, place, value, type, text,
            max(t + shift) OVER (PARTITION BY stream ORDER BY line, place) AS moment
        FROM asked JOIN ends USING (stream) WHERE line <= last_line
    ) ORDER BY moment, stream, line, place LIMIT $3"""

Place = tuple[int, int]
"""A point of a stream: the offset of its line, and its place in the line."""


def records(
    folder: RunFolder,
    key: str | None = None,
    rank: int | None = None,
    run: str | None = None,
    after: str | None = None,
    limit: int | None = None,
    resources: bool = False,
) -> Records:
    """Give the points of one metric or of all, of one rank or of all processes.

    `after` is the cursor of an earlier answer, of which this one is the continuation, also with what has come since.
    A point never stands before an earlier one of its process, even if the clock was set back between them.
    Raises UnknownMetricError, and QuestionError if the cursor is none.
    """
    own = own_run(folder, run)
    places = {} if after is None else _read_cursor(after)
    wanted = _EVERYTHING if limit is None else max(limit, 0)
    last = f"list_max(min(line, {max(wanted, 1)}))" if wanted < _FEW else "max(line)"
    with points_of(folder) as points:
        found = [one for one in writers(folder, points.covers, resources) if rank is None or one.rank == rank]
        if key is not None:
            found = with_metric(found, own, key)
        of = {one.stream: one for one in found}
        since = {number: places.get(number, (-1, -1)) for number in of}
        bounds = {
            "stream": np.array(list(since), np.int64),
            "after_line": np.array([line for line, _ in since.values()], np.int64),
            "after_place": np.array([place for _, place in since.values()], np.int64),
            "shift": np.array([one.clock.offset_ns for one in found], np.int64),
        }
        with points.registered(bounds=bounds):
            columns = points.query(
                {number: line for number, (line, _) in since.items()},
                lambda source: _QUERY.format(source=source, key="key = $2" if key is not None else "$2", last=last),
                own,
                True if key is None else key,
                wanted,
            )
    rows = list(zip(*(column.tolist() for column in columns.values()), strict=True))
    places |= {stream: (line, place) for stream, _, _, _, _, line, place, *_ in rows}
    run_id = own or folder.run_id
    return Records([_record(of[row[0]], row[1:], run_id) for row in rows], _cursor(places))


def _record(writer: Writer, row: tuple, run_id: str) -> Record:  # type: ignore[type-arg]
    key, kind, step, time, _, _, number, type_name, text = row
    return Record(
        key=key,
        kind=kind,
        value=decode(type_name, number, text),
        step=step,
        time_ns=writer.clock.correct(time),
        node=writer.node,
        process=writer.process,
        rank=writer.rank,
        run_id=run_id,
    )


def _cursor(places: dict[int, Place]) -> str:
    listed = [[stream, *place] for stream, place in sorted(places.items())]
    return base64.urlsafe_b64encode(zlib.compress(orjson.dumps(listed))).decode().rstrip("=")


def _read_cursor(text: str) -> dict[int, Place]:
    try:
        packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        unpacked = zlib.decompressobj().decompress(packed, _CURSOR_BYTES_MAX)
        return {int(stream): (int(line), int(place)) for stream, line, place in orjson.loads(unpacked)}
    except (binascii.Error, zlib.error, ValueError, TypeError):
        raise QuestionError(f"{text!r} is no cursor: take it from an earlier answer as it is") from None
