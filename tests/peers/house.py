"""A house under trial: its beats, what it told and to whom, and one that never fails, to compare with."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select

from pathway.journal import Step
from persistence import models
from persistence.database import Database
from persistence.store import Person, Store, table
from scheduler.channels import Channel
from scheduler.jobs import run_deliver, run_settle
from scheduler.site import ALWAYS_OPEN, Site
from scheduler.words import approve, built_in
from tests.journeys.people import ENGINE
from tests.persistence.shelf import OPENED, in_care
from tests.scheduler.ward import ZONE, Pigeon, accepted, rows

OUTBOX, TASKS = table(models.Reminder), table(models.Task)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
# Four weeks after the start of care, at the hour at which timers speak, and the first morning after its window.
FOUR_WEEKS = datetime(2026, 2, 2, 8, tzinfo=UTC)
OVERDUE = datetime(2026, 2, 17, 8, tzinfo=UTC)
CLIVE, CORA = "clive@example.org", "cora@example.org"
# A site that writes to patients, twice a week at most.
WRITES = Site(ZONE, patient_messages=True, service_phone="01632 960000", patient_weekly_cap=2)
TEXTS = "texts"


def beat(store: Store, channel: Channel, now: datetime, *, site: Site = ALWAYS_OPEN, rounds: int = 1) -> None:
    """What a machine does by itself: fire what is due, tell people. In a further round, twenty minutes later, ends
    what gave way to a later message of the same task."""
    run_settle(store, now)
    for number in range(rounds):
        run_deliver(store, [channel], now + 20 * number * MINUTE, limit=1000, site=site)


def enrol(store: Store, *patients: str) -> None:
    """They are on conservative care since the morning of 5 January 2026 after a stable fracture on the 2nd."""
    people = {name: Person(name, ZONE) for name in patients}
    store.add_histories(people, [in_care(name) for name in patients])


def reassessed(store: Store, patient: str, at: datetime) -> None:
    """A clinician has seen the patient and goes on with conservative care."""
    symptoms = {"nrs": 5, "trend": "unchanged", "changed": False, "resolved": False}
    accepted(store, patient, Step("observe", "symptoms", symptoms), at)
    accepted(store, patient, Step("decide", "complete_reassessment", {"outcome": "continue"}, actor="clinician"), at)


# ---------------------------------------------------------------- looking


def outbox(store: Store, **columns: Any) -> list[Any]:
    """The outbox rows in which each named column has that value, by their keys."""
    found = rows(store, models.Reminder, *(OUTBOX.c[name] == value for name, value in columns.items()))
    return sorted(found, key=lambda row: row.key)


def attempts(store: Store, key: str) -> list[Any]:
    return rows(store, models.Delivery, table(models.Delivery).c.reminder_key == key)


def to_telephone(store: Store) -> list[str]:
    """The patients about whom somebody has an open task to telephone."""
    found = rows(store, models.Task, TASKS.c.code == "K-REACH", TASKS.c.status == "open")
    return sorted(task.episode_id.rpartition("-")[0] for task in found)


def moments(found: Iterable[Any]) -> Counter[tuple[str, str]]:
    """How many moments the rows stand for, by patient and code: their own and those that they gather up."""
    count: Counter[tuple[str, str]] = Counter()
    for row in found:
        count[row.patient_id, row.code] += 1 + json.loads(row.detail).get("folded", 0)
    return count


def everything(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table."""
    found = {}
    with store.database.reading() as connection:
        for each in models.SQLModel.metadata.sorted_tables:
            found[each.name] = sorted(map(tuple, connection.execute(select(each))), key=repr)
    return found


# ---------------------------------------------------------------- houses


@contextmanager
def never_down() -> Iterator[Store]:
    """A house in memory: the same engine and store, for what would have happened without a failure."""
    database = Database("sqlite://")
    database.upgrade()
    yield Store(database, ENGINE)
    database.close()


def walk(store: Store, until: datetime) -> None:
    """Wake at every deadline up to then, each at its moment."""
    while (due := store.next_wake()) is not None and due <= until:
        store.settle(due)


# ---------------------------------------------------------------- writing to patients


def may_write(store: Store) -> None:
    """A clinician has approved the words for patients as they stand."""
    for name in ("patient-review", "patient-missed"):
        approve(store, built_in(), name, "Dr C. Sample", OPENED)


def agrees(store: Store, patient: str, address: str, channel: str = TEXTS) -> None:
    """The patient agreed to be written to on the day of registration."""
    day = OPENED.date()
    about = {"source": "asked at the desk", "noted_at": OPENED, "noted_by": "Desk"}
    store.keep_consent({"patient_id": patient, "channel": channel, "address": address, "given_on": day, **about})


def texts() -> Pigeon:
    """A channel that reaches telephones, and so both staff who have one and patients who agreed to it."""
    found = Pigeon(TEXTS)
    found.reach = "phone"
    return found
