"""The driver against real sockets on loopback: bounded, whatever the other side does."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from connectors.dispatch.driver import Shown
from connectors.dispatch.rules import DeviceWrite
from connectors.dispatch.simulator_driver import ANSWER_S, CONNECT_S, FIRST_WAIT_S, SimulatorDriver
from connectors.simulator.device_server import DevicePanel, DeviceServer

WRITES = (DeviceWrite("bat-1", 20.0, 15.0), DeviceWrite("stranger", 1.0, 15.0))


@contextmanager
def listening(talk: Callable[[socket.socket], None], conversations: int = 1) -> Iterator[int]:
    """A server that accepts and then does `talk`, as often as told."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for _ in range(conversations):
                link, _address = server.accept()
                with link:
                    talk(link)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        thread.join(timeout=5)


def mute(link: socket.socket) -> None:
    link.recv(65_536)
    link.recv(65_536)


def drop_by_drop(link: socket.socket) -> None:
    link.recv(65_536)
    for _ in range(20):
        time.sleep(0.1)
        try:
            link.sendall(b"{")
        except OSError:
            return


@pytest.fixture
def panel() -> DevicePanel:
    return DevicePanel({"bat-1": 0}, np.zeros(1))


def test_devices_take_their_setpoints_and_a_stranger_is_named(panel):
    server = DeviceServer("127.0.0.1", 0, panel)
    driver = SimulatorDriver("127.0.0.1", server.port)
    assert driver.write(WRITES) == {"stranger": "no such device"}
    assert panel.obeyed_kw()[0].tolist() == [20.0]
    driver.close()
    server.close()


def test_devices_are_read_back_and_a_stranger_is_left_out():
    panel = DevicePanel({"bat-1": 0, "bat-2": 1}, np.zeros(2), own_kw=(np.array([-9.0, -5]), np.array([9.0, 5])))
    server = DeviceServer("127.0.0.1", 0, panel)
    driver = SimulatorDriver("127.0.0.1", server.port)
    assert driver.read(["bat-2"])["bat-2"].power_kw is None  # no step was made yet
    panel.show(np.array([4.5, -1.0]))
    driver.write([DeviceWrite("bat-1", 20.0, 15.0)])
    assert driver.read(["bat-1", "bat-2", "stranger"]) == {
        "bat-1": Shown(power_kw=4.5, setpoint_kw=20.0, min_kw=-9, max_kw=9),
        "bat-2": Shown(power_kw=-1.0, setpoint_kw=None, min_kw=-5, max_kw=5),
    }
    server.close()
    driver.close()
    assert driver.read(["bat-1"]) == {}


@pytest.mark.parametrize(
    "talk",
    [
        mute,
        drop_by_drop,
        lambda link: link.close(),
        lambda link: link.sendall(b"hello\n"),
        lambda link: link.sendall(b'{"id":7}\n'),
    ],
    ids=["mute", "drop by drop", "hangs up", "speaks nonsense", "answers another batch"],
)
def test_a_bad_link_fails_the_batch_within_the_bound(talk):
    with listening(talk) as port:
        driver = SimulatorDriver("127.0.0.1", port)
        began_s = time.monotonic()
        assert driver.write(WRITES).keys() == {"bat-1", "stranger"}
        assert time.monotonic() - began_s < CONNECT_S + ANSWER_S + 0.2
        driver.close()


def test_after_a_failure_it_waits_before_it_connects_again_and_then_works(panel):
    clock_s = [100.0]
    driver = SimulatorDriver("127.0.0.1", 1, now_s=lambda: clock_s[0])
    assert "refused" in driver.write(WRITES)["bat-1"]
    assert "waiting" in driver.write(WRITES)["bat-1"]
    server = DeviceServer("127.0.0.1", 0, panel)
    driver._address = ("127.0.0.1", server.port)
    clock_s[0] += FIRST_WAIT_S
    assert "bat-1" not in driver.write(WRITES)
    driver.close()
    server.close()
