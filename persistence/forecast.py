"""What lies ahead, counted in the database: clocks that come, work that falls due, work that becomes overdue.

It assumes that nobody does anything. What a clock opens is counted with the clock, and no reminder counts as work.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
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
from persistence.changes import OF_NOBODY, owners
from persistence.dialects import InCodeOrder
from persistence.names import full_name
from persistence.reckonings import Reckoned, reckoned
from persistence.registry import table
from persistence.store import Store
from persistence.work_page import IS_OPEN, RED, REST

TIMERS, TASKS = table(models.Timer), table(models.Task)
EPISODES, PEOPLE = table(models.Episode), table(models.Patient)
CLOCK, DUE, LATE = KINDS = ("clock", "due", "late")
ONE_DAY = timedelta(days=1)
AHEAD_FIGURES = "ahead"
# With more of them nobody reads a column for each, and counting them apart means asking each episode whose it is.
MOST_OWNERS = 30
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
class Ahead:
    """What lies ahead of everybody, as of an instant. `by_owner`: whether loads are told apart by owner; where there
    are very many owners each load is everybody's, and its owner empty."""

    at: datetime
    loads: Sequence[Load]
    rules: Sequence[ByRule]
    by_owner: bool


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
    return _in_order(found)


def by_rule(store: Store, span: Span) -> list[ByRule]:
    """By rule with the first day, the most of them first."""
    ahead = _ahead(span)
    query = select(ahead.c.kind, ahead.c.code, func.count(), func.min(ahead.c.day).label("day"))
    with store.database.reading() as connection:
        rows = connection.execute(query.group_by(ahead.c.kind, ahead.c.code))
        found = [ByRule(row.kind, row.code, row[2], _day(row)) for row in rows]
    return _most_first(found)


def house_ahead(store: Store, at: datetime, first: date, days: int, *, today: date) -> Ahead:
    """For a page without filters: in a large house as of some minutes ago at most, where it begins today."""
    reckon = partial(of_everybody, first=first, days=days)
    found = reckoned(store, at, f"{AHEAD_FIGURES} {days}", reckon) if first == today else None
    if found is None or found.figures["first"] != first.isoformat():
        found = Reckoned(at, reckon(store, at))
    rows = [(date.fromisoformat(day), *rest) for day, *rest in found.figures["rows"]]
    return Ahead(found.at, _loads(rows), _rules(rows), found.figures["by_owner"])


def of_everybody(store: Store, _at: datetime, *, first: date, days: int) -> dict[str, Any]:
    """`rows`: day, kind, rule, owner and how many, for that many days from the first on."""
    span = Span(first, first + timedelta(days=days - 1))
    with store.database.snapshot() as connection:
        by_owner = len(owners(connection)) <= MOST_OWNERS
        counted = (_counted(kind, source, by_owner=by_owner) for kind, source in _sources(span))
        found = [row for query in counted for row in connection.execute(query)]
    rows = [[_day(row).isoformat(), row.kind, row.code, row.owner, row.many] for row in found]
    return {"first": first.isoformat(), "by_owner": by_owner, "rows": rows}


def _loads(rows: Iterable[Sequence[Any]]) -> list[Load]:
    found = Counter[tuple[date, str, str]]()
    for day, kind, _code, owner, many in rows:
        found[day, kind, owner] += many
    return _in_order(Load(*key, many) for key, many in found.items())


def _rules(rows: Iterable[Sequence[Any]]) -> list[ByRule]:
    found: dict[tuple[str, str], ByRule] = {}
    for day, kind, code, _owner, many in rows:
        known = found.get((kind, code), ByRule(kind, code, 0, day))
        found[kind, code] = ByRule(kind, code, known.count + many, min(known.first, day))
    return _most_first(found.values())


def _in_order(found: Iterable[Load]) -> list[Load]:
    return sorted(found, key=lambda load: (load.day, KINDS.index(load.kind), load.owner))


def _most_first(found: Iterable[ByRule]) -> list[ByRule]:
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
    for kind, ahead in _sources(span):
        source = ahead.rows
        owner = func.coalesce(EPISODES.c.owner, "").label("owner")
        columns = ahead.day.label("day"), literal(kind).label("kind"), source.c.code, source.c.episode_id, owner
        query = select(*columns).join_from(source, EPISODES, EPISODES.c.id == source.c.episode_id)
        yield kind, query.where(*ahead.standing, *_narrowed(source, span))


@dataclass(frozen=True, slots=True)
class _Source:
    """Rows of a table, the day that each counts for, and what must hold of it."""

    rows: Any
    day: Any
    standing: Sequence[ColumnElement[bool]]


def _sources(span: Span) -> Iterator[tuple[str, _Source]]:
    yield CLOCK, _Source(TIMERS, TIMERS.c.due, (AHEAD, TIMERS.c.status == "pending", _within(TIMERS.c.due, span)))
    yield DUE, _Source(TASKS, TASKS.c.due, (IS_OPEN, _within(TASKS.c.due, span)))
    late = TASKS.c.overdue_after
    yield LATE, _Source(TASKS, late, (IS_OPEN, _within(late, span, before=ONE_DAY)))


def _within(day: Any, span: Span, *, before: timedelta = timedelta(0)) -> ColumnElement[bool]:
    return day.between(literal(span.first - before, Date), literal(span.last - before, Date))


def _counted(kind: str, ahead: _Source, *, by_owner: bool) -> Any:
    """Without owners, an index of timers or of open work tells all; of work it has to be told the ranks."""
    source, day, standing = ahead.rows, ahead.day, list(ahead.standing)
    counted = [day.label("day"), literal(kind).label("kind"), source.c.code]
    many = func.count().label("many")
    if by_owner:
        owner = func.coalesce(EPISODES.c.owner, "")
        query = select(*counted, owner.label("owner"), many)
        query = query.join_from(source, EPISODES, EPISODES.c.id == source.c.episode_id)
        return query.where(*standing).group_by(day, source.c.code, owner)
    if source is TASKS:
        standing.append(TASKS.c.rank.in_((RED, REST)))
    return select(*counted, literal("").label("owner"), many).where(*standing).group_by(day, source.c.code)


def _narrowed(source: Any, span: Span) -> Iterator[ColumnElement[bool]]:
    if span.code:
        yield source.c.code == span.code
    if span.owners:
        named = EPISODES.c.owner.in_(span.owners)
        yield or_(named, *OF_NOBODY) if "" in span.owners else and_(named)
