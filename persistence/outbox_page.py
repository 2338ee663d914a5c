"""One page of the outbox, asked of the database: every message with its outcome, how many each outcome has, filters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select, union_all

from persistence import models
from persistence.dialects import not_by_index
from persistence.messages import OUTCOMES, Attempt
from persistence.names import full_name
from persistence.reckonings import reckoned
from persistence.registry import table
from persistence.search import numbers_fitting
from persistence.store import Store

ROWS, PEOPLE, EPISODES = table(models.Reminder), table(models.Patient), table(models.Episode)
TASKS, TRIES = table(models.Task), table(models.Delivery)
ENDED = "ended messages"
# What a person has of a message that reached nobody.
REACH = "K-REACH"


@dataclass(frozen=True, slots=True)
class OutboxView:
    """Which messages. `q`: a patient, as people are searched; `text`: part of the reason; `since`: due at or after."""

    outcome: str = "waiting"
    kind: str = ""
    role: str = ""
    q: str = ""
    text: str = ""
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A message with whom it is about. `reach`: since when a person has the work of it, while that is open."""

    key: str
    kind: str
    code: str
    role: str
    channel: str | None
    patient: str | None
    name: str
    birth_date: date | None
    episode_n: int | None
    owner: str | None
    due_at: datetime | None
    fired_at: datetime
    outcome: str
    because: str
    try_at: datetime
    settled_at: datetime | None
    reach: datetime | None
    attempts: tuple[Attempt, ...]


@dataclass(frozen=True, slots=True)
class OutboxPage:
    """`counts`: by outcome, under the other filters; `counted_at`: of when those of what has ended are."""

    rows: tuple[OutboxRow, ...]
    counts: Mapping[str, int]
    total: int
    number: int
    size: int
    counted_at: datetime | None = None


def outbox_page(
    store: Store, view: OutboxView, *, page: int = 1, size: int = 50, at: datetime | None = None
) -> OutboxPage:
    """What waits by when it goes out, the rest by when it ended, the latest first; pages count from 1.

    `at`: the house's clock. With it, a large house without filters is told what has ended as of some minutes ago at
    most; what waits is always as of now.
    """
    shown = _conditions(view)
    known = None if shown or at is None else reckoned(store, at, ENDED, ended)
    with store.database.snapshot() as connection:
        counts = _counted(connection, shown) if known is None else {**known.figures, **_waiting(connection)}
        found = _rows(connection, view, shown, size, (page - 1) * size)
        tried = _attempts(connection, [row.key for row in found])
    rows = tuple(_row(row, tried.get(row.key, ())) for row in found)
    whole = {outcome: counts.get(outcome, 0) for outcome in OUTCOMES}
    return OutboxPage(rows, whole, whole.get(view.outcome, 0), page, size, known.at if known else at)


def ended(store: Store, _at: datetime) -> dict[str, int]:
    """How many messages have come to each outcome."""
    with store.database.reading() as connection:
        return _counted(connection, [ROWS.c.outcome != "waiting"])


def _waiting(connection: Connection) -> dict[str, int]:
    return _counted(connection, [ROWS.c.outcome == "waiting"])


def _counted(connection: Connection, shown: list[ColumnElement[bool]]) -> dict[str, int]:
    counted = select(ROWS.c.outcome, func.count()).where(*shown).group_by(ROWS.c.outcome)
    return {row[0]: row[1] for row in connection.execute(counted)}


def _rows(
    connection: Connection, view: OutboxView, shown: list[ColumnElement[bool]], size: int, offset: int
) -> Sequence[Any]:
    """The index gives their keys in order; who they are about is read of one page only."""
    order = _order(view)
    wanted = select(ROWS.c.key).where(*shown, *_with_outcome(view)).order_by(*order)
    keys = wanted.limit(size).offset(offset).scalar_subquery()
    source = ROWS.outerjoin(PEOPLE, PEOPLE.c.id == ROWS.c.patient_id)
    source = source.outerjoin(EPISODES, EPISODES.c.id == ROWS.c.episode_id)
    query = select(*_COLUMNS).select_from(source).where(ROWS.c.key.in_(keys)).order_by(*order)
    return connection.execute(query).all()


def _conditions(view: OutboxView) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if view.kind:
        found.append(ROWS.c.kind == view.kind)
    if view.role:
        found.append(ROWS.c.role == view.role)
    if view.since is not None:
        found.append(func.coalesce(ROWS.c.due_at, ROWS.c.fired_at) >= view.since)
    if view.text.strip():
        part = view.text.strip()
        found.append(or_(ROWS.c.because.icontains(part, autoescape=True), ROWS.c.code.icontains(part, autoescape=True)))
    if view.q.strip():
        found.append(_about(numbers_fitting(view.q).scalar_subquery()))
    return found


def _about(people: Any) -> ColumnElement[bool]:
    """Two lists of keys, each by the index of episodes: PostgreSQL would take none for one thing or the other."""
    theirs = ROWS.c.episode_id.in_(select(EPISODES.c.id).where(EPISODES.c.patient_id.in_(people)))
    of_no_episode = and_(ROWS.c.episode_id.is_(None), ROWS.c.patient_id.in_(people))
    keys = union_all(*(select(ROWS.c.key).where(which).correlate(None) for which in (theirs, of_no_episode)))
    return ROWS.c.key.in_(keys.scalar_subquery())


def _with_outcome(view: OutboxView) -> list[ColumnElement[bool]]:
    """Where no patient is asked for, in the words of the index of ended messages, so that it is seen to fit."""
    if view.q.strip():
        return [not_by_index(ROWS.c.outcome) == view.outcome]
    ended = [] if view.outcome == "waiting" else [ROWS.c.settled_at.is_not(None)]
    return [ROWS.c.outcome == view.outcome, *ended]


def _order(view: OutboxView) -> tuple[Any, ...]:
    if view.outcome == "waiting":
        return ROWS.c.fired_at, ROWS.c.key
    return ROWS.c.settled_at.desc(), ROWS.c.key


def _attempts(connection: Connection, keys: list[str]) -> dict[str, tuple[Attempt, ...]]:
    found: dict[str, tuple[Attempt, ...]] = {}
    for row in connection.execute(select(TRIES).where(TRIES.c.reminder_key.in_(keys)).order_by(TRIES.c.id)):
        attempt = Attempt(row.channel, row.recipient, row.attempted_at, row.answer, row.message_id)
        found[row.reminder_key] = (*found.get(row.reminder_key, ()), attempt)
    return found


_REACHING = (
    select(func.min(TASKS.c.opened_at))
    .where(TASKS.c.episode_id == ROWS.c.episode_id, TASKS.c.code == REACH, TASKS.c.status == "open")
    .correlate(ROWS)
    .scalar_subquery()
)
_COLUMNS = (
    *(ROWS.c[name] for name in ("key", "kind", "code", "role", "channel", "patient_id", "due_at", "fired_at")),
    *(ROWS.c[name] for name in ("outcome", "because", "try_at", "settled_at")),
    PEOPLE.c.surname,
    PEOPLE.c.given,
    PEOPLE.c.birth_date,
    EPISODES.c.n,
    EPISODES.c.owner,
    _REACHING.label("reach"),
)


def _row(row: Any, attempts: tuple[Attempt, ...]) -> OutboxRow:
    return OutboxRow(
        key=row.key,
        patient=row.patient_id,
        name=full_name(row.surname or "", row.given or ""),
        birth_date=row.birth_date,
        episode_n=row.n,
        owner=row.owner,
        reach=row.reach,
        attempts=attempts,
        **{
            name: getattr(row, name)
            for name in ("kind", "code", "role", "channel", "due_at", "fired_at")
            + ("outcome", "because", "try_at", "settled_at")
        },
    )
