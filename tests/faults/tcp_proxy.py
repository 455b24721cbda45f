"""A link between a client and a service on loopback, which a test cuts, holds, holds one way, delays and joins again."""

import socket
import threading
from contextlib import suppress
from enum import StrEnum

CHUNK_BYTES = 65_536
LOOK_S = 0.05
"""How soon a held link notices that it was cut."""


class Way(StrEnum):
    """Which bytes of a link."""

    THERE = "from the client to the service"
    BACK = "from the service to the client"


class Link:
    """Clients connect to `port`; each of their connections is joined to one of the service.

    What is held is not lost: it arrives when the link is joined, as over a network that was away.
    """

    def __init__(self, to_port: int, port: int = 0) -> None:
        self._to_port = to_port
        self._server = socket.create_server(("127.0.0.1", port))
        self.port: int = self._server.getsockname()[1]
        self._sockets: set[socket.socket] = set()
        self._cut = False
        self._passes = {way: threading.Event() for way in Way}
        self._delay_s = 0.0
        self._lock = threading.Lock()
        self.join()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """End all connections, and each new one at once."""
        with self._lock:
            self._cut = True
            for each in self._sockets:
                _end(each)

    def hold(self, *ways: Way) -> None:
        """Let nothing pass in these ways; connections stay, and new ones are still made."""
        for way in ways:
            self._passes[way].clear()

    def delay(self, seconds: float) -> None:
        """Let every chunk wait so long in each way."""
        self._delay_s = seconds

    def join(self) -> None:
        """Heal whatever was done."""
        self._cut, self._delay_s = False, 0.0
        for passes in self._passes.values():
            passes.set()

    def close(self) -> None:
        """Cut for ever."""
        self.cut()
        _end(self._server)
        self._server.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self._to_port), timeout=5)
            except OSError:  # no service there: the client is told as it would be
                near.close()
                continue
            far.settimeout(None)
            with self._lock:
                self._sockets |= {near, far}
                if self._cut:
                    _end(near)
                    _end(far)
            for source, sink, way in ((near, far, Way.THERE), (far, near, Way.BACK)):
                source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._pump, args=(source, sink, way), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, way: Way) -> None:
        with suppress(OSError):
            while data := source.recv(CHUNK_BYTES):
                threading.Event().wait(self._delay_s)
                while not self._passes[way].wait(LOOK_S):
                    if self._cut:
                        break
                if self._cut:
                    break
                sink.sendall(data)
        _end(source)
        _end(sink)
        with self._lock:
            self._sockets.discard(source)
        source.close()


def _end(connection: socket.socket) -> None:
    with suppress(OSError):  # it has ended already
        connection.shutdown(socket.SHUT_RDWR)
