"""TCP ports of the loopback address for servers that this machine starts."""

import random
import socket

import psutil

from infra.services.errors import PortInUseError

LOOPBACK = "127.0.0.1"

# Below the range from which Linux gives ports to outgoing connections (32768 and up): a client that retries a dead
# server's port from that range can end up connected to itself, and the server cannot come back.
SERVER_PORTS = range(20000, 32000)
ATTEMPTS = 200


def free_port() -> int:
    """A port that was free a moment ago, at random, so that runs beside each other rarely meet.

    Raises:
        PortInUseError: no free port was met.
    """
    for port in random.sample(SERVER_PORTS, ATTEMPTS):
        if is_free(port):
            return port
    raise PortInUseError(
        f"no free port between {SERVER_PORTS.start} and {SERVER_PORTS.stop}", "stop other servers or name a port"
    )


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now; a connection still closing there does not count."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def require_free(port: int) -> None:
    """Refuses a port that is taken.

    Raises:
        PortInUseError: naming the process that listens there, if this user may see it.
    """
    if not is_free(port):
        raise PortInUseError(
            f"port {port} is in use by {describe_listener(port)}", "stop that process, or choose another port"
        )


def describe_listener(port: int) -> str:
    """Name and process id of what listens on the port, or `another process` where the system does not tell."""
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.laddr and connection.laddr.port == port and connection.pid is not None:
                return f"process {connection.pid} ({psutil.Process(connection.pid).name()})"
    except psutil.Error:
        pass
    return "another process"
