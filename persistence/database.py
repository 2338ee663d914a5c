"""Connecting to SQLite or PostgreSQL by one URL, and bringing the schema up to date."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from time import sleep
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, RootTransaction, create_engine, event, func, make_url, select, text
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError, DisconnectionError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry, StaticPool

from pathway.errors import PathwayError, StoreError, StoreNotReady
from persistence.turns import MILLISECOND, Turns

MIGRATIONS = Path(__file__).parent / "migrations"
# How long, in seconds, a writer on SQLite waits for another; `?timeout=5` at the end of the URL says otherwise.
BUSY = 30.0
WRITES, FILE = "pathway_writes", "pathway_file"


class DatabaseAway(StoreNotReady):
    """The database cannot be reached."""


class DatabaseLocked(StoreError):
    """Another program holds the database."""


class DatabaseReadOnly(StoreError):
    """The database can only be read."""


class DiskFull(StoreError):
    """The disk of the database is full or faulty."""


class PerhapsSaved(StoreError):
    """The connection broke while this was being saved, so it may be saved or not; look before doing it again."""


# How SQLite's names for its errors begin, and PostgreSQL's codes.
TROUBLES: dict[str, type[StoreError]] = {
    "SQLITE_BUSY": DatabaseLocked,
    "SQLITE_LOCKED": DatabaseLocked,
    "SQLITE_READONLY": DatabaseReadOnly,
    "SQLITE_FULL": DiskFull,
    "SQLITE_IOERR": DiskFull,
    "SQLITE_CANTOPEN": DatabaseAway,
    "08": DatabaseAway,
    "25006": DatabaseReadOnly,
    "53100": DiskFull,
    "55P03": DatabaseLocked,
    "57P": DatabaseAway,
}


class Database:
    """Reading and writing transactions. A writer on SQLite takes its lock at once, so nobody waits in vain."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._file = _plain_file(url)
        self.turns = Turns(self._file)
        self.engine = _connect(url, self._file, self.turns)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Raises StoreError when the database cannot be reached."""
        with self._named("nothing was read"), self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """Everything as of one moment, while others write; raises StoreError like reading."""
        with self._named("nothing was read"), self._as_of_now() as connection, connection.begin():
            yield connection

    def _as_of_now(self) -> Connection:
        connection = self.engine.connect()
        if connection.dialect.name == "sqlite":
            return connection
        return connection.execution_options(isolation_level="REPEATABLE READ")

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction: all of it or nothing. Raises StoreError when the database cannot be written.

        Raises PerhapsSaved when the answer to the commit was lost.
        """
        with self._named("nothing was saved"), self._writer() as connection, connection.begin() as transaction:
            yield connection
            self._commit(transaction)

    def _commit(self, transaction: RootTransaction) -> None:
        try:
            transaction.commit()
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
            raise PerhapsSaved(f"{self.name}: {_said(error)}") from error

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
            first = _first(error)
            raise _trouble(first)(f"{self.name}: {_said(first)}; {consequence}") from first

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
        """Raises StoreNotReady unless the schema is exactly of this version; DatabaseAway is one."""
        head = ScriptDirectory(str(MIGRATIONS)).get_current_head()
        self._require_file()
        try:
            with self.engine.connect() as connection:
                found = MigrationContext.configure(connection).get_current_revision()
        except DBAPIError as error:
            known = _trouble(error)
            raise (StoreNotReady if known is StoreError else known)(f"{self.name}: {_said(error)}") from error
        if found != head:
            raise StoreNotReady(f"{self.name} is at {found or 'nothing'}, this version needs {head}")

    def _require_file(self) -> None:
        """SQLite would make an empty file where there is none, and who looks into it would find nobody there."""
        if self._file is not None and self._file.parent.is_dir() and not self._file.exists():
            missing = FileNotFoundError(str(self._file))
            raise DatabaseAway(f"{self.name} is not there; `pathway init` makes a new, empty one") from missing

    def close(self) -> None:
        self.engine.dispose()


def in_turn(connection: Connection, name: str) -> None:
    """Wait until no other transaction has that name, and hold it until this one ends.

    For what no row stands for yet. SQLite lets in one writer at a time, so there is nothing to wait for.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"pathway {name}", 0))))


def _first(error: DBAPIError) -> DBAPIError:
    """What went wrong first; what then failed in undoing it says less."""
    found, before = error, error.__context__
    while before is not None and not isinstance(before, PathwayError):
        if isinstance(before, OperationalError | InterfaceError):
            found = before
        before = before.__context__
    return found


def _trouble(error: DBAPIError) -> type[StoreError]:
    code = _code(error.orig)
    found = next((kind for start, kind in TROUBLES.items() if code.startswith(start)), None)
    # A server that cannot be asked gives no code.
    lost = error.connection_invalidated or (isinstance(error, OperationalError) and not code)
    return found or (DatabaseAway if lost else StoreError)


def _code(error: BaseException | None) -> str:
    """The name that SQLite, or the code that PostgreSQL, gives to it; empty where there is none."""
    return getattr(error, "sqlite_errorname", None) or getattr(error, "sqlstate", None) or ""


def _said(error: DBAPIError) -> str:
    """What the driver says, on one line."""
    return " ".join(str(error.orig).split())


def _alembic(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config


def _plain_file(url: str) -> Path | None:
    """The SQLite file that a URL names as a path; None for anything else."""
    named = make_url(url)
    if not url.startswith("sqlite") or named.database in (None, "", ":memory:") or "uri" in named.query:
        return None
    return Path(str(named.database)).absolute()


def _connect(url: str, file: Path | None, turns: Turns) -> Engine:
    if not url.startswith("sqlite"):
        # libpq knows the shorter name as well. The isolation is the one that the locks of a store count on: a wait
        # for one of them ends with the newest rows in sight, whatever the server's administrator has set.
        known = url.replace("postgres:", "postgresql:", 1) if url.startswith("postgres:") else url
        return create_engine(known, pool_pre_ping=True, isolation_level="READ COMMITTED")
    in_memory = url in ("sqlite://", "sqlite:///:memory:")
    pool: dict[str, Any] = {"poolclass": StaticPool} if in_memory else {}
    given = make_url(url).query
    patience = float(str(given.get("timeout", BUSY)))
    engine = create_engine(url, connect_args={"check_same_thread": False, "timeout": patience}, **pool)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", partial(_begin_sqlite, turns, patience))
    if file is not None:
        _OneFile(file).watch(engine)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # The driver's own transaction handling starts too late to keep two writers apart.
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")


def _begin_sqlite(turns: Turns, patience: float, connection: Connection) -> None:
    if not connection.get_execution_options().get(WRITES):
        connection.exec_driver_sql("BEGIN")
        return
    driver: Any = connection.connection.dbapi_connection
    # SQLite's own patience asks too seldom: here it only refuses.
    driver.execute("PRAGMA busy_timeout = 0")
    try:
        if not _begun(connection):
            _begin_in_turn(turns, patience, connection)
    finally:
        driver.execute(f"PRAGMA busy_timeout = {round(patience * 1000)}")


def _begin_in_turn(turns: Turns, patience: float, connection: Connection) -> None:
    with turns.waiting():
        for _ in range(round(patience / MILLISECOND)):
            sleep(MILLISECOND)
            if _begun(connection):
                return
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _begun(connection: Connection) -> bool:
    """False where another writer is at it."""
    try:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    except OperationalError as error:
        if not _code(error.orig).startswith("SQLITE_BUSY"):
            raise
        return False
    return True


class _OneFile:
    """Keeps open connections to the file that has its name.

    SQLite would go on with a file that was taken away, and all that is saved there be lost; it would make an empty
    one in its place; and it would only read for ever what it could only read when it was opened.
    """

    def __init__(self, file: Path) -> None:
        self.file, self.known = file, False

    def watch(self, engine: Engine) -> None:
        event.listen(engine, "do_connect", self._opening)
        event.listen(engine, "connect", self._opened)
        event.listen(engine, "checkout", self._same)
        event.listen(engine, "handle_error", self._failed)

    def _opening(self, _dialect: Any, _record: Any, where: list[Any], options: dict[str, Any]) -> None:
        if self.known:
            where[0], options["uri"] = f"{self.file.as_uri()}?mode=rw", True

    def _opened(self, _connection: Any, record: ConnectionPoolEntry) -> None:
        self.known, record.info[FILE] = True, self._identity()

    def _same(self, _connection: Any, record: ConnectionPoolEntry, _proxy: Any) -> None:
        if record.info.get(FILE) != self._identity():
            raise DisconnectionError(f"{self.file} is another file now")

    def _failed(self, context: ExceptionContext) -> None:
        if _code(context.original_exception).startswith("SQLITE_READONLY"):
            context.is_disconnect = True

    def _identity(self) -> tuple[int, int] | None:
        try:
            found = self.file.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino
