"""A barrier over TCP, as a communication library has one: rank 0 hears of all and answers them.

Whoever loses a connection says so as such libraries do, by the peer's address.
"""

import socket
import struct
import time
from pathlib import Path

ARRIVED = b"."


class Barrier:
    """One of `size` ranks; they find each other by the file `meeting`."""

    def __init__(self, rank: int, size: int, meeting: Path) -> None:
        self.is_hub = rank == 0
        peers = _accept(size - 1, meeting) if self.is_hub else [_connect(rank, meeting)]
        self.peers = [(peer, peer.getpeername()) for peer in peers]

    def wait(self) -> None:
        """Return when all ranks have come. Raises ConnectionError."""
        if self.is_hub:
            self._receive()
        for peer, address in self.peers:
            try:
                peer.sendall(ARRIVED)
            except ConnectionError:
                raise _lost(address) from None
        if not self.is_hub:
            self._receive()

    def _receive(self) -> None:
        for peer, address in self.peers:
            try:
                data = peer.recv(1)
            except ConnectionError:
                data = b""
            if not data:
                raise _lost(address)


def _accept(count: int, meeting: Path) -> list[socket.socket]:
    with socket.create_server((socket.gethostbyname(socket.gethostname()), 0), backlog=count) as server:
        host, port = server.getsockname()
        fresh = meeting.with_suffix(".fresh")
        fresh.write_text(f"{host} {port}")
        fresh.rename(meeting)
        peers = [server.accept()[0] for _ in range(count)]
    return sorted(peers, key=lambda peer: struct.unpack("!I", peer.recv(4, socket.MSG_WAITALL)))


def _connect(rank: int, meeting: Path) -> socket.socket:
    while not meeting.exists():
        time.sleep(0.02)
    host, port = meeting.read_text().split()
    hub = socket.create_connection((host, int(port)))
    hub.sendall(struct.pack("!I", rank))
    return hub


def _lost(address: tuple[str, int]) -> ConnectionError:
    return ConnectionError(f"Connection closed by peer [{address[0]}]:{address[1]}")
