"""The agent's own account of its node, and the commands it runs around the job; all of it files that it mirrors."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime, timezone

import psutil


class Account:
    """Lines of `55_azureml-execution-<node_id>.txt` and the logs of `--prep` and `--release`.

    `watch(path, role, name)` is called for each file that begins, `complain(why)` once if they cannot be written: the
    job's own files are more important.
    """

    def __init__(self, folder: str, watch: Callable[[str, str, str], None], complain: Callable[[str], None]) -> None:
        self._folder = folder
        self._watch = watch
        self._complain = complain
        self._has_complained = False
        self._begun: set[str] = set()

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

    def begin_command(self, command: str, kind: str) -> str:
        """Note that the command of `--prep` or `--release` (`kind`) begins; returns the file for its output."""
        about = f"job_{kind}_azureml.log"
        self._append(f"{kind}_cmd.txt", f"{kind}_cmd", "", f"{command}\n")
        self._append(about, "azureml_log", about, _stamped(f"Entering job {_LONG[kind]}: {command}"))
        self._append(f"{kind}_output.txt", "job_prep" if kind == "prep" else "job_post", "", "")
        return os.path.join(self._folder, f"{kind}_output.txt")

    def end_command(self, kind: str, how: str) -> None:
        """Note how the command ended."""
        about = f"job_{kind}_azureml.log"
        self._append(about, "azureml_log", about, _stamped(f"Job {_LONG[kind]} ended: {how}"))
        self._append(f"{kind}_cmd.txt", f"{kind}_cmd", "", f"{how}\n")

    def _append(self, file_name: str, role: str, name: str, text: str) -> None:
        path = os.path.join(self._folder, file_name)
        try:
            with open(path, "a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(text)
        except OSError as error:
            if not self._has_complained:
                self._has_complained = True
                self._complain(f"cannot write the account of this node to {self._folder}: {error.strerror}")
            return
        if file_name not in self._begun:
            self._begun.add(file_name)
            self._watch(path, role, name)


_LONG = {"prep": "preparation", "release": "release"}


def _stamped(text: str) -> str:
    return f"[{datetime.now(timezone.utc).isoformat(timespec='microseconds').removesuffix('+00:00')}Z] {text}\n"
