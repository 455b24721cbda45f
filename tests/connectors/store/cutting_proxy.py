"""A TCP proxy on loopback that loses the answer to a COMMIT, or the COMMIT itself."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal

COMMIT = b"COMMIT\0"
"""End of the simple query by which psycopg commits."""

Cut = Literal["commit lost", "answer lost"]


class CuttingProxy:
    """Forwards to `target_port`; the next COMMIT that passes takes the first of `cuts`, and then the connection ends."""

    def __init__(self, target_port: int) -> None:
        self.cuts: list[Cut] = []
        self.done: list[Cut] = []
        self._target_port = target_port
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._accepting.join()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._target_port))
            answers_pass = threading.Event()
            answers_pass.set()
            threading.Thread(target=self._to_server, args=(client, server, answers_pass), daemon=True).start()
            threading.Thread(target=self._to_client, args=(client, server, answers_pass), daemon=True).start()

    def _to_server(self, client: socket.socket, server: socket.socket, answers_pass: threading.Event) -> None:
        for data in received(client):
            if data.endswith(COMMIT) and self.cuts:
                cut = self.cuts.pop(0)
                self.done.append(cut)
                if cut == "commit lost":
                    break
                answers_pass.clear()
            server.sendall(data)
        end(client, server)

    def _to_client(self, client: socket.socket, server: socket.socket, answers_pass: threading.Event) -> None:
        for data in received(server):
            if not answers_pass.is_set():
                break
            client.sendall(data)
        end(client, server)


def received(connection: socket.socket) -> Iterator[bytes]:
    """What arrives until either end closes."""
    try:
        while data := connection.recv(65536):
            yield data
    except OSError:
        return


def end(*connections: socket.socket) -> None:
    for connection in connections:
        with suppress(OSError):  # the other thread was first
            connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def cutting_proxy(target_port: int) -> Iterator[CuttingProxy]:
    proxy = CuttingProxy(target_port)
    try:
        yield proxy
    finally:
        proxy.close()
