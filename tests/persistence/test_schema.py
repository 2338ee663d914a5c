"""The tables and their migrations agree, and a database that is not ready says so in a sentence."""

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text
from sqlmodel import SQLModel

from pathway.errors import StoreError, StoreNotReady
from persistence import models
from persistence.database import MIGRATIONS, Database, DatabaseAway
from persistence.verify import verify
from tests.journeys.people import happened, observed
from tests.persistence.shelf import CARE, counts, many_in_care, rows, tell


@pytest.fixture
def database(blank_url):
    found = Database(blank_url)
    yield found
    found.close()


def test_migrations_make_exactly_the_tables_of_the_models(database):
    database.upgrade()
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, SQLModel.metadata) == []


def test_migrating_twice_is_migrating_once(store):
    tell(store, *CARE)
    before = counts(store)
    store.database.upgrade()
    store.database.require_ready()
    assert counts(store) == before


def test_the_migrations_can_be_undone(database):
    database.upgrade()
    migrate(database, command.downgrade, "base")
    with database.engine.connect() as connection:
        names = inspect(connection).get_table_names()
    assert set(names) <= {"alembic_version"}


def test_what_the_newest_migration_adds_is_filled_from_the_journals(store):
    """As if the patients had been recorded before it."""
    many_in_care(store, 3)
    tell(
        store, *CARE, happened("contact", outcome="reached"), observed("neuro_exam", complete=True, motor_deficit=True)
    )
    migrate(store.database, command.downgrade, "0002")
    store.database.upgrade()
    assert verify(store).line() == "all 4 episodes agree"
    assert len(rows(store, models.Move)) == 4 * 2 + 1
    assert {task.code for task in rows(store, models.Task, rank=0)} == {"K-SURG-ACK"}


def test_every_message_with_an_outcome_says_when_it_got_it(store):
    tell(store, *CARE, observed("neuro_exam", complete=True, motor_deficit=True))
    outbox = models.Reminder.__table__
    sent, *_others = rows(store, models.Reminder)
    with store.database.writing() as connection:
        connection.execute(outbox.update().where(outbox.c.key == sent.key).values(outcome="sent"))
    migrate(store.database, command.downgrade, "0008")
    store.database.upgrade()
    assert {row.key: row.settled_at for row in rows(store, models.Reminder, outcome="sent")} == {
        sent.key: sent.fired_at
    }
    assert {row.settled_at for row in rows(store, models.Reminder, outcome="waiting")} <= {None}


def migrate(database, direction, revision):
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with database.engine.connect() as connection:
        config.attributes["connection"] = connection
        direction(config, revision)
        connection.commit()


def test_a_database_without_a_schema_is_not_ready(database):
    with database.reading():
        pass
    with pytest.raises(StoreNotReady) as refused:
        database.require_ready()
    said = f"The database is not ready for this version; run `pathway init` first: {database.name} is at nothing, "
    assert str(refused.value).startswith(said)


def test_a_database_of_another_version_is_not_ready(database):
    database.upgrade()
    with database.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreNotReady, match="is at 9999, this version needs 0010"):
        database.require_ready()


def test_a_file_that_cannot_be_opened_is_not_ready(tmp_path):
    """SQLite only: PostgreSQL has no file of ours."""
    nowhere = Database(f"sqlite:///{tmp_path / 'missing' / 'pathway.db'}")
    with pytest.raises(StoreNotReady, match="unable to open database file"):
        nowhere.require_ready()
    nowhere.close()


def test_a_file_that_is_not_there_is_not_made_by_asking_for_it(tmp_path):
    """SQLite only: PostgreSQL has no file of ours."""
    missing = Database(f"sqlite:///{tmp_path / 'pathway.db'}")
    with pytest.raises(DatabaseAway, match="is not there; `pathway init` makes a new, empty one"):
        missing.require_ready()
    missing.close()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_database_is_told_so(tmp_path):
    """SQLite only: PostgreSQL has no file of ours."""
    (tmp_path / "pathway.db").write_text("Dear colleague, " * 100)
    found = Database(f"sqlite:///{tmp_path / 'pathway.db'}")
    with pytest.raises(StoreNotReady, match="not a database"):
        found.require_ready()
    found.close()


def test_a_database_that_cannot_be_written_says_that_nothing_was_saved(database):
    with (
        pytest.raises(StoreError, match=r"(no such table|does not exist).*nothing was saved"),
        database.writing() as connection,
    ):
        connection.execute(text("INSERT INTO episode (id) VALUES ('P1-1')"))
