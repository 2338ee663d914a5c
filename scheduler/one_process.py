"""One heartbeat on one SQLite file: a lock that the system itself releases when its holder dies."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pathway.errors import AlreadyRunning
from persistence.database import Database


@contextmanager
def alone_on(database: Database) -> Iterator[None]:
    """Hold '<file>.lock'; raises AlreadyRunning naming the process. PostgreSQL takes any number of processes."""
    file = database.sqlite_file
    if file is None:
        yield
        return
    with Path(f"{file}.lock").open("a+", encoding="ascii") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            held.seek(0)
            raise AlreadyRunning(f"process {held.read().strip() or 'unknown'} holds {held.name}") from None
        held.truncate(0)
        held.write(f"{os.getpid()}\n")
        held.flush()
        yield
