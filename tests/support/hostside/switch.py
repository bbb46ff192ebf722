"""Pid 1 of a group of simulated hosts: joins them by a bridge, and takes all of them with it when it ends.

usage: switch SETUP.json, in new network, pid and mount namespaces. Says "ready" on standard output, ends when standard
input does.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support.hostside.mounts import mount, mount_tmp

HOST_MODULE = "tests.support.hostside.host"
NEW_NAMESPACES = ["--net", "--uts", "--ipc", "--pid", "--mount", "--propagation=private"]


def main(setup_file: str) -> None:
    setup = json.loads(Path(setup_file).read_text())
    _ip("link set lo up", "link add br0 type bridge", "link set br0 up")
    _stash_visible_folders(setup)
    if not setup["private_tmp"]:
        mount_tmp(setup["shared_tmp"], setup["visible"])
    starting = [_start_host(setup_file, index) for index in range(len(setup["hosts"]))]
    for index, host in enumerate(starting):
        _wait_until_ready(host)
        _connect(index, setup["hosts"][index]["ip"], host.pid)
    print("ready", flush=True)
    sys.stdin.read()
    os.kill(-1, signal.SIGKILL)  # everything in this pid namespace and those below, but not this process


def _stash_visible_folders(setup: dict[str, Any]) -> None:
    """Bind what must stay visible to a second place, for a mount on /tmp will hide the first."""
    for path, stash in setup["visible"].items():
        Path(stash).mkdir(parents=True)
        mount("--bind", path, stash)


def _start_host(setup_file: str, index: int) -> subprocess.Popen[str]:
    command = ["unshare", *NEW_NAMESPACES, "--", sys.executable, "-SE", "-m", HOST_MODULE]
    command += [setup_file, str(index)]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)


def _wait_until_ready(host: subprocess.Popen[str]) -> None:
    assert host.stdout is not None
    if host.stdout.readline() != "ready\n":
        sys.exit("switch: a host did not start; its message is above")


def _connect(index: int, ip: str, pid: int) -> None:
    """Give the host whose namespaces `pid` is in its network card."""
    _ip(f"link add port{index} type veth peer name eth0 netns {pid}", f"link set port{index} master br0 up")
    _ip(f"addr add {ip}/24 dev eth0", "link set eth0 up", inside=pid)


def _ip(*commands: str, inside: int | None = None) -> None:
    enter = ["nsenter", f"--net=/proc/{inside}/ns/net"] if inside else []
    subprocess.run([*enter, "ip", "-batch", "-"], input="\n".join(commands), text=True, check=True)


if __name__ == "__main__":
    main(sys.argv[1])
