"""Who is told: the owner or the colleagues of a role, those who stand in for them, the leads where there is none."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

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


@dataclass(frozen=True, slots=True)
class Staff:
    """Every active colleague by address, and on one local day who is away and who stands in."""

    people: Mapping[str, Colleague]
    stand_ins: Mapping[str, str]

    def recipients(self, roles: Iterable[str], *, owner: str | None = None) -> tuple[Colleague, ...]:
        """Those to be told, by address; empty when there is nobody.

        An owner who is a colleague of the first role is told alone for it. Who is away is replaced by who stands
        in; where that leaves nobody of a role, the leads are told.
        """
        found: dict[str, Colleague] = {}
        for number, role in enumerate(roles):
            of_role = [colleague for colleague in self.people.values() if colleague.role == role]
            own = [colleague for colleague in of_role if number == 0 and colleague.is_called(owner)]
            leads = (colleague for colleague in self.people.values() if colleague.role == LEAD)
            told = self._present(own or of_role) or self._present(leads)
            found |= {colleague.email: colleague for colleague in told}
        return tuple(found[email] for email in sorted(found))

    def who_is_there(self, colleague: Colleague) -> Colleague | None:
        """The colleague, or whoever stands in along the chain; None where it ends in nobody or in a circle."""
        seen: set[str] = set()
        at: Colleague | None = colleague
        while at is not None and at.email in self.stand_ins:
            if at.email in seen:
                return None
            seen.add(at.email)
            at = self.people.get(self.stand_ins[at.email])
        return at

    def _present(self, wanted: Iterable[Colleague]) -> list[Colleague]:
        found = (self.who_is_there(colleague) for colleague in wanted)
        return [colleague for colleague in found if colleague is not None]


def staff_on(connection: Connection, day: date) -> Staff:
    return Staff(_colleagues(connection), _covers(connection, day))


def _colleagues(connection: Connection) -> dict[str, Colleague]:
    """Every active colleague by address."""
    people = table(models.User)
    query = select(people.c.email, people.c.name, people.c.role, people.c.phone).where(people.c.active)
    return {row.email: Colleague(*row) for row in connection.execute(query.order_by(people.c.email))}


def _covers(connection: Connection, day: date) -> dict[str, str]:
    """Who is away on that day, and who stands in; of two notes the later counts. Who stands in for themselves is
    there after all."""
    notes = table(models.Cover)
    there = (notes.c.first_day <= day) & (notes.c.last_day >= day)
    query = select(notes.c.absent, notes.c.stand_in).where(there).order_by(notes.c.noted_at, notes.c.id)
    found = {row.absent: row.stand_in for row in connection.execute(query)}
    return {absent: stand_in for absent, stand_in in found.items() if stand_in != absent}
