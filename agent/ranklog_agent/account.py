"""The agent's own account of its node, and the commands it runs around the job; all of it files that it mirrors."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from datetime import datetime, timezone

import psutil


class Account:
    """Lines of `55_azureml-execution-<node_id>.txt` and the logs of `--prep` and `--release`.

    `watch(path, role, name)` is called for each file that begins.
    """

    def __init__(self, folder: str, watch: Callable[[str, str, str], None]) -> None:
        self._folder = folder
        self._watch = watch
        self._begun: set[str] = set()
        os.makedirs(folder, mode=0o700, exist_ok=True)

    def say(self, text: str) -> None:
        """Add a line to the node's account."""
        self._append("execution.txt", "execution", "", _stamped(text))

    def list_processes(self) -> None:
        """Note what ran on the node when the agent began."""
        lines = ["PID PPID USER STARTED COMMAND\n"]
        fields = ["pid", "ppid", "username", "create_time", "cmdline", "name"]
        for process in psutil.process_iter(fields):
            about = process.info
            started = datetime.fromtimestamp(about["create_time"] or 0, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
            line = " ".join(about["cmdline"] or [f"[{about['name']}]"]).replace("\n", " ")
            lines.append(f"{about['pid']} {about['ppid']} {about['username']} {started} {line}\n")
        self._append("start_cms.txt", "start_cms", "", "".join(lines))

    async def run(self, command: str, kind: str) -> int:
        """Run the command of `--prep` or `--release` (`kind`); returns its exit code, 127 if it cannot be started."""
        about = f"job_{kind}_azureml.log"
        output = os.path.join(self._folder, f"{kind}_output.txt")
        self._append(f"{kind}_cmd.txt", f"{kind}_cmd", "", f"{command}\n")
        self._append(about, "azureml_log", about, _stamped(f"Entering job {_LONG[kind]}: {command}"))
        self._append(f"{kind}_output.txt", "job_prep" if kind == "prep" else "job_post", "", "")
        started = time.monotonic()
        with open(output, "ab") as file:
            process = await asyncio.create_subprocess_shell(
                command, stdin=asyncio.subprocess.DEVNULL, stdout=file, stderr=asyncio.subprocess.STDOUT
            )
            code = await process.wait()
        took = f"exit code {code} after {time.monotonic() - started:.1f} s"
        self._append(about, "azureml_log", about, _stamped(f"Job {_LONG[kind]} ended: {took}"))
        self._append(f"{kind}_cmd.txt", f"{kind}_cmd", "", f"{took}\n")
        return code

    def _append(self, file_name: str, role: str, name: str, text: str) -> None:
        path = os.path.join(self._folder, file_name)
        with open(path, "a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
        if file_name not in self._begun:
            self._begun.add(file_name)
            self._watch(path, role, name)


_LONG = {"prep": "preparation", "release": "release"}


def _stamped(text: str) -> str:
    return f"[{datetime.now(timezone.utc).isoformat(timespec='microseconds').removesuffix('+00:00')}Z] {text}\n"
