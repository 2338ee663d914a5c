"""The real pathway in the straightforward way: a session and a commit for each moment at which something fires, and
each row an object of SQLModel. The rows are those that our own run writes."""

from datetime import timedelta
from typing import Any

from sqlmodel import Session

from benchmarks.cohort import UNTIL, fill, opened
from benchmarks.measure import stopwatch
from benchmarks.peers import file_in
from pathway.engine import Change, Engine
from pathway.episode import Episode
from persistence import models
from persistence.journal import row_of
from persistence.rows import (
    announcements,
    changed,
    episode_of,
    episode_row,
    moves,
    referral_row,
    task_row,
    timer_row,
    told,
)
from persistence.verify import verify

INSTANT = timedelta(microseconds=1)


def real_pathway(folder: str, patients: int) -> dict[str, float]:
    """In one sweep as ours, every episode moment by moment, until nothing is due any more."""
    store = opened(file_in(folder, "real.db"))
    fill(store, patients)
    fired, names = 0, [episode.id for episode in store.episodes()]
    with stopwatch() as taken:
        while names:
            lines = {name: settled(store.database.engine, store.engine, name) for name in names}
            fired += sum(lines.values())
            names = [name for name, count in lines.items() if count]
    assert not verify(store).problems
    store.database.close()
    return {"fired": fired, "seconds": taken.seconds}


def settled(database: Any, engine: Engine, name: str) -> int:
    """How many things fired: those of the next moment, and none when there is none."""
    with Session(database) as session:
        row = session.get_one(models.Episode, name)
        if row.next_wake_at is None or row.next_wake_at > UNTIL:
            return 0
        before = episode_of(row)
        change = engine.settle(before, UNTIL, before=row.next_wake_at + INSTANT)
        assert change is not None
        previous = row.last_hash
        for entry in change.entries:
            line = models.Entry(**row_of(entry, name, row.patient_id, previous, None))
            session.add(line)
            previous = line.hash
        for column, value in episode_row(change, engine.next_wake(change.episode), previous).items():
            if value is not None or column != "since":
                setattr(row, column, value)
        for made in parts(engine, before, change):
            session.merge(made)
        session.commit()
        return len(change.entries)


def parts(engine: Engine, before: Episode, change: Change) -> list[Any]:
    """What is new or different, and what the lines tell of."""
    now, lines = change.episode, change.entries
    return [
        *(models.Timer(**timer_row(now, timer)) for timer in changed(before.timers, now.timers)),
        *(models.Task(**task_row(now, task, engine.guideline)) for task in changed(before.tasks, now.tasks)),
        *(models.Referral(**referral_row(now, one)) for one in changed(before.referrals, now.referrals)),
        *(models.Alert(**row) for entry in lines for row in announcements(now, entry)),
        *(models.Move(**row) for entry in lines for row in moves(now, entry)),
        *(models.Reminder(**row) for row in told(now, lines)),
    ]
