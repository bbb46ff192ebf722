"""Build hook: makes the protobuf modules, which are never committed, whenever their .proto is newer than they are."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# The oldest generator whose output loads under every protobuf runtime from 4.25 on; it has wheels up to Python 3.12.
GENERATOR = "grpcio-tools==1.64.3" if sys.version_info < (3, 13) else "grpcio-tools==1.71.2"
# grpcio-tools 1.64 imports pkg_resources, which setuptools dropped in version 81.
GENERATOR_NEEDS = [GENERATOR, "setuptools<81"]


class ProtobufBuildHook(BuildHookInterface[Any]):
    """Runs protoc before a wheel or an editable install is made."""

    def dependencies(self) -> list[str]:
        """Name the generator only when there is something to generate: a repeated install stays quick."""
        return GENERATOR_NEEDS if self._is_stale() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Generate the modules of stale .proto files."""
        if self.target_name != "wheel" or not self._is_stale():
            return
        from grpc_tools import protoc

        for old in self._folder.glob("*_pb2.py*"):
            old.unlink()
        arguments = ["protoc", f"-I{self._root}", f"--python_out={self._root}", f"--pyi_out={self._root}"]
        if protoc.main(arguments + [str(path) for path in self._sources]) != 0:
            raise RuntimeError("protoc failed; its messages are above")
        self._stamp.parent.mkdir(exist_ok=True)
        self._stamp.write_text(self._digest())

    @property
    def _root(self) -> Path:
        return Path(self.root) / "proto"

    @property
    def _folder(self) -> Path:
        return self._root / "ranklog_proto" / "v1"

    @property
    def _sources(self) -> list[Path]:
        return sorted(self._folder.glob("*.proto"))

    @property
    def _stamp(self) -> Path:
        return Path(self.root) / "build" / "proto.sha256"

    def _digest(self) -> str:
        digest = hashlib.sha256(GENERATOR.encode())
        for source in self._sources:
            digest.update(source.read_bytes())
        return digest.hexdigest()

    def _is_stale(self) -> bool:
        made = all((self._folder / f"{source.stem}_pb2.py").exists() for source in self._sources)
        return not made or not self._stamp.exists() or self._stamp.read_text() != self._digest()
