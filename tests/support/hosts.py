"""Several hosts on one machine: each has its own network, host name, pids, ipc and mounts; files are shared, as by NFS.

They live inside one pid namespace whose init ends with the test process, however that ends, and nothing of them
outlives it. Several groups may be up at once; they do not see each other, so all use the same addresses.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

REPOSITORY = Path(__file__).parents[2]
SUBNET = "10.77.0"
FIRST_ADDRESS = 10
PROGRAMS = ("unshare", "nsenter", "mount", "ip", "iptables", "tc")
START_TIMEOUT_S = 20
NEW_NAMESPACES = ("--net", "--pid", "--mount", "--propagation=private", "--mount-proc", "--fork")


def why_no_hosts() -> str | None:
    """Say why hosts cannot be simulated here, or None if they can."""
    if os.geteuid() != 0:
        return "simulated hosts need root"
    if missing := [program for program in PROGRAMS if shutil.which(program) is None]:
        return f"simulated hosts need {', '.join(missing)}: run script/install-test-programs"
    attempt = subprocess.run(["unshare", "--net", "--pid", "--mount", "--fork", "true"], capture_output=True, text=True)
    return f"namespaces are not allowed here: {attempt.stderr.strip()}" if attempt.returncode else None


class HostProcess(subprocess.Popen[bytes]):
    """A process on a simulated host; signals go to it, not to the nsenter around it."""

    def __init__(self, arguments: Sequence[str], **options: Any) -> None:
        super().__init__(arguments, **options)
        self.inner_pid = self._find_inner()
        """Its pid as this machine sees it; 0 if it has already ended."""

    def _find_inner(self) -> int:
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        while self.poll() is None:
            if found := children.read_text().split():
                return int(found[0])
        return 0

    def send_signal(self, sig: int) -> None:
        """Send a signal, unless the process has ended."""
        if self.poll() is None:
            os.kill(self.inner_pid, sig)
            if sig == signal.SIGCONT:
                os.kill(self.pid, sig)  # nsenter has stopped itself along with its child


class Hosts:
    """`count` hosts, named `<prefix>0`…, with addresses 10.77.0.10…; hosts are spoken of by their index.

    `private_tmp` gives each host its own /tmp, as real nodes have; otherwise all hosts of a group share one. In either
    case it is not the machine's own, of which only the folders in `visible` (and the repository) are seen.
    """

    def __init__(
        self, count: int, *, prefix: str = "node", private_tmp: bool = False, visible: Iterable[Path] = ()
    ) -> None:
        self.names = [f"{prefix}{index}" for index in range(count)]
        self._private_tmp = private_tmp
        self._visible = {REPOSITORY, Path(sys.prefix), Path(sys.base_prefix), *visible}

    def __enter__(self) -> Hosts:
        self.state = Path(tempfile.mkdtemp(prefix="ranklog-hosts-", dir="/var/tmp"))
        self.state.chmod(0o755)
        self.ssh = self.state / "ssh"
        """What launchers are told to use for ssh."""
        try:
            self._write_setup()
            self._start_switch()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def ip(self, host: int) -> str:
        """Address of a host."""
        return f"{SUBNET}.{FIRST_ADDRESS + host}"

    def tmp(self, host: int) -> Path:
        """Where the test finds the host's /tmp."""
        return self.state / f"tmp-{self.names[host]}" if self._private_tmp else self.state / "tmp"

    @property
    def environment(self) -> dict[str, str]:
        """What a command on a host finds in its environment, and not more."""
        home = self.state / "home"
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        return {"PATH": path, "HOME": str(home), "USER": "root", "LOGNAME": "root", "SHELL": "/bin/bash"}

    def popen(
        self, host: int, *command: str, env: Mapping[str, str] | None = None, cwd: Path | None = None, **options: Any
    ) -> HostProcess:
        """Start a command; `env` is added to the host's environment, `options` are those of Popen."""
        enter = ["nsenter", f"--target={self._inits[host]}", "--net", "--uts", "--ipc", "--pid", "--mount"]
        enter += [f"--wdns={cwd or self.environment['HOME']}", "--"]
        return HostProcess([*enter, *command], env={**self.environment, **(env or {})}, **options)

    def run(
        self,
        host: int,
        *command: str,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        timeout_s: float = 60,
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end and return what it said; raises CalledProcessError and TimeoutExpired."""
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with self.popen(host, *command, env=env, cwd=cwd, stdin=subprocess.DEVNULL, **pipes) as process:
            try:
                out, err = process.communicate(timeout=timeout_s)
            except BaseException:
                process.kill()
                raise
        result = subprocess.CompletedProcess(command, process.returncode, out.decode(), err.decode())
        if check:
            result.check_returncode()
        return result

    def link_down(self, host: int) -> None:
        """Pull the host's network cable."""
        self._at_switch("ip", "link", "set", f"port{host}", "down")

    def link_up(self, host: int) -> None:
        """Plug it in again."""
        self._at_switch("ip", "link", "set", f"port{host}", "up")

    def drop(self, host: int, peer: int, port: int | None = None) -> None:
        """Lose all packets between two hosts, or those of one TCP port of either: half-open connections."""
        ports = [()] if port is None else [("-p", "tcp", side, str(port)) for side in ("--sport", "--dport")]
        for chain, side in (("INPUT", "--source"), ("OUTPUT", "--destination")):
            for choice in ports:
                self._iptables(host, "-A", chain, side, self.ip(peer), *choice, "-j", "DROP")

    def loss(self, host: int, probability: float) -> None:
        """Lose a share of the packets that arrive at the host."""
        chance = ("-m", "statistic", "--mode", "random", "--probability", str(probability))
        self._iptables(host, "-A", "INPUT", *chance, "-j", "DROP")

    def undrop(self, host: int) -> None:
        """End every `drop` and `loss` of the host."""
        self._iptables(host, "-F")

    def rate(self, host: int, rate: str) -> None:
        """Limit what the host sends, in tc's words: "1mbit"."""
        limit = ("tbf", "rate", rate, "burst", "16kb", "latency", "400ms")
        self._at(host, "tc", "qdisc", "replace", "dev", "eth0", "root", *limit)

    def unrate(self, host: int) -> None:
        """End the limit."""
        self._at(host, "tc", "qdisc", "del", "dev", "eth0", "root")

    def crash(self, host: int) -> None:
        """End the host at once: every process on it is gone, and so is its network card."""
        os.kill(self._inits[host], signal.SIGKILL)

    def _write_setup(self) -> None:
        for folder in ("home", "tmp", *(f"tmp-{name}" for name in self.names)):
            (self.state / folder).mkdir()
        (self.state / "tmp").chmod(0o1777)
        hosts = []
        for index, name in enumerate(self.names):
            socket_path, tmp = self.state / f"{name}.sock", self.state / f"tmp-{name}"
            tmp.chmod(0o1777)
            hosts.append({"name": name, "ip": self.ip(index), "socket": str(socket_path), "tmp": str(tmp)})
        known = ["127.0.0.1 localhost", "::1 localhost", *(f"{host['ip']} {host['name']}" for host in hosts)]
        (self.state / "hosts").write_text("\n".join(known) + "\n")
        hidden = sorted({str(path) for path in self._visible if path.is_relative_to("/tmp")})
        setup = {
            "hosts": hosts,
            "hosts_file": str(self.state / "hosts"),
            "environment": self.environment,
            "private_tmp": self._private_tmp,
            "shared_tmp": str(self.state / "tmp"),
            "visible": {path: str(self.state / f"visible{index}") for index, path in enumerate(hidden)},
        }
        self._setup_file.write_text(json.dumps(setup))
        client = Path(__file__).parent / "hostside" / "ssh.py"
        self.ssh.write_text(f'#!/bin/sh\nexec "{sys.executable}" -SE "{client}" "{self._setup_file}" "$@"\n')
        self.ssh.chmod(0o755)

    @property
    def _setup_file(self) -> Path:
        return self.state / "setup.json"

    def _start_switch(self) -> None:
        """Start the switch and wait for the hosts.

        The shell around it removes the folder when all has ended, also when this process could not. It does so in the
        machine's own mount namespace, where nothing else is mounted below that folder.
        """
        switch = [sys.executable, "-SE", "-m", "tests.support.hostside.switch", str(self._setup_file)]
        janitor = 'trap "" INT TERM HUP; "$@"; rm -rf -- "$0"'
        self._switch = subprocess.Popen(
            ["sh", "-c", janitor, str(self.state), "unshare", *NEW_NAMESPACES, "--", *switch],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=REPOSITORY,
            start_new_session=True,
        )
        assert self._switch.stdout is not None
        if self._switch.stdout.readline() != b"ready\n":
            raise RuntimeError("the simulated hosts did not start; the reason is in the test's stderr")
        self._inits = [self._init_of(name) for name in self.names]
        self._switch_pid = _parent(_parent(self._inits[0]))

    def _init_of(self, name: str) -> int:
        """Pid of a host's init as this machine sees it: the kernel tells it of the other end of a socket."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
            connection.settimeout(START_TIMEOUT_S)
            connection.connect(str(self.state / f"{name}.sock"))
            credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        return int(struct.unpack("3i", credentials)[0])

    def _stop(self) -> None:
        if hasattr(self, "_switch"):
            assert self._switch.stdin is not None
            assert self._switch.stdout is not None
            self._switch.stdin.close()
            self._switch.wait()
            self._switch.stdout.close()
        shutil.rmtree(self.state, ignore_errors=True)

    def _iptables(self, host: int, *rule: str) -> None:
        self._at(host, "iptables", "--wait", *rule)

    def _at(self, host: int, *command: str) -> None:
        _in_network_of(self._inits[host], *command)

    def _at_switch(self, *command: str) -> None:
        _in_network_of(self._switch_pid, *command)


def _in_network_of(pid: int, *command: str) -> None:
    subprocess.run(["nsenter", f"--target={pid}", "--net", "--", *command], check=True)


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
