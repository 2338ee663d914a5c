"""Letting time pass where nothing is real, and what happened on the way."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import func, select

from coordinator.web.desk import Desk
from coordinator.web.text import _
from coordinator.web.typed import typed_day
from pathway.calendar import fire_instant, show_date, zone_named
from persistence import models
from persistence.registry import table
from persistence.store import Store
from scheduler.simulated import SimulatedClock

# Every hour of it is lived through, so a leap has an end.
FURTHEST = timedelta(days=92)


@dataclass(frozen=True, slots=True)
class Happened:
    """What fired in a span of time, by the word of each clock, who moved where, and what work opened."""

    since: datetime
    fired: Sequence[tuple[str, int]]
    moved: Sequence[tuple[str, int]]
    opened: Sequence[tuple[str, int]]
    told: int


def movable(desk: Desk) -> SimulatedClock | None:
    """The clock that people may move; None wherever anything is real."""
    clock = desk.house.clock
    return clock if desk.house.simulation and isinstance(clock, SimulatedClock) else None


def aim(desk: Desk, step: str, until: str) -> datetime | str:
    """The instant to move to, at the time of day that it is now; or the sentence that says why not."""
    today = desk.today
    day: date | str = today + timedelta(days=int(step)) if step in ("1", "7") else typed_day(until, today)
    if isinstance(day, str):
        return day
    if day <= today:
        said = _("Time only goes forward here: %(day)s is not after %(today)s.")
        return said % {"day": show_date(day), "today": show_date(today)}
    if day > today + FURTHEST:
        return _("At most %(days)s days in one leap.", days=FURTHEST.days)
    wall = desk.now.astimezone(zone_named(desk.zone))
    return max(desk.now, fire_instant(day, f"{wall:%H:%M}", desk.zone))


def happened(store: Store, since: datetime, until: datetime) -> Happened:
    """Everything that the engine did after `since`, counted in the database."""
    timers, moves, tasks, told = (
        table(models.Timer),
        table(models.Move),
        table(models.Task),
        table(models.Reminder),
    )
    guideline = store.engine.guideline
    with store.database.snapshot() as connection:

        def counted(column, at):
            query = select(column, func.count()).where(at > since, at <= until).group_by(column)
            return sorted(((row[0], row[1]) for row in connection.execute(query)), key=lambda found: (-found[1], found))

        fired = counted(timers.c.code, timers.c.fired_at)
        moved = counted(moves.c.to_state, moves.c.moved_at)
        opened = counted(tasks.c.code, tasks.c.opened_at)
        query = select(func.count()).where(told.c.fired_at > since, told.c.fired_at <= until)
        messages = connection.scalar(query) or 0
    return Happened(
        since,
        [(guideline.timers[code].title, count) for code, count in fired],
        [(guideline.states[state].title, count) for state, count in moved],
        [(guideline.tasks[code].title, count) for code, count in opened],
        messages,
    )


def carry_over(store: Store, by: timedelta) -> None:
    """Whoever is signed in stays so: the clock was moved, nobody was idle."""
    browsers = table(models.SignIn)
    with store.database.writing() as connection:
        for row in connection.execute(select(browsers).where(browsers.c.ended_at.is_(None))).all():
            values = {"began_at": row.began_at + by, "seen_at": row.seen_at + by}
            mine = browsers.c.secret_hash == row.secret_hash
            connection.execute(browsers.update().where(mine).values(**values))
