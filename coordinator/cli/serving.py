"""Commands for the screens: serve them, and give colleagues accounts to sign in with."""

import sys
from datetime import datetime
from typing import Annotated

import typer

from coordinator.cli.application import app, session
from coordinator.cli.base import JsonOption, opened
from coordinator.cli.output import fail, say, show_json
from coordinator.web.access import ROLES
from coordinator.web.passwords import hash_password, password_fault
from persistence.accounts import Accounts
from persistence.store import Store


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
    # Loaded by who serves and not by every command: the web server takes longer to load than a command to run.
    from coordinator.cli.server import serve_on  # noqa: PLC0415 see above

    with opened() as (store, settings, now):
        serve_on(store, settings, demo=demo, with_engine=with_engine, simulated=now if session.simulated else None)


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
