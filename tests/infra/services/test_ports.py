import os
import socket

import pytest

from infra.services.errors import PortInUseError
from infra.services.ports import LOOPBACK, SERVER_PORTS, free_port, require_free


def test_a_taken_port_is_refused_naming_who_listens():
    with socket.create_server((LOOPBACK, 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(PortInUseError, match=f"port {port} is in use by process {os.getpid()} "):
            require_free(port)


def test_a_port_of_a_closed_connection_is_free_for_a_server_that_comes_back():
    with socket.create_server((LOOPBACK, free_port())) as server:
        port = server.getsockname()[1]
        with socket.create_connection((LOOPBACK, port)) as client:
            accepted, _ = server.accept()
            accepted.close()  # the server's side closes first, so its port lingers in TIME_WAIT
            assert client.recv(1) == b""
    require_free(port)


def test_a_chosen_port_is_outside_those_given_to_outgoing_connections():
    assert free_port() in SERVER_PORTS
    assert SERVER_PORTS.stop <= 32768
