"""One message as it reads, in the site's own words, and whom it is for."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, select

from coordinator.settings import Settings
from pathway.calendar import local_date
from persistence import models
from persistence.database import Database
from persistence.names import full_name
from persistence.registry import table
from persistence.store import Store
from scheduler.letters import facts, facts_for_patient
from scheduler.patients import PATIENT
from scheduler.reasons import Matter, matter_of
from scheduler.recipients import Colleague, staff_on
from scheduler.words import Template, WordsFaulty, approved, load_words

REACH = "K-REACH"


@dataclass(frozen=True, slots=True)
class Reading:
    """`fault`: why it cannot be written, as checking templates says it. `approval`: of words for patients."""

    subject: str
    text: str
    template: Template | None
    approval: Any
    fault: str = ""


@dataclass(frozen=True, slots=True)
class About:
    """Whom a message is about, with two identifiers; the work that a person has of it now."""

    patient: str
    name: str
    birth_date: date | None
    episode_n: int
    owner: str | None
    reach: date | None


def read(connection: Connection, store: Store, settings: Settings, matter: Matter, now: datetime) -> Reading:
    """How the message reads when it is written at this moment."""
    kind = matter.row.code if matter.row.role == PATIENT else matter.row.kind
    try:
        words = load_words(settings.templates)
        template = words.of_kind(kind)
        if matter.row.role == PATIENT:
            said = words.said(kind, facts_for_patient(settings.service_phone))
        else:
            said = words.said(kind, facts(matter, store.engine.guideline, now))
    except WordsFaulty as error:
        return Reading("", "", None, None, str(error))
    return Reading(said["subject"], said["text"], template, approved(connection, template))


def matter_named(connection: Connection, key: str) -> Matter | None:
    rows = table(models.Reminder)
    row = connection.execute(select(rows).where(rows.c.key == key)).first()
    return matter_of(connection, row) if row is not None else None


def about(connection: Connection, matter: Matter) -> About | None:
    """None for messages about the house itself."""
    if matter.episode is None:
        return None
    people, tasks = table(models.Patient), table(models.Task)
    person = connection.execute(select(people).where(people.c.id == matter.episode.patient_id)).one()
    mine = (tasks.c.episode_id == matter.episode.id) & (tasks.c.code == REACH) & (tasks.c.status == "open")
    due = connection.scalar(select(tasks.c.due).where(mine).limit(1))
    name = full_name(person.surname, person.given)
    return About(person.id, name, person.birth_date, matter.episode.n, matter.episode.owner, due)


def recipients(connection: Connection, store: Store, matter: Matter, now: datetime, zone: str) -> Sequence[Colleague]:
    """The colleagues who would be told at this moment; none for a message to a patient."""
    if matter.row.role == PATIENT:
        return ()
    rule = store.engine.guideline.reminders.get(matter.row.kind)
    also = rule.also(matter.detail.get("step") or 1) if rule else ()
    owner = matter.episode.owner if matter.episode is not None else None
    staff = staff_on(connection, local_date(now, zone))
    return staff.recipients((matter.row.role, *also), owner=owner)


def anybody_on_staff(database: Database) -> bool:
    people = table(models.User)
    with database.reading() as connection:
        return connection.scalar(select(people.c.email).where(people.c.active).limit(1)) is not None


def attempts(store: Store, key: str) -> Sequence[Any]:
    """Each attempt to tell somebody, the first first."""
    rows = table(models.Delivery)
    with store.database.reading() as connection:
        return connection.execute(select(rows).where(rows.c.reminder_key == key).order_by(rows.c.id)).all()
