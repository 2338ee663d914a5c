"""Who is told: the owner or the colleagues of a role, those who stand in for them, the leads where there is none."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection, select

from persistence import models
from persistence.store import table

LEAD = "lead"


@dataclass(frozen=True, slots=True)
class Colleague:
    email: str
    name: str
    role: str
    phone: str | None = None

    def is_called(self, name: str | None) -> bool:
        """Whether an owner of that name is this colleague."""
        return (name or "").casefold() in (self.email.casefold(), self.name.casefold())

    def address(self, reach: str) -> str | None:
        return self.email if reach == "email" else self.phone or None


def recipients(
    connection: Connection, roles: Iterable[str], day: date, *, owner: str | None = None
) -> tuple[Colleague, ...]:
    """Those to be told on a local day, by address; empty when there is nobody.

    An owner who is a colleague of the first role is told alone for it. Who is away is replaced by who stands in;
    where that leaves nobody of a role, the leads are told.
    """
    staff, stand_ins = colleagues(connection), covers(connection, day)
    found: dict[str, Colleague] = {}
    for number, role in enumerate(roles):
        own = [c for c in staff.values() if c.role == role and number == 0 and c.is_called(owner)]
        present = _present(own or [c for c in staff.values() if c.role == role], staff, stand_ins)
        leads = _present([c for c in staff.values() if c.role == LEAD], staff, stand_ins)
        found |= {colleague.email: colleague for colleague in present or leads}
    return tuple(found[email] for email in sorted(found))


def colleagues(connection: Connection) -> dict[str, Colleague]:
    """Every active colleague by address."""
    people = table(models.User)
    query = select(people.c.email, people.c.name, people.c.role, people.c.phone).where(people.c.active)
    return {row.email: Colleague(*row) for row in connection.execute(query.order_by(people.c.email))}


def covers(connection: Connection, day: date) -> dict[str, str]:
    """Who is away on that day, and who stands in; of two notes the later counts."""
    notes = table(models.Cover)
    there = (notes.c.first_day <= day) & (notes.c.last_day >= day)
    query = select(notes.c.absent, notes.c.stand_in).where(there).order_by(notes.c.noted_at, notes.c.id)
    return {row.absent: row.stand_in for row in connection.execute(query)}


def _present(
    wanted: Iterable[Colleague], staff: Mapping[str, Colleague], stand_ins: Mapping[str, str]
) -> list[Colleague]:
    found = (_who_is_there(colleague, staff, stand_ins) for colleague in wanted)
    return [colleague for colleague in found if colleague is not None]


def _who_is_there(
    colleague: Colleague, staff: Mapping[str, Colleague], stand_ins: Mapping[str, str]
) -> Colleague | None:
    """The colleague, or whoever stands in along the chain; None where it ends in nobody or in a circle."""
    seen: set[str] = set()
    at: Any = colleague
    while at is not None and at.email in stand_ins:
        if at.email in seen:
            return None
        seen.add(at.email)
        at = staff.get(stand_ins[at.email])
    return at
