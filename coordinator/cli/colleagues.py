"""Commands about colleagues: who is told things, and who stands in for whom."""

from typing import Annotated, Any

import typer

from coordinator.cli.application import app
from coordinator.cli.base import ByOption, JsonOption, opened, typed_day
from coordinator.cli.output import fail, say, show_json
from pathway.calendar import local_date, show_date
from pathway.checking import ROLES


@app.command()
def staff(
    email: Annotated[str | None, typer.Argument(help="Address of a colleague; leave out to list them.")] = None,
    name: Annotated[str, typer.Option("--name")] = "",
    role: Annotated[str, typer.Option("--role", help="coordinator, clinician or lead.")] = "coordinator",
    phone: Annotated[str | None, typer.Option("--phone", help="For channels that reach telephones.")] = None,
    inactive: Annotated[bool, typer.Option("--inactive", help="No longer told.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Say who is told: the owner of an episode, or every active colleague in the role.

    Example: pathway staff a.sample@example.org --name "A. Sample" --role coordinator
    """
    if role not in ROLES:
        fail(f"--role {role!r} is not one of {', '.join(sorted(ROLES))}; nothing was saved.")
    if email is not None and "@" not in email.strip("@"):
        fail(f"{email!r} is not an e-mail address; nothing was saved.")
    with opened() as (store, _settings, _now):
        if email:
            store.keep_user(email, name or email, role, active=not inactive, phone=phone)
        people = store.users()
    if as_json:
        show_json(people)
        return
    for person in people:
        say(f"{person['role']:<12} {person['name']} <{person['email']}>{'' if person['active'] else ' (inactive)'}")
    if not people:
        say("Nobody is told anything yet. Add a colleague: pathway staff NAME@HOSPITAL --role coordinator")


@app.command()
def cover(
    absent: Annotated[str | None, typer.Argument(help="Address of who is away; leave out to list.")] = None,
    stand_in: Annotated[str | None, typer.Argument(help="Address of who stands in.")] = None,
    first: Annotated[str | None, typer.Option("--from", help="First day away.")] = None,
    last: Annotated[str | None, typer.Option("--until", help="Last day away, included.")] = None,
    by: ByOption = "",
    as_json: JsonOption = False,
) -> None:
    """Say who stands in for whom, from when to when; messages and digests follow, and return by themselves.

    Of two notes about one day the later counts; who is back early stands in for themselves.

    Example: pathway cover a.sample@example.org b.sample@example.org --from 01-Jun-2026 --until 14-Jun-2026
    """
    with opened() as (store, settings, now):
        people = {person["email"]: person for person in store.users()}
        if absent is not None:
            row = _cover(people, absent, stand_in, first, last)
            store.keep_cover({**row, "noted_at": now, "noted_by": by or settings.owner})
        found = store.covers(local_date(now, settings.zone))
    if as_json:
        show_json(found)
        return
    for row in found:
        days = f"{show_date(row['first_day'])} to {show_date(row['last_day'])}"
        back = row["stand_in"] == row["absent"]
        say(
            f"{days}  {row['absent']} is there after all"
            if back
            else f"{days}  {row['stand_in']} stands in for {row['absent']}"
        )
    if not found:
        say("Nobody is away.")


def _cover(people: dict[str, Any], absent: str, stand_in: str | None, first: str | None, last: str | None) -> Any:
    if not stand_in or not first or not last:
        fail("Say who stands in, and --from and --until when; nothing was saved.")
    for email in (absent, stand_in):
        if email not in people:
            fail(f"{email!r} is no colleague; add them with pathway staff; nothing was saved.")
    if not people[stand_in]["active"]:
        fail(f"{stand_in} cannot stand in for {absent}; expected an active colleague; nothing was saved.")
    row: dict[str, Any] = {
        "absent": absent,
        "stand_in": stand_in,
        "first_day": typed_day(first),
        "last_day": typed_day(last),
    }
    if row["last_day"] < row["first_day"]:
        fail(f"--until {last} lies before --from {first}; nothing was saved.")
    return row
