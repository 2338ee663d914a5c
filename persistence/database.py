"""Connecting to SQLite or PostgreSQL by one URL, and bringing the schema up to date."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, func, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.pool import StaticPool

from pathway.errors import StoreError, StoreNotReady

MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_MS = 30_000
WRITES = "pathway_writes"


class Database:
    """Reading and writing transactions. A writer on SQLite takes its lock at once, so nobody waits in vain."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = _connect(url)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Raises StoreError when the database cannot be reached."""
        with self._named("nothing was read"), self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction: all of it or nothing. Raises StoreError when the database cannot be written."""
        with self._named("nothing was saved"), self._writer() as connection, connection.begin():
            yield connection

    def _writer(self) -> Connection:
        return self.engine.connect().execution_options(**{WRITES: True})

    @contextmanager
    def _named(self, consequence: str) -> Iterator[None]:
        """The driver's troubles as one sentence: which database, what it says, and what that means for the data."""
        try:
            yield
        except IntegrityError:
            # For whoever wrote to judge: what has that key already is known, say.
            raise
        except DBAPIError as error:
            raise StoreError(f"{self.name}: {_said(error)}; {consequence}") from error

    def clock(self) -> datetime | None:
        """The server's own instant; None on SQLite, which has no other clock than the machine's."""
        if self.engine.dialect.name == "sqlite":
            return None
        with self.reading() as connection:
            found: datetime = connection.scalar(text("SELECT clock_timestamp()"))
            return found.astimezone(UTC)

    @property
    def name(self) -> str:
        """The database as people may see it, without a password."""
        return self.engine.url.render_as_string(hide_password=True)

    @property
    def sqlite_file(self) -> Path | None:
        """The file of a SQLite database; None in memory and on PostgreSQL."""
        named = self.engine.url.database
        if self.engine.dialect.name != "sqlite" or not named or named == ":memory:":
            return None
        return Path(named)

    def upgrade(self) -> None:
        """Create or migrate the schema to this version."""
        with self._named("nothing was changed"), self._writer() as connection:
            in_turn(connection, "schema")
            config = _alembic(connection)
            command.upgrade(config, "head")
            connection.commit()

    def require_ready(self) -> None:
        """Raises StoreNotReady unless the schema is exactly of this version."""
        head = ScriptDirectory(str(MIGRATIONS)).get_current_head()
        try:
            with self.engine.connect() as connection:
                found = MigrationContext.configure(connection).get_current_revision()
        except DBAPIError as error:
            raise StoreNotReady(f"{self.name}: {_said(error)}") from error
        if found != head:
            raise StoreNotReady(f"{self.name} is at {found or 'nothing'}, this version needs {head}")

    def close(self) -> None:
        self.engine.dispose()


def in_turn(connection: Connection, name: str) -> None:
    """Wait until no other transaction has that name, and hold it until this one ends.

    For what no row stands for yet. SQLite lets in one writer at a time, so there is nothing to wait for.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"pathway {name}", 0))))


def _said(error: DBAPIError) -> str:
    """What the driver says, on one line."""
    return " ".join(str(error.orig).split())


def _alembic(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config


def _connect(url: str) -> Engine:
    if not url.startswith("sqlite"):
        # libpq knows the shorter name as well. The isolation is the one that the locks of a store count on: a wait
        # for one of them ends with the newest rows in sight, whatever the server's administrator has set.
        known = url.replace("postgres:", "postgresql:", 1) if url.startswith("postgres:") else url
        return create_engine(known, pool_pre_ping=True, isolation_level="READ COMMITTED")
    in_memory = url in ("sqlite://", "sqlite:///:memory:")
    pool: dict[str, Any] = {"poolclass": StaticPool} if in_memory else {}
    options = {"check_same_thread": False, "timeout": BUSY_MS / 1000}
    engine = create_engine(url, connect_args=options, **pool)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # The driver's own transaction handling starts too late to keep two writers apart.
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout={BUSY_MS}")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
