"""A TCP proxy between agent and collector that cuts, stalls and half-closes connections on demand."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from types import TracebackType


class Proxy:
    """Forwards connections to `target` (HOST:PORT) until the `with` block is left."""

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._flows = threading.Event()
        self._flows.set()
        self._lock = threading.Lock()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._is_over = False
        self.forwarded = 0
        """Bytes that went through, both ways."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self) -> Proxy:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over = True
        self.resume()
        # A blocking accept() does not notice that its socket is closed; a connection it does.
        with suppress(OSError), socket.create_connection(self._listener.getsockname()):
            pass
        self.cut()
        for thread in list(self._threads):
            thread.join()
        self._listener.close()

    def cut(self) -> None:
        """Reset every connection, whatever was on its way."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for one in (end for pair in pairs for end in pair):
            with suppress(OSError):
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def half_close(self) -> None:
        """End what the agent says; what the collector says still comes through."""
        with self._lock:
            pairs = list(self._pairs)
        for _, upstream in pairs:
            with suppress(OSError):
                upstream.shutdown(socket.SHUT_WR)

    def await_flow(self) -> None:
        """Wait until something is on its way."""
        before, deadline = self.forwarded, time.monotonic() + 20
        while self.forwarded == before:
            assert time.monotonic() < deadline, "nothing is forwarded"
            time.sleep(0.001)

    def stall(self) -> None:
        """Forward nothing, and keep all connections."""
        self._flows.clear()

    def resume(self) -> None:
        """Forward again, also what was held back."""
        self._flows.set()

    def _accept(self) -> None:
        while True:
            client, _ = self._listener.accept()
            if self._is_over:
                client.close()
                return
            try:
                upstream = socket.create_connection(self._target, timeout=5)
            except OSError:
                client.close()
                continue
            upstream.settimeout(None)
            with self._lock:
                self._pairs.append((client, upstream))
            for source, sink in ((client, upstream), (upstream, client)):
                thread = threading.Thread(target=self._pump, args=(source, sink))
                self._threads.append(thread)
                thread.start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                self._flows.wait()
                sink.sendall(data)
                self.forwarded += len(data)
            sink.shutdown(socket.SHUT_WR)
