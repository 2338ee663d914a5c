"""Commands for the screens: serve them, and give colleagues accounts to sign in with."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from socket import AF_INET, AF_INET6, create_server
from socket import socket as Socket
from typing import Annotated

import typer
import uvicorn

from coordinator.cli.base import JsonOption, app, is_simulation, opened, session
from coordinator.cli.output import fail, say, show_json
from coordinator.settings import Settings
from coordinator.web.access import ROLES
from coordinator.web.app import create_app
from coordinator.web.first_code import FirstCode
from coordinator.web.house import House
from coordinator.web.signing_in import hash_password, password_fault
from coordinator.wiring import open_channels, open_rhythm
from persistence.accounts import Accounts
from persistence.store import Store
from scheduler.clock import utcnow
from scheduler.heartbeat import Heartbeat
from scheduler.one_process import alone_on
from scheduler.simulated import SimulatedClock

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


@app.command()
def serve(
    demo: Annotated[
        bool, typer.Option("--demo", help="With demo accounts; only for a database that demo made.")
    ] = False,
    with_engine: Annotated[
        bool, typer.Option("--with-engine", help="Also do what `pathway run` does, in this one process.")
    ] = False,
) -> None:
    """Serve the screens until stopped. The address is a setting, on this machine unless it says otherwise.

    Example: pathway serve --with-engine
    """
    with opened() as (store, settings, now):
        serve_on(store, settings, demo=demo, with_engine=with_engine, simulated=now if session.simulated else None)


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


@app.command()
def account(
    email: Annotated[str | None, typer.Argument(help="Address of a colleague; leave out to list accounts.")] = None,
    name: Annotated[str, typer.Option("--name", help="How journals and pages call them.")] = "",
    role: Annotated[
        str | None, typer.Option("--role", help=f"One of {', '.join(ROLES)}; a new colleague is a coordinator.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Give a colleague an account, or a new password. It is asked for, or read from standard input in a pipe.

    Example: pathway account a.sample@example.org --name "A. Sample" --role lead
    """
    if role is not None and role not in ROLES:
        fail(f"--role {role!r} is not one of {', '.join(ROLES)}; nothing was saved.")
    if email is not None and "@" not in email.strip("@"):
        fail(f"{email!r} is not an e-mail address; nothing was saved.")
    with opened() as (store, _settings, now):
        accounts = Accounts(store.database)
        if email is not None:
            _keep_account(store, email.lower(), name, role, now)
        found = [row for row in accounts.all() if row.account]
    if as_json:
        show_json([{"email": row.email, "name": row.name, "role": row.role, "active": row.active} for row in found])
        return
    for row in found:
        say(f"{row.role:<14} {row.name} <{row.email}>{'' if row.active else ' (inactive)'}")
    if not found:
        say("Nobody can sign in yet. Make an administrator: pathway account NAME@HOSPITAL --role administrator")


def _keep_account(store: Store, email: str, name: str, role: str | None, now: datetime) -> None:
    """A new account, or a new password for an old one; name and role of that stay unless others are given."""
    accounts, by = Accounts(store.database), "command line"
    known, found = hash_password(_password(email)), accounts.find(email)
    if found is None:
        made = {"email": email, "password_hash": known, "must_change": False, "shortcuts": True}
        accounts.add({**made, "made_at": now, "made_by": by}, name=name or email, role=role or "coordinator")
        return
    accounts.set_role(email, role or found.role, at=now, by=by)
    accounts.set_active(email, active=True, at=now, by=by)
    accounts.set_password(email, known, must_change=False, at=now, by=by)
    if name and name != found.name:
        store.keep_user(email, name, role or found.role, active=True)


def _password(email: str) -> str:
    if sys.stdin.isatty():
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        password = sys.stdin.readline().rstrip("\n")
    fault = password_fault(password, email)
    if fault:
        fail(fault)
    return password
