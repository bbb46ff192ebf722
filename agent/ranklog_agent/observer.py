"""Observes what the job and the node use, and writes it down as points, in files that are mirrored like all others."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from dataclasses import replace

import orjson

from ranklog.layout import is_key
from ranklog_agent.core.node_usage import NodeMeter
from ranklog_agent.core.usage import Look, Meter, Present, Root, Sample, trees
from ranklog_agent.errors import NoGpusError
from ranklog_agent.io import gpus
from ranklog_agent.io.machine import TICKS_PER_S, Machine, clock_ns

NODE = "node"
SUFFIX = ".jsonl"


class Observer:
    """Looks, and writes lines of points into a folder: `<key>.jsonl`, and `node.jsonl` for the node.

    `complain` is called once if they cannot be written. Not to be used by two threads at once.
    """

    def __init__(self, folder: str, complain: Callable[[str], None]) -> None:
        self._folder = folder
        self._complain = complain
        self._has_complained = False
        self._machine = Machine()
        self._meter = Meter(began_ns=time.time_ns())
        self._node = NodeMeter()
        self._gpus: gpus.Gpus | None = None
        self.why_no_gpus: str | None = None
        """Is told with the first look."""
        self._has_looked = False
        self._written: set[str] = set()

    def left_behind(self) -> list[str]:
        """Names of the files that earlier agents left: all of their lines must be mirrored, too."""
        with contextlib.suppress(OSError):
            return [name for name in sorted(os.listdir(self._folder)) if is_file_name(name)]
        return []

    def look(self, present: Present) -> list[str]:
        """Take a sample of everything; returns the names of files that are new."""
        if not self._has_looked:
            self._has_looked = True
            self._find_gpus()
        known = set(self._written)
        for ended in present.ended:
            self._write(ended.key, ended.end_ns, self._meter.last_sample(ended) or {})
        look = self._look_at_processes(present.roots)
        for key, sample in self._meter.read(look).items():
            self._write(key, look.time_ns, sample)
        job_pid = next((pids[0] for pids in look.trees.values()), None)
        reading = self._machine.read(job_pid, present.has_hidden)
        if self._gpus is not None:
            reading = replace(reading, gpus=self._gpus.read())
        self._write(NODE, reading.time_ns, self._node.read(reading))
        return sorted(self._written - known)

    def _look_at_processes(self, roots: dict[str, Root]) -> Look:
        now = (time.time_ns(), clock_ns(), clock_ns() * TICKS_PER_S // 1_000_000_000)
        if not roots:
            return Look(*now, {}, {})
        seen = self._machine.all_seen()
        found = trees(seen, roots)
        held = self._gpus.memory_of_processes() if self._gpus is not None else {}
        traffic = self._machine.traffic(pid for pids in found.values() for pid in pids)
        return Look(*now, seen, found, traffic, held)

    def _find_gpus(self) -> None:
        try:
            self._gpus = gpus.find()
        except NoGpusError as error:
            self.why_no_gpus = str(error)

    def _write(self, key: str, time_ns: int, sample: Sample) -> None:
        if not sample:
            return
        path = os.path.join(self._folder, key + SUFFIX)
        try:
            os.makedirs(self._folder, mode=0o700, exist_ok=True)
            file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                os.write(file, orjson.dumps({"t": time_ns, "m": sample}) + b"\n")
            finally:
                os.close(file)
        except OSError as error:
            if not self._has_complained:
                self._has_complained = True
                self._complain(f"cannot write what is observed to {self._folder}: {error.strerror}")
            return
        self._written.add(key + SUFFIX)


def is_file_name(name: str) -> bool:
    """Whether a file is one of an observer's."""
    return name.endswith(SUFFIX) and is_key(name.removesuffix(SUFFIX))


def process_of(name: str) -> str:
    """Whose points a file holds: a process's key; empty for the node's."""
    key = name.removesuffix(SUFFIX)
    return "" if key == NODE else key
