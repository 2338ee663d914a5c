"""The board: how many patients are where, how many are owed something, and how long they have been there."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, case, func, literal, select, true

from pathway.guideline import Guideline, State
from persistence import models
from persistence.centiles import median, numbered
from persistence.dialects import DaysElapsed
from persistence.local_days import local_days
from persistence.registry import table
from persistence.store import Store
from persistence.utc import UtcDateTime
from persistence.work_page import IS_OPEN, RED

EPISODES, TASKS = table(models.Episode), table(models.Task)


@dataclass(frozen=True, slots=True)
class Target:
    """How long the guideline lets the work take that a state begins with; engineering: the number is ours, not its."""

    days: int
    task: str
    engineering: bool
    cites: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """A state, or one part of it. Counts are of episodes; `median_days`: how long they have been here."""

    state: str
    sub: str | None
    title: str
    episodes: int
    overdue: int
    red: int
    unowned: int
    median_days: float | None
    target: Target | None
    parts: tuple["Place", ...] = ()


@dataclass(frozen=True, slots=True)
class Phase:
    id: str
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Board:
    """Phases and states in the order of the guideline; the ends apart."""

    phases: tuple[Phase, ...]
    ends: tuple[Place, ...]


def board(store: Store, at: datetime) -> Board:
    """Two statements over indexes of episodes and of open work: each part, and as a whole the states that have some."""
    guideline = store.engine.guideline
    divided = [state.id for state in guideline.states.values() if state.subs]
    with store.database.snapshot() as connection:
        counted = _counted(connection, at, "state", "sub")
        states = {row.state: row for row in [*counted, *_counted(connection, at, "state", only=divided)]}
    parts = {(row.state, row.sub): row for row in counted}
    phases = dict.fromkeys(state.phase for state in guideline.states.values() if not state.terminal)
    return Board(
        tuple(Phase(phase, tuple(_places(guideline, phase, states, parts))) for phase in phases),
        tuple(_end(state, states.get(state.id)) for state in guideline.states.values() if state.terminal),
    )


def target(guideline: Guideline, state: State) -> Target | None:
    """None where the guideline gives none: no work begins with the state, or a timer opens it later on."""
    if not state.tasks:
        return None
    rule = guideline.tasks[state.tasks[0]]
    opened_later = any(timer.effects.get(state.id) == rule.code for timer in guideline.timers.values())
    if opened_later or rule.overdue_days is None:
        return None
    return Target(rule.overdue_days, rule.code, rule.engineering, rule.cites)


def _counted(connection: Connection, at: datetime, *groups: str, only: Sequence[str] | None = None) -> Sequence[Any]:
    work = _work(connection, at)
    columns = [EPISODES.c[name] for name in groups]
    owned = func.coalesce(EPISODES.c.owner, "") != ""
    each = select(
        *columns, EPISODES.c.since, owned.label("owned"), work.c.late, work.c.red, *numbered(columns, EPISODES.c.since)
    )
    wanted = EPISODES.c.state.in_(only) if only is not None else true()
    source = EPISODES.outerjoin(work, work.c.episode_id == EPISODES.c.id)
    rows = each.select_from(source).where(wanted).subquery()
    days = DaysElapsed(literal(at, UtcDateTime), rows.c.since)
    named = [rows.c[name] for name in groups]
    query = select(
        *named,
        func.count().label("episodes"),
        _how_many(rows.c.late == 1).label("overdue"),
        _how_many(rows.c.red == 1).label("red"),
        _how_many(~rows.c.owned).label("unowned"),
        median(rows, days).label("median_days"),
    )
    return connection.execute(query.group_by(*named)).all()


def _work(connection: Connection, at: datetime) -> Any:
    """For each episode with open work, whether any of it is late, and whether any is red-flag work."""
    days = local_days(connection, at)
    source = TASKS if days.agree else TASKS.join(EPISODES, EPISODES.c.id == TASKS.c.episode_id)
    late = func.max(case((TASKS.c.overdue_after < days.sql(), 1), else_=0)).label("late")
    red = func.max(case((TASKS.c.rank == RED, 1), else_=0)).label("red")
    query = select(TASKS.c.episode_id, late, red).select_from(source).where(IS_OPEN)
    return query.group_by(TASKS.c.episode_id).subquery()


def _how_many(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.count(case((condition, 1)))


def _places(guideline: Guideline, phase: str, states: Any, parts: Any) -> Iterator[Place]:
    for state in guideline.states.values():
        if state.phase == phase and not state.terminal:
            own = target(guideline, state)
            inner = (
                _place(state.id, sub, str(told["title"]), parts.get((state.id, sub)), None)
                for sub, told in state.subs.items()
            )
            yield _place(state.id, None, state.title, states.get(state.id), own, tuple(inner))


def _place(
    state: str, sub: str | None, title: str, row: Any, own: Target | None, parts: tuple[Place, ...] = ()
) -> Place:
    if row is None:
        return Place(state, sub, title, 0, 0, 0, 0, None, own, parts)
    return Place(state, sub, title, row.episodes, row.overdue, row.red, row.unowned, row.median_days, own, parts)


def _end(state: State, row: Any) -> Place:
    """An end is nobody's work: what matters is how many came to it, and whether red-flag work is open there."""
    if row is None:
        return Place(state.id, None, state.title, 0, 0, 0, 0, None, None)
    return Place(state.id, None, state.title, row.episodes, row.overdue, row.red, 0, None, None)
