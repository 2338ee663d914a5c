"""The board: how many patients are where, how many are owed something, and how long they have been there."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from statistics import fmean
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, literal, select, union_all

from pathway.guideline import Guideline, State
from persistence import models
from persistence.changes import OF_NOBODY
from persistence.local_days import LocalDays, local_days
from persistence.reckonings import reckoned
from persistence.registry import table
from persistence.store import Store
from persistence.work_page import IS_OPEN, RED, REST

EPISODES, TASKS = table(models.Episode), table(models.Task)
ONE_DAY = timedelta(days=1)
BOARD = "board"


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
    """Phases and states in the order of the guideline; the ends apart. `at`: when it was counted."""

    phases: tuple[Phase, ...]
    ends: tuple[Place, ...]
    at: datetime


def board(store: Store, at: datetime) -> Board:
    """Everything as of now, from indexes of episodes and of open work."""
    with store.database.snapshot() as connection:
        return _board(store.engine.guideline, _counted(connection, at), _watched(connection), at)


def house_board(store: Store, at: datetime) -> Board:
    """The same for a page: in a large house with counts and medians that may be some minutes old, as its `at` says.
    Who has open red-flag work and who is looked after by nobody is as of now, however large the house."""
    found = reckoned(store, at, BOARD, counts)
    with store.database.reading() as connection:
        watched = _watched(connection)
    return _board(store.engine.guideline, found.figures, watched, found.at)


def counts(store: Store, at: datetime) -> Any:
    """Of each part of a state, and of each state: its name, that of the part (empty for none, null for the whole
    state), how many episodes are there, how many have overdue work, and for how many days in the median."""
    with store.database.snapshot() as connection:
        return _counted(connection, at)


def target(guideline: Guideline, state: State) -> Target | None:
    """None where the guideline gives none: no work begins with the state, or a timer opens it later on."""
    if not state.tasks:
        return None
    rule = guideline.tasks[state.tasks[0]]
    opened_later = any(timer.effects.get(state.id) == rule.code for timer in guideline.timers.values())
    if opened_later or rule.overdue_days is None:
        return None
    return Target(rule.overdue_days, rule.code, rule.engineering, rule.cites)


# ---------------------------------------------------------------- what is counted

# A part of a state: None in the place of the part stands for the state as a whole.
_Here = tuple[str, str | None]


def _counted(connection: Connection, at: datetime) -> list[Any]:
    here = _with_states(_by_part(connection, _EVERYBODY))
    late = _with_states(_by_part(connection, _late(local_days(connection, at))))
    medians = _medians(connection, here, at)
    return [[*key, many, late.get(key, 0), days] for (key, many), days in zip(here.items(), medians, strict=True)]


def _watched(connection: Connection) -> dict[str, dict[_Here, int]]:
    """What no figure may be late with: open red-flag work, and who has nobody. Each is found by an index that has
    little else in it."""
    nobody = union_all(*(select(*_PART, func.count()).where(of_none).group_by(*_PART) for of_none in OF_NOBODY))
    found = {"red": _by_part(connection, _red()), "unowned": _by_part(connection, nobody)}
    return {what: _with_states(parts) for what, parts in found.items()}


_PART = EPISODES.c.state, EPISODES.c.sub
_EVERYBODY = select(*_PART, func.count()).group_by(*_PART)


def _late(days: LocalDays) -> Select[Any]:
    # Each rank is named, so that the index of late work leads to it.
    return _with_work(TASKS.c.rank.in_((RED, REST)), TASKS.c.overdue_after < days.sql())


def _red() -> Select[Any]:
    return _with_work(TASKS.c.rank == RED)


def _with_work(*which: ColumnElement[bool]) -> Select[Any]:
    source = TASKS.join(EPISODES, EPISODES.c.id == TASKS.c.episode_id)
    query = select(*_PART, func.count(EPISODES.c.id.distinct())).select_from(source)
    return query.where(IS_OPEN, *which).group_by(*_PART)


def _by_part(connection: Connection, query: Any) -> Counter[tuple[str, str]]:
    found = Counter[tuple[str, str]]()
    for state, sub, many in connection.execute(query):
        found[state, sub or ""] += many
    return found


def _with_states(parts: Counter[tuple[str, str]]) -> dict[_Here, int]:
    found: dict[_Here, int] = {}
    for (state, part), many in parts.items():
        found[state, part] = many
        found[state, None] = found.get((state, None), 0) + many
    return found


def _medians(connection: Connection, here: Mapping[_Here, int], at: datetime) -> Iterator[float]:
    """For each in turn, days until `at`: those in the middle, of as many as are there, in the order in which they came.
    A state with one part is like that part, whose order the index has."""
    parts = Counter(state for state, part in here if part is not None)
    asked = {(state, part): many for (state, part), many in here.items() if part is not None or parts[state] > 1}
    days: defaultdict[_Here, list[float]] = defaultdict(list)
    keys = list(asked)
    middle = [_middle(*key, many).subquery() for key, many in asked.items()]
    each = [select(literal(number), rows.c.since) for number, rows in enumerate(middle)]
    for number, since in connection.execute(union_all(*each)) if each else ():
        state, part = keys[number]
        days[state, part].append((at - since) / ONE_DAY)
        if parts[state] == 1:
            days[state, None].append((at - since) / ONE_DAY)
    return (fmean(days[key]) for key in here)


def _middle(state: str, part: str | None, many: int) -> Select[Any]:
    """Since when the one in the middle is there, or the two."""
    query = select(EPISODES.c.since).where(EPISODES.c.state == state).order_by(EPISODES.c.since)
    if part is not None:
        query = query.where(EPISODES.c.sub == part) if part else query.where(EPISODES.c.sub.is_(None))
    return query.limit(2 - many % 2).offset((many - 1) // 2)


# ---------------------------------------------------------------- as a board


@dataclass(frozen=True, slots=True)
class _House:
    """Of each place: how many are there, how many with overdue work, for how many days; and what is watched."""

    counted: Mapping[_Here, tuple[int, int, float | None]]
    watched: Mapping[str, Mapping[_Here, int]]

    def place(
        self, state: str, part: str | None, title: str, own: Target | None = None, parts: tuple[Place, ...] = ()
    ) -> Place:
        here = (state, part)
        episodes, late, days = self.counted.get(here, (0, 0, None))
        red, unowned = (self.watched[what].get(here, 0) for what in ("red", "unowned"))
        return Place(state, part, title, episodes, late, red, unowned, days, own, parts)

    def end(self, state: State) -> Place:
        """Nobody's work: what matters is how many came to it, and whether red-flag work is open there."""
        return replace(self.place(state.id, None, state.title), unowned=0, median_days=None)


def _board(guideline: Guideline, counted: list[Any], watched: Mapping[str, Mapping[_Here, int]], at: datetime) -> Board:
    house = _House({(state, part): tuple(rest) for state, part, *rest in counted}, watched)
    phases = dict.fromkeys(state.phase for state in guideline.states.values() if not state.terminal)
    return Board(
        tuple(Phase(phase, tuple(_places(guideline, phase, house))) for phase in phases),
        tuple(house.end(state) for state in guideline.states.values() if state.terminal),
        at,
    )


def _places(guideline: Guideline, phase: str, house: _House) -> Iterator[Place]:
    for state in guideline.states.values():
        if state.phase == phase and not state.terminal:
            parts = (house.place(state.id, sub, str(told["title"])) for sub, told in state.subs.items())
            yield house.place(state.id, None, state.title, target(guideline, state), tuple(parts))
