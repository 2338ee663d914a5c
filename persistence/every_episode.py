"""Every episode with whose it is and since when it is where it is, read a few hundred at a time: for a file."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Select, func, select

from pathway.episode import Episode
from persistence import models
from persistence.history import episodes_as_of
from persistence.registry import table
from persistence.rows import episode_of
from persistence.store import Store

EPISODES, PEOPLE, MOVES = table(models.Episode), table(models.Patient), table(models.Move)
AT_A_TIME = 500


@dataclass(frozen=True, slots=True)
class Followed:
    """An episode, the person, when it came to its state, and the local day on which it was looked at."""

    episode: Episode
    patient: str
    surname: str
    given: str
    since: datetime
    today: date


def every_episode(
    store: Store, at: datetime, *, as_of: datetime | None = None, ids: Select[Any] | None = None
) -> Iterator[Followed]:
    """All of them, or those whose ids a statement selects, as they stand at `at` or as they stood at `as_of`."""
    found = _now(store, ids) if as_of is None else episodes_as_of(store, as_of)
    instant = as_of or at
    while page := list(islice(found, AT_A_TIME)):
        with store.database.reading() as connection:
            names = _names(connection, {episode.patient for episode in page})
            since = _since(connection, [episode.id for episode in page], instant)
        for episode in page:
            surname, given = names[episode.patient]
            yield Followed(episode, episode.patient, surname, given, since[episode.id], episode.today(instant))


def _now(store: Store, ids: Select[Any] | None) -> Iterator[Episode]:
    columns = EPISODES.c.document, EPISODES.c.patient_id, EPISODES.c.n
    query = select(*columns).order_by(EPISODES.c.patient_id, EPISODES.c.n)
    if ids is not None:
        query = query.where(EPISODES.c.id.in_(ids))
    with (
        store.database.snapshot() as connection,
        # Closed here: whoever stops early leaves the rest unread.
        connection.execution_options(yield_per=AT_A_TIME).execute(query) as rows,
    ):
        for row in rows:
            yield episode_of(row)


def _names(connection: Connection, patients: Iterable[str]) -> dict[str, tuple[str, str]]:
    query = select(PEOPLE.c.id, PEOPLE.c.surname, PEOPLE.c.given).where(PEOPLE.c.id.in_(patients))
    return {row.id: (row.surname, row.given) for row in connection.execute(query)}


def _since(connection: Connection, episodes: Sequence[str], instant: datetime) -> dict[str, datetime]:
    """When each moved last, as known at that instant."""
    known = MOVES.c.episode_id.in_(episodes), MOVES.c.moved_at <= instant
    query = select(MOVES.c.episode_id, func.max(MOVES.c.moved_at).label("at")).where(*known)
    return {row.episode_id: row.at for row in connection.execute(query.group_by(MOVES.c.episode_id))}
