"""What has changed since somebody looked, and who owns open work: small questions of a screen that stands open."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, func, select

from persistence import models
from persistence.database import Database
from persistence.distinct import distinct
from persistence.journal import by_person
from persistence.names import full_name
from persistence.registry import table

ENTRIES, EPISODES, PEOPLE = table(models.Entry), table(models.Episode), table(models.Patient)

# Whom nobody looks after, said in two ways: each by its own stretch of the index of owners.
OF_NOBODY = EPISODES.c.owner.is_(None), EPISODES.c.owner == ""
# Above that the page says "more than", and so many lines are looked at first.
MOST, LINES = 100, 1000


def changed_since(database: Database, since: datetime, *, but_by: str = "") -> int:
    """How many patients had something recorded since then, but for what that colleague recorded; one more than MOST
    where there are more, however many. What was refused changed nothing."""
    news = [ENTRIES.c.recorded_at > since, ENTRIES.c.refusal.is_(None)]
    news += [~by_person(but_by)] if but_by else []
    lines = select(ENTRIES.c.patient_id).where(*news)
    with database.reading() as connection:
        # The index of instants leads to the first lines that are new; they nearly always tell enough.
        first = lines.order_by(ENTRIES.c.recorded_at).limit(LINES).subquery()
        many, patients = connection.execute(select(func.count(), func.count(first.c.patient_id.distinct()))).one()
        if many == LINES and patients <= MOST:
            whole = lines.distinct().limit(MOST + 1).subquery()
            patients = connection.scalar(select(func.count()).select_from(whole)) or 0
    return min(patients, MOST + 1)


def owners(connection: Connection) -> Sequence[str]:
    """Everybody who looks after somebody."""
    return distinct(connection, EPISODES.c.owner)


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
