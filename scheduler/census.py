"""The proof that nobody is lost: every episode counted, owned, and with a next date."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, case, exists, func, select

from pathway.episode import Episode
from pathway.guideline import Guideline
from pathway.journal import plain
from persistence import models
from persistence.history import episodes_as_of
from persistence.store import Store, table


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

    @property
    def adds_up(self) -> bool:
        lost = self.unowned or self.without_next_date or self.unknown_state
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
        }
        return [f"{what}: {', '.join(ids)}" for what, ids in wrong.items() if ids]


def census(store: Store, now: datetime, *, as_of: datetime | None = None) -> Census:
    """Count every episode as it stands, or as it stood at `as_of`.

    Held: open, with a milestone that waits until its state lets it speak.
    """
    if as_of is not None:
        return _then(store, as_of)
    with store.database.reading() as connection:
        counts = _counts(store, connection)
        return Census(now, *counts, *_lost(store, connection))


def _open(store: Store):
    return table(models.Episode).c.state.in_(store.engine.guideline.active_states)


def _ends(store: Store) -> list[str]:
    return [state.id for state in store.engine.guideline.states.values() if state.terminal]


def _counts(store: Store, connection: Connection) -> tuple[int, int, int, int]:
    episodes = table(models.Episode)
    still, held = _open(store), episodes.c.held
    query = select(
        func.count(),
        func.count(case((and_(still, ~held), 1))),
        func.count(case((and_(still, held), 1))),
        func.count(case((episodes.c.state.in_(_ends(store)), 1))),
    ).select_from(episodes)
    enrolled, active, waiting, closed = connection.execute(query).one()
    return enrolled, active, waiting, closed


def _lost(store: Store, connection: Connection) -> Iterator[tuple[str, ...]]:
    """The unowned, those without a next date, and those in an unknown state."""
    episodes, tasks, timers = table(models.Episode), table(models.Task), table(models.Timer)
    task = exists().where(tasks.c.episode_id == episodes.c.id, tasks.c.status == "open")
    waits = timers.c.status.in_(("pending", "held"))
    timer = exists().where(timers.c.episode_id == episodes.c.id, waits)
    known = episodes.c.state.in_(list(store.engine.guideline.states))
    conditions = (
        and_(_open(store), func.coalesce(episodes.c.owner, "") == ""),
        and_(_open(store), ~task, ~timer),
        ~known,
    )
    for found in conditions:
        yield tuple(connection.scalars(select(episodes.c.id).where(found).order_by(episodes.c.id)))


def _then(store: Store, instant: datetime) -> Census:
    """The same counts from the journals."""
    guideline, found = store.engine.guideline, Counter[str]()
    unowned, dateless, unknown = [], [], []
    for episode in episodes_as_of(store, instant):
        place = _where(episode, guideline)
        found[place] += 1
        if place in ("active", "held") and not episode.owner:
            unowned.append(episode.id)
        if place in ("active", "held") and not _has_next_date(episode):
            dateless.append(episode.id)
        if place == "unknown":
            unknown.append(episode.id)
    lost = (tuple(sorted(ids)) for ids in (unowned, dateless, unknown))
    return Census(instant, found.total(), found["active"], found["held"], found["closed"], *lost)


def _where(episode: Episode, guideline: Guideline) -> str:
    if episode.state not in guideline.states:
        return "unknown"
    if guideline.is_terminal(episode.state):
        return "closed"
    return "held" if any(timer.status == "held" for timer in episode.timers) else "active"


def _has_next_date(episode: Episode) -> bool:
    return any(task.status == "open" for task in episode.tasks) or any(timer.waiting for timer in episode.timers)
