"""The server of the screens, as a command starts it: its address, its clock, and the engine beside it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from socket import AF_INET, AF_INET6, create_server
from socket import socket as Socket

import uvicorn

from coordinator.cli.base import is_simulation
from coordinator.cli.output import fail, say
from coordinator.settings import Settings
from coordinator.web.app import create_app
from coordinator.web.first_code import FirstCode
from coordinator.web.house import House
from coordinator.wiring import open_channels, open_rhythm
from persistence.accounts import Accounts
from persistence.store import Store
from scheduler.clock import utcnow
from scheduler.heartbeat import Heartbeat
from scheduler.one_process import alone_on
from scheduler.simulated import SimulatedClock

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


def serve_on(
    store: Store, settings: Settings, *, demo: bool, with_engine: bool, simulated: datetime | None = None
) -> None:
    """Until stopped. Where nobody has an account yet, the code for the first one is printed, for this process only."""
    simulation = is_simulation(store)
    host, port = _address(settings)
    if demo and not (simulation and host in LOOPBACK):
        fail("--demo signs people in without a password: it needs a database made by demo, on this machine only.")
    clock = _clock(store, simulated) if simulation else utcnow
    code, first_code = (None, None) if Accounts(store.database).any() else FirstCode.drawn()
    house = House(store, settings, clock, simulation=simulation, demo=demo, first_code=first_code)
    with _listening(host, port) as socket, _engine(store, settings, wanted=with_engine):
        address = settings.web_url or f"http://{host}:{socket.getsockname()[1]}"
        say(f"Open {address}/ in a browser; stop with Ctrl-C.")
        if code is not None:
            say(f"Nobody has an account yet. Make the first one at {address}/first-run with the code {code}")
        server = uvicorn.Server(uvicorn.Config(create_app(house), log_level="warning", server_header=False))
        # Stopped by Ctrl-C it has ended as it was meant to.
        with suppress(KeyboardInterrupt):
            server.run(sockets=[socket])


@contextmanager
def _listening(host: str, port: int) -> Iterator[Socket]:
    bare = host.strip("[]")
    try:
        socket = create_server((bare, port), family=AF_INET6 if ":" in bare else AF_INET)
    except OSError as error:
        said = os.strerror(error.errno) if error.errno else str(error)
        fail(f"{host}:{port} cannot be used ({said}); name another in PATHWAY_WEB_ADDRESS; nothing was started.")
    with socket:
        yield socket


def _clock(store: Store, simulated: datetime | None) -> SimulatedClock:
    """A clock that people may move: it stands at `simulated`, else runs on from now, never before the last line."""
    with store.database.reading() as connection:
        begin = store.last_recorded(connection)
    return SimulatedClock(utcnow if simulated is None else lambda: simulated, begin)


def _address(settings: Settings) -> tuple[str, int]:
    host, _, port = settings.web_address.rpartition(":")
    if host not in LOOPBACK and not settings.web_url.startswith("https://"):
        fail(
            f"PATHWAY_WEB_ADDRESS {settings.web_address} is open to other machines, so PATHWAY_WEB_URL must be the "
            "https address by which they reach it; nothing was started."
        )
    return host, int(port)


@contextmanager
def _engine(store: Store, settings: Settings, *, wanted: bool) -> Iterator[None]:
    """The heartbeat beside the screens: a clinic needs one process and no more."""
    if not wanted:
        yield
        return
    with alone_on(store.database):
        heart = Heartbeat(store, open_channels(settings), open_rhythm(settings))
        heart.start()
        try:
            yield
        finally:
            heart.stop()
