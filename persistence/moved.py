"""What the moves tell: how often each rule moved somebody, who ever came to each state, and how long people stayed."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import Select, Subquery, case, func, literal, select

from pathway.guideline import Guideline
from persistence import models
from persistence.centiles import numbered, spread
from persistence.dialects import DaysElapsed
from persistence.episode_list import Lines, listed
from persistence.reckonings import Reckoned, reckoned
from persistence.registry import table
from persistence.store import Store
from persistence.utc import UtcDateTime

MOVES = table(models.Move)
MOVED, FIRED = "moved", "fired"


@dataclass(frozen=True, slots=True)
class Spread:
    """How many stays, and in days the 10th centile, the median and the 90th; None where there were none."""

    count: int = 0
    p10: float | None = None
    median: float | None = None
    p90: float | None = None


@dataclass(frozen=True, slots=True)
class Stay:
    """Stays in one state: those that have ended, and those that go on, as long as they are by now."""

    state: str
    title: str
    ended: Spread
    going_on: Spread


@dataclass(frozen=True, slots=True)
class Moves:
    """As of an instant: how many have ever been in each state, and how long people stayed."""

    at: datetime
    reached: Mapping[str, int]
    stays: tuple[Stay, ...]


def rules_fired(store: Store, since: datetime, until: datetime | None = None) -> dict[str, int]:
    """How many moves each rule made from an instant on (and before another), the most frequent first."""
    counted = func.count()
    query = select(MOVES.c.rule, counted).where(*_within(since, until)).group_by(MOVES.c.rule)
    with store.database.reading() as connection:
        return dict(_pairs(connection.execute(query.order_by(counted.desc(), MOVES.c.rule))))


def house_rules_fired(store: Store, at: datetime, days: int) -> Reckoned:
    """For a page, how many moves each rule made in the last so many days: in a large house as of some minutes ago at
    most."""
    return reckoned(store, at, f"{FIRED} {days}", partial(of_the_last_days, days=days))


def of_the_last_days(store: Store, at: datetime, *, days: int) -> dict[str, int]:
    return rules_fired(store, at - timedelta(days=days))


def moved_by_rule(
    store: Store, rule: str, since: datetime, until: datetime | None = None, *, page: int = 1, size: int = 50
) -> Lines:
    """The episodes that a rule moved meanwhile."""
    return listed(store, select(MOVES.c.episode_id).where(MOVES.c.rule == rule, *_within(since, until)), page, size)


def reached(store: Store) -> dict[str, int]:
    """How many episodes have ever been in each state, in the order of the guideline; the ends too."""
    query = select(MOVES.c.to_state, func.count(MOVES.c.episode_id.distinct())).group_by(MOVES.c.to_state)
    with store.database.reading() as connection:
        found = dict(_pairs(connection.execute(query)))
    return {state: found.get(state, 0) for state in store.engine.guideline.states}


def that_reached(store: Store, state: str, *, page: int = 1, size: int = 50) -> Lines:
    """The episodes that have ever been in a state."""
    return listed(store, select(MOVES.c.episode_id).where(MOVES.c.to_state == state), page, size)


def stays(store: Store, at: datetime) -> tuple[Stay, ...]:
    """For every state that is no end, in the order of the guideline. A change inside a state ends no stay."""
    return _stays(store.engine.guideline, _lengths(store, at))


def house_moves(store: Store, at: datetime) -> Moves:
    """For a page: in a large house as of some minutes ago at most."""
    found = reckoned(store, at, MOVED, came_and_stayed)
    return Moves(found.at, found.figures["reached"], _stays(store.engine.guideline, found.figures["lengths"]))


def came_and_stayed(store: Store, at: datetime) -> dict[str, Any]:
    """`reached` by state; `lengths`: state, whether the stays have ended, how many, their centiles in days."""
    return {"reached": reached(store), "lengths": _lengths(store, at)}


def _lengths(store: Store, at: datetime) -> list[list[Any]]:
    with store.database.reading() as connection:
        return [list(row) for row in connection.execute(_spreads(at))]


def _stays(guideline: Guideline, lengths: Iterable[Sequence[Any]]) -> tuple[Stay, ...]:
    found = {(state, over): Spread(*rest) for state, over, *rest in lengths}
    return tuple(
        Stay(state, guideline.states[state].title, found.get((state, 1), Spread()), found.get((state, 0), Spread()))
        for state in guideline.active_states
    )


def _pairs(rows: Iterable[Any]) -> Iterator[tuple[str, int]]:
    return ((name, count) for name, count in rows)


def _within(since: datetime, until: datetime | None) -> list[Any]:
    return [MOVES.c.moved_at >= since] + ([MOVES.c.moved_at < until] if until else [])


def each_stay() -> Subquery:
    """Each arrival in a state from another, with the next arrival of that episode somewhere else."""
    arrived = MOVES.c.from_state.is_distinct_from(MOVES.c.to_state)
    next_one = func.lead(MOVES.c.moved_at).over(partition_by=MOVES.c.episode_id, order_by=(MOVES.c.seq, MOVES.c.number))
    columns = MOVES.c.episode_id, MOVES.c.to_state.label("state"), MOVES.c.moved_at
    query = select(*columns, next_one.label("left_at")).where(arrived)
    return query.subquery("stays")


def _spreads(at: datetime) -> Select[Any]:
    each = each_stay()
    over = case((each.c.left_at.is_(None), 0), else_=1).label("over")
    days = DaysElapsed(func.coalesce(each.c.left_at, literal(at, UtcDateTime)), each.c.moved_at).label("days")
    dated = select(each.c.state, over, days).subquery()
    rows = select(dated, *numbered([dated.c.state, dated.c.over], dated.c.days)).subquery()
    return spread(rows, ["state", "over"], rows.c.days)
