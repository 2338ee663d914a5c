"""The episodes behind a number of the board, the cohort or the census, by the page."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, exists, func, select, type_coerce

from pathway.episode import WAITING
from persistence import models
from persistence.dialects import DaysElapsed, not_by_index
from persistence.episode_list import Line, Lines, listed
from persistence.local_days import local_days
from persistence.moved import each_stay
from persistence.names import full_name
from persistence.registry import table
from persistence.store import Store
from persistence.utc import UtcDateTime
from persistence.work_page import IS_OPEN, RED

EPISODES, TASKS, TIMERS, PEOPLE = (table(m) for m in (models.Episode, models.Task, models.Timer, models.Patient))


@dataclass(frozen=True, slots=True)
class Which:
    """Conditions that all hold. late: some of its work is overdue; red: it has open red-flag work; held: a milestone
    waits until its state lets it speak; dateless: it has neither open work nor a clock, so nothing would happen."""

    states: tuple[str, ...] = ()
    sub: str | None = None
    open_only: bool = False
    ended_only: bool = False
    late: bool = False
    red: bool = False
    unowned: bool = False
    held: bool | None = None
    dateless: bool = False
    set_aside: bool = False


def episodes_where(store: Store, at: datetime, which: Which, *, page: int = 1, size: int = 50) -> Lines:
    """Pages count from 1."""
    return listed(store, ids_where(store, at, which), page, size)


def ids_where(store: Store, at: datetime, which: Which) -> Select[Any]:
    """The statement that selects the ids of all of them."""
    with store.database.reading() as connection:
        return select(EPISODES.c.id).where(*_conditions(store, connection, at, which))


def _conditions(store: Store, connection: Connection, at: datetime, which: Which) -> list[ColumnElement[bool]]:
    guideline, found = store.engine.guideline, list[ColumnElement[bool]]()
    ends = [state.id for state in guideline.states.values() if state.terminal]
    mine = TASKS.c.episode_id == EPISODES.c.id
    # Few episodes have red-flag work: that leads to them, and where they are is asked of each.
    state = not_by_index(EPISODES.c.state) if which.red else EPISODES.c.state
    if which.states:
        found.append(state.in_(which.states))
    if which.sub:
        found.append(EPISODES.c.sub == which.sub)
    if which.open_only:
        found.append(state.in_(guideline.active_states))
    if which.ended_only:
        found.append(state.in_(ends))
    if which.late:
        late = exists().where(mine, IS_OPEN, TASKS.c.overdue_after < local_days(connection, at).sql())
        found.append(late.correlate(EPISODES))
    if which.red:
        found.append(EPISODES.c.id.in_(select(TASKS.c.episode_id).where(IS_OPEN, TASKS.c.rank == RED)))
    if which.unowned:
        found.append(func.coalesce(EPISODES.c.owner, "") == "")
    if which.held is not None:
        found.append(EPISODES.c.held == which.held)
    if which.dateless:
        waits = TIMERS.c.status.in_(WAITING)
        clock = exists().where(TIMERS.c.episode_id == EPISODES.c.id, waits).correlate(EPISODES)
        found.append(and_(~exists().where(mine, IS_OPEN).correlate(EPISODES), ~clock))
    if which.set_aside:
        found.append(and_(EPISODES.c.failures > 0, EPISODES.c.next_wake_at <= at))
    return found


# ---------------------------------------------------------------- stays that have ended


@dataclass(frozen=True, slots=True)
class EndedStay:
    line: Line
    came: datetime
    left: datetime
    days: float


@dataclass(frozen=True, slots=True)
class EndedStays:
    rows: tuple[EndedStay, ...]
    total: int


def ended_stays(store: Store, state: str, *, page: int = 1, size: int = 50) -> EndedStays:
    """Every stay in a state that has ended, the longest first; somebody who came back has one for each time."""
    each = each_stay()
    days = DaysElapsed(each.c.left_at, each.c.moved_at).label("days")
    wanted = and_(each.c.state == state, each.c.left_at.is_not(None))
    # A window function has no type of its own, and SQLite would hand out its text.
    left_at = type_coerce(each.c.left_at, UtcDateTime).label("left_at")
    columns = [EPISODES.c[name] for name in ("id", "n", "patient_id", "state", "sub", "since", "owner")]
    source = each.join(EPISODES, EPISODES.c.id == each.c.episode_id).join(PEOPLE, PEOPLE.c.id == EPISODES.c.patient_id)
    query: Select[Any] = (
        select(*columns, PEOPLE.c.surname, PEOPLE.c.given, PEOPLE.c.birth_date, each.c.moved_at, left_at, days)
        .select_from(source)
        .where(wanted)
        .order_by(days.desc(), EPISODES.c.id, each.c.moved_at)
        .limit(size)
        .offset((page - 1) * size)
    )
    with store.database.snapshot() as connection:
        total = connection.scalar(select(func.count()).select_from(each).where(wanted)) or 0
        rows = connection.execute(query).all()
    return EndedStays(tuple(EndedStay(_line(r), r.moved_at, r.left_at, r.days) for r in rows), total)


def _line(row: Any) -> Line:
    name = full_name(row.surname, row.given)
    return Line(row.id, row.n, row.patient_id, name, row.birth_date, row.state, row.sub, row.since, row.owner)


# ---------------------------------------------------------------- what changed


def change_mark(connection: Connection, at: datetime) -> tuple[Any, ...]:
    """Something that differs as soon as a line was recorded or a day began somewhere: numbers may be kept until then.

    Lines of one instant are counted, because a clock that stands still dates many of them alike.
    """
    entries = table(models.Entry)
    last = connection.scalar(select(func.max(entries.c.recorded_at)))
    alike = 0
    if last is not None:
        alike = connection.scalar(select(func.count()).where(entries.c.recorded_at == last)) or 0
    return last, alike, tuple(sorted(local_days(connection, at).by_zone.items()))
