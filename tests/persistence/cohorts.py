"""Whole cohorts on the shelf, for reading: the demo at sites on both sides of the date line, and work set aside."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random

from sqlalchemy import insert

from coordinator.demo_cohort import build
from pathway.episode import Episode, Task
from persistence import models
from persistence.store import Store, table
from tests.journeys.people import examined
from tests.persistence.shelf import many_in_care, rows, tell

MORNING = datetime(2026, 3, 16, 7, 30, tzinfo=UTC)
# London still has the 16th, Auckland the 17th.
EVENING = MORNING.replace(hour=23)
SITES = ("Europe/London", "Pacific/Auckland")


def fill(store: Store, *, patients: int = 40) -> None:
    """Demo patients at two sites, some whom nobody has named or assigned, red flags, and one task in five set aside."""
    for seed, zone in enumerate(SITES, 3):
        build(store, now=MORNING, seed=seed, patients=patients // 2, zone=zone)
    many_in_care(store, 8)
    for number in range(4):
        flagged = MORNING - timedelta(days=number)
        tell(store, examined(motor_deficit=True), at=flagged, patient=f"N{number:04d}")
    dice = Random(11)
    tasks = rows(store, models.Task, status="open")
    aside = [_set_aside(task, dice) for task in tasks if dice.random() < (0.5 if task.rank == 0 else 0.2)]
    with store.database.writing() as connection:
        connection.execute(insert(table(models.LookAgain)), aside)


def _set_aside(task, dice: Random) -> dict[str, object]:
    until = MORNING.date() + timedelta(days=dice.choice((-3, 0, 1, 2, 9)))
    return {
        "episode_id": task.episode_id,
        "code": task.code,
        "n": task.n,
        "until": until,
        "because": "the scan is booked",
        "noted_by": "desk@example.org",
        "noted_at": MORNING,
    }


def open_tasks(store: Store) -> Iterator[tuple[Episode, Task]]:
    for episode in store.episodes():
        for task in episode.tasks:
            if task.status == "open":
                yield episode, task
