"""Images of TensorBoard's event files: taken out when somebody opens them, stored nowhere else."""

from __future__ import annotations

import errno
import os

from ranklog_collector.core.event_files import parse_image_path
from ranklog_collector.core.tf_records import HEADER_BYTES, RECORD_BYTES_MAX, CutError, records, size_at
from ranklog_collector.reading.events import Image, NonsenseError, decode
from ranklog_collector.reading.inside import OutsideError, open_inside


def open_file(root: str, path: str) -> int:
    """Open a file of a run folder, or an image in an event file, whose path goes on behind that of the file.

    Returns a descriptor. Raises OSError as `open_inside` does.
    """
    named = parse_image_path(path)
    if named is None:
        return open_inside(root, path)
    try:
        return open_inside(root, path)
    except (FileNotFoundError, OutsideError):
        file, offset, place = named
    opened = open_inside(root, file)
    try:
        image = _image(opened, offset, place)
    finally:
        os.close(opened)
    if image is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    return _in_memory(image)


def _image(file: int, offset: int, place: int) -> Image | None:
    try:
        size = size_at(os.pread(file, HEADER_BYTES, offset), 0)
        if size is None or size > RECORD_BYTES_MAX:
            return None
        record = os.pread(file, size, offset)
        data = next(records(record))[1] if len(record) == size else None
        values = decode(data).values if data is not None else []
    except (CutError, NonsenseError):
        return None
    found = values[place][1] if place < len(values) else None
    return found if isinstance(found, Image) else None


def _in_memory(image: Image) -> int:
    file = os.memfd_create(f"image.{image.suffix}", os.MFD_CLOEXEC)
    try:
        with os.fdopen(os.dup(file), "wb") as target:
            target.write(image.data)
        os.lseek(file, 0, os.SEEK_SET)
    except BaseException:
        os.close(file)
        raise
    return file
