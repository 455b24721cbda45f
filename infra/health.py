"""Health of a process over HTTP: `/metrics`, `/healthz` and `/readyz`, on a small server of the standard library.

`healthz` says that the process makes progress: a stuck one must be restarted, however alive it looks. `readyz` says
that it does its job: partitions held, database reached, devices answering. Both answer 200 or 503 with a JSON body
that names each check. Nothing here decides anything about power; no setpoint ever waits for this server.
"""

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import socket
from typing import Final
from urllib.parse import urlsplit

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

_REQUEST_TIMEOUT_S: Final = 5.0
"""A client slower than this is dropped, so that it cannot hold a thread."""

_REQUESTS_AT_ONCE: Final = 8
"""Prometheus, a health check and a few curious people; one more is turned away (R20)."""

_STOP_POLL_S: Final = 0.05
"""How soon the server notices that it was closed."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at; `detail` is for people and names figures with units."""

    name: str
    ok: bool
    detail: str


def fresh(name: str, age_s: float | None, *, max_age_s: float) -> Check:
    """Check that the last event is at most `max_age_s` old; fails before the first event (`None`) and for NaN (R14).

    >>> fresh("telemetry", 0.5, max_age_s=3.0).ok, fresh("telemetry", None, max_age_s=3.0).ok
    (True, False)
    >>> fresh("telemetry", float("nan"), max_age_s=3.0)
    Check(name='telemetry', ok=False, detail='age is not a number')
    """
    if age_s is None:
        return Check(name, ok=False, detail="no event yet")
    if math.isnan(age_s):
        return Check(name, ok=False, detail="age is not a number")
    # Written so that a bound that is NaN fails too.
    return Check(name, ok=age_s <= max_age_s, detail=f"{age_s:.3f} s old, at most {max_age_s:.3f} s")


def fresh_after_grace(name: str, age_s: float | None, *, max_age_s: float, uptime_s: float, grace_s: float) -> Check:
    """Like `fresh`, but before the first event it holds for `grace_s` after the start (R13).

    For `healthz` only: a process that has seen nothing yet is not stuck, but it is never ready.

    >>> fresh_after_grace("tick", None, max_age_s=3.0, uptime_s=10.0, grace_s=30.0).ok
    True
    """
    if age_s is None and uptime_s <= grace_s:
        return Check(name, ok=True, detail=f"no event yet, {uptime_s:.1f} s of {grace_s:.1f} s grace used")
    return fresh(name, age_s, max_age_s=max_age_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What a process says of itself at one moment; a page without checks is failed, not fine."""

    progress: tuple[Check, ...]
    """For `/healthz`."""
    duty: tuple[Check, ...]
    """For `/readyz`, besides those of `progress`: who is stuck is not ready either."""

    @property
    def healthy(self) -> bool:
        """Whether the process makes progress."""
        return _all_ok(self.progress)

    @property
    def ready(self) -> bool:
        """Whether the process does its job."""
        return _all_ok(self.progress) and _all_ok(self.duty)


def _all_ok(checks: tuple[Check, ...]) -> bool:
    return bool(checks) and all(check.ok for check in checks)


class HttpEndpoint:
    """A running server; `port` is the one that was bound."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self.port: Final = int(server.server_address[1])
        self._server = server
        self._thread = threading.Thread(target=server.serve_forever, args=(_STOP_POLL_S,), name="http", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening; a request under way may be cut off. Closing twice is harmless."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=_REQUEST_TIMEOUT_S)


def serve_http(host: str, port: int, registry: CollectorRegistry, health: Callable[[], Health]) -> HttpEndpoint:
    """Serve in a daemon thread until closed; `health` is called once per probe, from that request's thread.

    Port 0 asks the system for a free one. (In `Settings` a port of 0 means none: then this is not called.)

    Raises:
        OSError: when the address cannot be bound.
    """
    return HttpEndpoint(_Server((host, port), _handler(registry, health)))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._free = threading.BoundedSemaphore(_REQUESTS_AT_ONCE)
        super().__init__(address, handler)

    def process_request(self, request: socket | tuple[bytes, socket], client_address: object) -> None:
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: socket | tuple[bytes, socket], client_address: object) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()


def _handler(registry: CollectorRegistry, health: Callable[[], Health]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = _REQUEST_TIMEOUT_S
        server_version = "lusbalans"
        sys_version = ""

        def do_GET(self) -> None:
            match urlsplit(self.path).path:
                case "/metrics":
                    self._answer(200, CONTENT_TYPE_LATEST, generate_latest(registry))
                case "/healthz":
                    now = health()
                    self._answer_checks(now.progress, ok=now.healthy)
                case "/readyz":
                    now = health()
                    self._answer_checks(now.progress + now.duty, ok=now.ready)
                case _:
                    self._answer(404, "text/plain; charset=utf-8", b"/metrics, /healthz, /readyz\n")

        def _answer_checks(self, checks: tuple[Check, ...], *, ok: bool) -> None:
            body = msgspec.json.encode({"ok": ok, "checks": checks})
            self._answer(200 if ok else 503, "application/json", body)

        def _answer(self, status: int, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            """Nothing per request goes to the log."""

    return Handler
