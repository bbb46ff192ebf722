"""An ssh look-alike for launchers: starts a command on another simulated host, by a way beside the simulated network.

usage: ssh.py SETUP.json [ssh options] [USER@]HOST COMMAND…
"""

from __future__ import annotations

import json
import signal
import socket
import sys
from pathlib import Path

OPTIONS_WITH_VALUE = "BbcDEeFIiJLlmOopQRSWw"
CONNECTION_LOST = 255  # as ssh


def main(setup_file: str, arguments: list[str]) -> int:
    hosts = json.loads(Path(setup_file).read_text())["hosts"]
    while arguments[0].startswith("-"):
        has_separate_value = len(arguments[0]) == 2 and arguments[0][1] in OPTIONS_WITH_VALUE
        arguments = arguments[2 if has_separate_value else 1 :]
    name = arguments[0].rpartition("@")[2]
    host = next((host for host in hosts if name in (host["name"], host["ip"])), None)
    if host is None:
        print(f"ssh: Could not resolve hostname {name}: Name or service not known", file=sys.stderr)
        return CONNECTION_LOST
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        try:
            connection.connect(host["socket"])
        except OSError:
            print(f"ssh: connect to host {name} port 22: No route to host", file=sys.stderr)
            return CONNECTION_LOST
        socket.send_fds(connection, [" ".join(arguments[1:]).encode()], [0, 1, 2])
        try:
            status = connection.recv(1)
        except OSError:
            status = b""
    return status[0] if status else CONNECTION_LOST


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(main(sys.argv[1], sys.argv[2:]))
