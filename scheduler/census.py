"""The proof that nobody is lost: every episode counted, owned, and with a next date."""

from collections import Counter
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, exists, func, or_, select

from pathway.episode import WAITING, Episode
from pathway.guideline import Guideline
from pathway.journal import plain
from persistence import models
from persistence.changes import OF_NOBODY
from persistence.dialects import not_by_index
from persistence.distinct import distinct
from persistence.history import episodes_as_of
from persistence.store import Store, table
from persistence.work_page import IS_OPEN

EPISODES, TASKS, TIMERS = table(models.Episode), table(models.Task), table(models.Timer)


@dataclass(frozen=True, slots=True)
class Census:
    """Counts of episodes, and the ids of those that should not be. `at` is the instant of counting."""

    at: datetime
    enrolled: int
    active: int
    held: int
    closed: int
    unowned: tuple[str, ...] = ()
    without_next_date: tuple[str, ...] = ()
    unknown_state: tuple[str, ...] = ()
    # With other open work than the lines of their journals add up to; None where that was not asked.
    other_work: tuple[str, ...] | None = None

    @property
    def adds_up(self) -> bool:
        lost = self.unowned or self.without_next_date or self.unknown_state or self.other_work
        return not lost and self.enrolled == self.active + self.held + self.closed

    def as_json(self) -> dict[str, Any]:
        return {**plain(asdict(self)), "line": self.line(), "adds_up": self.adds_up}

    def line(self) -> str:
        return (
            f"{self.enrolled} enrolled = {self.active} active + {self.held} held + {self.closed} closed; "
            f"unowned {len(self.unowned)}; without next date {len(self.without_next_date)}"
        )

    @property
    def problems(self) -> list[str]:
        """One line for each thing that is wrong, with the ids of the episodes."""
        wrong = {
            "unowned": self.unowned,
            "without next date": self.without_next_date,
            "in a state that the guideline does not know": self.unknown_state,
            "with other open work than their journals tell of": self.other_work or (),
        }
        return [f"{what}: {', '.join(ids)}" for what, ids in wrong.items() if ids]


def census(store: Store, now: datetime, *, as_of: datetime | None = None) -> Census:
    """Count every episode as it stands, or as it stood at `as_of`.

    Held: open, with a milestone that waits until its state lets it speak.
    """
    if as_of is not None:
        return _then(store, as_of)
    with store.database.reading() as connection:
        lost = (look(store, connection) for look in (unowned, _without_next_date, in_unknown_state))
        return Census(now, *_counts(store, connection), *lost)


def _counts(store: Store, connection: Connection) -> tuple[int, int, int, int]:
    """Enrolled, active, held, closed, from an index alone."""
    guideline, found = store.engine.guideline, Counter[str]()
    query = select(EPISODES.c.state, EPISODES.c.held, func.count()).group_by(EPISODES.c.state, EPISODES.c.held)
    for state, held, many in connection.execute(query):
        found[_where(state, guideline, held=held)] += many
    return found.total(), found["active"], found["held"], found["closed"]


def unowned(store: Store, connection: Connection) -> tuple[str, ...]:
    """The index of owners leads to the few; in which state each is, it says as well."""
    still = not_by_index(EPISODES.c.state).in_(store.engine.guideline.active_states)
    return _ids(connection, still, or_(*OF_NOBODY))


def _without_next_date(store: Store, connection: Connection) -> tuple[str, ...]:
    task = exists().where(TASKS.c.episode_id == EPISODES.c.id, IS_OPEN)
    timer = exists().where(TIMERS.c.episode_id == EPISODES.c.id, TIMERS.c.status.in_(WAITING))
    return _ids(connection, EPISODES.c.state.in_(store.engine.guideline.active_states), ~task, ~timer)


def in_unknown_state(store: Store, connection: Connection) -> tuple[str, ...]:
    known = store.engine.guideline.states
    strange = [state for state in distinct(connection, EPISODES.c.state) if state not in known]
    return _ids(connection, EPISODES.c.state.in_(strange)) if strange else ()


def _ids(connection: Connection, *which: ColumnElement[bool]) -> tuple[str, ...]:
    return tuple(connection.scalars(select(EPISODES.c.id).where(*which).order_by(EPISODES.c.id)))


def _then(store: Store, instant: datetime) -> Census:
    """The same counts from the journals."""
    guideline, found = store.engine.guideline, Counter[str]()
    unowned, dateless, unknown = [], [], []
    for episode in episodes_as_of(store, instant):
        held = any(timer.status == "held" for timer in episode.timers)
        place = _where(episode.state, guideline, held=held)
        found[place] += 1
        if place in ("active", "held") and not episode.owner:
            unowned.append(episode.id)
        if place in ("active", "held") and not _has_next_date(episode):
            dateless.append(episode.id)
        if place == "unknown":
            unknown.append(episode.id)
    lost = (tuple(sorted(ids)) for ids in (unowned, dateless, unknown))
    return Census(instant, found.total(), found["active"], found["held"], found["closed"], *lost)


def _where(state: str, guideline: Guideline, *, held: bool) -> str:
    if state not in guideline.states:
        return "unknown"
    if guideline.is_terminal(state):
        return "closed"
    return "held" if held else "active"


def _has_next_date(episode: Episode) -> bool:
    return any(task.status == "open" for task in episode.tasks) or any(timer.waiting for timer in episode.timers)
