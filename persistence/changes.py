"""What has changed since somebody looked, and who owns open work: small questions of a screen that stands open."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, func, select

from persistence import models
from persistence.database import Database
from persistence.journal import by_person
from persistence.names import full_name
from persistence.registry import table

ENTRIES, EPISODES, PEOPLE = table(models.Entry), table(models.Episode), table(models.Patient)


def changed_since(database: Database, since: datetime, *, but_by: str = "") -> int:
    """How many patients had something recorded since then, but for what that colleague recorded. What was refused
    changed nothing."""
    # Counted apart, not made distinct first: the index of instants leads to the few lines that are new.
    news = ENTRIES.c.recorded_at > since, ENTRIES.c.refusal.is_(None)
    query = select(func.count(ENTRIES.c.patient_id.distinct())).where(*news)
    if but_by:
        query = query.where(~by_person(but_by))
    with database.reading() as connection:
        return connection.scalar(query) or 0


def owners(connection: Connection) -> Sequence[str]:
    """Everybody who looks after somebody, each found by one step down the index."""
    first = select(func.min(EPISODES.c.owner).label("owner")).cte("owners", recursive=True)
    further = select(func.min(EPISODES.c.owner)).where(EPISODES.c.owner > first.c.owner).scalar_subquery()
    found = first.union_all(select(further).where(first.c.owner.is_not(None)))
    return list(connection.scalars(select(found.c.owner).where(found.c.owner.is_not(None))))


@dataclass(frozen=True, slots=True)
class Whose:
    """Whose episode it is."""

    patient: str
    n: int
    name: str
    birth_date: date | None


def episodes_named(connection: Connection, episodes: Sequence[str]) -> dict[str, Whose]:
    """Whose those episodes are; one that is not known is not among them."""
    columns = EPISODES.c.id, EPISODES.c.patient_id, EPISODES.c.n, PEOPLE.c.surname, PEOPLE.c.given, PEOPLE.c.birth_date
    joined = EPISODES.join(PEOPLE, PEOPLE.c.id == EPISODES.c.patient_id)
    query = select(*columns).select_from(joined).where(EPISODES.c.id.in_(episodes))
    return {
        row.id: Whose(row.patient_id, row.n, full_name(row.surname, row.given), row.birth_date)
        for row in connection.execute(query)
    }
