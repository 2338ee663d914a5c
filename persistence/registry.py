"""What the house keeps beside the journals: who people are, who is told, free text for a person, jobs that ran."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, insert, select, update
from sqlmodel import SQLModel

from persistence import models
from persistence.bulk import upsert
from persistence.database import Database
from persistence.names import full_name, name_key


@dataclass(frozen=True, slots=True)
class Person:
    """Who somebody is: identity stays in the patient table, the journal speaks of the identifier only."""

    id: str
    zone: str
    profile: str = "default"
    surname: str = ""
    given: str = ""


def table(model: type[SQLModel]) -> Any:
    return model.__table__  # type: ignore[attr-defined]  # every table model has one


def goes_on_as(connection: Connection, number: str) -> str:
    """The number under which the record of that number goes on: its own, unless it was merged into another."""
    people = table(models.Patient)
    return connection.scalar(select(people.c.merged_into).where(people.c.id == number)) or number


def number_in_use(number: str) -> ColumnElement[str]:
    """The same as a part of a statement."""
    asked = table(models.Patient).alias("asked")
    return func.coalesce(select(asked.c.merged_into).where(asked.c.id == number).scalar_subquery(), number)


class Registry:
    def __init__(self, database: Database) -> None:
        self.database = database

    # ---------------------------------------------------------------- people

    def person(self, patient: str) -> Any:
        """The identity row of a patient, or None."""
        people = table(models.Patient)
        with self.database.reading() as connection:
            return connection.execute(select(people).where(people.c.id == patient)).first()

    def current_number(self, number: str) -> str:
        """The number under which a record goes on, which for most is its own."""
        with self.database.reading() as connection:
            return goes_on_as(connection, number)

    def numbers_of(self, number: str) -> list[str]:
        """Every number of one person, the one in use first."""
        people = table(models.Patient)
        with self.database.reading() as connection:
            current = goes_on_as(connection, number)
            others = connection.scalars(
                select(people.c.id).where(people.c.merged_into == current).order_by(people.c.id)
            )
            return [current, *others]

    def name_person(self, person: Person) -> None:
        """Keep the name of a person who is known by identifier; a name once known is not overwritten."""
        with self.database.writing() as connection:
            self.name_within(connection, person)

    def name_within(self, connection: Connection, person: Person) -> None:
        """The same as a part of a transaction that writes something else as well."""
        people = table(models.Patient)
        unnamed = (people.c.id == person.id) & (people.c.surname == "") & (people.c.given == "")
        key = name_key(full_name(person.surname, person.given))
        values = {"surname": person.surname, "given": person.given, "name_key": key}
        connection.execute(update(people).where(unnamed).values(**values))

    def keep_user(self, email: str, name: str, role: str, *, active: bool, phone: str | None = None) -> None:
        """Add or change a colleague who is told things; without a phone, the one that is known stays."""
        row = {"email": email, "name": name, "role": role, "active": active} | ({"phone": phone} if phone else {})
        with self.database.writing() as connection:
            upsert(connection, models.User, [row])

    def keep_cover(self, row: dict[str, Any]) -> None:
        """Who stands in for whom, from when to when: the columns of `cover` but its id."""
        with self.database.writing() as connection:
            connection.execute(insert(table(models.Cover)).values(**row))

    def covers(self, since: date) -> list[dict[str, Any]]:
        """Covers that last until that day or longer, the earliest first."""
        notes = table(models.Cover)
        query = select(notes).where(notes.c.last_day >= since).order_by(notes.c.first_day, notes.c.id)
        with self.database.reading() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def keep_consent(self, row: dict[str, Any]) -> None:
        """A patient's agreement to one channel: the columns of `consent` but its id and the withdrawal."""
        with self.database.writing() as connection:
            connection.execute(insert(table(models.Consent)).values(**row, withdrawn_source=""))

    def withdraw_consent(self, patient: str, channel: str | None, day: date, source: str) -> int:
        """End what the patient agreed to, for one channel or for all; how many agreements that were."""
        notes = table(models.Consent)
        valid = (notes.c.patient_id == patient) & notes.c.withdrawn_on.is_(None)
        if channel is not None:
            valid &= notes.c.channel == channel
        values = {"withdrawn_on": day, "withdrawn_source": source}
        with self.database.writing() as connection:
            return connection.execute(update(notes).where(valid).values(**values)).rowcount

    def consents(self, patient: str) -> list[dict[str, Any]]:
        """Every agreement of a patient, withdrawn ones too, the oldest first."""
        notes = table(models.Consent)
        query = select(notes).where(notes.c.patient_id == patient).order_by(notes.c.id)
        with self.database.reading() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def users(self) -> list[dict[str, Any]]:
        people = table(models.User)
        with self.database.reading() as connection:
            rows = connection.execute(select(people).order_by(people.c.role, people.c.email)).mappings()
            return [dict(row) for row in rows]

    # ---------------------------------------------------------------- free text for a person

    def keep_concern(self, row: dict[str, Any]) -> None:
        """Free text of a row that has no episode: kept until a person closes it. Twice is once."""
        with self.database.writing() as connection:
            upsert(connection, models.Concern, [row], keep=True)

    def concerns(self, at: datetime) -> list[dict[str, Any]]:
        """Every concern that stood open at that instant, oldest first."""
        concerns = table(models.Concern)
        still_open = concerns.c.closed_at.is_(None) | (concerns.c.closed_at > at)
        query = select(concerns).where(concerns.c.raised_at <= at, still_open).order_by(concerns.c.raised_at)
        with self.database.reading() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def close_concern(self, name: str, at: datetime, by: str, because: str) -> bool:
        """Close a concern with who and why; False when there is no open one of that id."""
        concerns = table(models.Concern)
        still_open = (concerns.c.id == name) & concerns.c.closed_at.is_(None)
        values = {"closed_at": at, "closed_by": by, "closed_because": because}
        with self.database.writing() as connection:
            return connection.execute(update(concerns).where(still_open).values(**values)).rowcount == 1

    # ---------------------------------------------------------------- jobs and the outbox

    def job_ran(self, job: str) -> bool:
        """Whether a job of that name has ever run on this database."""
        runs = table(models.JobRun)
        with self.database.reading() as connection:
            return bool(connection.scalar(select(func.count()).where(runs.c.job == job)))

    def mark_job(self, job: str, slot: str, at: datetime) -> None:
        """Note that a job happened; the same slot twice is once."""
        row = {"job": job, "slot": slot, "started_at": at, "finished_at": at, "report": "{}"}
        with self.database.writing() as connection:
            upsert(connection, models.JobRun, [row], keep=True)

    def suppress_waiting(self, until: datetime, because: str, at: datetime) -> int:
        """Take everything out of the outbox that fired up to `until`, with the reason; how many."""
        outbox = table(models.Reminder)
        old = (outbox.c.outcome == "waiting") & (outbox.c.fired_at <= until)
        values = {"outcome": "suppressed", "because": because, "settled_at": at}
        with self.database.writing() as connection:
            return connection.execute(update(outbox).where(old).values(**values)).rowcount
