"""A run's files: the part of class Run that uploads and downloads."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import IO, Any

from ranklog.errors import RunFileError, UserError
from ranklog.run.base import Base
from ranklog.run.family_names import FOLDER
from ranklog.run.own_log import note, warn

INTERNAL = (".ranklog/", "run.json")


class Files(Base):
    """Uploaded files are copied into the spool, from where the node's agent takes them to the run folder."""

    def upload_file(self, name: str, path_or_stream: str | IO[Any], datastore_name: str | None = None) -> None:
        """Store a file, or what a stream gives, in the run under a name such as `outputs/model.pt`."""
        del datastore_name  # there is one place
        source = os.fspath(path_or_stream) if isinstance(path_or_stream, str | os.PathLike) else path_or_stream
        if self._writing.keep(self._prefix + str(name), source):
            self._tell({"artifact": self._prefix + str(name)})
            note("uploaded %s", name)

    def upload_files(
        self,
        names: Sequence[str],
        paths: Sequence[str],
        return_artifacts: bool = False,
        timeout_seconds: int | None = None,
        datastore_name: str | None = None,
    ) -> None:
        """Store several files, each under its name. Raises UserError if there are not as many of both."""
        del return_artifacts, timeout_seconds
        if len(names) != len(paths):
            raise UserError(f"upload_files takes a name for each path: {len(names)} names, {len(paths)} paths")
        for name, path in zip(names, paths, strict=True):
            self.upload_file(name, path, datastore_name)

    def upload_folder(self, name: str, path: str, datastore_name: str | None = None) -> None:
        """Store all files below a folder. Raises UserError if there is no such folder."""
        if not os.path.isdir(path):
            raise UserError(f"cannot upload {path}: there is no such folder (working folder {os.getcwd()})")
        for folder, _, files in os.walk(path):
            for file in sorted(files):
                if file.startswith("."):
                    warn(f"{os.path.join(folder, file)} is not uploaded: names that start with a dot are ranklog's own")
                    continue
                below = os.path.relpath(os.path.join(folder, file), path)
                self.upload_file(f"{name}/{below}", os.path.join(folder, file), datastore_name)

    def get_file_names(self) -> list[str]:
        """The paths of the run's files."""
        found = (str(file["path"]) for file in self._source.files(self._root, self._prefix))
        if self._child is None:
            return [path for path in found if not path.startswith((*INTERNAL, f"{FOLDER}/"))]
        return [path.removeprefix(self._prefix) for path in found]

    def download_file(self, name: str, output_file_path: str | None = None, _validate_checksum: bool = False) -> None:
        """Copy a file of the run to a path, or to its own name here. Raises RunFileError if the run has none such."""
        del _validate_checksum
        target = os.path.basename(name) if output_file_path is None else os.fspath(output_file_path)
        if os.path.isdir(target):
            target = os.path.join(target, os.path.basename(name))
        content = self._source.file(self._root, self._prefix + name, 0)
        os.makedirs(os.path.dirname(target) or ".", exist_ok=True)
        with open(target, "wb") as file:
            while content:
                file.write(content)
                content = self._source.file(self._root, self._prefix + name, file.tell())

    def download_files(
        self,
        prefix: str | None = None,
        output_directory: str | None = None,
        output_paths: Sequence[str] | None = None,
        batch_size: int = 100,
        append_prefix: bool = True,
        timeout_seconds: int | None = None,
    ) -> None:
        """Copy all files below a folder of the run, or all that it has. Raises RunFileError if there are none."""
        del batch_size, timeout_seconds
        start = f"{prefix.rstrip('/')}/" if prefix else ""
        names = [name for name in self.get_file_names() if name.startswith(start)]
        if prefix and not names:
            raise RunFileError(f"run {self._run_id} has no files below {prefix!r}; get_file_names() tells those it has")
        targets = names if append_prefix else [name.removeprefix(start) for name in names]
        if output_paths is not None:
            if len(output_paths) != len(names) or len(set(output_paths)) != len(names):
                raise UserError(
                    f"output_paths takes a path of its own for each of the {len(names)} files: {names[:20]}"
                )
            targets = list(output_paths)
        for name, target in zip(names, targets, strict=True):
            self.download_file(name, os.path.join(output_directory or ".", target))
