"""Addresses of this machine."""

from __future__ import annotations

import socket
from contextlib import suppress

LOOPBACK = "127.0.0.1"
EVERYWHERE = "0.0.0.0"
SOMEWHERE = "192.0.2.1"
"""An address that nobody has: the way there tells which address of this machine others see. Nothing is sent."""


def own_address() -> str:
    """The address by which other machines see this one; the loopback's if there are none."""
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((SOMEWHERE, 9))
        return str(probe.getsockname()[0])
    # No way out: a network of its own, in which hosts know each other by name.
    with suppress(OSError):
        found = socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET, socket.SOCK_STREAM)
        return next((str(address[0]) for *_, address in found if not str(address[0]).startswith("127.")), LOOPBACK)
    return LOOPBACK


def reachable(url: str, address: str) -> str:
    """The URL of this machine's server for others: if it listens on all addresses, with one of them."""
    scheme, _, place = url.partition("://")
    host, _, port = place.rpartition(":")
    return f"{scheme}://{address}:{port}" if host in (EVERYWHERE, "[::]") else url
