"""A person's name, changed because the hospital's own record of them has: on record with what it was."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update

from pathway.journal import Entry, Step
from persistence import models
from persistence.database import in_turn
from persistence.intake import write_intake
from persistence.names import full_name, name_key
from persistence.registry import table
from persistence.store import Store

PEOPLE = table(models.Patient)


@dataclass(frozen=True, slots=True)
class Renaming:
    """The new name of a patient; `by`: where it comes from."""

    patient: str
    surname: str
    given: str
    by: str


def rename(store: Store, new: Renaming, at: datetime) -> None:
    """Change the name, and write both names into the house's own journal, in one transaction."""
    shown = full_name(new.surname, new.given)
    values = {"surname": new.surname, "given": new.given, "name_key": name_key(shown)}
    with store.database.writing() as connection:
        in_turn(connection, f"patient {new.patient}")
        known = connection.execute(select(PEOPLE).where(PEOPLE.c.id == new.patient)).one()
        connection.execute(update(PEOPLE).where(PEOPLE.c.id == new.patient).values(**values))
        data = {"was": full_name(known.surname, known.given), "now": shown}
        step = Step("rename", "", data, "coordinator", new.by)
        entry = Entry(0, "rename", at, at, "coordinator", step, ({"event": "renamed", **data},))
        write_intake(connection, new.patient, entry)
