"""The link of the fault tests does what its name says, or the tests behind it show nothing."""

import socket
import threading
import time

import pytest

from tests.faults.tcp_proxy import Link, Way

SHORT_S = 0.3


@pytest.fixture
def link():
    """To a service that says again what it hears."""
    server = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=echo, args=(connection,), daemon=True).start()

    def echo(connection: socket.socket) -> None:
        while data := connection.recv(100):
            connection.sendall(data)

    threading.Thread(target=answer, daemon=True).start()
    made = Link(server.getsockname()[1])
    yield made
    made.close()
    server.shutdown(socket.SHUT_RDWR)
    server.close()


def connected(link):
    client = socket.create_connection(("127.0.0.1", link.port), timeout=5)
    client.settimeout(5)
    return client


def hears(client, *, within_s):
    client.settimeout(within_s)
    try:
        return client.recv(100)
    except TimeoutError:
        return None


def test_a_joined_link_carries_bytes_both_ways(link):
    with connected(link) as client:
        client.sendall(b"there and back")
        assert hears(client, within_s=5) == b"there and back"


@pytest.mark.parametrize("ways", [(Way.THERE,), (Way.BACK,), tuple(Way)], ids=["there", "back", "both"])
def test_what_is_held_arrives_when_the_link_is_joined(link, ways):
    with connected(link) as client:
        link.hold(*ways)
        client.sendall(b"late")
        assert hears(client, within_s=SHORT_S) is None
        link.join()
        assert hears(client, within_s=5) == b"late"


def test_a_cut_link_ends_its_connections_and_new_ones_until_it_is_joined(link):
    with connected(link) as client:
        client.sendall(b"before")
        assert hears(client, within_s=5) == b"before"
        link.cut()
        assert hears(client, within_s=5) == b""
    with connected(link) as refused:
        assert hears(refused, within_s=5) == b""
    link.join()
    with connected(link) as client:
        client.sendall(b"after")
        assert hears(client, within_s=5) == b"after"


def test_a_held_link_can_be_cut(link):
    with connected(link) as client:
        link.hold(*Way)
        client.sendall(b"lost")
        link.cut()
        assert hears(client, within_s=5) == b""


def test_a_delayed_link_takes_its_time_in_each_way(link):
    with connected(link) as client:
        link.delay(SHORT_S)
        began_s = time.monotonic()
        client.sendall(b"slow")
        assert hears(client, within_s=5) == b"slow"
        assert time.monotonic() - began_s >= 2 * SHORT_S
