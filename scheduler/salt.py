"""The secret of a database, by which names leave the house that nobody can guess or try out."""

import hmac
import secrets
from datetime import datetime

from sqlalchemy import Connection, select

from persistence import models
from persistence.store import Store, table
from scheduler.rows import insert_once

SALT = "salt"


def salt_of(store: Store, now: datetime) -> str:
    """The secret, made when it is first asked for."""
    with store.database.reading() as connection:
        found = salt_in(connection)
    if found is not None:
        return found
    row = {"uid": SALT, "fingerprint": secrets.token_hex(32), "sequence": 0, "changed_at": now}
    with store.database.writing() as connection:
        insert_once(connection, models.CalendarEntry, row)
        made = salt_in(connection)
    assert made is not None
    return made


def salt_in(connection: Connection) -> str | None:
    entries = table(models.CalendarEntry)
    return connection.scalar(select(entries.c.fingerprint).where(entries.c.uid == SALT))


def keyed(salt: str, text: str) -> str:
    """The same for the same text in this database; 64 hexadecimal digits."""
    return hmac.digest(salt.encode(), text.encode(), "sha256").hex()
