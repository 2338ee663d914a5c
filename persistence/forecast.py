"""What lies ahead, counted in the database: clocks that come, work that falls due, work that becomes overdue.

It assumes that nobody does anything. What a clock opens is counted with the clock, and no reminder counts as work.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Date,
    Subquery,
    and_,
    func,
    literal,
    literal_column,
    or_,
    select,
    union_all,
)

from persistence import models
from persistence.dialects import InCodeOrder
from persistence.names import full_name
from persistence.registry import table
from persistence.store import Store
from persistence.work_page import IS_OPEN

TIMERS, TASKS = table(models.Timer), table(models.Task)
EPISODES, PEOPLE = table(models.Episode), table(models.Patient)
CLOCK, DUE, LATE = KINDS = ("clock", "due", "late")
ONE_DAY = timedelta(days=1)
# Said as the index of timers says it, so that a database sees that the index has all that is wanted.
AHEAD = TIMERS.c.status.in_((literal_column("'pending'"), literal_column("'held'")))


@dataclass(frozen=True, slots=True)
class Span:
    """The local days from `first` to `last`, both included. `owners`: whose patients, "" for nobody's; none named
    means everybody's. `kinds` and `code` narrow a list to some kinds and to one rule."""

    first: date
    last: date
    owners: tuple[str, ...] = ()
    kinds: tuple[str, ...] = KINDS
    code: str = ""

    @property
    def days(self) -> Sequence[date]:
        return [self.first + timedelta(days=number) for number in range((self.last - self.first).days + 1)]


@dataclass(frozen=True, slots=True)
class Load:
    """So many things of one kind on one day, for the patients of one owner."""

    day: date
    kind: str
    owner: str
    count: int


@dataclass(frozen=True, slots=True)
class ByRule:
    kind: str
    code: str
    count: int
    first: date


@dataclass(frozen=True, slots=True)
class Coming:
    """One thing that lies ahead, of one patient."""

    day: date
    kind: str
    code: str
    patient: str
    name: str
    birth_date: date | None
    episode: str
    n: int
    state: str
    sub: str | None
    owner: str | None


@dataclass(frozen=True, slots=True)
class ComingPage:
    rows: tuple[Coming, ...]
    total: int


def loads(store: Store, span: Span) -> list[Load]:
    """By day, kind and owner, in the order of days."""
    ahead = _ahead(span)
    query = select(ahead.c.day, ahead.c.kind, ahead.c.owner, func.count()).group_by(
        ahead.c.day, ahead.c.kind, ahead.c.owner
    )
    with store.database.reading() as connection:
        found = [Load(_day(row), row.kind, row.owner, row[3]) for row in connection.execute(query)]
    return sorted(found, key=lambda load: (load.day, KINDS.index(load.kind), load.owner))


def by_rule(store: Store, span: Span) -> list[ByRule]:
    """By rule with the first day, the most of them first."""
    ahead = _ahead(span)
    query = select(ahead.c.kind, ahead.c.code, func.count(), func.min(ahead.c.day).label("day"))
    with store.database.reading() as connection:
        rows = connection.execute(query.group_by(ahead.c.kind, ahead.c.code))
        found = [ByRule(row.kind, row.code, row[2], _day(row)) for row in rows]
    return sorted(found, key=lambda rule: (-rule.count, rule.first, rule.code))


def coming(store: Store, span: Span, *, page: int = 1, size: int = 50) -> ComingPage:
    """The list behind a number, by name; pages count from 1."""
    ahead = _ahead(span)
    columns = [EPISODES.c[name] for name in ("id", "n", "patient_id", "state", "sub")]
    people = [PEOPLE.c[name] for name in ("surname", "given", "birth_date")]
    query = (
        select(ahead.c.day, ahead.c.kind, ahead.c.code, EPISODES.c.owner, *columns, *people)
        .select_from(ahead)
        .join(EPISODES, EPISODES.c.id == ahead.c.episode_id)
        .join(PEOPLE, PEOPLE.c.id == EPISODES.c.patient_id)
        .order_by(PEOPLE.c.name_key, InCodeOrder(EPISODES.c.id), ahead.c.kind, ahead.c.code, ahead.c.day)
        .limit(size)
        .offset((page - 1) * size)
    )
    with store.database.snapshot() as connection:
        total = connection.scalar(select(func.count()).select_from(ahead)) or 0
        return ComingPage(tuple(_coming(row) for row in connection.execute(query)), total)


def _coming(row: Any) -> Coming:
    name = full_name(row.surname, row.given)
    return Coming(
        _day(row),
        row.kind,
        row.code,
        row.patient_id,
        name,
        row.birth_date,
        row.id,
        row.n,
        row.state,
        row.sub,
        row.owner,
    )


def _day(row: Any) -> date:
    """Work is overdue on the day after its window."""
    day: date = row.day
    return day + ONE_DAY if row.kind == LATE else day


def _ahead(span: Span) -> Subquery:
    return _all_of(span).subquery("ahead")


def _all_of(span: Span) -> CompoundSelect[Any]:
    return union_all(*(part for kind, part in _parts(span) if kind in span.kinds))


def _parts(span: Span) -> Iterator[tuple[str, Any]]:
    yield CLOCK, _part(TIMERS, CLOCK, TIMERS.c.due, span, and_(AHEAD, TIMERS.c.status == "pending"))
    yield DUE, _part(TASKS, DUE, TASKS.c.due, span, IS_OPEN)
    yield LATE, _part(TASKS, LATE, TASKS.c.overdue_after, span, IS_OPEN, before=ONE_DAY)


def _part(source: Any, kind: str, day: Any, span: Span, standing: Any, *, before: timedelta = timedelta(0)) -> Any:
    within = day.between(literal(span.first - before, Date), literal(span.last - before, Date))
    owner = func.coalesce(EPISODES.c.owner, "").label("owner")
    columns = day.label("day"), literal(kind).label("kind"), source.c.code, source.c.episode_id, owner
    query = select(*columns).join_from(source, EPISODES, EPISODES.c.id == source.c.episode_id)
    return query.where(standing, within, *_narrowed(source, span))


def _narrowed(source: Any, span: Span) -> Iterator[ColumnElement[bool]]:
    if span.code:
        yield source.c.code == span.code
    if span.owners:
        named = EPISODES.c.owner.in_(span.owners)
        nobody = or_(EPISODES.c.owner.is_(None), EPISODES.c.owner == "")
        yield or_(named, nobody) if "" in span.owners else and_(named)
