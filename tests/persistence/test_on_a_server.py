"""What only a server has, so PostgreSQL only: administrators' settings, networks, clocks of its own."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from threading import Event

import pytest
from sqlalchemy import create_engine, event, text

from pathway.errors import StoreError, StoreNotReady
from persistence import models
from persistence.database import Database
from persistence.verify import verify
from scheduler.clock import utcnow
from tests import postgres
from tests.persistence.shelf import CARE, OPENED, counts, rows, store_on, tell

ROOT = Path(__file__).resolve().parents[2]
PREPARE = "import sys; from persistence.database import Database; Database(sys.argv[1]).upgrade()"
WAITING = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()")
NOBODY_LISTENS = "postgresql://nurse:secret@127.0.0.1:1/pathway"


@pytest.fixture
def url():
    return postgres.cleared(postgres.shared())


def as_set(url, setting):
    """The URL of the database as if the server's administrator had made that setting."""
    return f"{url}&options=-c%20{setting}" if "?" in url else f"{url}?options=-c%20{setting}"


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_both_names_of_the_scheme_are_known(url, scheme):
    with store_on(scheme + url[url.index(":") :]) as store:
        store.database.require_ready()
        tell(store, *CARE)
        assert verify(store).line() == "all 1 episodes agree"


def test_a_server_that_does_not_answer_is_told_in_one_line_without_the_password():
    database = Database(NOBODY_LISTENS)
    with pytest.raises(StoreNotReady) as refused:
        database.require_ready()
    with pytest.raises(StoreError) as stopped:
        database.upgrade()
    for said in (str(refused.value), str(stopped.value)):
        assert "Connection refused" in said
        assert "\n" not in said
        assert "secret" not in said
    assert str(stopped.value).endswith("; nothing was changed")
    database.close()


def test_a_server_that_only_reads_says_that_nothing_was_saved(url):
    with (
        store_on(as_set(url, "default_transaction_read_only%3Don")) as store,
        pytest.raises(StoreError, match=r"read-only transaction; nothing was saved"),
    ):
        tell(store, *CARE)


def test_text_that_the_server_cannot_hold_is_refused_whole(url):
    with store_on(url) as store:
        before = counts(store)
        with pytest.raises(StoreError, match=r"NUL.*; nothing was saved"):
            tell(store, *CARE, patient="P\x001")
        assert counts(store) == before


@pytest.mark.parametrize("isolation", ["serializable", "repeatable%5C%20read"])
def test_the_isolation_is_the_one_that_the_locks_count_on(url, isolation):
    with store_on(as_set(url, f"default_transaction_isolation%3D{isolation}")) as store:
        for connection in (store.database.reading(), store.database.writing()):
            with connection as opened:
                assert opened.scalar(text("SHOW transaction_isolation")) == "read committed"


def test_instants_are_the_same_in_another_time_zone(url):
    with store_on(url) as here, store_on(as_set(url, "timezone%3DPacific/Auckland")) as there:
        at = OPENED.replace(microsecond=123456)
        tell(there, *CARE, at=at)
        assert {line.recorded_at for line in rows(here, models.Entry)} == {at}
        assert rows(here, models.Task) == rows(there, models.Task)
        assert verify(here).problems == verify(there).problems == []


def test_two_machines_may_prepare_a_new_database_at_once():
    """The second begins when the first has made its tables and not yet committed them."""
    database, second = Database(postgres.empty("new")), []

    def begin_again(_connection):
        if not second:
            command = [sys.executable, "-c", PREPARE, database.url]
            second.append(subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True))
            until_held_up(database.url)

    event.listen(database.engine, "commit", begin_again)
    database.upgrade()
    _, said = second[0].communicate(timeout=30)
    assert second[0].returncode == 0, said
    database.require_ready()
    database.close()


def until_held_up(url):
    """Until a transaction on that database waits for another."""
    engine, pause, end = create_engine(url), Event(), utcnow() + timedelta(seconds=30)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while not connection.scalar(WAITING):
            assert utcnow() < end, "nobody waits"
            pause.wait(0.02)
    engine.dispose()
