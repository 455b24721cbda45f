"""Where simulated devices listen: JSON lines over TCP on loopback, any number of conversations up to a bound."""

import socketserver
import threading
import time
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from connectors.simulator import wire
from connectors.simulator.arrays import Flags, Floats
from connectors.simulator.leases import DeviceLeases, fresh_leases, told

_MOST_CONVERSATIONS: Final = 64
_STOP_POLL_S: Final = 0.1


class DevicePanel:
    """All devices' leases, told by the server's threads and read by the step; by the devices' own monotonic clock.

    `own_kw` are the devices' own static limits, least and most [n]; without, they have none to show.
    """

    def __init__(
        self,
        index: Mapping[str, int],
        reversion_kw: Floats,
        *,
        own_kw: tuple[Floats, Floats] | None = None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._index = index
        self._reversion_kw = reversion_kw
        self._own_kw = own_kw
        self._power_kw: Floats | None = None
        self._now_s = now_s
        self._lock = threading.Lock()
        self._leases: DeviceLeases = fresh_leases(len(reversion_kw))
        self._taken = 0

    def tell(self, batch: wire.Batch) -> wire.Answer:
        """Tell devices their setpoints, all at one moment."""
        with self._lock:
            self._leases, refused = told(self._leases, batch.writes, index=self._index, now_s=self._now_s())
            self._taken += len(batch.writes) - len(refused)
            shown = {asset: self._shown(self._index[asset]) for asset in batch.reads if asset in self._index}
        return wire.Answer(batch.id, refused, shown)

    def show(self, power_kw: Floats) -> None:
        """Let the devices show these powers [n] from now on."""
        with self._lock:
            self._power_kw = power_kw

    def _shown(self, at: int) -> wire.Shown:
        has_lease = self._now_s() < self._leases.until_s[at]
        least_kw, most_kw = (None, None) if self._own_kw is None else (float(end_kw[at]) for end_kw in self._own_kw)
        return wire.Shown(
            power_kw=None if self._power_kw is None else float(self._power_kw[at]),
            setpoint_kw=float(self._leases.setpoint_kw[at]) if has_lease else None,
            min_kw=least_kw,
            max_kw=most_kw,
        )

    def obeyed_kw(self) -> tuple[Floats, Flags, int]:
        """What each device goes to now, which have no lease, and how many setpoints were ever taken."""
        with self._lock:
            leases, taken = self._leases, self._taken
        obeyed_kw, ended = leases.obeyed_kw(self._reversion_kw, self._now_s())
        return obeyed_kw, ended, taken


class DeviceServer:
    """A running server; `port` is the one that was bound.

    Raises:
        OSError: the address cannot be bound.
    """

    def __init__(self, host: str, port: int, panel: DevicePanel) -> None:
        self._server = _Server((host, port), panel)
        self.port: Final = int(self._server.server_address[1])
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_STOP_POLL_S,), name="devices", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop listening; conversations end with the process or their other side."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], panel: DevicePanel) -> None:
        self.panel = panel
        self.free = threading.BoundedSemaphore(_MOST_CONVERSATIONS)
        super().__init__(address, _Conversation)


class _Conversation(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True

    def handle(self) -> None:
        """Answer line by line until the other side hangs up or says what is not a batch."""
        server = self.server
        assert isinstance(server, _Server)  # noqa: S101 - socketserver types it as its base class
        if not server.free.acquire(blocking=False):
            return
        try:
            while line := self.rfile.readline(wire.MAX_LINE_BYTES):
                self.wfile.write(wire.line_of(server.panel.tell(wire.decode_batch(line))))
        except (OSError, msgspec.DecodeError):
            return
        finally:
            server.free.release()
