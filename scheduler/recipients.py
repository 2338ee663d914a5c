"""Who is told: the active colleagues of a role; the leads where there is none; never nobody in silence."""

from sqlalchemy import Connection, select

from persistence import models
from persistence.store import table

LEAD = "lead"


def recipients(connection: Connection, role: str) -> list[str]:
    """Mail addresses in their order; empty when there is nobody to tell."""
    return _active(connection, role) or _active(connection, LEAD)


def roles_heard(connection: Connection) -> set[str] | None:
    """The roles for which somebody would be told; None means every role, because there is a lead."""
    people = table(models.User)
    found = set(connection.scalars(select(people.c.role).where(people.c.active).distinct()))
    return None if LEAD in found else found


def _active(connection: Connection, role: str) -> list[str]:
    people = table(models.User)
    query = select(people.c.email).where(people.c.role == role, people.c.active).order_by(people.c.email)
    return list(connection.scalars(query))
