"""What others have recorded meanwhile: how many records changed, and what changed on the one before one's eyes."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import case, func, select

from pathway.journal import Entry
from persistence import models
from persistence.journal import INTAKE, by_person, entry_of
from persistence.registry import table
from persistence.store import Store

ENTRIES = table(models.Entry)


@dataclass(frozen=True, slots=True)
class Changes:
    """Episodes with lines that somebody else, or the engine, recorded: in the whole house, and of those on show."""

    everywhere: int
    shown: int


def changes_since(store: Store, since: datetime, by: str, shown: Iterable[str] = ()) -> Changes:
    """After that instant, by others than the person named. What was refused changed nothing."""
    meanwhile = (
        (ENTRIES.c.recorded_at > since)
        & (ENTRIES.c.episode_id != INTAKE)
        & ENTRIES.c.refusal.is_(None)
        & ~by_person(by)
    )
    # Counted apart, not made distinct first: the index of instants leads to the few lines that are new.
    on_show = case((ENTRIES.c.episode_id.in_(list(shown)), ENTRIES.c.episode_id))
    query = select(func.count(ENTRIES.c.episode_id.distinct()), func.count(on_show.distinct())).where(meanwhile)
    with store.database.reading() as connection:
        return Changes(*connection.execute(query).one())


def changed_on(store: Store, episode: str, seen: int) -> list[Entry]:
    """The lines of one episode after the one that a page has seen, oldest first."""
    query = select(ENTRIES).where(ENTRIES.c.episode_id == episode, ENTRIES.c.seq > seen).order_by(ENTRIES.c.seq)
    with store.database.reading() as connection:
        return [entry_of(row) for row in connection.execute(query)]
