"""Pid 1 of a simulated host: reaps orphans and, as sshd would, runs the commands that ssh.py sends over a unix socket.

usage: host SETUP.json INDEX, in new network, host name, ipc, mount namespaces and with a new pid namespace for its
children. Says "ready" on standard output.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
from pathlib import Path

from tests.support.hostside.mounts import mount, mount_tmp

REQUEST_BYTES_MAX = 128 * 1024


def main(setup_file: str, index: int) -> None:
    if init := os.fork():
        os.waitpid(init, 0)
    else:
        be_init(setup_file, index)


def be_init(setup_file: str, index: int) -> None:
    setup = json.loads(Path(setup_file).read_text())
    host = setup["hosts"][index]
    mount("-t", "proc", "proc", "/proc")
    socket.sethostname(host["name"])
    mount("--bind", setup["hosts_file"], "/etc/hosts")
    mount("--bind", "/dev/null", "/etc/resolv.conf")  # no name server is in reach, and asking one takes seconds
    mount("-t", "tmpfs", "tmpfs", "/dev/shm")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    if setup["private_tmp"]:
        mount_tmp(host["tmp"], setup["visible"])
    sessions = Sessions(host["socket"], setup["environment"])
    print("ready", flush=True)
    sessions.serve()


class Sessions:
    """Commands running on behalf of ssh.py, one connection each; the answer is one byte, the exit status."""

    def __init__(self, path: str, environment: dict[str, str]) -> None:
        self._environment = environment
        self._connections: dict[int, socket.socket] = {}
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.bind(path)
        self._listener.listen(128)
        self._child_ended, wakeup = os.pipe()
        for descriptor in (self._child_ended, wakeup):
            os.set_blocking(descriptor, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)

    def serve(self) -> None:
        """Run for ever: a host ends by being killed."""
        selector = selectors.DefaultSelector()
        selector.register(self._listener, selectors.EVENT_READ, self._accept)
        selector.register(self._child_ended, selectors.EVENT_READ, self._reap)
        while True:
            for key, _ in selector.select():
                key.data()

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        request, descriptors, _, _ = socket.recv_fds(connection, REQUEST_BYTES_MAX, 3)
        if len(descriptors) == 3:
            self._connections[self._start(request.decode(), descriptors)] = connection
        else:
            connection.close()  # somebody asked only whether the host is up
        for descriptor in descriptors:
            os.close(descriptor)

    def _start(self, command: str, descriptors: list[int]) -> int:
        pid = os.fork()
        if pid == 0:
            try:
                os.setsid()
                for target, descriptor in enumerate(descriptors):
                    os.dup2(descriptor, target)
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                signal.signal(signal.SIGPIPE, signal.SIG_DFL)
                os.chdir(self._environment["HOME"])
                os.execve("/bin/bash", ["bash", "-c", command], self._environment)
            finally:
                os._exit(127)
        return pid

    def _reap(self) -> None:
        os.read(self._child_ended, 4096)
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if connection := self._connections.pop(pid, None):
                self._answer(connection, os.waitstatus_to_exitcode(status))

    def _answer(self, connection: socket.socket, code: int) -> None:
        with contextlib.suppress(OSError):  # the client has gone; sshd lets the command run on, so it did
            connection.send(bytes([code if code >= 0 else 128 - code]))
        connection.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
