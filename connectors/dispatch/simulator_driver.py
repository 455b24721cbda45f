"""Driver for the simulated park: JSON lines over TCP on loopback.

A batch, of writes or reads, takes at most `connect + answer` = 0.6 s, whether the link is up, silent or gone; while it stays gone, a batch
fails at once until the back-off is over.
"""

import socket
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from connectors.dispatch.driver import Shown
from connectors.dispatch.rules import DeviceWrite
from connectors.simulator import wire

CONNECT_S: Final = 0.1
"""On loopback a connection stands in microseconds or not at all."""

ANSWER_S: Final = 0.5
"""The simulated devices answer in a millisecond; half a tick is silence."""

FIRST_WAIT_S: Final = 0.1
LONGEST_WAIT_S: Final = 2.0
"""Back-off between connections: doubles from the first to this, so that a restored link is used within 2 s."""


class SimulatorDriver:
    """One connection, opened when first needed and again after each failure. Used by one thread."""

    def __init__(self, host: str, port: int, *, now_s: Callable[[], float] = time.monotonic) -> None:
        self._address = (host, port)
        self._now_s = now_s
        self._link: socket.socket | None = None
        self._rest = b""
        self._wait_s = FIRST_WAIT_S
        self._not_before_s = 0.0
        self._batch_id = 0

    def write(self, writes: Sequence[DeviceWrite]) -> Mapping[str, str]:
        """Send one batch and wait for its answer; a broken link fails the whole batch."""
        answer = self._ask([wire.Write(write.asset_id, write.power_kw, write.lease_s) for write in writes], [])
        return {write.asset_id: answer for write in writes} if isinstance(answer, str) else answer.failed

    def read(self, asset_ids: Sequence[str]) -> Mapping[str, Shown]:
        """Read one batch; a broken link reads nothing."""
        answer = self._ask([], list(asset_ids))
        if isinstance(answer, str):
            return {}
        return {asset_id: Shown(**msgspec.structs.asdict(shown)) for asset_id, shown in answer.shown.items()}

    def _ask(self, writes: list[wire.Write], reads: list[str]) -> wire.Answer | str:
        """The devices' answer, or in words why there is none."""
        if self._link is None and self._now_s() < self._not_before_s:
            return "link is down, waiting before the next attempt"
        try:
            answer = self._exchange(writes, reads)
        except (OSError, msgspec.DecodeError) as error:
            self.close()
            self._not_before_s = self._now_s() + self._wait_s
            self._wait_s = min(self._wait_s * 2, LONGEST_WAIT_S)
            return str(error) or type(error).__name__
        self._wait_s = FIRST_WAIT_S
        return answer

    def close(self) -> None:
        """Close the connection; half an answer that was read belongs to it and goes too."""
        if self._link is not None:
            self._link.close()
            self._link = None
        self._rest = b""

    def _exchange(self, writes: list[wire.Write], reads: list[str]) -> wire.Answer:
        link = self._connected()
        self._batch_id += 1
        until_s = self._now_s() + ANSWER_S
        link.settimeout(ANSWER_S)
        link.sendall(wire.line_of(wire.Batch(self._batch_id, writes, reads)))
        answer = wire.decode_answer(self._line(link, until_s=until_s))
        if answer.id != self._batch_id:
            raise ConnectionError(f"answer to batch {answer.id} instead of {self._batch_id}")
        return answer

    def _connected(self) -> socket.socket:
        if self._link is None:
            self._link = socket.create_connection(self._address, timeout=CONNECT_S)
            self._link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._link

    def _line(self, link: socket.socket, *, until_s: float) -> bytes:
        """Read up to the next newline; a device that sends drop by drop gets no more time than one that is silent."""
        while b"\n" not in self._rest:
            left_s = until_s - self._now_s()
            if left_s <= 0 or len(self._rest) > wire.MAX_LINE_BYTES:
                raise TimeoutError("no answer in time")
            link.settimeout(left_s)
            received = link.recv(65_536)
            if not received:
                raise ConnectionError("link closed by the devices")
            self._rest += received
        line, _, self._rest = self._rest.partition(b"\n")
        return line
