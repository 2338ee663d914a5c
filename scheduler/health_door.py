"""Health over HTTP, for monitors: /healthz, /readyz and /metrics, read only, with counts and no names.

There is no sign-in, so the address decides who may ask: the machine itself, unless the setting says otherwise.
"""

import json
import logging
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any

from pathway.errors import PathwayError
from persistence.store import Store
from scheduler.clock import utcnow
from scheduler.health import Health, health, without_database
from scheduler.metrics import exposition

# Seconds: for a monitor to send its question, and for the database to answer the question before it.
PATIENCE = 5.0
# Seconds between two looks whether the door is to be closed.
CLOSING = 0.1
TEXT, JSON = "text/plain; charset=utf-8", "application/json"

log = logging.getLogger(__name__)


class HealthAddressFaulty(PathwayError):
    """PATHWAY_HEALTH_ADDRESS cannot be used, expected a free host:port such as 127.0.0.1:8077; nothing was started."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    content_type: str
    body: bytes


class Answers:
    """What is said on each path. One question at a time reaches the database, however many monitors ask."""

    def __init__(self, store: Store, clock: Callable[[], datetime], settle_seconds: float | None) -> None:
        self.store, self.clock, self.settle_seconds = store, clock, settle_seconds
        self._asking = threading.Lock()

    def to(self, path: str, accept: str = "") -> Answer:
        """`accept` is the header of that name."""
        match path.partition("?")[0]:
            case "/healthz":
                return Answer(200, TEXT, b"alive\n")
            case "/readyz":
                return _readiness(self._health())
            case "/metrics":
                return Answer(200, *exposition(self._health(), accept))
            case _:
                return Answer(404, TEXT, b"There are /healthz, /readyz and /metrics.\n")

    def _health(self) -> Health:
        if not self._asking.acquire(timeout=PATIENCE):
            return without_database(self.clock(), TimeoutError("the question before is not answered yet"))
        try:
            return health(self.store, self.clock(), settle_seconds=self.settle_seconds)
        finally:
            self._asking.release()


def _readiness(found: Health) -> Answer:
    """Degraded is ready: the work goes on, and a restart would mend nothing."""
    body = json.dumps(found.as_json()) + "\n"
    return Answer(503 if found.level == "down" else 200, JSON, body.encode())


@contextmanager
def health_door(
    address: str, store: Store, clock: Callable[[], datetime] = utcnow, *, settle_seconds: float | None = 60
) -> Iterator[str]:
    """Answer at "host:port" in a thread while the context is open; gives the URL. An empty address opens nothing.

    Raises HealthAddressFaulty.
    """
    if not address:
        yield ""
        return
    door = _opened(address, Answers(store, clock, settle_seconds))
    _in_background(door)
    try:
        log.info("health is answered", extra={"address": door.url})
        yield door.url
    finally:
        door.shutdown()
        door.server_close()


def _opened(address: str, answers: Answers) -> "_Door":
    host, _, port = address.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise HealthAddressFaulty(f"found {address!r}")
    try:
        family, *_, place = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)[0]
        return _Door(family, place, answers)
    except OSError as error:
        raise HealthAddressFaulty(f"{address}: {error.strerror}") from error


def _in_background(door: "_Door") -> None:
    """A signal must reach the main thread, which waits for it; taken here it would end the process on the spot."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        threading.Thread(target=door.serve_forever, args=(CLOSING,), name="health", daemon=True).start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Door(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, family: socket.AddressFamily, place: Any, answers: Answers) -> None:
        self.address_family, self.answers = family, answers
        super().__init__(place, _Question)

    @property
    def url(self) -> str:
        host, port = str(self.server_address[0]), self.server_address[1]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def server_bind(self) -> None:
        # The library's own would ask the name service what this machine is called, which can take long.
        TCPServer.server_bind(self)

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A monitor that goes away in the middle is no news; the library would print the whole of it.
        if not isinstance(sys.exception(), OSError):
            log.exception("a question about health could not be answered")


class _Question(BaseHTTPRequestHandler):
    server: _Door
    server_version, sys_version = "pathway", ""
    timeout = PATIENCE

    def do_GET(self) -> None:
        answer = self._head()
        self.wfile.write(answer.body)

    def do_HEAD(self) -> None:
        self._head()

    def _head(self) -> Answer:
        answer = self.server.answers.to(self.path, self.headers.get("Accept", ""))
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        return answer

    def log_message(self, *_: Any) -> None:
        """A question every few seconds is no news."""
