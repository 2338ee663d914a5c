"""When staff last spoke with a patient, or tried to: the latest contact that nobody has taken back."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from persistence import models
from persistence.registry import table

CONTACTS = table(models.Contact)


@dataclass(frozen=True, slots=True)
class Contacted:
    at: datetime
    outcome: str


def last_contacts(connection: Connection, patients: Iterable[str]) -> dict[str, Contacted]:
    """Of each of these patients who has one."""
    newest = (CONTACTS.c.happened_at.desc(), CONTACTS.c.seq.desc())
    number = func.row_number().over(partition_by=CONTACTS.c.patient_id, order_by=newest).label("number")
    standing = select(CONTACTS.c.patient_id, CONTACTS.c.happened_at, CONTACTS.c.outcome, number)
    found = standing.where(CONTACTS.c.patient_id.in_(set(patients)), ~CONTACTS.c.retracted).subquery()
    query = select(found.c.patient_id, found.c.happened_at, found.c.outcome).where(found.c.number == 1)
    return {row.patient_id: Contacted(row.happened_at, row.outcome) for row in connection.execute(query)}
